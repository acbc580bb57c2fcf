"""The model that training starts from: the base, its context stretched, its vocabulary widened, its lowest layers frozen.

Weights may be whole, or parted among the processes as they are loaded (ZeRO-3); then every process makes the same calls.
"""

from __future__ import annotations

import importlib.util
import inspect
import logging
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn
from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

from data_mix.errors import ConfigError
from data_mix.tokens import ControlTokens
from data_mix_trainer.config import RopeScaling, TrainSettings
from data_mix_trainer.model_folder import read_config, read_model

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

logger = logging.getLogger(__name__)

_DEAF: Final = frozenset({"falcon", "opt", "xglm"})
"""Types of models that take positions, but let the conversations of a row see each other all the same (transformers 5.23)."""
_CONTEXT_IS_READ: Final = ("dynamic", "longrope")
"""Rotary positions that are computed from config.max_position_embeddings, which must stay what the base was trained with."""
_SUPPORT: Final = {"flash_attention_2": "_supports_flash_attn", "sdpa": "_supports_sdpa"}
"""What a class of transformers says of the attention code that it has."""


def load_model(settings: TrainSettings, tokens: ControlTokens, *, dtype: torch.dtype) -> PreTrainedModel:
    """The base model with rows for these tokens.

    Raises ConfigError where it is no model, does not belong to the tokenizer or cannot be what the settings ask for; FetchError
    where the hub does not give it.
    """
    if settings.model_name is None:
        raise ConfigError("model_name: found none; name a folder or a model of the hub, or a section that does (--configs)")
    config = read_config(settings.model_name)
    fit_context(config, settings)
    model = read_model(settings.model_name, config, dtype=dtype, attention=attention(settings, config, dtype))
    model.config.use_cache = False
    widen_vocabulary(model, tokens, multiple=settings.pad_vocab_size_to_multiple_of)
    freeze(model, settings, has_new_tokens=bool(tokens.added))
    return model


def takes_positions(name: str) -> bool:
    """Whether a model is told the positions of its tokens, by which conversations of one row can be kept apart.

    Errors as of `load_model`.
    """
    config = read_config(name)
    made: Any = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    is_told = made is None or "position_ids" in inspect.signature(made.forward).parameters
    return is_told and config.model_type not in _DEAF


def attention(settings: TrainSettings, config: PreTrainedConfig, dtype: torch.dtype) -> str | None:
    """The attention code; None leaves it to transformers: sdpa, or eager for a model that lacks it.

    Raises ConfigError where the one that is asked for cannot be had.
    """
    wanted = settings.attn_implementation
    if wanted == "auto":
        return None if _obstacle("flash_attention_2", config, dtype) else "flash_attention_2"
    if obstacle := _obstacle(wanted, config, dtype):
        raise ConfigError(f"attn_implementation: found {wanted}, but {obstacle}; use auto")
    return wanted


def _obstacle(code: str, config: PreTrainedConfig, dtype: torch.dtype) -> str | None:
    """Why this attention code cannot be had; None where it can."""
    kind = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    if code in _SUPPORT and not getattr(kind, _SUPPORT[code], False):
        return f"{config.model_type} has none in transformers"
    if code != "flash_attention_2":
        return None
    if importlib.util.find_spec("flash_attn") is None:
        return "the package flash_attn is not installed"
    if not torch.cuda.is_available():
        return "there is no GPU"
    return None if dtype in {torch.float16, torch.bfloat16} else f"it computes in fp16 and bf16, not in {dtype}"


def fit_context(config: PreTrainedConfig, settings: TrainSettings) -> None:
    """Make the model's context hold `max_length` tokens, by `rope_scaling` where it is asked for.

    Raises ConfigError for `rope_scaling` without rotary positions, and for a row that is longer than the learned positions.
    """
    text = config.get_text_config()
    has_alibi = getattr(text, "alibi", False)  # biases by distance, whatever else the configuration holds
    rotary: dict[str, Any] = {} if has_alibi else getattr(text, "rope_parameters", None) or {}
    context = None if has_alibi else getattr(text, "max_position_embeddings", None)
    if settings.rope_scaling:
        if "rope_type" not in rotary or context is None:
            raise ConfigError(f"rope_scaling: {config.model_type} has no rotary positions, alike in all layers; leave it out")
        context = _stretch(text, settings.rope_scaling, context)
    if context is not None and settings.max_length > context:
        _overrun(text, settings, context, is_rotary=bool(rotary))


def _stretch(text: PreTrainedConfig, scaling: RopeScaling, context: int) -> int:
    """Set the scaling of rotary positions; return the context that it reaches."""
    found = text.rope_parameters["rope_type"]
    if found != "default":
        raise ConfigError(
            f"rope_scaling: the base's positions are scaled already ({found}); leave it out, or name another base"
        )
    reached = math.floor(context * scaling.factor)
    text.rope_parameters = text.rope_parameters | {"rope_type": scaling.type, "factor": scaling.factor}
    if scaling.type == "yarn":
        text.rope_parameters["original_max_position_embeddings"] = context
    if scaling.type not in _CONTEXT_IS_READ:
        text.max_position_embeddings = reached
    return reached


def _overrun(text: PreTrainedConfig, settings: TrainSettings, context: int, *, is_rotary: bool) -> None:
    if not is_rotary:
        raise ConfigError(
            f"max_length: found {settings.max_length}, but {settings.model_name} has learned positions for {context} tokens; "
            f"use --max_length {context}, or another base"
        )
    factor = settings.max_length / context * (settings.rope_scaling.factor if settings.rope_scaling else 1)
    logger.warning(
        "max_length is %d, the context of %s is %d: it has never seen the positions beyond; consider --rope_scaling.factor %g",
        settings.max_length,
        settings.model_name,
        context,
        math.ceil(factor * 100) / 100,
    )
    if text.rope_parameters.get("rope_type") not in _CONTEXT_IS_READ:
        text.max_position_embeddings = settings.max_length


def widen_vocabulary(model: PreTrainedModel, tokens: ControlTokens, *, multiple: int) -> None:
    """Give the model a row for every token, never fewer than it has; the new tokens' rows are the mean of the known ones'.

    Raises ConfigError where it has fewer rows than that.
    """
    embedding: Any = model.get_input_embeddings()
    embedding.padding_idx = None  # else the row would get no gradient, and where padding is the eos, that is the eos's
    rows = _rows(embedding.weight)
    if rows < tokens.known:
        raise ConfigError(
            f"{model.name_or_path}: has {rows} rows of embeddings, the tokenizer {tokens.known} tokens, so they are not of one "
            "model; tokenize with the model's own tokenizer, and name it as tokenizer_name"
        )
    wanted = rows if tokens.vocabulary <= rows else math.ceil(tokens.vocabulary / multiple) * multiple
    if wanted > rows:
        model.resize_token_embeddings(wanted, mean_resizing=False)
    new = sorted({*(tokens.ids[token] for token in tokens.added), *range(rows, wanted)})
    for parameter in _token_parameters(model):
        _fill_with_mean(parameter, new, tokens.known)


def _rows(weight: nn.Parameter) -> int:
    return int(getattr(weight, "ds_shape", weight.shape)[0])  # a parted weight is empty, and DeepSpeed notes its shape


def _token_parameters(model: PreTrainedModel) -> list[nn.Parameter]:
    """What has a row per token: the embeddings, and the head with its bias, where it is not the embeddings again."""
    embedding: Any = model.get_input_embeddings()
    head: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    found = [embedding.weight, head.weight, getattr(head, "bias", None)]
    return list({id(parameter): parameter for parameter in found if parameter is not None}.values())


def _fill_with_mean(parameter: nn.Parameter, rows: Sequence[int], known: int) -> None:
    if rows:
        with _whole(parameter), torch.no_grad():
            parameter[list(rows)] = parameter[:known].mean(dim=0, dtype=torch.float32).to(parameter.dtype)


def _whole(parameter: nn.Parameter) -> AbstractContextManager[None]:
    """The parameter gathered from all processes, and given back to them as the first one leaves it."""
    if not is_deepspeed_zero3_enabled():  # type: ignore[no-untyped-call]
        return nullcontext()
    from deepspeed.runtime.zero import GatheredParameters  # noqa: PLC0415  only where DeepSpeed is used

    gathered: AbstractContextManager[None] = GatheredParameters([parameter], modifier_rank=0)
    return gathered


def freeze(model: PreTrainedModel, settings: TrainSettings, *, has_new_tokens: bool) -> None:
    """Leave the `freeze_layer` lowest layers as they are, and the embeddings where no token is new.

    A head that is tied to the embeddings goes with them. Raises ConfigError where no layer would be left to train, or with
    `lora`, which leaves them all as they are.
    """
    if settings.freeze_layer is None:
        return
    if settings.lora:
        raise ConfigError("freeze_layer: with lora every layer stays as it is already; leave one of the two out")
    layers = _layers(model)
    if settings.freeze_layer >= len(layers):
        raise ConfigError(
            f"freeze_layer: found {settings.freeze_layer}, {settings.model_name} has {len(layers)} layers; freeze fewer"
        )
    frozen = [*layers[: settings.freeze_layer], *([] if has_new_tokens else [model.get_input_embeddings()])]
    for module in frozen:
        module.requires_grad_(False)


def _layers(model: PreTrainedModel) -> nn.ModuleList:
    count = model.config.get_text_config().num_hidden_layers
    return next(part for part in model.modules() if isinstance(part, nn.ModuleList) and len(part) == count)
