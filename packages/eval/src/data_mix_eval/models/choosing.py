"""Which way a model's layers are read: the fast one where the model, tried on a few tokens, gives the same logits by it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

import torch

from data_mix_eval.models.alike import AlikeNetwork
from data_mix_eval.models.network import Network, Row
from data_mix_eval.models.packed import PackedNetwork

if TYPE_CHECKING:
    from torch import Tensor

_STRETCHED: Final = {"dynamic", "longrope"}
"""Rotary positions that depend on the length of the text: the beginning of a longer text is not that of a shorter one."""
_TRIAL: Final = 11
"""Tokens."""
_NEAR: Final = {torch.float32: 1e-4}
_NEAR_HALF: Final = 0.05
"""Difference that rounding explains, beside the largest logit."""


def choose_network(model: Any) -> Network:
    """The fast way where the model can be read so, else the way that suits every model."""
    config = model.config.get_text_config()
    if _sees_all(config) and _takes_masks(model) and _packs_rightly(model):
        return PackedNetwork(model)
    return AlikeNetwork(model, shares=_sees_all(config))


def _sees_all(config: Any) -> bool:
    """Whether each token looks at all before it, and is read alike in longer texts, so that a beginning can be shared."""
    rope = getattr(config, "rope_parameters", None) or {}
    kinds = {getattr(config, "layer_types", None) and tuple(set(config.layer_types))} - {None, ("full_attention",)}
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    return rope.get("rope_type") not in _STRETCHED and not kinds and not window


def _takes_masks(model: Any) -> bool:
    parameters = inspect.signature(model.forward).parameters
    takes_more = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values())
    return takes_more and {"position_ids", "attention_mask", "logits_to_keep"} <= parameters.keys()


def _packs_rightly(model: Any) -> bool:
    """Try it: scored in a branch behind another row, and grown, a text must have the logits that it has alone."""
    ids = _some_ids(model)
    return _is_near(_packed(model, ids), _plain(model, ids))


def _some_ids(model: Any) -> tuple[int, ...]:
    vocabulary = model.config.get_text_config().vocab_size  # weights may be shared out among processes
    return tuple(7919 * (place + 1) % vocabulary for place in range(_TRIAL))


@torch.no_grad()
def _plain(model: Any, ids: tuple[int, ...]) -> Tensor:
    logits: Tensor = model(input_ids=torch.tensor([ids], device=model.device), use_cache=False).logits[0]
    return logits


def _packed(model: Any, ids: tuple[int, ...]) -> Tensor:
    """The last logits, first scored, then grown."""
    network, shared = PackedNetwork(model), ids[:4]
    scored = network.score(shared, [Row(ids[:5]), Row(ids[:6], (ids[:2], ids[6:]))])[1]
    first, growing = network.start(shared, [ids[:6], ids[:5]], [1, 1])
    grown = [growing.step(torch.tensor([token, ids[0]], device=model.device))[0] for token in ids[6:]]
    return torch.cat([scored[:1], scored[3:], torch.stack([first[0], *grown])])


def _is_near(found: Tensor, plain: Tensor) -> bool:
    wanted = plain[5:].repeat(2, 1)
    difference = (found - wanted).abs().max() / wanted.abs().max()
    return bool(difference <= _NEAR.get(wanted.dtype, _NEAR_HALF))
