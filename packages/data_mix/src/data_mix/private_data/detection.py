"""Private data in a column of texts: what is found where, each piece of text taken by one kind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from data_mix.private_data.patterns import Kind, candidates


@dataclass(frozen=True, kw_only=True)
class Found:
    """One piece of private data in a text."""

    kind: Kind
    start: int
    """Its first character."""
    end: int
    """The character behind its last."""
    value: str


def detect(texts: pl.Series, kinds: Iterable[Kind]) -> dict[int, list[Found]]:
    """What is found in each text that holds something, by the text's place and in the order in which it stands there.

    Where two kinds claim the same characters, the one that comes first in `kinds` has them.
    """
    found: dict[int, list[Found]] = {}
    for kind in kinds:
        places = texts.str.contains(kind.hint).fill_null(value=False).arg_true()
        if len(places):
            _find(kind, places, texts, found)
    return {place: _apart(found[place]) for place in sorted(found)}


def _find(kind: Kind, places: pl.Series, texts: pl.Series, found: dict[int, list[Found]]) -> None:
    """Add what one kind finds in the texts at the places."""
    for place, start, candidate in candidates(kind, texts.gather(places)):
        value = kind.check(candidate)
        if value:
            claim = Found(kind=kind, start=start, end=start + len(value), value=value)
            found.setdefault(places[place], []).append(claim)


def _apart(claims: list[Found]) -> list[Found]:
    """The claims in the order of the text, without those that meet one of an earlier kind.

    Claims of one kind never meet. So what is left is found by going through a sorted list once for every kind.
    """
    kept: list[Found] = []
    for name in dict.fromkeys(claim.kind.name for claim in claims):
        merged = sorted([*kept, *(claim for claim in claims if claim.kind.name == name)], key=lambda claim: claim.start)
        kept = [claim for place, claim in enumerate(merged) if not _meets(merged, place, name)]
    return kept


def _meets(merged: list[Found], place: int, newest: str) -> bool:
    """Whether a claim of the newest kind meets the older ones beside it."""
    claim = merged[place]
    beside = merged[max(0, place - 1) : place] + merged[place + 1 : place + 2]
    return claim.kind.name == newest and any(other.start < claim.end and claim.start < other.end for other in beside)
