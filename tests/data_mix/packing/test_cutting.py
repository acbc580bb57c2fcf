"""Conversations that are longer than a row, and what is counted of them."""

import time

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from data_mix.errors import BuildError, ConfigError
from data_mix.packing import Conversations, Policy, Ragged, cut
from splits import ROWS, Exchange, Row, one_turn, slow_cut, split_of

POLICIES: list[Policy] = ["truncate", "drop", "split"]
TALK = Row(2, [Exchange(3, 4), Exchange(3, 4), Exchange(3, 4)])
"""Head of 2, answers that end at 9, 16 and 23."""


def pieces_of(rows: list[Row], max_length: int, policy: Policy) -> list[tuple[int, ...]]:
    """The pieces as plain tuples."""
    return [tuple(piece) for piece in cut(split_of(rows), max_length, policy)[0].tolist()]


@pytest.mark.parametrize(
    ("max_length", "pieces"),
    [(23, [(0, 0, 23, 0, 12)]), (22, [(0, 0, 16, 0, 8)]), (16, [(0, 0, 16, 0, 8)]), (9, [(0, 0, 9, 0, 4)])],
)
def test_a_long_conversation_is_cut_after_the_last_answer_that_fits(max_length: int, pieces: list[tuple[int, ...]]) -> None:
    """A row ends with an answer in full, never in the middle of one."""
    assert pieces_of([TALK], max_length, "truncate") == pieces


def test_split_goes_on_behind_the_head_at_a_user_turn() -> None:
    """The second piece repeats the head of two tokens and starts where the next user turn does."""
    assert pieces_of([TALK], 16, "split") == [(0, 0, 16, 0, 8), (0, 16, 23, 2, 4)]


def test_split_leaves_out_an_exchange_that_fits_nowhere() -> None:
    """An answer longer than a row is skipped, and the conversation goes on after it."""
    row = Row(1, [Exchange(2, 3), Exchange(2, 30), Exchange(2, 3)])
    assert pieces_of([row], 10, "split") == [(0, 0, 6, 0, 3), (0, 38, 43, 1, 3)]


def test_split_keeps_untrained_answers_as_context() -> None:
    """An answer that is not trained stands before the trained one that follows it in the same piece."""
    row = Row(0, [Exchange(2, 3, is_trained=False), Exchange(2, 3), Exchange(2, 3)])
    assert pieces_of([row], 10, "split") == [(0, 0, 10, 0, 3), (0, 10, 15, 0, 3)]


@pytest.mark.parametrize("policy", POLICIES)
@settings(deadline=None)
@given(rows=ROWS, max_length=st.integers(4, 30))
def test_pieces_are_those_of_plain_code(policy: Policy, rows: list[Row], max_length: int) -> None:
    """Cutting many conversations at once gives what cutting one after the other in plain Python gives."""
    is_head_too_long = any(row.length > max_length and row.head >= max_length for row in rows)
    expected = [piece for number, row in enumerate(rows) for piece in slow_cut(number, row, max_length, policy)]
    assume(expected and not (policy == "split" and is_head_too_long))
    assert pieces_of(rows, max_length, policy) == expected


@pytest.mark.parametrize("policy", POLICIES)
@settings(deadline=None)
@given(rows=ROWS, max_length=st.integers(5, 30))
def test_no_piece_is_longer_than_a_row_and_each_has_something_to_train(
    policy: Policy, rows: list[Row], max_length: int
) -> None:
    """Head and piece together fit, and at least one of the tokens is in the loss."""
    fitting = [*rows, Row(0, [Exchange(1, 1)])]
    pieces, _ = cut(split_of(fitting), max_length, policy)
    assert (pieces["head"] + pieces["end"] - pieces["start"] <= max_length).all()
    assert (pieces["trained"] > 0).all()


@pytest.mark.parametrize("policy", POLICIES)
@settings(deadline=None)
@given(rows=ROWS, max_length=st.integers(5, 30))
def test_nothing_is_lost_in_silence(policy: Policy, rows: list[Row], max_length: int) -> None:
    """Conversations read are those kept and those dropped; tokens read are those in pieces and those counted as lost."""
    fitting = [*rows, Row(0, [Exchange(1, 1)])]
    pieces, statistics = cut(split_of(fitting), max_length, policy)
    assert statistics.kept == len(set(pieces["conversation"].tolist()))
    assert statistics.conversations == statistics.kept + sum(statistics.dropped.values()) == len(fitting)
    own = int((pieces["end"] - pieces["start"]).sum())
    assert statistics.read_tokens == own + statistics.lost_tokens == sum(row.length for row in fitting)
    assert statistics.tokens == own + statistics.repeated_tokens


@settings(deadline=None)
@given(rows=ROWS, max_length=st.integers(5, 30))
def test_split_trains_no_token_twice(rows: list[Row], max_length: int) -> None:
    """The pieces of a conversation follow each other without overlap; what is repeated, the head, is never in the loss."""
    pieces, statistics = cut(split_of([*rows, Row(0, [Exchange(1, 1)])]), max_length, "split")
    follows = pieces["conversation"][1:] == pieces["conversation"][:-1]
    assert (pieces["start"][1:] >= pieces["end"][:-1])[follows].all()
    assert statistics.trained_tokens <= statistics.read_trained_tokens


@pytest.mark.parametrize(
    ("policy", "dropped", "cut_rows", "split_rows"),
    [
        ("truncate", {"untrained": 1, "no_turn_fits": 1}, 1, 0),
        ("drop", {"untrained": 1, "too_long": 2}, 0, 0),
        ("split", {"untrained": 1, "no_turn_fits": 1}, 0, 1),
    ],
)
def test_what_is_dropped_and_cut_is_counted_by_reason(
    policy: Policy, dropped: dict[str, int], cut_rows: int, split_rows: int
) -> None:
    """One that fits, one with nothing to train, one to be cut and one with no answer that fits are told apart."""
    rows = [Row(0, [Exchange(2, 2)]), Row(0, [Exchange(2, 2, is_trained=False)]), TALK, Row(0, [Exchange(2, 20)])]
    statistics = cut(split_of(rows), 16, policy)[1]
    assert (statistics.dropped, statistics.cut, statistics.split) == (dropped, cut_rows, split_rows)


def without_turns(rows: list[Row]) -> Conversations:
    """A split of which the user turns are not known."""
    known = split_of(rows)
    return Conversations(lengths=known.lengths, span_starts=known.span_starts, span_ends=known.span_ends)


@pytest.mark.parametrize("policy", ["truncate", "drop"])
def test_user_turns_are_wanted_for_split_alone(policy: Policy) -> None:
    """The other policies need nothing but lengths and loss spans."""
    assert len(cut(without_turns([TALK, TALK]), 23, policy)[0]) == 2


@pytest.mark.parametrize("max_length", [0, -1, 2**24 + 1])
def test_an_impossible_max_length_is_refused(max_length: int) -> None:
    """Zero, less, or more than any model holds is an error that names the number."""
    with pytest.raises(ConfigError, match=rf"^max_length: found {max_length}, wanted 1 to 16777216 tokens; set it to"):
        cut(split_of([TALK]), max_length)


@pytest.mark.parametrize(("policy", "least"), [("truncate", 9), ("drop", 23), ("split", 9)])
def test_a_max_length_in_which_nothing_fits_is_refused(policy: Policy, least: int) -> None:
    """The error says from which length on something fits."""
    with pytest.raises(ConfigError, match=f"found 8, but none of the 1 conversations fits, wanted {least} or more"):
        cut(split_of([TALK]), 8, policy)


def test_the_least_length_that_the_error_names_is_enough() -> None:
    """With the length that the error asks for, packing goes through."""
    assert len(cut(split_of([TALK]), 9)[0]) == 1


def test_a_system_turn_as_long_as_a_row_is_refused_where_it_would_be_repeated() -> None:
    """Policy split names the conversation and the length of its system turn."""
    rows = [Row(0, [Exchange(1, 1)]), Row(12, [Exchange(1, 1)])]
    with pytest.raises(ConfigError, match="found 12, but the system turn of conversation 1 alone takes 12 tokens"):
        cut(split_of(rows), 12, "split")


def test_the_same_system_turn_is_a_counted_drop_elsewhere() -> None:
    """Policy truncate, which repeats nothing, drops that conversation and goes on."""
    rows = [Row(0, [Exchange(1, 1)]), Row(12, [Exchange(1, 1)])]
    assert cut(split_of(rows), 12)[1].dropped == {"no_turn_fits": 1}


def test_an_empty_split_is_refused() -> None:
    """No conversation at all is an error that says where to look."""
    with pytest.raises(BuildError, match=r"^the split holds no conversation, wanted at least one to pack; look at the mix"):
        cut(one_turn([]), 2048)


def test_a_split_without_a_trained_token_is_refused() -> None:
    """Where nothing is in the loss, the error says so and does not blame the length."""
    with pytest.raises(ConfigError, match=r"^none of the 1 conversations has a token in the loss"):
        cut(split_of([Row(0, [Exchange(1, 1, is_trained=False)])]), 2048)


def test_split_without_user_turns_is_refused() -> None:
    """The error names what is missing and the policy that does without."""
    with pytest.raises(ConfigError, match=r"give user_turns, or choose truncate$"):
        cut(without_turns([TALK]), 16, "split")


def test_an_unknown_policy_is_refused() -> None:
    """A word that is no policy is an error that lists them."""
    with pytest.raises(ConfigError, match="found 'wrap', wanted one of truncate, drop, split"):
        cut(split_of([TALK]), 16, "wrap")  # type: ignore[arg-type]


def test_many_conversations_take_no_loop_in_python() -> None:
    """200,000 conversations of two exchanges are split into twice as many pieces in under a second."""
    count = 200_000
    starts, ends, turns = (same_in_all(count, places) for places in ([5, 20], [15, 30], [0, 15]))
    lengths = np.full(count, 30)
    conversations = Conversations(lengths=lengths, span_starts=starts, span_ends=ends, user_turns=turns)
    cut(split_of([TALK]), 16, "split")  # compiles
    started = time.perf_counter()
    assert len(cut(conversations, 25, "split")[0]) == 2 * count
    assert time.perf_counter() - started < 1


def same_in_all(count: int, places: list[int]) -> Ragged:
    """The same numbers for every conversation."""
    return Ragged(offsets=np.arange(count + 1) * len(places), values=np.tile(np.array(places), count))
