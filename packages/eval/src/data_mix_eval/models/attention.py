"""Attention where rows begin with the same tokens: the keys of the beginning are stored once and read once for all rows.

It takes the place of a model's own attention by transformers' `AttentionInterface`. Keys of one row may be fewer heads than its
queries (grouped-query attention); they are never copied to match them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import torch
from torch.nn import functional
from transformers import AttentionInterface
from transformers.cache_utils import DynamicLayer

if TYPE_CHECKING:
    from torch import Tensor

NAME: Final = "data_mix_eval"

_GROWTH: Final = 64
"""Tokens by which a row's room grows."""

Layers = list[tuple["Tensor", "Tensor"]]
"""Keys and values of each layer: (1, heads, tokens, size)."""


class GrowingLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """Keys and values of rows that grow: what is there is not copied when a token comes.

    `keys` and `values` hold rows of equal width, filled up on the left.
    """

    keys: Tensor
    values: Tensor

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.keys, self.values, self.width, self.is_initialized = keys, values, keys.shape[-2], True
        self.dtype, self.device = keys.dtype, keys.device

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Append one token to each row."""
        if self.width == self.keys.shape[-2]:
            self.keys, self.values = _with_room(self.keys), _with_room(self.values)
        place = slice(self.width, self.width + 1)
        self.keys[:, :, place], self.values[:, :, place] = key_states, value_states
        self.width += 1
        return self.keys[:, :, : self.width], self.values[:, :, : self.width]

    def get_seq_length(self) -> int:
        """Tokens of a row, filling included."""
        return int(self.width)


def _with_room(states: Tensor) -> Tensor:
    return functional.pad(states, (0, 0, 0, _GROWTH))


def attend(  # noqa: PLR0913  as transformers calls it
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float | None = None,
    shared_layers: Layers | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention as transformers asks for it; `shared_layers` are the beginning of growing rows, apart from their own keys."""
    if shared_layers is None:
        return _attend_packed(query, key, value, attention_mask, scaling), None
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    return _attend_growing(query * scale, (key, value), shared_layers[module.layer_idx], attention_mask), None  # type: ignore[index]


def _attend_packed(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scaling: float | None) -> Tensor:
    """Of one row: heads that share keys are made a batch, so that neither keys nor mask are copied."""
    _, heads, tokens, size = query.shape
    groups = key.shape[1]
    output = functional.scaled_dot_product_attention(
        query.view(groups, heads // groups, tokens, size),
        key.transpose(0, 1).expand(-1, heads // groups, -1, -1),
        value.transpose(0, 1).expand(-1, heads // groups, -1, -1),
        attn_mask=mask,
        is_causal=mask is None and tokens > 1,
        scale=scaling,
    )
    return output.reshape(1, heads, tokens, -1).transpose(1, 2)


def _attend_growing(query: Tensor, own: tuple[Tensor, Tensor], shared: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
    """Of rows of one query each: one product with the shared keys for all rows, one with each row's own, one softmax."""
    (own_keys, own_values), (shared_keys, shared_values) = own, (states[0] for states in shared)
    rows, heads, _, size = query.shape
    groups, length = own_keys.shape[1], shared_keys.shape[-2]
    query = query.reshape(rows, groups, heads // groups, size)
    own_scores = query @ own_keys.transpose(-1, -2)
    if mask is not None:
        own_scores = own_scores + mask
    shared_scores = _by_row(_by_group(query) @ shared_keys.transpose(-1, -2), rows)
    weights = torch.cat([shared_scores, own_scores], -1).softmax(-1, dtype=torch.float32).to(query.dtype)
    output = weights[..., length:] @ own_values
    output = output + _by_row(_by_group(weights[..., :length]) @ shared_values, rows)
    return output.reshape(rows, 1, heads, -1)


def _by_group(states: Tensor) -> Tensor:
    """(rows, groups, heads of a group, size) → (groups, all heads of all rows, size)."""
    return states.transpose(0, 1).flatten(1, 2)


def _by_row(states: Tensor, rows: int) -> Tensor:
    """The way back."""
    groups, together, size = states.shape
    return states.view(groups, rows, together // rows, size).transpose(0, 1)


AttentionInterface.register(NAME, attend)


@contextmanager
def attending(model: Any) -> Iterator[None]:
    """Let this be the model's attention for a while; who else uses the model must not meet it."""
    own = model.config._attn_implementation
    model.config._attn_implementation = NAME
    try:
        yield
    finally:
        model.config._attn_implementation = own
