"""The step *read* of a build: raw file → conversations → row-wise stages → a staged part, with its keys.

A staged part is a folder in the cache, named by everything that its rows depend on (`Unit.key`), so that no build reads a
raw file that another has read with the same options and the same code:

    staged/KEY/rows.arrow    the rows (`schema.STAGED`), in batches of the source's frames
               keys.arrow    what *decide* needs (`selection.KEYS`), in the same order
               proof         bytes and checksum of both

None of it is waited for on its way to the disk. What a power cut leaves of it is as good as damaged: no part is believed but by
its proof, which has a checksum of its own, and of no part the rows are used before their checksum is taken (`remove_damaged`),
unless this build has just written them.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from unicodedata import unidata_version

import numpy as np
import polars as pl
import pyarrow as pa

from data_mix.errors import RawFileError
from data_mix.files import writing_folder
from data_mix.runs import ODD, Numbers, digest_runs, sum_runs
from data_mix.schema import STAGED, UNKNOWN_LANGUAGE, as_frame
from data_mix.selection import KEYS
from data_mix.shards import read_batches
from data_mix.slices import slice_places
from data_mix.source import Entry, LocalFile
from data_mix.stage import StageOptions, run_stages
from data_mix.steps.plan import FetchedEntry
from data_mix.steps.proof import is_as_written, remove_unless, write_proof, write_proven
from data_mix.write_behind import nothing_left, write_behind

STAGED_FOLDER: Final = "staged"
"""The folder of the cache that holds the parts."""

ROWS: Final = "rows.arrow"
KEYS_FILE: Final = "keys.arrow"

_ROLE_CODES: Final = {"system": 1, "user": 2, "assistant": 3}
_DECIDING: Final = ("polars", "pyarrow", "py3langid", "langdetect", "phonenumberslite")
"""Libraries whose next version may give other rows or keys; beside them, the version of the Unicode data."""

_PACKAGE: Final = Path(__file__).parent.parent / "__init__.py"

NOT_READ: Final = frozenset(
    {"name", "type", "input_file_path", "licence", "revision", "val_split", "max_train_set", "max_val_set", "fraction", "size"}
    | {"weight", "epochs", "max_epochs", "max_train_tokens"}
)
"""Options that change which rows are chosen or what is said of them, but not how a raw file is read."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One task of the step: files that are read together into one staged part."""

    entry: Entry
    files: tuple[LocalFile, ...]
    stages: Mapping[str, StageOptions]
    home: Path

    @cached_property
    def key(self) -> str:
        """A digest of everything that the staged part depends on: raw bytes, options, code and libraries."""
        entry = self.entry
        facts = {
            "code": code_version(_outermost_module(entry.source.read)),
            "libraries": _libraries(),
            "entry": [entry.name, entry.source.name, dict(entry.params), entry.seed, entry.max_record_bytes],
            "options": entry.options.model_dump(mode="json", exclude=set(NOT_READ)),
            "stages": {name: options.model_dump(mode="json") for name, options in sorted(self.stages.items())},
            "files": [[file.name, file.label, file.sha256, file.row_group, file.split] for file in self.files],
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    @property
    def folder(self) -> Path:
        """Where the staged part stands, or is to stand."""
        return self.home / STAGED_FOLDER / self.key[:2] / self.key

    @property
    def is_staged(self) -> bool:
        """Whether the part stands, and its keys are as they were written (of the rows, only the size is looked at)."""
        return is_as_written(self.folder, KEYS_FILE) and is_as_written(self.folder, ROWS, read=False)

    @property
    def has_whole_rows(self) -> bool:
        """Whether the part's rows are as they were written, by their checksum."""
        return is_as_written(self.folder, ROWS)


def units_of(fetched: FetchedEntry, stages: Mapping[str, StageOptions], home: Path) -> tuple[Unit, ...]:
    """The tasks of reading an entry."""
    entry = fetched.planned.entry
    return tuple(Unit(entry=entry, files=files, stages=stages, home=home) for files in fetched.tasks)


@cache
def _libraries() -> list[str]:
    """The versions of what may give other rows or keys in its next one."""
    return [unidata_version, *(version(name) for name in _DECIDING)]


@cache
def code_version(module: Path) -> str:
    """A digest of all code by which a source's rows are made: this package's, and that of the source's package or module."""
    digest = hashlib.sha256()
    for each in dict.fromkeys((_PACKAGE, module)):
        for path in _code_files(each):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _outermost_module(read: Callable[..., Any]) -> Path:
    """The file of the package that a function stands in, however deep; of a lone module, that module's."""
    outermost = sys.modules.get(read.__module__.partition(".")[0])
    return Path(getattr(outermost, "__file__", None) or inspect.getfile(read))


def _code_files(module: Path) -> list[Path]:
    """The module; of a package, every file of code and of the texts that its code reads."""
    if module.name != "__init__.py":
        return [module]
    found = (path for path in module.parent.rglob("*") if path.suffix in {".py", ".yaml"} and "samples" not in path.parts)
    return sorted(found)


def stage_unit(unit: Unit) -> Future[None]:
    """Read a unit's files; its staged part is written behind."""
    if unit.is_staged:
        return nothing_left()
    remove_damaged(unit)

    def write(read: Iterator[pl.DataFrame]) -> None:
        keys: list[pl.DataFrame] = []
        with writing_folder(unit.folder, durable=False) as folder:
            rows = write_proven(folder / ROWS, STAGED, _batches(unit, read, keys))
            table = pl.concat(keys) if keys else pl.DataFrame(schema=KEYS)
            arrow = table.to_arrow(compat_level=pl.CompatLevel.oldest())
            write_proof(folder, {ROWS: rows, KEYS_FILE: write_proven(folder / KEYS_FILE, arrow.schema, arrow.to_batches())})

    return write_behind(write, _read(unit))


def remove_damaged(unit: Unit) -> None:
    """Remove a unit's staged part where it is not as it was written, so that it is staged again."""
    remove_unless(unit.folder, lambda: unit.is_staged and unit.has_whole_rows)


def read_keys(folder: Path) -> pl.DataFrame:
    """The keys of a staged part."""
    return read_frame(folder / KEYS_FILE, KEYS)


def read_frame(path: Path, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """A file of the cache as a frame; `schema` is that of one without rows."""
    frames = [pl.DataFrame(pa.Table.from_batches([batch])) for batch in read_batches(path)]
    return pl.concat(frames) if frames else pl.DataFrame(schema=schema)


def _batches(unit: Unit, read: Iterable[pl.DataFrame], keys: list[pl.DataFrame]) -> Iterator[pa.RecordBatch]:
    """The rows of the frames that were read, as the stages leave them; `keys` gets their keys.

    A batch is of bounded size: those of the shards and of the tokens are the same.
    """
    for raw in read:
        frame = _named(run_stages(_declare_language(as_frame(raw), unit.entry), unit.stages), unit.entry)
        if len(frame):
            keys.append(_keys(frame))
            yield from _staged(frame)


def _named(frame: pl.DataFrame, entry: Entry) -> pl.DataFrame:
    """The rows with the ids that they have in a build, and without nulls."""
    frame = frame.with_columns(id=pl.concat_str(pl.lit(f"{entry.name}/"), "key"), messages=pl.col("messages").fill_null([]))
    return frame.with_columns(pl.col("lang").fill_null(UNKNOWN_LANGUAGE))


def _staged(frame: pl.DataFrame) -> Iterator[pa.RecordBatch]:
    rows = frame.select(STAGED.names).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(STAGED).combine_chunks()
    for batch in rows.to_batches():
        yield from (batch.slice(*place) for place in slice_places(batch["messages"]))


def _read(unit: Unit) -> Iterator[pl.DataFrame]:
    """The frames of the source. Raises RawFileError where the system cannot read a raw file: a broken disk, no permission."""
    try:
        yield from unit.entry.source.read(unit.entry, unit.files)
    except OSError as error:
        if error.errno is None:
            raise
        names = ", ".join(file.name for file in unit.files)
        raise RawFileError(f"{names}: cannot be read ({os.strerror(error.errno)}); check the file and its disk") from error


def _declare_language(frame: pl.DataFrame, entry: Entry) -> pl.DataFrame:
    """Give the rows that do not say their language the one that the mix declares for the entry."""
    declared = entry.options.lang
    if declared is None or entry.source.filters_lang:
        return frame
    return frame.with_columns(pl.col("lang").replace(UNKNOWN_LANGUAGE, None).fill_null(declared))


def _keys(frame: pl.DataFrame) -> pl.DataFrame:
    contents = frame.select(pl.col("messages").explode(empty_as_null=False)).unnest("messages")
    counts = frame["messages"].list.len().to_numpy().astype(np.int64)
    sizes = contents["content"].str.len_bytes().fill_null(0).to_numpy().astype(np.uint64)
    columns = _content_digests(contents, counts) | {"bytes": sum_runs(sizes, counts)}
    return frame.with_columns(**{name: pl.Series(values).cast(KEYS[name]) for name, values in columns.items()}).select(
        KEYS.keys()
    )


def _content_digests(contents: pl.DataFrame, counts: Numbers) -> dict[str, Numbers]:
    """Twice 64 bits per row over its roles and contents in order.

    Polars' hash is stable for one version of polars only, which is why that version is part of a staged part's key.
    """
    roles = contents["role"].replace_strict(_ROLE_CODES, default=0, return_dtype=pl.UInt64).to_numpy()
    hashes = {seed: contents["content"].hash(seed).to_numpy() * ODD + roles for seed in (0, 1)}
    return {f"content_{seed}": digest_runs(each, counts) for seed, each in hashes.items()}
