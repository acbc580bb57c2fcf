"""Low-rank adapters (https://arxiv.org/abs/2106.09685) in place of training every weight, by peft."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers.pytorch_utils import Conv1D

from data_mix.errors import ConfigError
from data_mix_trainer.config import LoraSettings

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

_EVERY_LINEAR: Final = "all-linear"
"""By which peft means every linear module but the head."""


def add_lora(model: PreTrainedModel, settings: LoraSettings, has_new_tokens: bool) -> PeftModel:
    """The model with adapters to train in place of its weights; embeddings and head are trained whole where tokens are new.

    Raises ConfigError where the model has no module of a name in `target_modules`.
    """
    _refuse_unknown(model, settings)
    whole = _embeddings(model) if has_new_tokens else None
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.r,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=list(settings.target_modules) or _EVERY_LINEAR,
        modules_to_save=whole and [*whole],
        ensure_weight_tying=has_new_tokens and _is_tied(model),
        fan_in_fan_out=any(isinstance(part, Conv1D) for part in model.modules()),  # GPT-2's weights lie the other way round
    )
    # Adapters are of the model's number format: DeepSpeed refuses a model of two, and keeps float32 copies by itself.
    with without_deprecations():
        adapted = get_peft_model(model, config, autocast_adapter_dtype=False)
    # Of two that are tied peft has taken one off the list, and would not find the other again by most models' names for it.
    config.modules_to_save = whole
    # Recomputed activations get no gradient where nothing before them has one, and the embeddings are frozen.
    model.enable_input_require_grads()  # type: ignore[no-untyped-call]
    return adapted


@contextmanager
def without_deprecations() -> Iterator[None]:
    """Keep quiet that peft calls what transformers will take away; nobody but peft can mend it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        yield


def save_adapter(model: PeftModel, folder: Path, weights: Mapping[str, Tensor] | None = None) -> None:
    """Write the adapters with what it takes to merge them: the configurations of the model that was trained.

    `weights` are the model's where they are parted among processes.
    """
    trained: Any = model.get_base_model()
    model.save_pretrained(str(folder), state_dict=weights, save_embedding_layers=False)
    trained.config.save_pretrained(folder)
    trained.generation_config.save_pretrained(folder)


def _refuse_unknown(model: PreTrainedModel, settings: LoraSettings) -> None:
    names = [f".{name}" for name, _ in model.named_modules()]
    unknown = [target for target in settings.target_modules if not any(name.endswith(f".{target}") for name in names)]
    if unknown:
        raise ConfigError(
            f"lora.target_modules: found {unknown[0]!r}, wanted names of modules of {model.name_or_path}: "
            f"{', '.join(_linear_names(model))}; or leave it out for all of these"
        )


def _linear_names(model: PreTrainedModel) -> list[str]:
    """The last parts of the names of the linear modules but the head."""
    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    linear = [name for name, part in model.named_modules() if isinstance(part, nn.Linear | Conv1D) and part is not head]
    return sorted({name.rpartition(".")[2] for name in linear})


def _embeddings(model: PreTrainedModel) -> list[str]:
    """The names of the embeddings and of the head."""
    wanted = {id(model.get_input_embeddings()), id(model.get_output_embeddings())}  # type: ignore[no-untyped-call]
    return [name for name, part in model.named_modules() if id(part) in wanted]


def _is_tied(model: PreTrainedModel) -> bool:
    embedding: Any = model.get_input_embeddings()
    head: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    return embedding.weight is head.weight
