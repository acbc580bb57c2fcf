"""The build folder: Arrow parts and the manifest; writing, opening and verifying them.

    OUT/manifest.json            written last: where it stands, the folder is whole
        train/SOURCE-00000.arrow validation/SOURCE-00000.arrow …   Arrow IPC files of `schema.CONVERSATION`
        README.md                front matter by which `datasets.load_dataset(OUT)` finds the parts

The format is Arrow's IPC file format (https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format), uncompressed, so
that readers map it into memory.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from data_mix.errors import FormatError
from data_mix.files import Digest, file_sha256, write_bytes, writing

FORMAT: Final = "datamix-build"
VERSION: Final = 1
"""Raised when a reader of the older version could misread a newer folder."""

MANIFEST: Final = "manifest.json"

DROPPED: Final = "dropped"
"""The folder of the rows that were dropped, where the build keeps them to be read."""

REPORT: Final = "report.html"
"""What `datamix report` writes beside a build; it is of the build that is there, and not in the manifest."""

AUDIT: Final = "audit"
"""The folder of the audit lists."""

NEAR_DUPLICATES_LIST: Final = f"{AUDIT}/near_duplicates.jsonl"
CONTAMINATION_LIST: Final = f"{AUDIT}/contamination.jsonl"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One Arrow file of a build, as the manifest lists it."""

    path: str
    """Relative to the build folder, with forward slashes."""
    split: str
    source: str
    rows: int
    bytes: int
    sha256: str


def write_part(
    path: Path,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    digest: Callable[[], Digest] = hashlib.sha256,
    *,
    durable: bool = True,
    named: bool = True,
) -> tuple[int, int, str]:
    """Write the batches as one Arrow file; return its rows, bytes and digest. `durable` and `named` are those of `writing`."""
    rows = 0
    with (
        writing(path, digest, durable=durable, named=named) as file,
        pa.ipc.new_file(pa.PythonFile(file, mode="w"), schema) as writer,
    ):
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows, file.bytes, file.hexdigest


def read_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The batches of an Arrow file one by one, read (not mapped) so that memory holds one at a time."""
    # Arrow takes a path that is not UTF-8 as bytes only.
    with pa.OSFile(os.fsencode(path)) as file, pa.ipc.open_file(file) as reader:
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index)


def map_table(path: Path) -> pa.Table:
    """An Arrow file mapped into memory: nothing is read before it is used."""
    return pa.ipc.open_file(pa.memory_map(os.fsencode(path))).read_all()  # of a path that is not UTF-8 Arrow takes the bytes


def write_manifest(out: Path, manifest: dict[str, Any]) -> None:
    """Declare the folder whole."""
    text = json.dumps({"format": FORMAT, "version": VERSION} | manifest, ensure_ascii=False, indent=1)
    write_bytes(out / MANIFEST, f"{text}\n".encode())


def read_manifest(out: Path) -> dict[str, Any]:
    """The manifest of a whole build folder of a version that this reader knows; FormatError otherwise."""
    return _read_build(out).manifest


def _read_build(out: Path) -> Build:
    path = out / MANIFEST
    try:
        with path.open("rb") as file:
            identity, text = _identity(os.fstat(file.fileno())), file.read()
    except (FileNotFoundError, NotADirectoryError):
        state = "holds no manifest.json, so it is no finished build" if out.is_dir() else "does not exist"
        raise FormatError(f"{out}: {state}; make it with datamix build -o {out}") from None
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror}); check it and its permissions") from error
    return Build(out, _parse_manifest(text, path), identity)


def _parse_manifest(text: bytes, path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: is damaged ({error}); remove it and build again") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise FormatError(f"{path}: is no manifest of a build (format is not {FORMAT!r}); name a build folder")
    version = manifest.get("version")
    if not isinstance(version, int):
        raise FormatError(f"{path}: is damaged (version {version!r}); remove it and build again")
    if version > VERSION:
        raise FormatError(
            f"{path}: has format version {version}, this datamix reads up to {VERSION}; install a newer data-mix-builder"
        )
    try:
        dict(manifest["files"]), parts_of(manifest)
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{path}: is damaged ({type(error).__name__}: {error}); remove it and build again") from error
    return manifest


def parts_of(manifest: dict[str, Any]) -> list[Part]:
    """The parts that a manifest lists."""
    return [Part(**part) for part in manifest["parts"]]


def part_records(parts: Iterable[Part]) -> list[dict[str, Any]]:
    """Parts as plain data for a manifest."""
    return [asdict(part) for part in parts]


@dataclass(frozen=True)
class Build:
    """A finished build folder."""

    path: Path
    manifest: dict[str, Any]
    identity: tuple[int, ...]
    """Of the manifest's file, to know it by; another build of the folder first takes the manifest away."""

    @property
    def parts(self) -> list[Part]:
        """Its Arrow files."""
        return parts_of(self.manifest)

    def tables(self, split: str, source: str | None = None) -> Iterator[tuple[Part, pa.Table]]:
        """Each part of a split (of one source) as a table mapped into memory.

        Raises FormatError where the folder is being built again, or was since it was opened, or where a part is damaged.
        """
        for part in self.parts:
            if part.split == split and source in (None, part.source):
                yield part, self._table(part)

    def _table(self, part: Part) -> pa.Table:
        path = self.path / part.path
        try:
            table = map_table(path)
        except (pa.ArrowException, OSError) as error:
            self.refuse_other_build()
            raise FormatError(f"{path}: is damaged or missing ({error}); build again") from error
        self.refuse_other_build()  # after the part was opened: from then on its bytes stay those of this build
        return table

    def refuse_other_build(self) -> None:
        """Raise FormatError where the folder is being built again, or was since it was opened."""
        path = self.path / MANIFEST
        if not path.is_file() or _identity(path.stat()) != self.identity:
            raise FormatError(f"{self.path}: is being built again, or was since it was opened; open it anew once it is whole")


def _identity(stat: os.stat_result) -> tuple[int, ...]:
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def open_build(out: Path) -> Build:
    """Open a build folder: whole, of a known version, each part of the size that the manifest says; else FormatError."""
    build = _read_build(out)
    for part in build.parts:
        path = out / part.path
        found = path.stat().st_size if path.is_file() else None
        if found is None:
            raise FormatError(f"{path}: is missing; build again, or copy the folder whole")
        if found != part.bytes:
            raise FormatError(
                f"{path}: has {found} bytes, the manifest says {part.bytes}; build again, or copy the folder whole"
            )
    return build


def verify(out: Path) -> list[str]:
    """Check every file's digest; return what is wrong, a line each (nothing: the folder is as it was built)."""
    build = _read_build(out)
    problems = []
    for name, sha256 in _digests(build).items():
        path = out / name
        if not path.is_file():
            problems.append(f"{path}: is missing")
        elif file_sha256(path) != sha256:
            problems.append(f"{path}: its SHA-256 is not the manifest's {sha256}")
    known = {MANIFEST, *_digests(build)}
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    extra = sorted(name for name in found - known if name.endswith(".arrow") and not name.startswith("tokens/"))
    return problems + [f"{out / name}: is not in the manifest" for name in extra]


def _digests(build: Build) -> dict[str, str]:
    """SHA-256 by relative path of every file that the manifest lists."""
    return {part.path: part.sha256 for part in build.parts} | dict(build.manifest["files"])
