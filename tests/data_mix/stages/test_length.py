"""The stage `length`: conversations beyond the limits are dropped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from conversation_frames import EARLIER, Turns, agree, conversations, drawn_rows, drops, talk
from data_mix.stages.length import STAGE, LengthOptions

CONTENTS = st.none() | st.text(alphabet="a é\u0301家🙂\n", max_size=8)
LIMITS = st.builds(
    LengthOptions,
    max_chars=st.none() | st.integers(1, 20),
    min_chars=st.integers(0, 5),
    max_turns=st.none() | st.integers(1, 5),
)


def reference(row: Turns, limits: LengthOptions) -> str | None:
    """The stage's rule, one row at a time."""
    if limits.max_chars is not None and sum(len(content or "") for _, content in row) > limits.max_chars:
        return "too_long"
    if any(role == "assistant" and len((content or "").strip()) < limits.min_chars for role, content in row):
        return "too_short"
    if limits.max_turns is not None and sum(role != "system" for role, _ in row) > limits.max_turns:
        return "too_many_turns"
    return None


def reason(row: Turns, **limits: int) -> str | None:
    """Why a conversation is dropped under these limits."""
    return drops(STAGE.apply(conversations(row), LengthOptions(**limits)))[0]


@given(drawn_rows(CONTENTS), EARLIER, LIMITS)
def test_every_row_is_measured_as_one_by_one(
    rows: list[Turns | None], earlier: list[str | None], limits: LengthOptions
) -> None:
    """Rows of any shape are dropped for the reason that a plain count gives, and an earlier reason stays."""
    found = STAGE.apply(conversations(*rows, drop=earlier[: len(rows)]), limits)
    assert agree(rows, earlier, found, lambda row: reference(row, limits))


@given(drawn_rows(CONTENTS), EARLIER)
def test_the_defaults_drop_nothing(rows: list[Turns | None], earlier: list[str | None]) -> None:
    """Without limits a frame passes as it is."""
    frame = conversations(*rows, drop=earlier[: len(rows)])
    assert STAGE.apply(frame, LengthOptions()).equals(frame)


@pytest.mark.parametrize(("limit", "why"), [(9, "too_long"), (10, None)])
def test_the_longest_is_kept_and_one_more_is_not(limit: int, why: str | None) -> None:
    """All messages count together, in characters and not in bytes."""
    assert reason([("system", "ab"), ("user", "家🙂"), ("assistant", "é" * 6)], max_chars=limit) == why


@pytest.mark.parametrize(("limit", "why"), [(2, None), (3, "too_short")])
def test_the_shortest_answer_decides(limit: int, why: str | None) -> None:
    """One short answer is enough, blanks at its ends do not lengthen it, and what others say does not count."""
    assert reason(talk("?", "  ok\n", "!", "a long answer"), min_chars=limit) == why


@pytest.mark.parametrize(("limit", "why"), [(3, "too_many_turns"), (4, None)])
def test_turns_are_messages_but_for_the_systems(limit: int, why: str | None) -> None:
    """A system turn does not count as a turn."""
    assert reason([("system", "be kind"), *talk("a", "b", "c", "d")], max_turns=limit) == why


@pytest.mark.parametrize("limits", [{"max_chars": 0}, {"min_chars": -1}, {"max_turns": 0}, {"max_char": 5}, {"max_chars": "5"}])
def test_limits_that_make_no_sense_are_refused(limits: dict[str, object]) -> None:
    """A limit below what can be, a misspelled one and a text are errors of the options."""
    with pytest.raises(ValidationError):
        LengthOptions.model_validate(limits)


def test_every_option_says_what_it_does() -> None:
    """Each option has a type, a default and a description."""
    fields = LengthOptions.model_fields.values()
    assert all(field.description and field.annotation and not field.is_required() for field in fields)
