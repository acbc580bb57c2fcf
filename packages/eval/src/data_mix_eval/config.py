"""The settings of scoring: every key with its type, its default and what it means.

my-model:
  eval_tasks: [mmlu, bbh]
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class EvalSettings(BaseModel):
    """The keys of scoring."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    eval_tasks: tuple[Literal["mmlu", "bbh", "humaneval"], ...] = Field(default=(), description="The benchmarks to score.")
    eval_protocol: Literal["standard", "card", "chat"] = Field(
        default="standard",
        description="How they are asked and judged: as the references do, as the model card did, or as a chat.",
    )
