"""The prose of a text, without its code, names and lists."""

from __future__ import annotations

import polars as pl
import pytest

from data_mix.language.detect import LONGEST
from data_mix.language.prose import prose


def found(text: str | None) -> list[str] | None:
    """The runs of prose in one text."""
    return prose(pl.Series([text], dtype=pl.String)).to_list()[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("She said that the old house stands by the sea.", ["said that the old house stands by the sea"]),
        ("one two three", []),
        ("one two three four", ["one two three four"]),
        ("Éa été là-bas aujourd’hui même", ["été là-bas aujourd’hui même"]),
        ("мы сидели в саду", ["мы сидели в саду"]),
        ("red, green, blue, white, black", []),
        ("apples\npears\nplums\nnuts", []),
        ("Anna Bell and Carl Drew and Eve", []),
        ("我们坐在花园里，听雨。", ["我们坐在花园里"]),
        ("家の前に川", []),
        ("家の前に川が", ["家の前に川が"]),
        ("우리는 정원에 앉아서", ["우리는 정원에 앉아서"]),
        ("x1 y2 z3 a4 b5", []),
        ("", []),
        (None, None),
    ],
)
def test_runs_of_words_are_prose(text: str | None, runs: list[str]) -> None:
    """Four words in lower case, or six letters without case, are a run; names, lists and numbers end it."""
    assert found(text) == runs


@pytest.mark.parametrize(
    "text",
    [
        "```\nit is only a test\n```",
        "```it is only a test",
        "`it is only a test`",
        "$it is only a test$",
        "<it is only a test>",
    ],
)
def test_code_and_formulas_are_none(text: str) -> None:
    """What stands in code, in a formula or in a tag is left out; what follows is not."""
    assert found(text) == []
    assert found(f"{text}\n```\nthis one is read too") in ([], ["this one is read too"])


def test_a_long_text_is_read_at_its_beginning() -> None:
    """What comes after the letters that are identified is no part of the prose."""
    assert found("X" * LONGEST + " and this is not read") == []
