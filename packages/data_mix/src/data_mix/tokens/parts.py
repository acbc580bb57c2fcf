"""One part of a build → ids in a staged file, and the staged files of a split → its token shard."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from data_mix.arrays import from_numpy, strings
from data_mix.files import DigestingFile, file_checksum, make_folder, output_errors, read_sealed, seal
from data_mix.shards import Build, Part, read_batches, write_part
from data_mix.slices import slices
from data_mix.tokens.encode import PlainText
from data_mix.tokens.layout import Layout
from data_mix.tokens.rows import Encoded, encode_messages, lay_out
from data_mix.tokens.token_shards import token_schema
from data_mix.write_behind import write_behind


@dataclass(frozen=True, kw_only=True)
class Task:
    """One part of a build, to be encoded into a staged file."""

    build: Build
    part: Part
    staged: Path
    layout: Layout
    plain: PlainText
    vocabulary: int


@dataclass(kw_only=True)
class Counts:
    """What is in a staged part, or in a shard."""

    rows: int = 0
    tokens: int = 0
    trained: int = 0

    def __add__(self, other: Counts) -> Counts:
        """The sums."""
        return Counts(rows=self.rows + other.rows, tokens=self.tokens + other.tokens, trained=self.trained + other.trained)


def read_staged(path: Path) -> Counts | None:
    """What an earlier run has staged, where it still is as it was written."""
    proof = read_sealed(_proof(path))
    if proof is None or not path.is_file():
        return None
    checksum, counts = json.loads(proof)
    return Counts(**counts) if file_checksum(path) == checksum else None


def stage_part(task: Task) -> Future[Counts]:
    """Encode one part, which is laid out and written behind."""
    schema, counts = token_schema(task.vocabulary).remove(0), Counts()
    dtype = schema.field("input_ids").type.value_type.to_pandas_dtype()

    def batches(encoded: Iterable[Encoded]) -> Iterator[pa.RecordBatch]:
        for each in encoded:
            rows = lay_out(each, task.layout, dtype)
            counts.rows += len(rows.input_ids)
            counts.tokens += len(rows.input_ids.values)
            counts.trained += rows.trained
            yield pa.RecordBatch.from_arrays([rows.input_ids, rows.loss], schema=schema)

    def write(encoded: Iterator[Encoded]) -> Counts:
        checksum = _write_staged(task.staged, schema, batches(encoded))
        with output_errors(task.staged):
            _proof(task.staged).write_bytes(seal(json.dumps([checksum, asdict(counts)]).encode()))
        return counts

    return write_behind(write, (encode_messages(each, task.layout, task.plain) for each in slices(_messages(task))))


def _write_staged(path: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> str:
    """Write a staged file and return its checksum, by which it is believed: so it need not be waited for on its way to disk."""
    with output_errors(path):
        make_folder(path.parent.parent)
        make_folder(path.parent, durable=False)  # it goes again
        raw = path.open("wb")
    with raw:
        file = DigestingFile(raw, xxhash.xxh3_128(), path)
        with pa.ipc.new_file(pa.PythonFile(file, mode="w"), schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
    return file.hexdigest


def _proof(staged: Path) -> Path:
    return staged.with_suffix(".proof")


def _messages(task: Task) -> pa.ChunkedArray:
    tables = task.build.tables(task.part.split, task.part.source)
    return next(table["messages"] for part, table in tables if part.path == task.part.path)


@dataclass(frozen=True, kw_only=True)
class Joint:
    """Staged parts, to be written as the token shard of a split, in the order of the build."""

    path: Path
    schema: pa.Schema
    sources: Sequence[str]
    """Those of the whole build: a split may have no part."""
    staged: Sequence[tuple[Task, Counts]]


def join(joint: Joint) -> Future[dict[str, Any]]:
    """Read the staged parts of a split, whose shard is written behind; what comes is what the manifest says of it."""

    def batches() -> Iterator[pa.RecordBatch]:
        for task, _ in joint.staged:
            for batch in read_batches(task.staged):
                codes = np.full(batch.num_rows, joint.sources.index(task.part.source), dtype=np.int16)
                source = pa.DictionaryArray.from_arrays(from_numpy(codes), strings(joint.sources))
                yield pa.RecordBatch.from_arrays([source, *batch.columns], schema=joint.schema)

    def write(joined: Iterator[pa.RecordBatch]) -> dict[str, Any]:
        _, size, sha256 = write_part(joint.path, joint.schema, joined)
        counts = sum((counts for _, counts in joint.staged), Counts())
        return {"path": joint.path.name, **asdict(counts), "bytes": size, "sha256": sha256}

    return write_behind(write, batches())
