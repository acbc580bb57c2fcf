"""Finding the texts of benchmark items in other texts, as loops that numba compiles.

Words are compared by 64-bit hashes, runs of them by polynomials of the hashes, rolled along. What is found here is a candidate:
`finding` compares the words themselves before it counts.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from data_mix.compiled import compiled
from data_mix.decontamination.tables import Hashes, Places, Runs, Texts, Words
from data_mix.decontamination.words import DIGIT, KNOWN, LAST_IDEOGRAPH, LETTER, PARTING, WHOLE, Alphabet

FILTER_BITS: Final = 24
"""The filter has 2 to the power of so many bits: 2 MB, so that it stays in the processor's cache."""

TEXT_BITS: Final = 22
PLACE_BITS: Final = 16
_ROW_BITS: Final = 64 - TEXT_BITS - PLACE_BITS

_SLACK: Final = 2
"""Words more, at either side, in which the rest of an item is looked for."""

_PRIME: Final = np.uint64(0x100000001B3)
_BASIS: Final = np.uint64(0xCBF29CE484222325)
_MIX: Final = np.uint64(0xBF58476D1CE4E5B9)
_BASE: Final = np.uint64(0x9E3779B97F4A7C15)
_HALF: Final = np.uint64(32)
_ONE: Final = np.uint64(1)
_ZERO: Final = np.uint64(0)
_BYTE: Final = np.uint64(3)
_IN_BYTE: Final = np.uint64(7)
_FILTER_SHIFT: Final = np.uint64(64 - FILTER_BITS)
_TEXT_SHIFT: Final = np.uint64(64 - TEXT_BITS)
_ROW_SHIFT: Final = np.uint64(PLACE_BITS)
_ROW_MASK: Final = np.uint64((1 << _ROW_BITS) - 1)
_PLACE_MASK: Final = np.uint64((1 << PLACE_BITS) - 1)


@compiled
def _decode(data: NDArray[np.uint8], at: int) -> tuple[int, int]:
    """The character of UTF-8 at a place, and where the next one begins."""
    first = int(data[at])
    if first < 0xE0:
        return (first & 0x1F) << 6 | data[at + 1] & 0x3F, at + 2
    if first < 0xF0:
        return (first & 0x0F) << 12 | (data[at + 1] & 0x3F) << 6 | data[at + 2] & 0x3F, at + 3
    high = (first & 0x07) << 18 | (data[at + 1] & 0x3F) << 12
    return high | (data[at + 2] & 0x3F) << 6 | data[at + 3] & 0x3F, at + 4


@compiled
def _mixed(value: np.uint64) -> np.uint64:
    value = (value ^ (value >> _HALF)) * _MIX
    return value ^ (value >> _HALF)


@compiled
def _kind(alphabet: Alphabet, char: int) -> int:
    if char < KNOWN:
        return int(alphabet.kinds[char])
    return WHOLE if char <= LAST_IDEOGRAPH else PARTING


@compiled
def _write(out: Words, count: int, value: np.uint64, begin: int, end: int) -> int:
    out.hashes[count], out.begins[count], out.ends[count] = _mixed(value), begin, end
    return count + 1


@compiled
def split(data: NDArray[np.uint8], start: int, end: int, alphabet: Alphabet, out: Words) -> int:
    """Write the words of the text `data[start:end]` (UTF-8) to `out`; return how many they are, -1 where they have no room.

    A word begins at the character that its first one has become of. What `words.words` does to text, to bytes.
    """
    count, length, is_letter, begin, at, value = 0, 0, False, start, start, _BASIS
    while at < end:
        here = at
        code, at = (int(data[at]), at + 1) if data[at] < 0x80 else _decode(data, at)
        first, last = (alphabet.starts[code], alphabet.starts[code + 1]) if code < KNOWN else (0, 1)
        for place in range(first, last):
            char = alphabet.folded[place] if code < KNOWN else code
            kind = _kind(alphabet, char)
            if kind in (LETTER, DIGIT):
                if length == 0:
                    begin, value, is_letter = here, _BASIS, kind == LETTER
                value = (value ^ np.uint64(char)) * _PRIME
                length += 1
                continue
            if count + 3 > len(out.hashes):
                return -1
            if length > 1 or (length == 1 and (alphabet.lone_letters or not is_letter)):
                count = _write(out, count, value, begin, at if begin == here else here)
            length = 0
            if kind == WHOLE:
                count = _write(out, count, (_BASIS ^ np.uint64(char)) * _PRIME, here, at)
    if count == len(out.hashes):
        return -1
    if length > 1 or (length == 1 and (alphabet.lone_letters or not is_letter)):
        count = _write(out, count, value, begin, end)
    return count


@compiled
def _room(words: int) -> Words:
    return Words(np.empty(words, np.uint64), np.empty(words, np.int64), np.empty(words, np.int64))


@compiled
def _split_into(data: NDArray[np.uint8], start: int, end: int, alphabet: Alphabet, out: Words) -> tuple[int, Words]:
    """The same, with more room made where there is too little."""
    count = split(data, start, end, alphabet, out)
    while count < 0:
        out = _room(2 * len(out.hashes))
        count = split(data, start, end, alphabet, out)
    return count, out


@compiled
def split_all(data: NDArray[np.uint8], offsets: Places, alphabet: Alphabet) -> tuple[Places, Hashes]:
    """The words of many texts, as offsets and hashes."""
    out, starts, hashes = _room(1024), np.zeros(len(offsets), np.int64), np.empty(1024, np.uint64)
    for text in range(len(offsets) - 1):
        count, out = _split_into(data, offsets[text], offsets[text + 1], alphabet, out)
        end = starts[text] + count
        while end > len(hashes):
            hashes = np.concatenate((hashes, np.empty_like(hashes)))
        hashes[starts[text] : end] = out.hashes[:count]
        starts[text + 1] = end
    return starts, hashes[: starts[-1]].copy()


@compiled
def run_hashes(words: Hashes, count: int, length: int) -> Hashes:
    """The hash of every run of `length` words."""
    runs = max(count - length + 1, 0)
    hashes, top, value = np.empty(runs, np.uint64), _ONE, _ZERO
    for _ in range(length - 1):
        top *= _BASE
    for place in range(count):
        if place >= length:
            value -= words[place - length] * top
        value = value * _BASE + words[place]
        if place >= length - 1:
            hashes[place - length + 1] = _mixed(value)
    return hashes


@compiled
def _find_hits(words: Hashes, count: int, runs: Runs, hits: Hashes) -> tuple[int, Hashes]:
    """Where runs of the words stand in items: (text, place of the word, place in the item) in one number each."""
    found = 0
    hashes = run_hashes(words, count, runs.length)
    for row in range(len(hashes)):
        value = hashes[row]
        bit = value >> _FILTER_SHIFT
        if not (runs.filter[bit >> _BYTE] >> (bit & _IN_BYTE)) & 1:
            continue
        bucket = value >> runs.shift
        at, end = runs.directory[bucket], runs.directory[bucket + _ONE]
        while at < end and runs.hashes[at] < value:
            at += 1
        if at == end or runs.hashes[at] != value:
            continue
        for posting in range(runs.first[at], runs.first[at + 1]):
            if found == len(hits):
                hits = np.concatenate((hits, np.empty_like(hits)))
            text, place = np.uint64(runs.text[posting]), np.uint64(runs.place[posting])
            hits[found] = text << _TEXT_SHIFT | np.uint64(row) << _ROW_SHIFT | place
            found += 1
    return found, hits


@compiled
def _text_of(hit: np.uint64) -> int:
    return int(np.int64(hit >> _TEXT_SHIFT))  # numba's int of an unsigned number is unsigned


@compiled
def _row_of(hit: np.uint64) -> int:
    return int(np.int64(hit >> _ROW_SHIFT & _ROW_MASK))


@compiled
def _place_of(hit: np.uint64) -> int:
    return int(np.int64(hit & _PLACE_MASK))


@compiled
def _whole(hits: Hashes, words: Hashes, count: int, item: Hashes) -> int:
    """Where the item's words stand one after the other; -1: nowhere."""
    for hit in hits:
        begin = _row_of(hit) - _place_of(hit)
        if begin >= 0 and begin + len(item) <= count and np.all(words[begin : begin + len(item)] == item):
            return begin
    return -1


@compiled
def _best_window(hits: Hashes, length: int, width: int, covers: NDArray[np.int32]) -> tuple[int, int, int]:
    """The most words of an item that runs within `width` words cover, and the first and last of those hits."""
    best, first, last, covered, left = 0, 0, 0, 0, 0
    for right in range(len(hits)):
        row = _row_of(hits[right])
        while row + length - _row_of(hits[left]) > width:
            for place in range(_place_of(hits[left]), _place_of(hits[left]) + length):
                covers[place] -= 1
                covered -= covers[place] == 0
            left += 1
        for place in range(_place_of(hits[right]), _place_of(hits[right]) + length):
            covered += covers[place] == 0
            covers[place] += 1
        if covered > best:
            best, first, last = covered, left, right
    return best, first, last


@compiled
def _compare(hits: Hashes, out: Words, count: int, item: int, texts: Texts, length: int) -> tuple[int, int, int, int]:
    """The words between which runs of the item stand, and those between which all of it would; none: all are 0."""
    words = texts.words[texts.starts[item] : texts.starts[item + 1]]
    if texts.needed[item] == 0:
        begin = _whole(hits, out.hashes, count, words)
        return (0, 0, 0, 0) if begin < 0 else (begin, begin + len(words), begin, begin + len(words))
    if len(hits) * length < texts.needed[item]:
        return 0, 0, 0, 0
    covered, first, last = _best_window(hits, length, 2 * len(words), np.zeros(len(words), np.int32))
    if covered < texts.needed[item]:
        return 0, 0, 0, 0
    begin, end = _row_of(hits[first]), _row_of(hits[last]) + length
    before, after = _place_of(hits[first]), len(words) - _place_of(hits[last]) - length
    return begin, end, max(begin - before - _SLACK, 0), min(end + after + _SLACK, count)


@compiled
def find(data: NDArray[np.uint8], offsets: Places, alphabet: Alphabet, runs: Runs, texts: Texts, fewest: int) -> Places:
    """Candidates in the texts of `data`, a row each: text, text of an item, and two stretches of bytes of the text.

    The first stretch is from the first to the last run that they share, the second as much more as the item would need. A text
    with runs for fewer than `fewest` words is passed over at once.
    """
    out, hits = _room(4096), np.empty(4096, np.uint64)
    found, rows = 0, np.empty((64, 6), np.int64)
    for text in range(len(offsets) - 1):
        count, out = _split_into(data, offsets[text], offsets[text + 1], alphabet, out)
        number, hits = _find_hits(out.hashes, count, runs, hits)
        if number * runs.length < fewest:
            continue
        some, begin = np.sort(hits[:number]), 0
        while begin < number:
            item, end = _text_of(some[begin]), begin + 1
            while end < number and _text_of(some[end]) == item:
                end += 1
            stretch = _compare(some[begin:end], out, count, item, texts, runs.length)
            begin = end
            if stretch[1] == 0:
                continue
            if found == len(rows):
                rows = np.concatenate((rows, np.empty_like(rows)))
            rows[found, 0], rows[found, 1] = text, item
            for side in range(2):
                rows[found, 2 + 2 * side] = out.begins[stretch[2 * side]] - offsets[text]
                rows[found, 3 + 2 * side] = out.ends[stretch[2 * side + 1] - 1] - offsets[text]
            found += 1
    return rows[:found].copy()
