"""pull: a published build → a build folder: fetched, put together, declared whole."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from data_mix.engine import run
from data_mix.errors import FormatError, UsageError
from data_mix.fetch import Fetcher
from data_mix.files import file_sha256, write_bytes
from data_mix.publish.cards import local_pages
from data_mix.publish.parquet import Restoration, restore
from data_mix.publish.published import DataFile, Published, read_published
from data_mix.publish.token import token_in_hand
from data_mix.shards import MANIFEST, Build, Part, open_build, part_records, read_manifest, verify, write_manifest
from data_mix.source import LocalFile, RawFile
from data_mix.steps.output import locked, open_for_writing, remove_partials, remove_strangers, strangers

Report = Callable[[str, int, int], None]

_FIELDS: Final = ("format", "version")


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """A build that was pulled."""

    build: Build
    was_there: bool
    other_bytes: tuple[str, ...]
    """Parts whose rows are the published ones, and whose bytes are not: this pyarrow writes them otherwise."""


def split_place(place: str) -> tuple[str, str | None]:
    """Repository and revision of `ORG/NAME[@REV]`."""
    repo, at, revision = place.partition("@")
    if repo.count("/") != 1 or (at and not revision):
        raise UsageError(f"{place!r} is no place on the hub, wanted ORG/NAME or ORG/NAME@REVISION")
    return repo, revision or None


def pull(place: str, out: Path, home: Path, *, workers: int = 1, report: Report = lambda *_: None) -> Pulled:
    """Have the folder hold a published build; whatever ends it, it goes on from there the next time.

    Raises FetchError where the hub does not give it, FormatError where it is no published build, OutputError where the folder
    cannot be written or holds other things.
    """
    repo, revision = split_place(place)
    with locked(out):
        fetcher = Fetcher(home=home)
        published, commit = _read(fetcher, repo, revision)
        if _stands(out, published):
            return Pulled(build=open_build(out), was_there=True, other_bytes=_others(read_manifest(out), published))
        fetched = _fetch(fetcher, RawFile(repo=repo, revision=commit, path=""), published.data, report)
        open_for_writing(out)
        parts = _restore(out, published, fetched, workers, report)
        remove_strangers(out, {part.path for part in parts})
        _finish(out, published, parts)
        build = open_build(out)
    return Pulled(build=build, was_there=False, other_bytes=_others(build.manifest, published))


def _read(fetcher: Fetcher, repo: str, revision: str | None) -> tuple[Published, str | None]:
    """The manifest of the repository, and the commit that it is of."""
    if MANIFEST not in fetcher.list_files(repo, revision):
        raise FormatError(f"{repo}: holds no {MANIFEST}, so it is no published build; name a repository of datamix publish")
    [remote] = fetcher.resolve(RawFile(repo=repo, revision=revision, path=MANIFEST))
    return read_published(fetcher.fetch(remote).path.read_bytes(), repo), remote.commit


def _stands(out: Path, published: Published) -> bool:
    """Whether the folder is that build already, every byte of it."""
    if not (out / MANIFEST).is_file():
        return False
    manifest = read_manifest(out)
    is_same = manifest.get("fingerprint") == published.build["fingerprint"]
    return is_same and not verify(out) and not strangers(out, set(published.parts))


def _others(manifest: dict[str, Any], published: Published) -> tuple[str, ...]:
    return tuple(part["path"] for part in manifest["parts"] if part["sha256"] != published.parts[part["path"]].sha256)


def _fetch(fetcher: Fetcher, at: RawFile, data: Sequence[DataFile], report: Report) -> list[LocalFile]:
    """Every data file, with the digest that the manifest fixes."""
    fetched = []
    for done, file in enumerate(data):
        report("fetch", done, len(data))
        [remote] = fetcher.resolve(RawFile(repo=at.repo, revision=at.revision, path=file.path, sha256=file.sha256))
        fetched.append(fetcher.fetch(remote))
    report("fetch", len(data), len(data))
    return fetched


def _restore(out: Path, published: Published, fetched: Sequence[LocalFile], workers: int, report: Report) -> list[Part]:
    """Every part, but those that stand already as they are to be."""
    parts = dict(published.parts)
    missing = [
        Restoration(part=parts[file.part], source=local.path, content=file.content, target=out / file.part)
        for file, local in zip(published.data, fetched, strict=True)
        if not _is_whole(out / file.part, parts[file.part])
    ]
    report("write", 0, len(missing))
    try:
        with token_in_hand():
            for done, (_, part) in enumerate(run(restore, missing, workers), start=1):
                parts[part.path] = part
                report("write", done, len(missing))
    finally:
        remove_partials(out)
    return list(parts.values())


def _is_whole(path: Path, part: Part) -> bool:
    return path.is_file() and path.stat().st_size == part.bytes and file_sha256(path) == part.sha256


def _finish(out: Path, published: Published, parts: Sequence[Part]) -> None:
    """Write the pages, and declare the folder whole."""
    manifest = published.build | {"parts": part_records(parts)}
    pages = local_pages(out, manifest)
    for name, page in pages.items():
        write_bytes(out / name, page)
    digests = {name: hashlib.sha256(page).hexdigest() for name, page in pages.items()}
    write_manifest(out, {key: value for key, value in manifest.items() if key not in _FIELDS} | {"files": digests})
