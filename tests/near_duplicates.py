"""Conversations with their sketches, and near-duplicates found the slow way: from the n-grams themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from conversation_frames import Turns, conversations
from data_mix.measures.minhash import MinHash
from data_mix.near_duplicates.search import find_near_duplicates
from data_mix.near_duplicates.settings import NearDuplicateSettings

SETTINGS = NearDuplicateSettings()


def keys_of(*rows: Turns, settings: NearDuplicateSettings = SETTINGS, **columns: Any) -> pl.DataFrame:
    """What the search is given of these rows."""
    frame = conversations(*rows, **columns)
    frame = frame.with_columns(id=pl.concat_str(pl.lit("own/"), "key"))
    return pl.concat([frame.select("id", "group", "drop"), MinHash(settings).take(frame)], how="horizontal")


def found_in(*rows: Turns, settings: NearDuplicateSettings = SETTINGS, **columns: Any) -> dict[int, int]:
    """The place of each dropped row, and of the one that stays."""
    found = find_near_duplicates(keys_of(*rows, settings=settings, **columns), settings)
    return dict(found.select("row", "kept").iter_rows())


def slow_jaccard(one: Sequence[str], other: Sequence[str], ngram: int) -> float:
    """The share of n-grams of words that two texts have in common."""
    first, second = (set(zip(*(words[at:] for at in range(ngram)), strict=False)) for words in (one, other))
    return len(first & second) / len(first | second)
