"""Arrow parts as Parquet files, for the viewer of the hub, and back: what comes back has the bytes of the part.

A row group is a record batch of the part, so that the batches come back as they were. The bytes of a Parquet file depend on the
part and the version of pyarrow alone; pages are cut by content, so that a changed build shares most of its bytes with the last.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data_mix.arrays import from_numpy, strings
from data_mix.errors import FormatError, OutputError
from data_mix.files import PARTIAL, hold, make_folder, output_errors, read_sealed, write_sealed, writing
from data_mix.publish.content import ContentDigest
from data_mix.schema import CONVERSATION
from data_mix.shards import Part, read_batches, write_part

_OPTIONS: Final[dict[str, Any]] = {
    "compression": "zstd",
    "use_dictionary": ["source", "lang", "messages.list.element.role"],
    "use_content_defined_chunking": True,
    "write_page_index": True,
}


@dataclass(frozen=True, kw_only=True)
class Converted:
    """A Parquet file that was made of a part."""

    rows: int
    bytes: int
    sha256: str
    content: str
    """Digest of the rows (`ContentDigest`)."""


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """A part to be made to Parquet below `folder`, by the digest of the part."""

    part: Part
    source: Path
    folder: Path

    @property
    def target(self) -> Path:
        """The Parquet file; it may be gone while what it was is still known."""
        return self.folder / f"{self._key}.parquet"

    @property
    def known(self) -> Converted | None:
        """What the file is, where that part was converted before, by this version of pyarrow."""
        note = read_sealed(self.folder / f"{self._key}.json")
        return Converted(**json.loads(note)) if note else None

    def note(self, converted: Converted) -> None:
        """Remember what the file is."""
        write_sealed(self.folder / f"{self._key}.json", json.dumps(asdict(converted)).encode(), durable=False)

    @property
    def _key(self) -> str:
        facts = [self.part.sha256, pa.__version__, _OPTIONS]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


@contextmanager
def held_for_conversion(folder: Path) -> Iterator[None]:
    """Hold the folder of Parquet files for one publication, for it removes them when it has sent them.

    What one that was killed left half-written is removed. Raises OutputError where another publication holds it.
    """
    with output_errors(folder):
        make_folder(folder)
        held = hold(folder)
    if held is None:
        raise OutputError(f"{folder}: another publication is using it; wait until it ends, or set another DATAMIX_HOME")
    try:
        for path in folder.glob(f"*{PARTIAL}"):
            path.unlink()
        yield
    finally:
        os.close(held)


def convert(task: Conversion) -> Converted:
    """Make the Parquet file."""
    rows, content = 0, ContentDigest()
    with (
        writing(task.target) as file,
        pq.ParquetWriter(pa.PythonFile(file, mode="w"), CONVERSATION, **_OPTIONS) as writer,
    ):
        for batch in read_batches(task.source):
            writer.write_batch(batch, row_group_size=max(batch.num_rows, 1))
            content.update(batch)
            rows += batch.num_rows
    done = Converted(rows=rows, bytes=file.bytes, sha256=file.hexdigest, content=content.hexdigest())
    task.note(done)
    return done


@dataclass(frozen=True, kw_only=True)
class Restoration:
    """A part to be written anew from what was published of it."""

    part: Part
    """As it was when it was published."""
    source: Path
    content: str | None
    """Digest of its rows; None: `source` is the part itself, in Arrow."""
    target: Path


def restore(task: Restoration) -> Part:
    """Write the part; where this pyarrow writes the same rows in other bytes, it is returned with the digest of those.

    Raises FormatError where the rows are others.
    """
    if task.content is None:
        return _copy(task)
    content = ContentDigest()
    batches = _taken_in(_row_groups(task.source, task.part.source), content)
    rows, size, sha256 = write_part(task.target, CONVERSATION, batches)
    if content.hexdigest() != task.content:
        task.target.unlink()
        raise FormatError(f"{task.part.path}: its published file holds other rows than were published; publish it again")
    return replace(task.part, rows=rows, bytes=size, sha256=sha256)


def _copy(task: Restoration) -> Part:
    """Write a part that was published as it is."""
    with writing(task.target) as copy, task.source.open("rb") as file:
        while block := file.read(1 << 20):
            copy.write(block)
    return replace(task.part, bytes=copy.bytes, sha256=copy.hexdigest)


def _taken_in(batches: Iterator[pa.RecordBatch], content: ContentDigest) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        content.update(batch)
        yield batch


def _row_groups(path: Path, source: str) -> Iterator[pa.RecordBatch]:
    """The row groups of a Parquet file as batches of conversations of one source."""
    try:
        with pq.ParquetFile(path) as file:
            for index in range(file.num_row_groups):
                yield _batch(file.read_row_group(index, use_threads=False).combine_chunks(), source)
    except (pa.ArrowException, KeyError) as error:
        raise FormatError(f"{path.name}: is no Parquet of conversations ({error}); publish it again") from error


def _batch(table: pa.Table, source: str) -> pa.RecordBatch:
    columns = {name: table.column(name).combine_chunks() for name in table.schema.names}
    if pc.unique(columns["source"].cast(pa.string())).to_pylist() == [source]:  # as a part has it: one value, all codes 0
        codes = from_numpy(np.zeros(table.num_rows, np.int32))
        columns["source"] = pa.DictionaryArray.from_arrays(codes, strings([source]))
    return pa.RecordBatch.from_arrays([columns[field.name].cast(field.type) for field in CONVERSATION], schema=CONVERSATION)
