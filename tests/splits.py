"""Small splits for the tests of packing: conversations in numbers, and packing by the plainest possible code."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from data_mix.packing import Conversations, Ragged


class Exchange(NamedTuple):
    """A user turn and the answer, in tokens."""

    user: int
    answer: int
    is_trained: bool = True
    after: int = 0
    """Tokens behind the answer that are not trained, as chatml's line end."""


class Row(NamedTuple):
    """A conversation."""

    head: int
    exchanges: Sequence[Exchange]

    def turns(self) -> list[tuple[int, int, int, bool]]:
        """Per exchange: where the user turn starts, where the answer starts and ends, whether it is trained."""
        found, place = [], self.head
        for user, answer, is_trained, after in self.exchanges:
            found.append((place, place + user, place + user + answer, is_trained))
            place += user + answer + after
        return found

    @property
    def length(self) -> int:
        """Tokens in all."""
        return self.head + sum(each.user + each.answer + each.after for each in self.exchanges)


EXCHANGES = st.builds(Exchange, st.integers(1, 6), st.integers(1, 6), st.booleans(), st.integers(0, 1))
ROWS = st.lists(st.builds(Row, st.integers(0, 4), st.lists(EXCHANGES, min_size=1, max_size=5)), min_size=1, max_size=8)


def ragged(lists: Sequence[Sequence[int]]) -> Ragged:
    """A list of numbers per conversation."""
    offsets = np.cumsum([0, *map(len, lists)])
    return Ragged(offsets=offsets, values=np.array([number for each in lists for number in each], dtype=np.int64))


def split_of(rows: Sequence[Row]) -> Conversations:
    """The numbers that packing knows of these conversations."""
    trained = [[turn for turn in row.turns() if turn[3]] for row in rows]
    return Conversations(
        lengths=np.array([row.length for row in rows], dtype=np.int64),
        span_starts=ragged([[turn[1] for turn in turns] for turns in trained]),
        span_ends=ragged([[turn[2] for turn in turns] for turns in trained]),
        user_turns=ragged([[turn[0] for turn in row.turns()] for row in rows]),
    )


def one_turn(lengths: Sequence[int]) -> Conversations:
    """Conversations of these lengths (two at least), with one question of one token."""
    return split_of([Row(0, [Exchange(1, length - 1)]) for length in lengths])


def slow_best_fit(lengths: Sequence[int], max_length: int) -> list[list[int]]:
    """Best fit decreasing by looking at every pack for every piece."""
    packs: list[list[int]] = []
    rooms: list[tuple[int, int]] = []  # (room, when the pack came to it), by pack
    for moment, piece in enumerate(sorted(range(len(lengths)), key=lambda each: -lengths[each])):
        fitting = [pack for pack, (room, _) in enumerate(rooms) if room >= lengths[piece]]
        pack = min(fitting, key=lambda each: (rooms[each][0], -rooms[each][1]), default=len(packs))
        if pack == len(packs):
            packs.append([])
            rooms.append((max_length, moment))
        packs[pack].append(piece)
        rooms[pack] = (rooms[pack][0] - lengths[piece], moment)
    return [sorted(pack) for pack in packs]


def slow_cut(number: int, row: Row, max_length: int, policy: str) -> list[tuple[int, int, int, int, int]]:
    """The pieces of one conversation, as tuples of the fields of `PIECE`."""
    if row.length <= max_length:
        return _piece(number, row, 0, row.length, 0)
    ends = [end for _, _, end, is_trained in row.turns() if is_trained]
    if policy == "drop":
        return []
    if policy == "truncate":
        return _piece(number, row, 0, max([end for end in ends if end <= max_length], default=0), 0)
    pieces, reached = [], 0
    for start, *_ in row.turns():
        end = max([end for end in ends if start < end <= start + max_length - row.head], default=0)
        if start >= reached and end:
            is_first = start == row.head
            pieces += _piece(number, row, 0 if is_first else start, end, 0 if is_first else row.head)
            reached = end
    return pieces


def _piece(number: int, row: Row, start: int, end: int, head: int) -> list[tuple[int, int, int, int, int]]:
    trained = sum(last - first for _, first, last, is_trained in row.turns() if is_trained and start <= first and last <= end)
    return [(number, start, end, head, trained)] if trained else []
