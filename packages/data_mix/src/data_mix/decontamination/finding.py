"""Which items stand in which texts: candidates by hash, then compared word by word.

How alike an item and a text are is the share of the item's words (those in runs that count) that stand in the text in the same
order, or that runs of five words cover in whatever order, whichever is more. The first bears a word changed here and there, the
second choices that are listed in another order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from data_mix.decontamination.index import Index
from data_mix.decontamination.layer import Layer, text_buffers
from data_mix.decontamination.matching import find
from data_mix.decontamination.settings import RUN
from data_mix.decontamination.words import alphabet, words


@dataclass(frozen=True, kw_only=True)
class Match:
    """An item that stands in a text."""

    text: int
    """Place of the text among those that were searched."""
    benchmark: str
    item: str
    share: float
    """How much of the item stands there."""
    begin: int
    end: int
    """The bytes of the text from the first word that they share to the last."""


def find_items(texts: pl.Series, index: Index) -> list[Match]:
    """The items in each text, in the order of the texts and items; of items that overlap, those that are most alike."""
    found = [match for layer in index.layers for match in _find(texts, layer, index)]
    by_place: dict[tuple[int, str], list[Match]] = {}
    for match in found:
        by_place.setdefault((match.text, match.benchmark), []).append(match)
    best = [match for matches in by_place.values() for match in _most_alike(matches)]
    return sorted(best, key=lambda match: (match.text, match.benchmark, match.begin, match.item))


def _find(texts: pl.Series, layer: Layer, index: Index) -> Iterator[Match]:
    data, offsets = text_buffers(texts)
    rows = find(data, offsets, alphabet(layer.symbols), layer.runs, layer.texts, min(index.min_words, RUN))
    for text, item, begin, end, wide_begin, wide_end in rows.tolist():
        start = offsets[text]
        share = _share(layer, item, bytes(data[start + wide_begin : start + wide_end]).decode())
        if share >= index.min_share:
            benchmark, name, *_ = layer.items.row(item)
            yield Match(text=text, benchmark=benchmark, item=name, share=share, begin=begin, end=end)


def _share(layer: Layer, item: int, text: str) -> float:
    """How much of the item stands in the text, by the words themselves."""
    first, last = layer.texts.starts[item : item + 2].tolist()
    skipped = int(layer.skipped[item])
    own = words(layer.items["text"][item], symbols=layer.symbols)[skipped : skipped + last - first]
    found = words(text, symbols=layer.symbols)
    if layer.texts.needed[item] == 0:
        return float(own == found)
    counted = layer.counted[first:last].tolist()
    in_order = words_in_order([word for word, counts in zip(own, counted, strict=True) if counts], found)
    return float(max(in_order, _words_in_runs(own, counted, found)) / sum(counted))


def words_in_order(item: Sequence[str], text: Iterable[str]) -> int:
    """The length of the longest common subsequence of words, by bit-parallel dynamic programming (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for place, word in enumerate(item):
        places[word] = places.get(word, 0) | 1 << place
    everywhere = left = (1 << len(item)) - 1
    for word in text:
        taken = left & places.get(word, 0)
        left = ((left + taken) | (left - taken)) & everywhere
    return len(item) - left.bit_count()


def _words_in_runs(item: Sequence[str], counted: Sequence[bool], text: Sequence[str]) -> int:
    """How many of the words that count are in runs that the text holds too; a run counts where it first stands."""
    there = {tuple(text[place : place + RUN]) for place in range(len(text) - RUN + 1)}
    covered = set[int]()
    for place in range(len(item) - RUN + 1):
        run = tuple(item[place : place + RUN])
        if run in there:
            there.remove(run)
            covered.update(range(place, place + RUN))
    return sum(counted[place] for place in covered)


def _most_alike(matches: Sequence[Match]) -> list[Match]:
    """Each item once; none of which another that overlaps it is more alike: benchmarks made by a template are much alike."""
    kept: list[Match] = []
    for match in sorted(matches, key=lambda match: (-match.share, match.begin, match.item)):
        if any(match.item == other.item or (match.share < other.share and _overlap(match, other)) for other in kept):
            continue
        kept.append(match)
    return kept


def _overlap(one: Match, other: Match) -> bool:
    return one.begin < other.end and other.begin < one.end
