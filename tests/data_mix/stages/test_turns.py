"""The stage `turns`: conversations out of order are dropped."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation_frames import EARLIER, Turns, agree, conversations, drawn_rows, drops, talk, turns_of
from data_mix.stage import StageOptions
from data_mix.stages.turns import STAGE

CONTENTS = st.sampled_from(["yes", "no \n", "…", None, "", " \n\t", "\u200b", "\x00"]) | st.just("ok") | st.just("well")
SYSTEM, USER, ASSISTANT = ("system", "be kind"), ("user", "why?"), ("assistant", "so.")


def is_blank(content: str | None) -> bool:
    """Whether a reader sees nothing of it."""
    return all(char.isspace() or unicodedata.category(char) in {"Cc", "Cf"} for char in content or "")


def reference(row: Turns) -> str | None:
    """The stage's rule, one row at a time."""
    roles = [role for role, _ in row]
    if not roles:
        return "no_messages"
    if any(is_blank(content) for _, content in row):
        return "empty_turn"
    rest = roles[1:] if roles[0] == "system" else roles
    if rest != [("user", "assistant")[place % 2] for place in range(len(rest))]:
        return "broken_alternation"
    return None if rest and len(rest) % 2 == 0 else "no_final_answer"


def reason(*row: tuple[str, str | None]) -> str | None:
    """Why a conversation is dropped."""
    return drops(STAGE.apply(conversations(row), StageOptions()))[0]


@given(drawn_rows(CONTENTS), EARLIER)
def test_every_row_is_judged_as_one_by_one(rows: list[Turns | None], earlier: list[str | None]) -> None:
    """Rows of any shape are dropped for the reason that a plain reading gives, and an earlier reason stays."""
    found = STAGE.apply(conversations(*rows, drop=earlier[: len(rows)]), StageOptions())
    assert agree(rows, earlier, found, reference)


@given(drawn_rows(CONTENTS))
def test_nothing_but_the_reason_changes(rows: list[Turns | None]) -> None:
    """Every row goes on, in its place, with its messages."""
    frame = conversations(*rows)
    found = STAGE.apply(frame, StageOptions())
    assert found.columns == frame.columns
    assert found.drop("drop").equals(frame.drop("drop"))


@pytest.mark.parametrize("row", [(USER, ASSISTANT), (SYSTEM, USER, ASSISTANT), (USER, ASSISTANT) * 3], ids=len)
def test_conversations_in_order_are_kept(row: Turns) -> None:
    """User and assistant by turns, after a system turn or none, are kept."""
    assert reason(*row) is None


@pytest.mark.parametrize(
    "row",
    [
        (ASSISTANT,),
        (USER, USER, ASSISTANT),
        (USER, ASSISTANT, ASSISTANT),
        (SYSTEM, SYSTEM, USER, ASSISTANT),
        (USER, SYSTEM, ASSISTANT),
    ],
)
def test_what_does_not_alternate_is_dropped(row: Turns) -> None:
    """An assistant that begins, a role twice in a row, and a system turn anywhere but first break the order."""
    assert reason(*row) == "broken_alternation"


@pytest.mark.parametrize("row", [(USER,), (SYSTEM,), (SYSTEM, USER), (USER, ASSISTANT, USER)])
def test_a_conversation_without_a_last_answer_is_dropped(row: Turns) -> None:
    """A conversation that is in order so far, but has not the assistant's last word, is told from a broken one."""
    assert reason(*row) == "no_final_answer"


@pytest.mark.parametrize("blank", [None, "", " ", "\n\t ", "\u00a0\u3000", "\u200b\ufeff", "\x00", "\u2060\u00ad"], ids=ascii)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_turn_without_anything_to_see_is_dropped(blank: str | None, place: int) -> None:
    """A message of blanks, control characters or characters of no width is empty, whoever says it."""
    row: list[tuple[str, str | None]] = [SYSTEM, USER, ASSISTANT]
    row[place] = (row[place][0], blank)
    assert reason(*row) == "empty_turn"


@pytest.mark.parametrize("content", [".", "0", "\u0301", "🙂", "\ue000", "\ufffd", "null", "<|assistant|>"])
def test_anything_to_see_is_a_turn(content: str) -> None:
    """Signs, marks, emoji and private characters are contents."""
    assert reason(("user", content), ("assistant", content)) is None


def test_no_messages_are_told_from_empty_ones() -> None:
    """A row with no list or an empty one has no messages."""
    found = STAGE.apply(conversations(None, [], talk("hi", "ho")), StageOptions())
    assert drops(found) == ["no_messages", "no_messages", None]


def test_an_empty_frame_passes() -> None:
    """No rows in, no rows out."""
    found = STAGE.apply(conversations(), StageOptions())
    assert (len(found), turns_of(found)) == (0, [])
