"""Texts of items as arrays: their words by hash, and the runs of words that are signs of them.

What many items of one benchmark have in common is a sign of none of them, and does not count: the beginning and the end that
all its texts of a kind share, and every run of words that more than `COMMON` of its items hold. Neither does a run count twice
in one text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_mix.decontamination.matching import FILTER_BITS, PLACE_BITS, TEXT_BITS, run_hashes, split_all
from data_mix.decontamination.settings import RUN, DecontaminationOptions
from data_mix.decontamination.tables import Runs, Texts
from data_mix.decontamination.words import alphabet
from data_mix.errors import ConfigError

COMMON: Final = 10
SYMBOL_RUN: Final = 9
"""Symbols that must stand one after the other to be looked at: of brackets there are few kinds."""

CANDIDATE_SHARE: Final = 0.4
"""The share of a text's words that runs must cover for the rest to be compared."""

_LONGEST: Final = (1 << PLACE_BITS) - 1
_FEWEST_ALIKE: Final = 10
"""So many texts must begin or end alike for that to be a wrapper, and no chance."""

Numbers = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Texts of items in one reading, of words or of symbols; text `t` is line `t` of `items`."""

    symbols: bool
    items: pl.DataFrame
    """`items.ITEMS`."""
    runs: Runs
    texts: Texts
    skipped: NDArray[np.int32]
    """Words at the beginning of each text that are left out."""
    counted: NDArray[np.bool_]
    """Of each word in `texts`, whether it stands in a run that counts."""


def text_buffers(texts: pl.Series) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes of all texts, and where each begins and the last one ends."""
    array = texts.fill_null("").rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    if not len(array):
        return np.zeros(0, np.uint8), np.zeros(1, np.int64)
    _, offsets, data = array.buffers()
    return (
        np.frombuffer(data, np.uint8) if data and data.size else np.zeros(0, np.uint8),
        np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1],
    )


def build_layer(items: pl.DataFrame, options: DecontaminationOptions, *, symbols: bool) -> tuple[Layer, NDArray[np.bool_]]:
    """The layer of these texts, and which of them can be found by it."""
    if len(items) >= 1 << TEXT_BITS:
        raise ConfigError(
            f"decontaminate_against: {len(items):,} texts, wanted fewer than {1 << TEXT_BITS:,}; leave a file out"
        )
    length = SYMBOL_RUN if symbols else RUN
    starts, words = split_all(*text_buffers(items["text"]), alphabet(symbols))
    starts, words, skipped = _without_wrappers(items, starts, words)
    sizes = np.diff(starts)
    found = _signs(items, starts, words, length)
    counted = np.zeros(len(words), bool)
    for place in range(length):
        counted[starts[found["text"].to_numpy()] + found["place"].to_numpy() + place] = True
    counts = np.concatenate([[0], np.cumsum(counted)])
    signs = counts[starts[1:]] - counts[starts[:-1]]
    is_long = (signs >= options.ngram) & (not symbols)  # of its own words: the others are no sign of it
    is_asked = (items["kind"] != "answer").to_numpy()
    usable = (signs > 0) & (sizes >= np.where(is_asked, options.min_words, options.ngram))
    needed = np.where(is_long, np.ceil(CANDIDATE_SHARE * signs), 0).astype(np.int32)
    runs = _runs(found.filter(pl.Series(usable[found["text"].to_numpy()], dtype=pl.Boolean)), length)
    texts = Texts(starts, words, needed)
    return Layer(symbols=symbols, items=items, runs=runs, texts=texts, skipped=skipped, counted=counted), usable


def _without_wrappers(items: pl.DataFrame, starts: Numbers, words: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """The texts' words without what all texts of a benchmark and kind begin and end with: starts, words, words left out."""
    sizes = np.diff(starts)
    before, after = np.zeros(len(sizes), np.int32), np.zeros(len(sizes), np.int32)
    groups = items.with_row_index("line").group_by("benchmark", "kind", maintain_order=True).agg("line")["line"]
    for group in groups:
        of_kind = group.to_numpy()
        if len(of_kind) >= _FEWEST_ALIKE:
            before[of_kind] = _alike(words, starts[of_kind], sizes[of_kind].min(), 1)
            after[of_kind] = _alike(words, starts[of_kind + 1] - 1, sizes[of_kind].min() - before[of_kind[0]], -1)
    place = np.arange(len(words)) - np.repeat(starts[:-1], sizes)
    last = np.minimum(sizes - after, before + _LONGEST)
    is_kept = (place >= np.repeat(before, sizes)) & (place < np.repeat(last, sizes))
    return np.concatenate([[0], np.cumsum(last - before)]), words[is_kept], before


def _alike(words: Numbers, places: Numbers, most: int, step: int) -> int:
    """How many words from these places on, forwards or backwards, are the same everywhere."""
    count = 0
    while count < most and np.all(words[places + step * count] == words[places[0] + step * count]):
        count += 1
    return count


def _signs(items: pl.DataFrame, starts: Numbers, words: Numbers, length: int) -> pl.DataFrame:
    """The runs that count, in the order of their hashes: `hash`, `text`, `place`."""
    hashes = run_hashes(words, len(words), length)
    text = np.repeat(np.arange(len(items)), np.diff(starts))[: len(hashes)]
    place = np.arange(len(hashes)) - starts[text]
    is_inside = place + length <= np.diff(starts)[text]
    found = pl.DataFrame({"hash": hashes[is_inside], "text": text[is_inside], "place": place[is_inside]})
    found = found.unique(["hash", "text"], keep="first", maintain_order=True)
    about = items.select(pl.col("benchmark").rank("dense"), item=pl.struct("benchmark", "item").rank("dense"))
    held = found.with_columns(about[column].gather(found["text"]) for column in ("benchmark", "item"))
    holders = held.group_by("hash", "benchmark").agg(pl.col("item").n_unique())
    common = holders.filter(pl.col("item") > COMMON).select("hash").unique()
    return found.join(common, on="hash", how="anti").sort("hash", "text", "place")


def _runs(found: pl.DataFrame, length: int) -> Runs:
    hashes, first = np.unique(found["hash"].to_numpy(), return_index=True)
    bits = max(8, min(24, len(hashes).bit_length()))
    begins = np.arange(1 << bits, dtype=np.uint64) << np.uint64(64 - bits)
    return Runs(
        length=length,
        filter=_filter(hashes),
        shift=np.uint64(64 - bits),
        directory=np.append(np.searchsorted(hashes, begins), len(hashes)).astype(np.int32),
        hashes=hashes,
        first=np.append(first, len(found)).astype(np.int32),
        text=found["text"].to_numpy().astype(np.int32),
        place=found["place"].to_numpy().astype(np.int32),
    )


def _filter(hashes: NDArray[np.uint64]) -> NDArray[np.uint8]:
    places = (hashes >> np.uint64(64 - FILTER_BITS)).astype(np.int64)
    is_there = np.zeros(1 << FILTER_BITS, bool)
    is_there[places] = True
    return np.packbits(is_there, bitorder="little")
