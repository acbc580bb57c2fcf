"""Texts as words, for comparing only: a text that is kept stays as it came.

A word is a run of letters and digits, in lower case and without accents (NFKC, casefold, NFKD). Blanks, line ends, punctuation
and marks that are not seen part words and are otherwise nothing. A character of Chinese, Japanese, Thai, Lao, Khmer or Burmese
is a word. A letter that stands alone is none, so that the choices of a question may be named `A.`, `(b)` or not at all, and an
article may come or go.

In `SYMBOLS` every character of ASCII that is no blank parts words and is one, and so are lone letters: for brackets and sums.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

PARTING: Final = 0
LETTER: Final = 1
DIGIT: Final = 2
WHOLE: Final = 3
"""Kinds of characters: what parts words, what words are made of, what is a word by itself."""

KNOWN: Final = 0x20000
"""Characters below this are looked up; beyond, up to `_LAST_IDEOGRAPH`, each is a word, and the rest is nothing."""

LAST_IDEOGRAPH: Final = 0x3FFFF

_ACCENTS: Final = range(0x300, 0x370)
_SELECTORS: Final = range(0xFE00, 0xFE10)
_SURROGATES: Final = range(0xD800, 0xE000)
_WITHOUT_BLANKS: Final = (
    range(0x0E00, 0x0F00),  # Thai, Lao
    range(0x1000, 0x10A0),  # Burmese
    range(0x1780, 0x1800),  # Khmer
    range(0x3040, 0x3100),  # kana
    range(0x3400, 0x4DC0),  # ideographs
    range(0x4E00, 0xA000),
    range(0xF900, 0xFB00),
)


class Alphabet(NamedTuple):
    """What becomes of each character below `KNOWN`, as numba takes it."""

    starts: NDArray[np.int32]
    """Character `c` becomes `folded[starts[c]:starts[c + 1]]`."""
    folded: NDArray[np.int32]
    kinds: NDArray[np.uint8]
    """By character that another has become."""
    lone_letters: bool
    """Whether a letter that stands alone is a word."""


def fold(char: str) -> str:
    """What a character becomes: none, one or more characters."""
    whole = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", char).casefold())
    return "".join(each for each in whole if not _is_unseen(each))


def kind_of(char: str, *, symbols: bool = False) -> int:
    """What a folded character is to words."""
    code = ord(char)
    if code >= KNOWN:
        return WHOLE if code <= LAST_IDEOGRAPH else PARTING
    if not (char.isalnum() or unicodedata.category(char).startswith("M")):
        return WHOLE if symbols and char.isascii() and char.isprintable() and not char.isspace() else PARTING
    if any(code in script for script in _WITHOUT_BLANKS):
        return WHOLE
    return LETTER if char.isalpha() or not char.isalnum() else DIGIT


def words(text: str, *, symbols: bool = False) -> list[str]:
    """The words of a text: what `matching.split` makes hashes of, in plain Python."""
    return [word for word in _runs(text, symbols) if symbols or len(word) > 1 or kind_of(word) != LETTER]


def _runs(text: str, symbols: bool) -> Iterator[str]:
    run = ""
    for char in (each for original in text for each in _folds(original)):
        kind = _kind(char, symbols)
        if kind in {LETTER, DIGIT}:
            run += char
            continue
        if run:
            yield run
            run = ""
        if kind == WHOLE:
            yield char
    if run:
        yield run


@cache
def alphabet(symbols: bool = False) -> Alphabet:
    """The same as tables."""
    folds = [_fold_known(code) for code in range(KNOWN)]
    starts = np.cumsum([0, *map(len, folds)], dtype=np.int32)
    folded = np.frombuffer("".join(folds).encode("utf-32-le"), np.int32)
    kinds = np.zeros(KNOWN, np.uint8)
    for code in np.unique(folded[folded < KNOWN]).tolist():
        kinds[code] = kind_of(chr(code), symbols=symbols)
    return Alphabet(starts, folded.copy(), kinds, symbols)


def _fold_known(code: int) -> str:
    return "" if code in _SURROGATES else fold(chr(code))


def _is_unseen(char: str) -> bool:
    """Accents, and what only says how its neighbours are to be written."""
    code = ord(char)
    return code in _ACCENTS or code in _SELECTORS or unicodedata.category(char) == "Cf"


@cache
def _folds(char: str) -> str:
    return fold(char) if ord(char) < KNOWN else char


@cache
def _kind(char: str, symbols: bool) -> int:
    return kind_of(char, symbols=symbols)
