"""Two transcripts of one talk → pairs of whole sentences, by the times of their subtitles.

Where both transcripts end a sentence at the same time, the texts before and the texts after belong together. What stands
between two such borders is a block, the smallest pair of texts that can be told to match:

    en   1000 And that day,            ja   1000 そしてその日、
         2400 everything changed.           2000 全てが
         4000 We left.                      3200 変わりました。
                                            4000 私たちは去りました。
    blocks   ("And that day, everything changed.", "そしてその日、全てが変わりました。"), ("We left.", "私たちは去りました。")

A wrong pair is worse than a lost one: a block that does not look whole on both sides is dropped, with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from data_mix.subtitles.transcript import (
    Marked,
    Places,
    Times,
    Transcript,
    count_sentences,
    ends_sentence,
    english_length,
    inner_ends,
    join,
    mark,
)

_TOLERANCE: Final = 700.0
"""Milliseconds by which the times of one border may differ, beside a shift of the whole transcript."""

_SHIFT: Final = 60_000.0
"""Milliseconds by which one whole transcript may be late."""

_AGREEMENT: Final = 0.5
"""Share of sentence ends that must have a counterpart in time, or the times are not to be trusted."""

_LOOSE, _STRICT = 2.5, 1.6
"""By what factor the lengths of a block's texts may differ; strictly where their sentences differ in number or time."""


class Block(NamedTuple):
    """Texts that belong together, one per transcript."""

    a: str
    b: str
    drop: str | None
    """Why the block is dropped; None: it is kept."""


class _Clock(NamedTuple):
    shift: float
    """By how many milliseconds the other transcript is late."""
    tolerance: float
    """By how many milliseconds two times of one border may differ beside that."""


@dataclass(frozen=True)
class _Part:
    """One side of a block: some subtitles of a transcript."""

    side: Marked
    start: int
    stop: int

    @cached_property
    def text(self) -> str:
        return self.side.text(self.start, self.stop)

    def cut(self) -> _Part:
        """The part up to the first sentence end inside; all of it where there is none."""
        inside = self.side.ends[(self.side.ends > self.start) & (self.side.ends < self.stop)]
        return replace(self, stop=int(inside[0])) if self.side.is_sure and len(inside) else self

    @property
    def begin(self) -> float:
        return float(self.side.starts[self.start])

    @property
    def end(self) -> float:
        """When the subtitle after it appears, or about when the last one goes."""
        return self.side.end if self.is_last else float(self.side.starts[self.stop])

    @property
    def is_last(self) -> bool:
        return self.stop == len(self.side.starts)

    @property
    def is_ended(self) -> bool:
        """Whether its own punctuation says that it ends with a sentence."""
        return self.side.marks == "own" and ends_sentence(self.text)

    @property
    def length(self) -> float:
        """Length as if in English; a little is added to all, since short texts vary more."""
        return english_length(self.text, self.side.transcript.language) + 10


def align(a: Transcript, b: Transcript, reference: Transcript | None = None) -> list[Block]:
    """Pair the sentences of two transcripts of the same talk.

    All of both texts is in the blocks, in order. Reasons to drop a block: `untranslated` (one text is empty), `unaligned` (it
    may not be whole on both sides), `length_ratio`; of the whole talk, as one block: `times_disagree`, `no_sentence_ends`.
    `reference`, a third transcript of the talk, tells where sentences end if neither of the two does.
    """
    left, right = _mark(a, b, reference)
    if not (left.is_sure or right.is_sure):
        return [_whole(a, b, "no_sentence_ends")]
    clock = _clock(left, right)
    if clock is None:
        return [_whole(a, b, "times_disagree")]
    right = replace(right, starts=right.starts - clock.shift)
    *parts, last = _parts(left, right, _borders(left, right, clock.tolerance))
    return [*(_block(*pair, clock.tolerance) for pair in parts), *_last(*last, clock.tolerance)]


def _mark(a: Transcript, b: Transcript, reference: Transcript | None) -> tuple[Marked, Marked]:
    """Find both transcripts' sentence ends."""
    left, right = mark(a, b), mark(b, a)
    if left.is_sure or right.is_sure or reference is None:
        return left, right
    return _borrow(left, mark(reference)), right


def _borrow(side: Marked, reference: Marked) -> Marked:
    """Take the sentence ends from another transcript of the talk, where it has them."""
    clock = _clock(side, reference) if reference.is_sure else None
    if clock is None:
        return side
    ends, _ = _matches(side, replace(reference, starts=reference.starts - clock.shift), clock.tolerance)
    return replace(side, ends=ends, marks="reference")


def _clock(left: Marked, right: Marked) -> _Clock | None:
    """How the times of `right` stand to those of `left`, by their sentence ends; None where too few of these agree."""
    if not (len(left.ends) and len(right.ends)):
        return None
    shift = _shift(left.starts[left.ends], right.starts[right.ends])
    mine, yours = _matches(left, replace(right, starts=right.starts - shift), _TOLERANCE)
    if len(mine) < max(1, _AGREEMENT * _expected(left, right, shift)):
        return None
    differences = right.starts[yours] - left.starts[mine]
    shift = float(np.median(differences))
    deviation = float(np.median(np.abs(differences - shift)))
    return _Clock(shift, min(_TOLERANCE, 100 + 3 * deviation))


def _expected(left: Marked, right: Marked, shift: float) -> int:
    """How many sentence ends may have a counterpart: of one side alone sure of them, those while the other lasts."""
    if left.is_sure and right.is_sure:
        return min(len(left.ends), len(right.ends))
    sure, other, late = (left, right, shift) if left.is_sure else (right, left, -shift)
    times = sure.starts[sure.ends] + late
    return int(((times >= other.starts[0] - _TOLERANCE) & (times <= other.starts[-1] + _TOLERANCE)).sum())


def _shift(times: Times, theirs: Times) -> float:
    """By how much `theirs` are later: the difference about which most lie most closely, the smallest of equals."""
    every = (theirs[None, :] - times[:, None]).ravel()
    differences = np.sort(every[np.abs(every) <= _SHIFT])
    if not len(differences):
        return 0.0
    votes = _votes(differences / _TOLERANCE)
    best = differences[votes == votes.max()]
    return float(best[np.abs(best).argmin()])


def _votes(values: Times) -> Times:
    """Per value, how many lie within 1 of it; the farther, the less each counts."""
    places, sums = np.arange(len(values)), np.concatenate([np.zeros(1), np.cumsum(values)])
    first, last = np.searchsorted(values, values - 1), np.searchsorted(values, values + 1, side="right")
    below = (places - first) * (1 - values) + sums[places] - sums[first]
    above = (last - places) * (1 + values) - sums[last] + sums[places]
    return np.asarray((below + above).round(6))


def _matches(left: Marked, right: Marked, tolerance: float) -> tuple[Places, Places]:
    """The subtitles before which both end a sentence at the same time: each other's nearest, and near enough."""
    times, theirs = left.starts[left.ends], right.starts[right.ends]
    there, back = _nearest(times, theirs), _nearest(theirs, times)
    mine = np.flatnonzero((back[there] == np.arange(len(times))) & (np.abs(times - theirs[there]) <= tolerance))
    return left.ends[mine], right.ends[there[mine]]


def _nearest(times: Times, among: Times) -> Places:
    """Per time, the place of the nearest one among ascending others."""
    after = np.clip(np.searchsorted(among, times), 0, len(among) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(np.abs(among[before] - times) <= np.abs(among[after] - times), before, after)


def _borders(left: Marked, right: Marked, tolerance: float) -> list[tuple[int, int]]:
    """The borders, from the beginnings of both transcripts to their ends."""
    mine, yours = _matches(left, right, tolerance)
    inner = [border for border in zip(mine.tolist(), yours.tolist(), strict=True) if border != (0, 0)]
    return [(0, 0), *inner, (len(left.starts), len(right.starts))]


def _parts(left: Marked, right: Marked, borders: list[tuple[int, int]]) -> list[tuple[_Part, _Part]]:
    """The two parts between each border and the next."""
    spans = (zip(*pair, strict=True) for pair in pairwise(borders))
    return [(_Part(left, *mine), _Part(right, *yours)) for mine, yours in spans]


def _block(a: _Part, b: _Part, tolerance: float) -> Block:
    """The block of two parts, with the reason to drop it."""
    return Block(a.text, b.text, _reason(a, b, tolerance))


def _last(a: _Part, b: _Part, tolerance: float) -> list[Block]:
    """The blocks behind the last border: where one transcript breaks off, its last sentence may be whole."""
    block = _block(a, b, tolerance)
    for mine, yours in ((a.cut(), b), (a, b.cut())) if block.drop == "unaligned" else ():
        first = _block(mine, yours, tolerance)
        if first.drop is None:
            return [first, Block(a.side.text(mine.stop, a.stop), b.side.text(yours.stop, b.stop), "untranslated")]
    return [block]


def _reason(a: _Part, b: _Part, tolerance: float) -> str | None:
    if not (a.text and b.text):
        return "untranslated"
    gaps = _gaps(a, b, tolerance), _gaps(b, a, tolerance)
    if abs(a.begin - b.begin) > tolerance or not (_are_filled(a, b, tolerance, gaps) and _end_together(a, b, tolerance)):
        return "unaligned"
    is_strict = any(gaps) or a.is_last != b.is_last or count_sentences(a.text) != count_sentences(b.text)
    longer, shorter = max(a.length, b.length), min(a.length, b.length)
    return "length_ratio" if longer > shorter * (_STRICT if is_strict else _LOOSE) else None


def _gaps(part: _Part, other: _Part, tolerance: float) -> list[float]:
    """When a sentence ends inside the part while no new subtitle appears in the other transcript."""
    ends = part.side.ends if part.side.is_sure else part.side.ends[:0]
    times = part.side.starts[ends[(ends > part.start) & (ends < part.stop)]]
    starts = other.side.starts
    gaps: list[float] = times[np.abs(starts[_nearest(times, starts)] - times) > tolerance].tolist()
    return gaps


def _are_filled(a: _Part, b: _Part, tolerance: float, gaps: tuple[list[float], list[float]]) -> bool:
    """Whether no subtitle is missing in the gaps: both sides have as many, or the subtitles shown meanwhile fill them."""
    mine, yours = gaps
    if len(mine) == len(yours):
        return True
    return all(_ends_inside(b.side, time, tolerance) for time in mine) and all(
        _ends_inside(a.side, time, tolerance) for time in yours
    )


def _ends_inside(side: Marked, time: float, tolerance: float) -> bool:
    """Whether a sentence ends at about a time inside the text of the subtitle shown then: two subtitles were made one."""
    place = int(np.searchsorted(side.starts, time, side="right")) - 1
    if side.marks != "own" or place < 0:
        return False
    begin, end = side.starts[place], side.starts[place + 1] if place + 1 < len(side.starts) else side.end
    ends = (begin + share * (end - begin) for share in inner_ends(side.transcript.texts[place]))
    return any(abs(found - time) <= max(tolerance, (end - begin) / 4) for found in ends)


def _end_together(a: _Part, b: _Part, tolerance: float) -> bool:
    """Whether both parts end at one border. Where a transcript is at its end no border tells so, but sentences and time."""
    are_last = a.is_last and b.is_last
    if not (a.is_last or b.is_last) or (are_last and abs(a.side.starts[-1] - b.side.starts[-1]) <= tolerance):
        return True
    signs = [count_sentences(a.text) == count_sentences(b.text), abs(a.end - b.end) * 3 <= max(a.end, b.end) - a.begin]
    return a.is_ended and b.is_ended and (any(signs) if are_last else all(signs))


def _whole(a: Transcript, b: Transcript, reason: str) -> Block:
    """The whole talk as one block that is dropped."""
    first, second = (join(transcript.texts, transcript.language) for transcript in (a, b))
    return Block(first, second, reason if first and second else "untranslated")
