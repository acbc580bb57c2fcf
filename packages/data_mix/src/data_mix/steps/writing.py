"""The step *write* of a build: staged part + decision → shards of formatted conversations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data_mix.arrays import booleans, from_numpy, joined, strings
from data_mix.schema import CONVERSATION
from data_mix.shards import DROPPED, Part, read_batches, write_part
from data_mix.steps.staging import ROWS
from data_mix.template import ChatTemplate
from data_mix.write_behind import write_behind

SHARD_BYTES: Final = 256_000_000
"""Bytes of message text after which a shard is full; its file is about twice as large."""

DROPPED_SCHEMA: Final = CONVERSATION.append(pa.field("drop", pa.string()))


@dataclass(frozen=True, kw_only=True)
class Piece:
    """The rows of one staged part that go into one shard."""

    folder: Path
    rows: NDArray[np.int64]
    """Ascending places in the staged part."""
    train: pl.Series | None
    """List of booleans per row, one per assistant turn; null, or None: all are trained."""
    drop: pl.Series | None = None
    """The reasons, where the shard is one of dropped rows."""
    copy: int = 1
    """The how manieth time the rows are written; from the second on their ids end with `#` and this number."""


@dataclass(frozen=True, kw_only=True)
class ShardTask:
    """One shard to be written."""

    out: Path
    path: str
    """Relative to `out`."""
    split: str
    source: str
    template: ChatTemplate
    pieces: tuple[Piece, ...]

    @cached_property
    def key(self) -> str:
        """A digest of everything that the shard's bytes depend on."""
        digest = hashlib.sha256(json.dumps([self.path, self.source, self.template.describe()]).encode())
        for piece in self.pieces:
            digest.update(f"{piece.folder.name}#{piece.copy}".encode())
            digest.update(piece.rows.tobytes())
            for series in (piece.train, piece.drop):
                digest.update(b"-" if series is None else json.dumps(series.to_list()).encode())
        return digest.hexdigest()


def write_shard(task: ShardTask) -> Future[Part]:
    """Make the batches of one shard, which is written behind.

    Its name reaches the disk with the others' (`steps.output.sync_names`), before the manifest.
    """
    schema = DROPPED_SCHEMA if task.split == DROPPED else CONVERSATION

    def write(batches: Iterator[pa.RecordBatch]) -> Part:
        rows, size, sha256 = write_part(task.out / task.path, schema, batches, named=False)
        return Part(path=task.path, split=task.split, source=task.source, rows=rows, bytes=size, sha256=sha256)

    return write_behind(write, _batches(task, schema))


def _batches(task: ShardTask, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for piece in task.pieces:
        for staged, first, last in _chosen(piece):
            columns = _conversation(staged, task, None if piece.train is None else piece.train[first:last])
            if piece.copy > 1:
                columns["id"] = joined(columns["id"], strings([f"#{piece.copy}"])[0])
            if piece.drop is not None:
                columns["drop"] = piece.drop[first:last].to_arrow().cast(pa.string())
            yield pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def _chosen(piece: Piece) -> Iterator[tuple[pa.RecordBatch, int, int]]:
    """The chosen rows of each staged batch, with their places in the piece."""
    start = 0
    for batch in read_batches(piece.folder / ROWS):
        first, last = np.searchsorted(piece.rows, [start, start + batch.num_rows])
        if last > first:
            is_whole = last - first == batch.num_rows
            yield (batch if is_whole else batch.take(from_numpy(piece.rows[first:last] - start))), int(first), int(last)
        start += batch.num_rows


def _conversation(staged: pa.RecordBatch, task: ShardTask, train: pl.Series | None) -> dict[str, pa.Array]:
    """The columns of `schema.CONVERSATION` for a batch of staged rows."""
    codes = np.zeros(staged.num_rows, dtype=np.int32)
    source = pa.DictionaryArray.from_arrays(from_numpy(codes), strings([task.source]))
    return {
        "id": staged["id"],
        "source": source,
        "lang": staged["lang"],
        "messages": _with_train(staged["messages"], train),
        "text": task.template.render(staged["messages"]),
    }


def _with_train(messages: pa.ListArray, train: pl.Series | None) -> pa.ListArray:
    """The messages with the field `train`: true for an assistant turn, but where `train` says that another row trains it."""
    flat = messages.flatten()
    role, content = flat.field("role"), flat.field("content")
    is_trained = (pl.Series(role) == "assistant").to_numpy()
    if train is not None:
        is_trained = _turn_flags(is_trained, messages, train)
    fields = list(CONVERSATION.field("messages").type.value_type)
    struct = pa.StructArray.from_arrays([role, content, booleans(is_trained)], fields=fields)
    offsets = pc.subtract(messages.offsets, messages.offsets[0])
    return pa.ListArray.from_arrays(offsets.cast(pa.int32()), struct)


def _turn_flags(is_assistant: NDArray[np.bool_], messages: pa.ListArray, train: pl.Series) -> NDArray[Any]:
    """One flag per message of the batch, from the flags per assistant turn of the rows that have any."""
    row = np.repeat(np.arange(len(messages)), pc.list_value_length(messages).to_numpy())
    has_flags = train.is_not_null().to_numpy()
    flags = is_assistant.copy()
    flags[is_assistant & has_flags[row]] = train.drop_nulls().explode(empty_as_null=False).to_numpy()
    return flags
