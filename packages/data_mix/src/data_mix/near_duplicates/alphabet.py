"""Which characters are compared, and which of them stand for a part of a word.

Compared are letters, marks, digits and symbols, in lower case and in their plain form (NFKC); all else only parts words. Where
a script has no blanks between words its characters stand alone: a word has about two in Chinese and Japanese, four in Thai.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

CODE_POINTS: Final = 0x323B0
"""Beyond the last Han character nothing is compared."""

CLASS_BITS: Final = 24
"""An entry of the table is the character's plain form, and above this bit its class."""

APART, IN_WORD, SYMBOL, HALF_WORD, QUARTER_WORD = range(5)
"""The classes: what parts words, a letter of a word, what is a word alone, or is about half or a quarter of one alone."""

_HALF: Final = (
    (0x2E80, 0x2FDF),  # radicals
    (0x3005, 0x3007),
    (0x3040, 0x30FF),  # kana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),
    (0x1B000, 0x1B16F),
    (0x20000, 0x323AF),
)
_QUARTER: Final = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0xA9E0, 0xA9FF), (0xAA60, 0xAA7F))
"""Thai and Lao, Burmese, Khmer."""


@cache
def table() -> NDArray[np.uint32]:
    """The entry of every code point below `CODE_POINTS`."""
    classes = [_class_of(unicodedata.category(chr(code))) for code in range(CODE_POINTS)]
    entries = [ord(_plain(chr(code))) | kind << CLASS_BITS if kind else 0 for code, kind in enumerate(classes)]
    found = np.array(entries, dtype=np.uint32)
    for ranges, kind in ((_HALF, HALF_WORD), (_QUARTER, QUARTER_WORD)):
        for first, last in ranges:
            part = found[first : last + 1]
            part[part != 0] = part[part != 0] & ((1 << CLASS_BITS) - 1) | kind << CLASS_BITS
    found[0xFE00:0xFE10] = 0  # variation selectors: how a character looks
    return found


def _class_of(category: str) -> int:
    if category[0] in "LMN":
        return IN_WORD
    return SYMBOL if category in {"So", "Sm", "Sc"} else APART


def _plain(character: str) -> str:
    """The character in lower case and its plain form, where that is one character too."""
    folded = unicodedata.normalize("NFKC", character).lower()
    return folded if len(folded) == 1 else character
