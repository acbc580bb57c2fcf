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

from data_mix.arrays import from_numpy, lists, strings, to_numpy
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
    """What rows consist of, three pieces a message: head, text, tail."""

    starts: Numbers
    """Where in the ids of all pieces each stands."""
    lengths: Numbers


def encode_rows(messages: pa.ListArray, layout: Layout, plain: PlainText, dtype: Any) -> Rows:
    """The rows of a column `messages` of a build; FormatError where a message has no text or a role that is not known."""
    flat = messages.flatten()
    role, row_ends = _roles(flat), np.cumsum(np.diff(to_numpy(messages.offsets)), dtype=np.int64)
    texts = encode_texts(flat.field("content"), role, layout, plain)
    fixed = layout.fixed
    source = np.concatenate([fixed.ids.astype(dtype), texts.encoded.ids.astype(dtype)])
    pieces = _pieces(texts, role, np.concatenate([[0], row_ends[:-1]]), fixed)
    ends = np.cumsum(pieces.lengths.ravel()).reshape(pieces.lengths.shape)
    offsets = np.concatenate([[0], ends[row_ends - 1, 2]])
    ids = from_numpy(_gather(source, pieces.starts.ravel(), pieces.lengths.ravel()))
    is_trained = pl.Series(flat.field("train")).to_numpy()
    row_start = np.repeat(offsets[:-1], np.diff(row_ends, prepend=0))
    starts = (ends[:, 0] + texts.begin - row_start)[is_trained]
    stops = (ends[:, 1] + layout.trained_tails[role] - row_start)[is_trained]
    spans = pa.StructArray.from_arrays([from_numpy(each.astype(np.uint32)) for each in (starts, stops)], ["start", "end"])
    span_ends = np.concatenate([[0], np.cumsum(is_trained)[row_ends - 1]])
    return Rows(lists(offsets, ids), lists(span_ends, spans), int((stops - starts).sum()))


def _roles(messages: pa.StructArray) -> Numbers:
    """The place in `schema.ROLES` of each message's role."""
    roles = pl.Series(messages.field("role")).cast(pl.Enum(ROLES), strict=False).to_physical()
    if roles.null_count() or messages.field("content").null_count:
        raise FormatError("a message of the build has no text, or a role that is not known; build again")
    return roles.to_numpy().astype(np.int64)


def encode_texts(contents: pa.Array, role: Numbers, layout: Layout, plain: PlainText) -> Texts:
    """Encode each different text once, the literal text before the message included."""
    if any(layout.literals):
        before = strings(layout.literals).take(from_numpy(role))
        contents = pc.binary_join_element_wise(before, contents, "")
    different, unit = _different(contents)
    encoded = encoder(plain)(different)
    return Texts(encoded, unit, _message_starts(encoded, unit, role, layout, plain))


def _different(texts: pa.Array) -> tuple[pa.Array, Numbers]:
    """The different texts, and which of them each text is."""
    if pl.Series(texts).hash().n_unique() == len(texts):  # equal texts have equal hashes: so there are none
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


def _pieces(texts: Texts, role: Numbers, row_starts: Numbers, fixed: Ragged) -> _Pieces:
    """The pieces of messages of these roles; those at `row_starts` begin a conversation."""
    heads, tails = role.copy(), role + 2 * len(ROLES)
    heads[row_starts] += len(ROLES)
    sizes, in_text = np.diff(fixed.offsets), texts.encoded.offsets[texts.unit] + len(fixed.ids)
    lengths = np.stack([sizes[heads], np.diff(texts.encoded.offsets)[texts.unit], sizes[tails]], axis=1)
    return _Pieces(np.stack([fixed.offsets[heads], in_text, fixed.offsets[tails]], axis=1), lengths)


def _gather(source: NDArray[Any], starts: Numbers, lengths: Numbers) -> NDArray[Any]:
    """Runs of `source`, one after the other."""
    ends = np.cumsum(lengths)
    dtype = np.int32 if max(len(source), ends[-1]) <= np.iinfo(np.int32).max else np.int64
    places = np.repeat((starts - (ends - lengths)).astype(dtype), lengths)
    places += np.arange(len(places), dtype=dtype)
    return np.take(source, places)
