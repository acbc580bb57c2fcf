"""The settings of training: every key with its type, its default and what it means.

    redpajama-3b:
      learning_rate: 1e-5
      max_length: 8196

The names are those of Open-Assistant's `trainer_sft.py`, and so are the defaults.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from data_mix.config import OWN_FOLDER
from data_mix.errors import ConfigError

_STRICT: Final = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
_PACKAGED: Final = Path(__file__).parent / "configs"


class RopeScaling(BaseModel):
    """Stretching rotary positions past the base model's context."""

    model_config = _STRICT

    type: Literal["linear", "dynamic", "yarn"] = Field(default="linear", description="How positions are stretched.")
    factor: float = Field(default=2.0, gt=1, description="How many times the base model's context the new one is.")


class LoraSettings(BaseModel):
    """Low-rank adapters in place of training every weight."""

    model_config = _STRICT

    r: int = Field(default=16, gt=0, description="The rank of the adapters.")
    alpha: int = Field(default=32, gt=0, description="The adapters' output is scaled by alpha / r.")
    dropout: float = Field(default=0.05, ge=0, lt=1, description="The share of the adapters' inputs that is dropped.")
    target_modules: tuple[str, ...] = Field(default=(), description="The modules that get adapters; none: all linear ones.")


class TrainSettings(BaseModel):
    """The keys of training."""

    model_config = _STRICT

    model_name: str | None = Field(default=None, description="The base model: a name on the hub or a folder.")
    tokenizer_name: str | None = Field(default=None, description="The tokenizer; where none is given, the base model's.")
    data_path: str | None = Field(default=None, description="The build folder; where none is given, $DATAMIX_HOME/builds/NAME.")
    output_dir: str = Field(default="saved_model", description="The folder of checkpoints and of the trained model.")
    log_dir: str = Field(default="base", description="The folder of metrics, below output_dir.")
    dtype: Literal["fp16", "float16", "bf16", "bfloat16", "fp32", "float32"] = Field(
        default="fp16", description="The number format of weights and activations."
    )
    max_length: int = Field(default=512, gt=0, description="The tokens of a packed row.")
    packing_policy: Literal["truncate", "drop", "split"] = Field(
        default="truncate", description="What becomes of conversations over max_length: truncate, drop or split."
    )
    pad_vocab_size_to_multiple_of: int = Field(
        default=16, gt=0, description="Where the vocabulary grows, it grows to a multiple of this."
    )
    rope_scaling: RopeScaling | None = Field(default=None, description="Stretching of positions past the base model's context.")
    attn_implementation: Literal["auto", "flash_attention_2", "sdpa", "eager"] = Field(
        default="auto", description="The attention code; auto takes flash attention where it is installed."
    )

    learning_rate: float = Field(default=1e-5, gt=0, description="The highest learning rate.")
    lr_scheduler_type: Literal["linear", "cosine", "constant", "constant_with_warmup"] = Field(
        default="linear", description="How the learning rate falls after the warm-up."
    )
    warmup_steps: int = Field(default=600, ge=0, description="The steps over which the learning rate rises.")
    weight_decay: float = Field(default=0.0, ge=0, description="AdamW's weight decay.")
    adam_beta1: float = Field(default=0.9, ge=0, lt=1, description="AdamW's decay of the mean of gradients.")
    adam_beta2: float = Field(default=0.95, ge=0, lt=1, description="AdamW's decay of the mean of squared gradients.")
    adam_epsilon: float = Field(default=1e-12, gt=0, description="What AdamW adds to a divisor.")
    max_grad_norm: float = Field(default=2.0, gt=0, description="Gradients are scaled down to this norm.")

    num_train_epochs: float = Field(default=3.0, gt=0, description="How often the mix is seen.")
    max_steps: int | None = Field(
        default=None, gt=0, description="The optimizer steps to take, whatever num_train_epochs says."
    )
    per_device_train_batch_size: int = Field(default=2, gt=0, description="Packed rows per process and forward pass.")
    per_device_eval_batch_size: int = Field(default=2, gt=0, description="Packed rows per process and evaluation pass.")
    gradient_accumulation_steps: int = Field(default=32, gt=0, description="Forward passes per optimizer step.")
    gradient_checkpointing: bool = Field(default=False, description="Compute activations again in place of keeping them.")
    freeze_layer: int | None = Field(default=None, gt=0, description="How many of the lowest layers stay as they are.")
    lora: LoraSettings | None = Field(default=None, description="Low-rank adapters in place of training every weight.")
    seed: int = Field(default=0, ge=0, description="The seed of the order of rows, of new weights and of dropout.")

    resume_from_checkpoint: bool = Field(
        default=False, description="Go on from the last whole checkpoint in output_dir, where there is one."
    )
    eval_answers: int = Field(default=4, ge=0, description="Answers that are generated and kept at each evaluation.")
    eval_steps: int = Field(default=200, gt=0, description="The steps from one evaluation to the next.")
    save_steps: int = Field(default=1000, gt=0, description="The steps from one checkpoint to the next.")
    save_total_limit: int | None = Field(default=4, gt=0, description="How many checkpoints are kept; null: all.")
    metric_for_best_model: str | None = Field(default=None, description="The metric by which the best checkpoint is kept.")
    greater_is_better: bool = Field(default=False, description="Whether a higher metric_for_best_model is the better one.")
    report_to: tuple[Literal["tensorboard", "wandb"], ...] = Field(
        default=(), description="Where metrics go beside metrics.jsonl."
    )
    deepspeed_config: str = Field(
        default="configs/zero3_config_sft.json", description="What --deepspeed takes: a packaged file, else one of your own."
    )


def deepspeed_file(name: str) -> Path:
    """The DeepSpeed file of this name: a packaged one, with or without `configs/` before it, else a path.

    Raises ConfigError with the packaged names where there is neither.
    """
    packaged = {file.name: file for file in sorted(_PACKAGED.glob("*.json"))}
    plain = name.removeprefix(f"{OWN_FOLDER}/")
    found = packaged.get(plain, Path(name).expanduser())
    if not found.is_file():
        raise ConfigError(f"deepspeed_config: found no file {name!r}, wanted a path or one of {', '.join(packaged)}")
    return found
