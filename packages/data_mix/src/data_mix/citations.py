"""Citations in prose, and how they are taken out: `[3]`, `[1, 2]`, `[note 2]`, `[9]:45`, `[a]`, `[citation needed]`.

Texts copied from Wikipedia, and answers written with a browser at hand, carry marks that point to a list nobody sees. A model
trained on them learns to cite sources that do not exist.

Brackets that hold something else stay: an altered quotation (`"[t]hese`), a year (`The Hobbit [1937]`), a pronunciation
(`[ˈboɾxes]`), an element of code (`local[N]`).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from data_mix.schema import change_where

_BLANK: Final = r"[ \t\x{A0}]"
_PAGE: Final = r"(?::\x{200A}[^\x{200A}\n]{1,20}\x{200A}?)?"  # Wikipedia sets a page number between two hair spaces
_LABEL: Final = r"(?i:notes?|nb|n\.?) ?[0-9]{1,3}"
_DOUBT: Final = r"[a-z -]+ needed|when\?|who\?|failed verification|dubious[^\]\n]{0,20}"
_LETTER: Final = r"\[[a-zA-H]\]\B"  # \B: no letter follows, or it would be the changed first letter of a quotation
_CUT: Final = r"\[[0-9]{1,3}\z"  # the text ends in the midst of a mark

_MARK: Final = rf"(?:\[(?:[0-9]{{1,3}}(?:, *[0-9]{{1,3}})*|{_LABEL}|{_DOUBT})\]{_PAGE}|{_LETTER}|{_CUT})"
_RUN: Final = rf"{_MARK}(?:{_BLANK}?{_MARK})*"

_AT_START: Final = rf"(?m)^{_RUN}{_BLANK}+"
_ELSEWHERE: Final = rf"(?mR){_BLANK}?{_RUN}(?:{_BLANK}+$)?"


def without_citations(text: pl.Expr) -> pl.Expr:
    """Take the citations out of a text, and the blanks that would be left of them: before, and at the end of a line.

    Both patterns begin so that the search may leap from bracket to bracket; texts without any are not touched.
    """
    return text.map_batches(_without_citations, return_dtype=pl.String, is_elementwise=True)


def _without_citations(texts: pl.Series) -> pl.Series:
    return change_where(
        texts,
        texts.str.contains("[", literal=True),
        lambda cited: cited.str.replace_all(_AT_START, "").str.replace_all(_ELSEWHERE, ""),
    )
