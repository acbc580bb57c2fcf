"""A checkpoint by its name → a model that can be scored, by one of the engines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict, Unpack

from data_mix.errors import ConfigError

if TYPE_CHECKING:
    from data_mix_eval.model import Model
    from data_mix_eval.models.checkpoint import Dtype
    from data_mix_eval.models.hf import HfModel

Engine = Literal["hf", "vllm"]


class Options(TypedDict, total=False):
    """How a checkpoint is opened."""

    dtype: Dtype | None
    """By default float32 on a CPU, and the checkpoint's own on a GPU."""
    device: str | None
    """By default a GPU where there is one."""
    batch_size: int
    """Answers that are computed at once."""
    max_length: int | None
    """Tokens of the context; by default the model's."""
    seed: int
    """Of the draws."""


def open_model(name: str, engine: Engine = "hf", **options: Unpack[Options]) -> Model:
    """The checkpoint of a folder or of the hub. Raises EvalError where it cannot be scored, ConfigError for another engine."""
    if engine == "hf":
        return open_hf(name, **options)
    if engine != "vllm":
        raise ConfigError(f"engine {engine!r} is not known, wanted hf or vllm")
    from data_mix_eval.models.vllm import open_vllm  # noqa: PLC0415  only where it is asked for

    return open_vllm(name, options)


def open_hf(name: str, **options: Unpack[Options]) -> HfModel:
    """The checkpoint by transformers; it can be talked with as well."""
    from data_mix_eval.models.checkpoint import load_checkpoint  # noqa: PLC0415  seconds that `--help` does not need
    from data_mix_eval.models.hf import BATCH_SIZE, HfModel  # noqa: PLC0415  as above

    checkpoint = load_checkpoint(name, dtype=options.get("dtype"), device=options.get("device"))
    size = options.get("batch_size", BATCH_SIZE)
    return HfModel(name, checkpoint, batch_size=size, max_length=options.get("max_length"), seed=options.get("seed", 0))
