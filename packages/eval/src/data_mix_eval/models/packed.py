"""The fast way to read rows: one after the other in a single row, under a mask that keeps them apart.

There is no padding, and the tokens that all rows begin with are computed once and looked at by all. It needs a model that takes
positions and a mask of one's own and lets its attention be replaced; `choosing.py` tries whether it does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from transformers.cache_utils import Cache, DynamicCache

from data_mix_eval.models.attention import GrowingLayer, Layers, attending
from data_mix_eval.models.network import Growing, Ids, Row, common_length

if TYPE_CHECKING:
    from torch import Tensor

PACK: Final = 384
"""Tokens that are read at once. More would have a token look at more that is masked from it."""


class PackedNetwork:
    """Layers that read packs. Those of the last `shared` are kept."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._shared: tuple[Ids, Layers] = ((), [])

    @torch.no_grad()
    def score(self, shared: Ids, rows: Sequence[Row]) -> list[Tensor]:
        """See `Network`."""
        layers, start = self._beginning(shared, [row.ids for row in rows])
        return [logits for pack in _cut(rows, start) for logits in self._read(pack, layers, start)[0]]

    @torch.no_grad()
    def start(self, shared: Ids, rows: Sequence[Ids], copies: Sequence[int]) -> tuple[Tensor, Growing]:
        """See `Network`."""
        layers, start = self._beginning(shared, rows)
        logits, own = [], []
        for pack in _cut([Row(ids) for ids in rows], start):
            read, states = self._read(pack, layers, start)
            logits += read
            own += states
        times = torch.tensor(list(copies), device=self._model.device)
        places = torch.arange(len(rows), device=self._model.device).repeat_interleave(times)
        ends = torch.tensor([len(ids) for ids in rows], device=self._model.device)[places]
        return torch.cat(logits)[places], _PackedGrowing(self._model, layers, _side_by_side(own, places), ends, start)

    def _beginning(self, shared: Ids, rows: Sequence[Ids]) -> tuple[Layers, int]:
        """The layers of what all rows begin with, and its length. They are the same bit by bit whatever the rows are."""
        if shared != self._shared[0]:
            self._shared = (shared, self._extend([], shared))
        length = common_length(shared, rows)
        return [(keys[:, :, :length], values[:, :, :length]) for keys, values in self._shared[1]] if length else [], length

    def _extend(self, layers: Layers, ids: Ids) -> Layers:
        """The layers with these tokens after them."""
        start = layers[0][0].shape[-2] if layers else 0
        for place in range(0, len(ids), PACK):
            _, layers = self._forward(_Pack.of([Row(ids[place : place + PACK])], 0), layers, start + place)
        return layers

    def _read(self, rows: Sequence[Row], layers: Layers, start: int) -> tuple[list[Tensor], list[Layers]]:
        """Of each row of a pack its logits, and its own keys and values."""
        done = start
        if len(rows) == 1 and len(rows[0].ids) - start > PACK:
            done = len(rows[0].ids) - 1
            layers = self._extend(layers, rows[0].ids[start:done])
        pack = _Pack.of(rows, done)
        logits, states = self._forward(pack, layers, done)
        return list(torch.split(logits, pack.counts)), [_slice(states, start + first, done + end) for first, end in pack.spans]

    def _forward(self, pack: _Pack, layers: Layers, start: int) -> tuple[Tensor, Layers]:
        device = self._model.device
        with attending(self._model):
            output = self._model(
                input_ids=torch.tensor([pack.ids], device=device),
                position_ids=torch.tensor([pack.positions], device=device) + start,
                attention_mask=pack.mask(start, self._model.dtype, device),
                past_key_values=_cache(layers),
                use_cache=True,
                logits_to_keep=torch.tensor(pack.wanted, device=device),
            )
        return output.logits[0], [(layer.keys, layer.values) for layer in output.past_key_values.layers]


@dataclass(frozen=True, kw_only=True)
class _Pack:
    """Rows one after the other, the branches of each behind it; positions count from the end of what is there already."""

    ids: list[int]
    positions: list[int]
    owners: list[int]
    """The segment (a row or a branch) of each token."""
    parents: list[int]
    """Of each segment the one that it goes on from; itself where it is a row."""
    wanted: list[int]
    """Places whose logits are read."""
    counts: list[int]
    """Of each row how many of them."""
    spans: list[tuple[int, int]]
    """Where each row stands, without its branches."""

    @classmethod
    def of(cls, rows: Sequence[Row], start: int) -> _Pack:
        """Rows whose first `start` tokens are there already."""
        pack = cls(ids=[], positions=[], owners=[], parents=[], wanted=[], counts=[], spans=[])
        for row in rows:
            pack._add(row, start)
        return pack

    def _add(self, row: Row, start: int) -> None:
        root, before = len(self.parents), len(self.wanted)
        self.spans.append((len(self.ids), len(self.ids) + len(row.ids) - start))
        self._add_segment(row.ids[start:], 0, root)
        self.wanted.append(len(self.ids) - 1)
        for branch in row.branches:
            self.wanted.extend(range(len(self.ids), len(self.ids) + len(branch)))
            self._add_segment(branch, len(row.ids) - start, root)
        self.counts.append(len(self.wanted) - before)

    def _add_segment(self, ids: Ids, position: int, parent: int) -> None:
        self.ids.extend(ids)
        self.positions.extend(range(position, position + len(ids)))
        self.owners.extend([len(self.parents)] * len(ids))
        self.parents.append(parent)

    def mask(self, start: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        """What each token does not look at: (1, 1, tokens, start + tokens), to be added to scores."""
        owners = torch.tensor(self.owners, device=device)
        parents = torch.tensor(self.parents, device=device)[owners]
        own = (owners[:, None] == owners).tril() | ((parents != owners)[:, None] & (parents[:, None] == owners))
        mask = torch.zeros(len(owners), start + len(owners), dtype=dtype, device=device)
        mask[:, start:].masked_fill_(~own, torch.finfo(dtype).min)
        return mask[None, None]


def _cut(rows: Sequence[Row], start: int) -> Iterator[list[Row]]:
    """Rows in packs of at most `PACK` tokens; a longer row is a pack of its own."""
    pack: list[Row] = []
    size = 0
    for row in rows:
        length = len(row) - start
        if pack and size + length > PACK:
            yield pack
            pack, size = [], 0
        pack.append(row)
        size += length
    if pack:
        yield pack


def _cache(layers: Layers) -> DynamicCache:
    cache = DynamicCache()
    for place, (keys, values) in enumerate(layers):
        cache.update(keys, values, place)
    return cache


def _slice(layers: Layers, first: int, end: int) -> Layers:
    return [(keys[:, :, first:end], values[:, :, first:end]) for keys, values in layers]


def _side_by_side(own: Sequence[Layers], places: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Keys and values of rows of unequal length as one block of each layer, filled on the left; row i is `own[places[i]]`."""
    return [tuple(_block([layers[layer][side] for layers in own], places) for side in (0, 1)) for layer in range(len(own[0]))]  # type: ignore[misc]


def _block(states: Sequence[Tensor], places: Tensor) -> Tensor:
    width = max(each.shape[-2] for each in states)
    block = states[0].new_zeros(len(states), states[0].shape[1], width, states[0].shape[-1])
    for row, each in zip(block, states, strict=True):
        row[:, width - each.shape[-2] :] = each[0]
    return block[places]


class _PackedGrowing:
    """Rows that grow: the beginning once for all, of each row its own tokens."""

    def __init__(self, model: Any, layers: Layers, own: list[tuple[Tensor, Tensor]], ends: Tensor, start: int) -> None:
        self._model, self._ends = model, ends
        self._layers = layers or [(keys[:1, :, :0], values[:1, :, :0]) for keys, values in own]
        self._cache = Cache(layers=[GrowingLayer(keys, values) for keys, values in own])
        width = own[0][0].shape[-2]
        is_filling = torch.arange(width, device=ends.device) < (width - (ends - start))[:, None]
        self._mask = torch.zeros(is_filling.shape, dtype=model.dtype, device=ends.device)
        self._mask.masked_fill_(is_filling, torch.finfo(model.dtype).min)

    @torch.no_grad()
    def step(self, tokens: Tensor) -> Tensor:
        """See `Growing`."""
        self._mask = torch.cat([self._mask, self._mask.new_zeros(len(self._mask), 1)], 1)
        with attending(self._model):
            output = self._model(
                input_ids=tokens[:, None],
                position_ids=self._ends[:, None],
                attention_mask=self._mask[:, None, None],
                past_key_values=self._cache,
                use_cache=True,
                shared_layers=self._layers,
            )
        self._ends = self._ends + 1
        logits: Tensor = output.logits[:, -1]
        return logits

    @torch.no_grad()
    def keep(self, rows: Sequence[int]) -> None:
        """See `Growing`."""
        chosen = torch.tensor(list(rows), device=self._ends.device)
        self._cache.batch_select_indices(chosen)
        self._ends, self._mask = self._ends[chosen], self._mask[chosen]
