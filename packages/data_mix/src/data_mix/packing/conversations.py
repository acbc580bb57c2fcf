"""What packing knows of a split's conversations: numbers alone, so that no token has to be read.

Row numbers are the places of conversations in the token shards, taken in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data_mix.arrays import to_numpy
from data_mix.errors import FormatError

Numbers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Ragged:
    """A list of numbers per conversation: those of conversation `i` are `values[offsets[i]:offsets[i + 1]]`."""

    offsets: Numbers
    values: Numbers

    def counts(self) -> Numbers:
        """How many numbers each conversation has."""
        return np.diff(self.offsets)

    def sums(self, values: Numbers) -> Numbers:
        """The sum per conversation of other values that lie in the same places."""
        running = np.concatenate(([0], np.cumsum(values)))
        return running[self.offsets[1:]] - running[self.offsets[:-1]]


@dataclass(frozen=True, kw_only=True)
class Conversations:
    """A split's conversations, in tokens.

    Raises FormatError where the numbers contradict one another, as those of a damaged token shard may.
    """

    lengths: Numbers
    """Tokens of each conversation."""
    span_starts: Ragged
    span_ends: Ragged
    """The loss spans of each, none empty, in ascending order: the tokens from a start up to, without, its end are trained."""
    user_turns: Ragged | None = None
    """Where each user turn starts; wanted by the policy `split` alone. What precedes the first is the head: the template's
    start and the system turn."""

    def __post_init__(self) -> None:
        if not self._has_spans_in_order():
            raise FormatError("the loss spans of the token shards do not lie in order within the tokens; tokenize anew")
        if self.user_turns is not None:
            self._check_turns(self.user_turns)

    def _check_turns(self, turns: Ragged) -> None:
        """Every conversation has a user turn, and nothing before the first is trained."""
        if not bool((turns.counts() > 0).all()):
            row = int(np.argmin(turns.counts()))
            raise FormatError(f"conversation {row} of the token shards has no user turn, wanted one at least; tokenize anew")
        has_span = self.span_starts.counts() > 0
        answers = self.span_starts.values[self.span_starts.offsets[:-1][has_span]]
        is_late = turns.values[turns.offsets[:-1][has_span]] >= answers
        if is_late.any():
            row = int(np.flatnonzero(has_span)[is_late.argmax()])
            raise FormatError(f"conversation {row} of the token shards is trained before its first user turn; tokenize anew")

    def _has_spans_in_order(self) -> bool:
        starts, ends, counts = self.span_starts.values, self.span_ends.values, self.span_ends.counts()
        if len(counts) != len(self.lengths) or not np.array_equal(self.span_starts.offsets, self.span_ends.offsets):
            return False
        before = np.roll(ends, 1)
        before[self.span_ends.offsets[:-1][counts > 0]] = 0
        return bool(((before <= starts) & (starts < ends) & (ends <= np.repeat(self.lengths, counts))).all())

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def trained(self) -> Numbers:
        """Trained tokens of each conversation."""
        return self.span_ends.sums(self.span_ends.values - self.span_starts.values)


def read_conversations(input_ids: pa.ChunkedArray, loss: pa.ChunkedArray, user_turns: Ragged | None = None) -> Conversations:
    """The numbers of token shards, from their columns `input_ids` (list) and `loss` (list of start and end).

    Of memory-mapped columns only the offsets and the spans are read.
    """
    if input_ids.null_count or loss.null_count or len(input_ids) != len(loss):
        raise FormatError(
            f"{len(input_ids)} rows of tokens and {len(loss)} of loss spans, {input_ids.null_count + loss.null_count} of them "
            "null, wanted as many of each, and none null; tokenize anew"
        )
    offsets, spans = _offsets(loss), pc.list_flatten(loss)
    starts, ends = (Ragged(offsets=offsets, values=_numbers(pc.struct_field(spans, name))) for name in ("start", "end"))
    lengths = _numbers(pc.list_value_length(input_ids))
    return Conversations(lengths=lengths, span_starts=starts, span_ends=ends, user_turns=user_turns)


def find_turns(input_ids: pa.ChunkedArray, opening: Sequence[int]) -> Ragged:
    """Where each turn starts that opens with these ids, the first of them a control token, which no text contains.

    The template gives the opening of a user turn: `<|prompter|>`, or `<|im_start|>` and the id of `user`, without the line end
    after it, which a tokenizer may join to the text. Reads all tokens.
    """
    chunks = [_find(chunk, opening) for chunk in input_ids.chunks]
    counts = np.concatenate([np.zeros(1, np.int64), *(found.counts() for found in chunks)])
    return Ragged(offsets=np.cumsum(counts), values=np.concatenate([np.zeros(0, np.int64), *(c.values for c in chunks)]))


def _find(chunk: pa.ListArray, opening: Sequence[int]) -> Ragged:
    tokens, offsets = chunk.flatten().to_numpy(), _offsets(chunk)
    places = np.flatnonzero(tokens == opening[0])
    places = places[places + len(opening) <= offsets[np.searchsorted(offsets, places, side="right")]]
    for distance, token in enumerate(opening):
        places = places[tokens[places + distance] == token]
    bounds = np.searchsorted(places, offsets)
    return Ragged(offsets=bounds, values=places - np.repeat(offsets[:-1], np.diff(bounds)))


def _offsets(lists: pa.ChunkedArray | pa.ListArray) -> Numbers:
    return np.concatenate(([0], np.cumsum(_numbers(pc.list_value_length(lists)))))


def _numbers(values: pa.ChunkedArray | pa.Array) -> Numbers:
    chunks = values.chunks if isinstance(values, pa.ChunkedArray) else [values]
    return np.concatenate([np.zeros(0, np.int64), *(to_numpy(chunk) for chunk in chunks)], dtype=np.int64)
