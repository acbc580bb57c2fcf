"""Reading the numbers of token shards."""

import re
from pathlib import Path

import pyarrow as pa
import pytest

from data_mix.errors import FormatError
from data_mix.packing import Conversations, find_turns, read_conversations
from splits import Exchange, Row, ragged, split_of

SPANS = pa.list_(pa.struct([("start", pa.uint32()), ("end", pa.uint32())]))
ROWS = [Row(1, [Exchange(2, 3), Exchange(2, 2)]), Row(0, [Exchange(1, 4, is_trained=False)]), Row(0, [Exchange(3, 1)])]
USER, OTHER = 7, 1


def columns(rows: list[Row], chunk: int = 2) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Columns `input_ids` and `loss` as token shards have them, each user turn opening with the id 7."""
    ids = [[USER if place in {turn[0] for turn in row.turns()} else OTHER for place in range(row.length)] for row in rows]
    spans = [[{"start": turn[1], "end": turn[2]} for turn in row.turns() if turn[3]] for row in rows]
    places = range(0, len(rows), chunk)
    input_ids = [pa.array(ids[place : place + chunk], pa.list_(pa.uint16())) for place in places]
    return pa.chunked_array(input_ids), pa.chunked_array([pa.array(spans[place : place + chunk], SPANS) for place in places])


def as_lists(conversations: Conversations) -> list[list[int]]:
    """All the numbers."""
    starts, ends = conversations.span_starts, conversations.span_ends
    arrays = [conversations.lengths, starts.offsets, starts.values, ends.offsets, ends.values]
    return [array.tolist() for array in arrays]


@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_lengths_and_spans_are_read_from_the_columns_of_token_shards(chunk: int) -> None:
    """However the rows lie in parts, the numbers are those of the conversations."""
    assert as_lists(read_conversations(*columns(ROWS, chunk))) == as_lists(split_of(ROWS))


def test_a_slice_of_a_shard_is_read_by_its_own_rows() -> None:
    """Columns that begin in the middle of a shard give the numbers of the rows that they hold."""
    input_ids, loss = columns(ROWS, 3)
    assert as_lists(read_conversations(input_ids.slice(1), loss.slice(1))) == as_lists(split_of(ROWS[1:]))


def test_a_memory_mapped_shard_is_read(tmp_path: Path) -> None:
    """The columns may come straight from an Arrow file."""
    table = pa.table(dict(zip(("input_ids", "loss"), columns(ROWS), strict=True)))
    with pa.ipc.new_file(tmp_path / "tokens.arrow", table.schema) as writer:
        writer.write_table(table)
    read = pa.ipc.open_file(pa.memory_map(str(tmp_path / "tokens.arrow"))).read_all()
    assert as_lists(read_conversations(read["input_ids"], read["loss"])) == as_lists(split_of(ROWS))


@pytest.mark.parametrize("chunk", [1, 3])
def test_user_turns_are_found_by_their_control_token(chunk: int) -> None:
    """The places of the id that opens a user turn are the starts of the user turns, counted from each conversation's own."""
    found, known = find_turns(columns(ROWS, chunk)[0], [USER]), split_of(ROWS).user_turns
    assert known is not None
    assert (found.offsets.tolist(), found.values.tolist()) == (known.offsets.tolist(), known.values.tolist())


def test_an_opening_of_several_ids_is_found_as_a_whole() -> None:
    """A control token that other roles share opens a user turn only where the rest of the opening follows."""
    input_ids = pa.chunked_array([pa.array([[5, 1, 9, 5, 2, 9], [5, 2], [5]], pa.list_(pa.uint16()))])
    found = find_turns(input_ids, [5, 2])
    assert (found.offsets.tolist(), found.values.tolist()) == ([0, 1, 2, 2], [3, 0])


def test_an_opening_does_not_reach_over_the_end_of_a_conversation() -> None:
    """Ids of two conversations that stand side by side in a shard are no opening together."""
    input_ids = pa.chunked_array([pa.array([[1, 5], [2, 9]], pa.list_(pa.uint16()))])
    assert find_turns(input_ids, [5, 2]).values.tolist() == []


def test_a_slice_finds_the_turns_of_its_own_rows() -> None:
    """The places count from the conversation, not from the shard."""
    assert find_turns(columns(ROWS, 3)[0].slice(2), [USER]).values.tolist() == [0]


def test_empty_columns_are_no_conversations() -> None:
    """A split without rows has no lengths, spans or turns."""
    input_ids, loss = pa.chunked_array([], pa.list_(pa.uint16())), pa.chunked_array([], SPANS)
    assert len(read_conversations(input_ids, loss, find_turns(input_ids, [USER]))) == 0


@pytest.mark.parametrize(
    ("starts", "ends"),
    [
        ([[4]], [[9]]),
        ([[5]], [[4]]),
        ([[-1]], [[2]]),
        ([[3, 1]], [[4, 2]]),
        ([[0, 2]], [[3, 4]]),
        ([[1, 2]], [[3]]),
        ([[2]], [[2]]),
    ],
    ids=["over the end", "backwards", "before the start", "out of order", "overlapping", "not as many", "empty"],
)
def test_spans_that_cannot_be_are_refused(starts: list[list[int]], ends: list[list[int]]) -> None:
    """Loss spans of a damaged shard are an error, not a wrong mask."""
    with pytest.raises(FormatError, match="do not lie in order within the tokens; tokenize anew"):
        Conversations(lengths=ragged([[8]]).values, span_starts=ragged(starts), span_ends=ragged(ends))


def test_columns_of_different_shards_are_refused() -> None:
    """As many rows of spans as of tokens are wanted."""
    input_ids, loss = columns(ROWS)
    with pytest.raises(FormatError, match=re.escape("2 rows of tokens and 3 of loss spans, 0 of them null")):
        read_conversations(input_ids.slice(1), loss)


def test_a_missing_row_is_refused() -> None:
    """A null in place of tokens is an error."""
    input_ids, loss = columns(ROWS[:1])
    with pytest.raises(FormatError, match="1 of them null"):
        read_conversations(pa.chunked_array([pa.array([None], input_ids.type)]), loss)


def test_a_conversation_without_user_turn_is_refused() -> None:
    """Where user turns are given, each conversation has one, or the error names the first that has none."""
    known = split_of(ROWS)
    with pytest.raises(FormatError, match=r"^conversation 1 of the token shards has no user turn"):
        Conversations(
            lengths=known.lengths,
            span_starts=known.span_starts,
            span_ends=known.span_ends,
            user_turns=ragged([[0], [], [0]]),
        )


def test_an_answer_before_the_first_user_turn_is_refused() -> None:
    """A head that held something trained would train it again with every piece."""
    known = split_of(ROWS)
    starts, ends = known.span_starts, known.span_ends
    with pytest.raises(FormatError, match=r"^conversation 2 of the token shards is trained before its first user turn"):
        Conversations(lengths=known.lengths, span_starts=starts, span_ends=ends, user_turns=ragged([[1], [0], [3]]))
