"""Conversations → two MinHash sketches each: of all its n-grams, and of those of its answers alone.

An n-gram is of one message, and its hash begins with the message's role. A sketch keeps of each of the permutations one byte of
the least hash, which is enough: two sketches agree by chance in one place of 256, and that is taken off an estimate (b-bit
MinHash, Li and König 2010). The permutations are x → a·x + b modulo 2^32 of a 32-bit hash x, with a odd.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_mix.arrays import text_offsets
from data_mix.compiled import compiled
from data_mix.hashing import purpose_seed
from data_mix.near_duplicates.alphabet import CLASS_BITS, CODE_POINTS, HALF_WORD, IN_WORD, QUARTER_WORD, table

Sketches = NDArray[np.uint8]
Numbers = NDArray[np.int64]

_ANSWER: Final = 3
_ROLES: Final = {"system": 1, "user": 2, "assistant": _ANSWER}
_WORD: Final = 4
"""A word's weight; a character that is half a word or a quarter of one has the part of it."""

_MASK: Final = np.uint32((1 << CLASS_BITS) - 1)
_SHIFT: Final = np.uint32(CLASS_BITS)
_ODD: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX: Final = np.uint64(29)
_HIGH: Final = np.uint64(32)
_ODD_32: Final = np.uint32(0x9E3779B1)
_TOP_BYTE: Final = np.uint32(24)


def sketch(messages: pl.Series, *, ngram: int, permutations: int) -> tuple[Sketches, Numbers]:
    """Of each conversation the two sketches, one behind the other, and the number of its n-grams.

    `messages` is a column of `schema.FRAME`'s without nulls.
    """
    flat = pl.DataFrame({"messages": messages}).explode("messages", empty_as_null=False).unnest("messages")
    roles = flat["role"].replace_strict(_ROLES, default=0, return_dtype=pl.Int64).to_numpy()
    texts = flat["content"].fill_null("").to_arrow(compat_level=pl.CompatLevel.oldest()).cast("string")
    data = texts.buffers()[2] if len(texts) else None
    heap = np.frombuffer(data, np.uint8) if data else np.zeros(0, np.uint8)
    counts = messages.list.len().to_numpy().astype(np.int64)
    return _sketch((heap, text_offsets(texts)), roles, counts, table(), _multipliers(permutations), _least_weight(ngram))


def _least_weight(ngram: int) -> int:
    """The weight that an n-gram must have: n words, or of characters that are a k-th of a word k · (n - 1) + 1.

    So a change of one word changes n n-grams for each word in any script, and the same changes the same share of them.
    """
    return _WORD * (ngram - 1) + 1


def _multipliers(permutations: int) -> NDArray[np.uint32]:
    """The factors (odd) and summands of the permutations, the same everywhere and for ever."""
    pairs = [
        (purpose_seed(place, "minhash factor") | 1, purpose_seed(place, "minhash summand")) for place in range(permutations)
    ]
    return (np.array(pairs, dtype=np.uint64).T & np.uint64(0xFFFFFFFF)).astype(np.uint32)


@compiled
def _sketch(
    texts: tuple[NDArray[np.uint8], NDArray[np.int32]],
    roles: Numbers,
    counts: Numbers,
    alphabet: NDArray[np.uint32],
    multipliers: NDArray[np.uint32],
    weight: int,
) -> tuple[Sketches, Numbers]:
    heap, offsets = texts
    rows, permutations = len(counts), multipliers.shape[1]
    sketches, sizes = np.empty((rows, 2 * permutations), np.uint8), np.zeros(rows, np.int64)
    least = np.empty((2, permutations), np.uint32)
    longest = 0
    for place in range(len(offsets) - 1):
        longest = max(longest, offsets[place + 1] - offsets[place])
    words, weights = np.empty(longest + 1, np.uint64), np.empty(longest + 1, np.int64)
    message = 0
    for row in range(rows):
        least[:] = np.uint32(0xFFFFFFFF)
        for place in range(message, message + counts[row]):
            count = _words(heap, offsets[place], offsets[place + 1], alphabet, words, weights)
            sizes[row] += _ngrams(words[:count], weights, roles[place], weight, multipliers, least)
        message += counts[row]
        for place in range(2 * permutations):
            value = least[place // permutations, place % permutations]
            sketches[row, place] = np.uint8(np.uint32(value * _ODD_32) >> _TOP_BYTE)
    return sketches, sizes


@compiled
def _ngrams(
    words: NDArray[np.uint64],
    weights: Numbers,
    role: int,
    weight: int,
    multipliers: NDArray[np.uint32],
    least: NDArray[np.uint32],
) -> int:
    """Take a message's n-grams into the least hashes; how many there are. A message that is shorter than one is one."""
    found = 0
    for begin in range(len(words)):
        value, end, missing = np.uint64(role), begin, weight
        while missing > 0 and end < len(words):
            value = (value ^ words[end]) * _ODD
            value ^= value >> _MIX
            missing -= weights[end]
            end += 1
        if missing > 0 and begin > 0:
            break
        found += 1
        _take(np.uint32(value >> _HIGH), multipliers, least[0])
        if role == _ANSWER:
            _take(np.uint32(value >> _HIGH), multipliers, least[1])
        if missing > 0:
            break
    return found


@compiled
def _take(value: np.uint32, multipliers: NDArray[np.uint32], least: NDArray[np.uint32]) -> None:
    factors, summands = multipliers[0], multipliers[1]
    for place in range(len(least)):
        least[place] = min(least[place], np.uint32(factors[place] * value + summands[place]))


@compiled
def _words(
    heap: NDArray[np.uint8],
    begin: int,
    end: int,
    alphabet: NDArray[np.uint32],
    words: NDArray[np.uint64],
    weights: Numbers,
) -> int:
    """The hashes and weights of a text's words, and of the characters that stand alone; how many there are."""
    count, at, word, is_open = 0, begin, np.uint64(0), False
    while at < end:
        code, size = _decode(heap, at)
        at += size
        entry = alphabet[code] if code < CODE_POINTS else np.uint32(0)
        kind = entry >> _SHIFT
        if is_open and kind != IN_WORD:
            words[count], weights[count] = word, _WORD
            count, word, is_open = count + 1, np.uint64(0), False
        if kind == 0:
            continue
        word = (word ^ np.uint64(entry & _MASK)) * _ODD
        word ^= word >> _MIX
        if kind == IN_WORD:
            is_open = True
        else:
            words[count] = word
            weights[count] = 2 if kind == HALF_WORD else 1 if kind == QUARTER_WORD else _WORD
            count, word = count + 1, np.uint64(0)
    if is_open:
        words[count], weights[count] = word, _WORD
        count += 1
    return count


@compiled
def _decode(heap: NDArray[np.uint8], at: int) -> tuple[int, int]:
    """A code point of valid UTF-8, and its bytes."""
    first = int(heap[at])
    if first < 0x80:
        return first, 1
    size = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    code = first & (0x3F >> (size - 1))
    for place in range(at + 1, at + size):
        code = code << 6 | (int(heap[place]) & 0x3F)
    return code, size
