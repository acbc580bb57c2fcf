"""Making conversations out of columns of texts."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from data_mix.schema import FRAME, as_frame, message, pair, turns, unless_dropped, with_context

TEXTS = pl.DataFrame({"s": ["be brief", "be kind"], "q": ["why", "who"], "a": ["so", None], "drop": [None, "bad_record"]})


@given(st.lists(st.tuples(st.text(), st.text())))
def test_a_pair_is_a_user_turn_and_an_assistant_turn(rows: list[tuple[str, str]]) -> None:
    """The fast way lays out the same messages as a list of structs does, row for row."""
    frame = pl.DataFrame(rows, schema={"q": pl.String, "a": pl.String}, orient="row")
    slow = pl.concat_list(message("user", "q"), message("assistant", "a")).alias("messages")
    assert frame.select(pair("q", "a")).equals(frame.select(slow))


def test_a_conversation_has_the_turns_in_the_order_given() -> None:
    """Any number of turns per row can be made, each of an expression or a column."""
    made = TEXTS.select(turns(("system", "s"), ("user", pl.col("q") + "?"), ("assistant", pl.lit("ok"))))["messages"]
    assert made[1].to_list() == [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "who?"},
        {"role": "assistant", "content": "ok"},
    ]


def test_a_missing_text_is_an_empty_turn() -> None:
    """No message has null for its content, so that the stages see an empty turn for what it is."""
    assert TEXTS.select(pair("q", "a"))["messages"][1].to_list()[1]["content"] == ""


def test_the_type_of_messages_is_that_of_the_frame() -> None:
    """It is known before any row is there, and holds for no rows too."""
    assert TEXTS.lazy().select(pair("q", "a")).collect_schema()["messages"] == FRAME["messages"]
    assert TEXTS.clear().select(pair("q", "a")).schema["messages"] == FRAME["messages"]


def test_a_dropped_row_has_no_messages() -> None:
    """What a bad record would make is left out."""
    assert TEXTS.select(unless_dropped(pair("q", "a")))["messages"].is_null().to_list() == [False, True]


def test_a_context_stands_below_the_prompt() -> None:
    """A blank line parts them, and a context of blanks or none changes nothing."""
    frame = pl.DataFrame({"prompt": ["When?"] * 4, "context": [" In May.\n", "", "  ", None]})
    assert frame.select(with_context("prompt", "context")).to_series().to_list() == [
        "When?\n\nIn May.",
        "When?",
        "When?",
        "When?",
    ]


def test_a_frame_gets_the_columns_that_it_lacks() -> None:
    """All columns are there afterwards, in order, null where nobody gave them."""
    frame = as_frame(pl.DataFrame({"drop": [None], "key": ["1"]}))
    assert frame.schema == pl.Schema(FRAME)
    assert frame["lang"].to_list() == [None]
