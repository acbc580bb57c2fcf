"""Citations: what is taken out of a text, and what stays."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_mix.citations import without_citations


def clean(text: str) -> str:
    """The text without citations."""
    return str(pl.select(without_citations(pl.lit(text))).item())


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("on a single route.[3] It", "on a single route. It"),
        ("the steppe [1], then", "the steppe, then"),
        ("one [1, 2] two [3][4] three", "one two three"),
        ("a [1] [2] [3].", "a."),
        ("left out.[citation needed]", "left out."),
        ("so it is said [when?] here", "so it is said here"),
        ("India,[a] Maldives,[b]", "India, Maldives,"),
        ("rock [note 3] and [nb 2] sand[Note 1]", "rock and sand"),
        ("housing.[9]:\u200a45\u200a Highways", "housing. Highways"),
        ("on 1 October 2017.[3", "on 1 October 2017."),
        ("a\u00a0[5] b", "a b"),
    ],
)
def test_citations_go_with_the_blank_before_them(text: str, cleaned: str) -> None:
    """A citation of any usual form leaves neither a mark nor a stray blank."""
    assert clean(text) == cleaned


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("[1] At the start", "At the start"),
        ("First.\n[2] Second", "First.\nSecond"),
        ("At the end [1] \nof a line", "At the end\nof a line"),
        ("At the end [1] \r\nof a line", "At the end\r\nof a line"),
        ("[1][2]", ""),
    ],
)
def test_no_blank_is_left_at_the_ends_of_a_line(text: str, cleaned: str) -> None:
    """A citation at the start or the end of a line takes the blanks there with it."""
    assert clean(text) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        '"[t]hese theories" and "[I]t is"',
        "Colo[u]rpoint",
        "The Hobbit [1937]",
        "pronounced [ˈboɾxes]",
        "pass local[N] as the master",
        "p.map(work, [first, second])",
        "[17.33 million]; [1st place - 25 points]",
        "an open [ and a closed ]",
        "two  blanks of one's own ",
    ],
)
def test_other_brackets_and_other_blanks_stay(text: str) -> None:
    """Quotations, years, pronunciations and code are left as they came, and so is every blank beside no citation."""
    assert clean(text) == text


@given(st.text(st.characters(codec="utf-8", exclude_characters="[")))
def test_a_text_without_brackets_is_not_touched(text: str) -> None:
    """Nothing but a bracket can make this change a text."""
    assert clean(text) == text


@given(st.text(alphabet="[]0123456789, abn\n\t"))
def test_cleaning_only_takes_away(text: str) -> None:
    """What is left is what was there, in its order, with something missing."""
    rest = iter(text)
    assert all(letter in rest for letter in clean(text))
