"""The settings of scoring: every key with its type, its default and what it means.

    my-model:
      eval_tasks: [mmlu, bbh]
      eval_protocol: card

Sections are shared with training, so that every key begins with `eval_`.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from data_mix_eval.question import ProtocolName

DEFAULT_TASKS: Final = ("mmlu", "bbh", "humaneval")
"""The benchmarks that are scored where none is named: those of the reference model card."""


class EvalSettings(BaseModel):
    """The keys of scoring."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    eval_tasks: tuple[str, ...] = Field(
        default=(), description="The benchmarks to score; none: mmlu, bbh and humaneval, in training none."
    )
    eval_protocol: ProtocolName = Field(
        default="standard",
        description="How they are asked and judged: as the references do, as the model card did, or as a chat.",
    )
    eval_engine: Literal["hf", "vllm", "lm-eval"] = Field(
        default="hf", description="What computes: transformers, vLLM, or lm-eval with its own tasks and their names."
    )
    eval_dtype: Literal["auto", "fp32", "float32", "fp16", "float16", "bf16", "bfloat16"] = Field(
        default="auto", description="The number format of weights; auto: fp32 on a processor, the checkpoint's own on a GPU."
    )
    eval_max_length: int | None = Field(default=None, gt=0, description="The tokens of the context; null: the model's own.")
    eval_batch_size: int | None = Field(
        default=None, gt=0, description="Answers that are computed at once; null: as the engine has it."
    )
    eval_seed: int = Field(default=0, ge=0, description="The seed of answers that are drawn.")
    eval_completions: int | None = Field(
        default=None, gt=0, description="Completions of each problem of humaneval; null: as the protocol has it."
    )
    eval_temperature: float | None = Field(
        default=None, ge=0, description="How freely their tokens are drawn; null: as the protocol has it."
    )
    eval_top_p: float | None = Field(
        default=None, gt=0, le=1, description="The share of likely tokens that are drawn from; null: as the protocol has it."
    )
    eval_limit: int | None = Field(
        default=None, gt=0, description="Questions of each subject, drawn by hash of the id; null: all."
    )
    eval_subset: float | None = Field(
        default=None, gt=0, le=1, description="The share of all questions, drawn by hash of the id; null: all."
    )
    eval_benchmark_path: str | None = Field(
        default=None, description="A folder with the benchmarks' files; null: they are fetched, once."
    )
