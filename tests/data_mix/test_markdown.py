"""Texts of others in Markdown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_mix.markdown import code, fenced, link, plain, table


@given(st.text(alphabet="`~\n ab<\x00\u202e"))
def test_a_fence_is_longer_than_any_in_its_text(text: str) -> None:
    """The only line that could end the block is its last, and no control character is left."""
    first, *inside, last = fenced(text).split("\n")
    assert first == last
    assert set(first) == {"`"}
    assert all(first not in line for line in inside)
    assert not {"\x00", "\u202e"} & set("".join(inside))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a_b *c* [d](e) <f> #g | h", r"a\_b \*c\* \[d\](e) \<f\> \#g \| h"),
        ("two\nlines\u2028and", "two lines and"),
        ("\u202eright to left", "�right to left"),
    ],
)
def test_plain_text_is_one_line_without_markup(text: str, shown: str) -> None:
    """What would be markup is set apart, and line ends are blanks."""
    assert plain(text) == shown


def test_a_code_span_holds_backticks_and_stays_in_its_cell() -> None:
    """The ticks around are more than those within, and a bar does not end the cell of a table."""
    assert code("a``b`") == "``` a``b` ```"
    assert code("a|b") == "`a\\|b`"


def test_a_link_is_a_url_and_nothing_else() -> None:
    """Another scheme, or a URL with more behind it, is text."""
    assert link("https://example.org/a") == "<https://example.org/a>"
    assert link("javascript:alert(1)") == "javascript:alert(1)"
    assert link("https://example.org/<b>") == r"https://example.org/\<b\>"


def test_numbers_are_set_to_the_right() -> None:
    """The columns that are named have their rule on the right."""
    assert table(["a", "n"], [["x", "1"]], numbers=["n"]) == "| a | n |\n| --- | ---: |\n| x | 1 |"
