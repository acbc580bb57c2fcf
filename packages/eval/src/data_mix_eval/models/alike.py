"""The way to read rows that suits every model: rows of equal length at once, without padding, mask or positions of one's own.

Bloom, whose attention looks at distances in the mask, models with a sliding window, and models whose positions depend on the
length of the text are read so.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer

from data_mix.errors import EvalError
from data_mix_eval.models.network import Growing, Ids, Row, common_length

if TYPE_CHECKING:
    from torch import Tensor


class AlikeNetwork:
    """Layers that read rows of equal length. Those of the last `shared` are kept, unless `shares` is false."""

    def __init__(self, model: Any, *, shares: bool) -> None:
        self._model, self._shares = model, shares
        self._shared: tuple[Ids, Any] = ((), None)

    @torch.no_grad()
    def score(self, shared: Ids, rows: Sequence[Row]) -> list[Tensor]:
        """See `Network`."""
        cache, start = self._beginning(shared, [row.ids for row in rows])
        parts = [(row, branch) for row in rows for branch in row.branches or ((),)]
        texts = [row.ids + branch for row, branch in parts]
        found: dict[int, Tensor] = {}
        for group in _of_equal_length(texts):
            keep = 1 + max(len(parts[place][1]) for place in group)
            logits = self._forward([texts[place][start:] for place in group], _copied(cache, len(group)), keep).logits
            found |= zip(group, logits, strict=True)
        return _by_row([found[place][-1 - len(branch) :] for place, (_, branch) in enumerate(parts)], rows)

    @torch.no_grad()
    def start(self, shared: Ids, rows: Sequence[Ids], copies: Sequence[int]) -> tuple[Tensor, Growing]:
        """See `Network`."""
        cache, start = self._beginning(shared, rows)
        places = [place for place, count in enumerate(copies) for _ in range(count)]
        first: dict[int, Tensor] = {}
        groups = []
        for group in _of_equal_length(rows):
            output = self._forward([rows[place][start:] for place in group], _copied(cache, len(group)), 1)
            first |= {place: output.logits[row, -1] for row, place in enumerate(group)}
            members = [number for number, place in enumerate(places) if place in group]
            groups.append(_Group(members, _kept(output, [group.index(places[number]) for number in members])))
        return torch.stack([first[place] for place in places]), _AlikeGrowing(self._model, groups)

    def _beginning(self, shared: Ids, rows: Sequence[Ids]) -> tuple[DynamicCache | None, int]:
        """The cache of what all rows begin with, and its length; None where nothing is shared."""
        if not self._shares or not shared:
            return None, 0
        if shared != self._shared[0]:
            self._shared = (shared, self._forward([shared], None, 1).past_key_values)
        whole = self._shared[1]
        if type(whole) is not DynamicCache or any(type(layer) is not DynamicLayer for layer in whole.layers):
            return None, 0
        length = common_length(shared, rows)
        cropped = copy.deepcopy(whole)
        cropped.crop(length - len(shared))
        return (cropped, length) if length else (None, 0)

    def _forward(self, rows: Sequence[Ids], cache: DynamicCache | None, keep: int) -> Any:
        ids = torch.tensor(rows, device=self._model.device)
        return self._model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=keep)


def _of_equal_length(rows: Sequence[Ids]) -> list[list[int]]:
    """Places of rows by their length."""
    groups: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        groups.setdefault(len(row), []).append(place)
    return list(groups.values())


def _copied(cache: DynamicCache | None, times: int) -> DynamicCache | None:
    if cache is None:
        return None
    copied = copy.copy(cache)
    copied.layers = [copy.copy(layer) for layer in cache.layers]
    copied.batch_repeat_interleave(times)
    return copied


def _by_row(found: Sequence[Tensor], rows: Sequence[Row]) -> list[Tensor]:
    """The logits of each row: after itself once, then after its branches."""
    rest = iter(found)
    of_rows = [[next(rest) for _ in row.branches or ((),)] for row in rows]
    return [torch.cat([texts[0][:1], *(text[1:] for text in texts)]) for texts in of_rows]


def _kept(output: Any, rows: Sequence[int]) -> Any:
    cache = output.get("past_key_values")
    if cache is None:
        raise EvalError("this model keeps no cache of what it read, so it cannot generate here; score it by choices alone")
    cache.batch_select_indices(torch.tensor(rows, device=output.logits.device))
    return cache


class _Group(NamedTuple):
    """Rows of equal length: their numbers, and their cache."""

    members: list[int]
    cache: Any


class _AlikeGrowing:
    """Groups of rows that grow side by side."""

    def __init__(self, model: Any, groups: list[_Group]) -> None:
        self._model, self._groups = model, groups

    @torch.no_grad()
    def step(self, tokens: Tensor) -> Tensor:
        """See `Growing`."""
        logits: dict[int, Tensor] = {}
        for group in self._groups:
            output = self._model(
                input_ids=tokens[group.members][:, None], past_key_values=group.cache, use_cache=True, logits_to_keep=1
            )
            logits |= dict(zip(group.members, output.logits[:, -1], strict=True))
        return torch.stack([logits[number] for number in range(len(tokens))])

    @torch.no_grad()
    def keep(self, rows: Sequence[int]) -> None:
        """See `Growing`."""
        renumbered = {number: place for place, number in enumerate(rows)}
        self._groups = [kept for group in self._groups if (kept := _filtered(group, renumbered)).members]


def _filtered(group: _Group, renumbered: dict[int, int]) -> _Group:
    stay = [row for row, number in enumerate(group.members) if number in renumbered]
    if len(stay) < len(group.members) and stay:
        group.cache.batch_select_indices(torch.tensor(stay))
    return _Group([renumbered[group.members[row]] for row in stay], group.cache)
