"""Messages → rows of ids with the spans that count in the loss.

The mask is built, not found: each message is encoded by itself, control tokens are looked up, and a loss span runs from the
first token of an assistant's text to the end of the token that ends its turn. Where literal text touches the message (the
`user⏎` of chatml), the two are encoded as one, since a tokenizer may join them; the span then begins with the first token
that holds a character of the message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data_mix.arrays import from_numpy, joined, lists, strings, to_numpy
from data_mix.errors import FormatError
from data_mix.schema import ROLES
from data_mix.tokens.encode import PlainText, Ragged, decoder, encoder
from data_mix.tokens.layout import Layout

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Conversations as ids, with the spans that count in the loss."""

    input_ids: pa.ListArray
    loss: pa.ListArray
    """Of structs of `start` and `end`, counted from the row's first id; `end` is the first id that is not trained."""
    trained: int
    """Ids in loss spans."""


class Texts(NamedTuple):
    """The texts of messages, each different one encoded once."""

    encoded: Ragged
    unit: Numbers
    """Which of the encoded texts each message has."""
    begin: Numbers
    """Where in the ids of its text each message begins: literal text may be before it."""


class _Pieces(NamedTuple):
    """What stands before and after each message, as places in a layout's fixed pieces."""

    heads: Numbers
    tails: Numbers


class Encoded(NamedTuple):
    """Encoded messages, and the rows that they are to make."""

    texts: Texts
    role: Numbers
    """The place in `schema.ROLES` of each message's role."""
    row_ends: Numbers
    """How many messages stand before the end of each row."""
    is_trained: NDArray[np.bool_]
    """Whether each message counts in the loss."""


def encode_rows(messages: pa.ListArray, layout: Layout, plain: PlainText, dtype: Any) -> Rows:
    """The rows of a column `messages` of a build; FormatError where a message has no text or a role that is not known."""
    return lay_out(encode_messages(messages, layout, plain), layout, dtype)


def encode_messages(messages: pa.ListArray, layout: Layout, plain: PlainText) -> Encoded:
    """The first half of `encode_rows`, which takes nearly all of its time: text becomes ids."""
    flat = messages.flatten()
    role, row_ends = _roles(flat), np.cumsum(np.diff(to_numpy(messages.offsets)), dtype=np.int64)
    texts = encode_texts(flat.field("content"), role, layout, plain)
    return Encoded(texts, role, row_ends, pl.Series(flat.field("train")).to_numpy())


def lay_out(encoded: Encoded, layout: Layout, dtype: Any) -> Rows:
    """The second half: the ids take their places between control tokens, and the trained ones become spans."""
    texts, role, row_ends, is_trained = encoded
    fixed, pieces = layout.fixed, _pieces(role, row_ends)
    offsets, ids = _joined(texts, fixed, pieces, dtype)
    row_offsets = offsets[np.concatenate([[0], row_ends])]
    row_start, sizes = np.repeat(row_offsets[:-1], np.diff(row_ends, prepend=0)), np.diff(fixed.offsets)
    starts = (offsets[:-1] + sizes[pieces.heads] + texts.begin - row_start)[is_trained]
    stops = (offsets[1:] - sizes[pieces.tails] + layout.trained_tails[role] - row_start)[is_trained]
    spans = pa.StructArray.from_arrays([from_numpy(each.astype(np.uint32)) for each in (starts, stops)], ["start", "end"])
    span_ends = np.concatenate([[0], np.cumsum(is_trained)[row_ends - 1]])
    return Rows(lists(row_offsets, from_numpy(ids)), lists(span_ends, spans), int((stops - starts).sum()))


def _roles(messages: pa.StructArray) -> Numbers:
    """The place in `schema.ROLES` of each message's role."""
    roles = pc.index_in(messages.field("role"), strings(ROLES))
    if roles.null_count or messages.field("content").null_count:
        raise FormatError("a message of the build has no text, or a role that is not known; build again")
    return to_numpy(roles).astype(np.int64)


def encode_texts(contents: pa.Array, role: Numbers, layout: Layout, plain: PlainText) -> Texts:
    """Encode each different text once, the literal text before the message included."""
    if any(layout.literals):
        before = strings(layout.literals).take(from_numpy(role))
        contents = joined(before, contents)
    different, unit = _different(contents)
    encoded = encoder(plain)(different)
    return Texts(encoded, unit, _message_starts(encoded, unit, role, layout, plain))


def _different(texts: pa.Array) -> tuple[pa.Array, Numbers]:
    """The different texts, and which of them each text is."""
    if pl.Series(texts).n_unique() == len(texts):  # three times as fast as the dictionary, which is then not needed
        return texts, np.arange(len(texts))
    codes = texts.dictionary_encode()
    return codes.dictionary, to_numpy(codes.indices).astype(np.int64)


def _message_starts(encoded: Ragged, unit: Numbers, role: Numbers, layout: Layout, plain: PlainText) -> Numbers:
    """Where in the ids of its text each message begins."""
    starts = np.zeros(len(role), dtype=np.int64)
    for place, turn in enumerate(layout.turns):
        if turn.literal:
            mine = np.flatnonzero(role == place)
            starts[mine] = len(turn.literal_ids)
            for message in mine[~_begin_with(encoded, unit[mine], turn.literal_ids)]:
                ids = encoded.ids[encoded.offsets[unit[message]] : encoded.offsets[unit[message] + 1]]
                starts[message] = _first_beyond(ids, len(turn.literal), plain)
    return starts


def _begin_with(encoded: Ragged, units: Numbers, wanted: tuple[int, ...]) -> NDArray[np.bool_]:
    """Whether each text's first ids are the wanted ones: then these are the literal text, and the message follows them."""
    first, ends = encoded.offsets[units], encoded.offsets[units + 1]
    alike = np.array(ends - first >= len(wanted))
    for place, id_ in enumerate(wanted):
        alike[alike] = encoded.ids[first[alike] + place] == id_
    return alike


def _first_beyond(ids: NDArray[np.uint32], characters: int, plain: PlainText) -> int:
    """The place of the first id that reaches beyond so many characters of the text."""
    decode, places = decoder(plain), range(len(ids))
    return next((place for place in places if len(decode(ids[: place + 1].tolist())) > characters), len(ids))


def _pieces(role: Numbers, row_ends: Numbers) -> _Pieces:
    """The pieces around messages of these roles, of which those before `row_ends` end a conversation."""
    heads, tails = role.copy(), role + 2 * len(ROLES)
    heads[np.concatenate([[0], row_ends[:-1]])] += len(ROLES)
    return _Pieces(heads, tails)


def _joined(texts: Texts, fixed: Ragged, pieces: _Pieces, dtype: Any) -> tuple[Numbers, NDArray[Any]]:
    """The ids of all messages between their heads and tails, one after the other, and where each begins and the last ends."""
    around, encoded = _as_bytes(fixed, dtype), _as_bytes(texts.encoded, dtype)
    if len(encoded) < len(texts.unit):
        encoded = encoded.take(from_numpy(texts.unit))
    heads, tails = (around.take(from_numpy(places)) for places in pieces)
    _, ends, ids = joined(heads, encoded, tails).buffers()
    offsets = np.frombuffer(ends, np.int64)[: len(texts.unit) + 1] // np.dtype(dtype).itemsize
    return offsets, np.frombuffer(ids, dtype)[: offsets[-1]]


def _as_bytes(lists: Ragged, dtype: Any) -> pa.Array:
    """Lists of ids as texts of bytes, which Arrow joins ten times as fast as numpy gathers ids."""
    ids = lists.ids.astype(dtype)
    buffers = [None, pa.py_buffer(lists.offsets * ids.itemsize), pa.py_buffer(ids)]
    return pa.Array.from_buffers(pa.large_binary(), len(lists.offsets) - 1, buffers)
