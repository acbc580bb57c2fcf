"""What a kind of private data is, and finding its candidates in a column of texts.

Only the regular expressions of polars (Rust: https://docs.rs/regex) ever see a whole text: they know no backtracking, so the
time is linear in the text whatever stands in it. They tell matches, not places; so each match is put between two marks that no
text holds, and the texts are cut at them. What looks at a candidate afterwards sees a bounded piece of text around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal

import polars as pl

Group = Literal["pii", "secrets"]

AROUND: Final = 40
"""Characters before and behind a candidate that a check may look at."""

LONGEST: Final = 16_384
"""Characters of the longest candidate: an RSA key of 16,384 bits has 12,700 in PEM. A longer match is none."""

_MARK: Final = "\U0010ffff"
"""A noncharacter (https://www.unicode.org/faq/private_use.html#noncharacters), which no text should hold."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A piece of text that looks like private data."""

    value: str
    before: str
    """The text before it, `AROUND` characters at most."""
    after: str
    """The text behind it, as many."""


def as_it_is(value: str) -> str:
    """The value, where it can be written in one way only."""
    return value


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of private data."""

    name: str
    """What a finding is called; spelled with hyphens, what a placeholder begins with."""
    group: Group
    hint: str
    """A pattern that every text matches which holds one: cheap, for it alone reads every text."""
    pattern: str
    """A pattern of the candidates. With groups they are `a`, `v` and `z`: what comes before, the value, what comes after."""
    check: Callable[[Candidate], str]
    """The candidate's beginning that is the private data itself; empty where it is none."""
    same: Callable[[str], str] = as_it_is
    """One spelling of all that a value can be written as, so that all are given one placeholder."""


def candidates(kind: Kind, texts: pl.Series) -> Iterator[tuple[int, int, Candidate]]:
    """(place of the text, first character, candidate) of all candidates, in order."""
    mark = _mark(texts)
    marked = texts.str.replace_all(kind.pattern, _template(kind.pattern, mark))
    changed = marked.str.contains(mark, literal=True).fill_null(value=False).arg_true()
    for place, text in zip(changed, marked.gather(changed), strict=True):
        for start, candidate in _cut(text.split(mark)):
            yield place, start, candidate


def _template(pattern: str, mark: str) -> str:
    if "(?P<v>" not in pattern:
        return f"{mark}${{0}}{mark}"
    return f"${{a}}{mark}${{v}}{mark}${{z}}"


def _mark(texts: pl.Series) -> str:
    """A string that none of the texts holds: should one hold the noncharacter, no text holds a digest of itself and others."""
    if not texts.str.contains(_MARK, literal=True).any():
        return _MARK
    return _MARK + blake2b("".join(texts.drop_nulls()).encode(), digest_size=16).hexdigest()


def _cut(pieces: list[str]) -> Iterator[tuple[int, Candidate]]:
    """The candidates of a text that was cut at the marks: every second piece is one."""
    start = 0
    for place, piece in enumerate(pieces):
        if place % 2 and len(piece) <= LONGEST:
            yield start, Candidate(value=piece, before=_before(pieces, place), after=_after(pieces, place))
        start += len(piece)


def _before(pieces: list[str], place: int) -> str:
    return "".join(piece[-AROUND:] for piece in pieces[max(0, place - AROUND) : place])[-AROUND:]


def _after(pieces: list[str], place: int) -> str:
    return "".join(piece[:AROUND] for piece in pieces[place + 1 : place + 1 + AROUND])[:AROUND]
