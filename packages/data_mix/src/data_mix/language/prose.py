"""The prose of a text: what remains of it when code, formulas, addresses, names and lists are taken out.

A list of Italian pastas in an English answer is Italian to a detector, and code is English or nothing. What tells the language
of a text are its sentences, so the prose of a text are its runs of at least four words in lower case with nothing but blanks
and the marks of sentences between them; in a script without case, of at least six letters.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from data_mix.language.detect import LONGEST

_NO_PROSE: Final = r"(?s)```.*?(?:```|\z)|`[^`\n]*`|https?://\S+|\S+@\S+|\$[^$\n]*\$|<[^<>\n]*>"
"""Markdown's code, addresses, TeX's formulas, tags."""

_WORD: Final = r"\p{Ll}[\p{Ll}\p{M}'’-]*"
_RUN: Final = rf"\b(?:{_WORD}[ .!?…»”\"]+){{3,}}{_WORD}|(?:[\p{{Lo}}\p{{Lm}}\p{{M}}][ ]?){{6,}}"


def prose(texts: pl.Series) -> pl.Series:
    """The runs of prose in each text, or in its beginning where it is long, as a list; it is empty where there is none."""
    return texts.str.head(LONGEST).str.replace_all(_NO_PROSE, "\n").str.extract_all(_RUN)
