"""The step *plan* of a build: which raw files, or row groups of them, each entry of the mix needs.

Nothing of the data is fetched here; of a Parquet file that is capped, only the footer is read, to know its row groups.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any, Final

from data_mix.errors import BuildError, ConfigError
from data_mix.fetch import Fetcher, RemoteFile
from data_mix.mix import Mix
from data_mix.selection import Selection, draw_row_groups
from data_mix.source import Entry, LocalFile, Origin, RawFile, Source, is_url, stem_of

CONNECTIONS: Final = 8
"""Files that are asked for, or fetched, at a time."""


@dataclass(frozen=True, kw_only=True)
class PlannedFile:
    """A raw file that a build needs, whole or in part."""

    remote: RemoteFile
    row_groups: tuple[int, ...] | None = None
    """The row groups that are drawn; None: the whole file."""
    label: str | None = None
    """What stands in ids in place of its stem."""


@dataclass(frozen=True, kw_only=True)
class PlannedEntry:
    """An entry of the mix with the raw files that it needs."""

    entry: Entry
    files: tuple[PlannedFile, ...]
    fetcher: Fetcher
    origin: Origin
    has_upstream_validation: bool
    """Whether upstream has a validation split, which then takes the place of `val_split`, even if no row of it is wanted."""

    @property
    def selection(self) -> Selection:
        """How its rows are chosen."""
        return Selection(name=self.entry.name, options=self.entry.options, has_upstream_validation=self.has_upstream_validation)

    def bytes_to_fetch(self, file: PlannedFile) -> int | None:
        """Bytes of the file that are still to travel; None where its server does not say."""
        remote = file.remote
        if isinstance(remote.location, Path) or remote.is_cached:
            return 0
        if file.row_groups is None:
            return remote.size
        return sum(self.fetcher.bytes_of_row_group(remote, group) for group in file.row_groups)

    def fetch(self) -> FetchedEntry:
        """Have every file, or row group, that the plan names at hand."""
        jobs = [(file, group) for file in self.files for group in (file.row_groups or (None,))]
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            fetched = list(pool.map(lambda job: self._fetch_one(*job), jobs))
        by_file = [tuple(local for (of, _), local in zip(jobs, fetched, strict=True) if of is file) for file in self.files]
        return FetchedEntry(planned=self, files=tuple(by_file))

    def _fetch_one(self, file: PlannedFile, row_group: int | None) -> LocalFile:
        fetcher, remote = self.fetcher, file.remote
        local = fetcher.fetch(remote) if row_group is None else fetcher.fetch_row_group(remote, row_group)
        return replace(local, label=file.label)


@dataclass(frozen=True, kw_only=True)
class FetchedEntry:
    """An entry of the mix with its raw files at hand."""

    planned: PlannedEntry
    files: tuple[tuple[LocalFile, ...], ...]
    """For each planned file: the file, or one per row group of it."""

    @property
    def tasks(self) -> list[tuple[LocalFile, ...]]:
        """The files by task of reading: those of a split in one where the source reads them together, else each alone."""
        each = [local for files in self.files for local in files]
        if not self.planned.entry.source.together:
            return [(local,) for local in each]
        return [
            tuple(local for local in each if local.split == split) for split in dict.fromkeys(local.split for local in each)
        ]

    def records(self) -> list[dict[str, Any]]:
        """Where every byte came from, for the manifest."""
        return [self._record(planned.remote, local) for planned, local in zip(self.planned.files, self.files, strict=True)]

    def _record(self, remote: RemoteFile, local: tuple[LocalFile, ...]) -> dict[str, Any]:
        """Name, revision and digests of one raw file, or of the ranges that were fetched of it."""
        record = {"url": remote.url, "revision": remote.commit, "bytes": remote.size}
        if local[0].row_group is None:
            return record | {"sha256": local[0].sha256}
        groups = [(file.row_group, file.sha256) for file in local if file.row_group is not None]
        spans = [self.planned.fetcher.row_group_span(remote, group) for group, _ in groups]
        ranges = [
            {"row_group": group, "start": span.start, "end": span.end, "sha256": sha256}
            for (group, sha256), span in zip(groups, spans, strict=True)
        ]
        return record | {"etag": remote.etag, "ranges": ranges}


def labels_of(files: Sequence[RemoteFile]) -> dict[str, str]:
    """What tells apart the rows of an entry's files of one stem and split: their folders too, else the whole path; by path.

    Files of one's own have none: where they lie is no business of an id.
    """
    stems = Counter((file.split, stem_of(file.name)) for file in files)
    longer = Counter((file.split, _with_folder(file)) for file in files)
    return {
        file.path: _with_folder(file) if longer[file.split, _with_folder(file)] == 1 else file.path
        for file in files
        if stems[file.split, stem_of(file.name)] > 1 and not (is_url(file.path) or Path(file.path).is_absolute())
    }


def _with_folder(file: RemoteFile) -> str:
    return file.path.removesuffix(file.name) + stem_of(file.name)


def plan_mix(mix: Mix, make_fetcher: Callable[[Path | None], Fetcher], *, samples: bool = False) -> list[PlannedEntry]:
    """Plan every entry, in the order of the mix; `make_fetcher` is called with the folder of samples, or None for the hub."""
    folders = [samples_folder(entry.source) if samples else None for entry in mix.entries]
    fetchers = {folder: make_fetcher(folder) for folder in folders}
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return list(pool.map(lambda entry, folder: _plan_entry(entry, fetchers[folder], folder), mix.entries, folders))


def samples_folder(source: Source) -> Path:
    """The folder of a source's sample: `samples/MODULE`, beside its module or one folder up."""
    module = Path(inspect.getfile(source.read))
    for base in (module.parent.parent, module.parent):
        if (base / "samples" / module.stem).is_dir():
            return base / "samples" / module.stem
    raise BuildError(
        f"source {source.name!r} ships no sample, wanted a folder samples/{module.stem}; build it without --samples"
    )


def _plan_entry(entry: Entry, fetcher: Fetcher, samples: Path | None) -> PlannedEntry:
    remotes = [remote for raw in _raw_files(entry, fetcher, samples) for remote in fetcher.resolve(raw)]
    if not remotes:
        raise ConfigError(f"entry {entry.name!r}: its source names no file; check its options")
    drawn, labels = _draw(entry, remotes, fetcher), labels_of(remotes)
    files = [PlannedFile(remote=each, row_groups=drawn.get(each.path), label=labels.get(each.path)) for each in remotes]
    return PlannedEntry(
        entry=entry,
        files=tuple(file for file in files if file.row_groups != ()),
        fetcher=fetcher,
        origin=_origin(entry, fetcher),
        has_upstream_validation=any(remote.split == "validation" for remote in remotes),
    )


def _origin(entry: Entry, fetcher: Fetcher) -> Origin:
    """Whose the data are; what the mix says of the licence comes first."""
    source = entry.source
    found = source.origin(entry, fetcher) if source.origin else Origin(licence=source.licence, homepage=source.homepage)
    return replace(found, licence=entry.options.licence or found.licence)


def _raw_files(entry: Entry, fetcher: Fetcher, samples: Path | None) -> list[RawFile]:
    """The file of one's own where the entry names one (a sample's lies with the samples), else the source's."""
    own = entry.options.input_file_path
    if own is None:
        return entry.source.files(entry, fetcher)
    return [RawFile(path=str(samples / own) if samples else own)]


def _draw(entry: Entry, remotes: list[RemoteFile], fetcher: Fetcher) -> dict[str, tuple[int, ...]]:
    """The row groups to fetch of each file, by its path; a file of a split without a cap is not in it."""
    if not entry.source.by_row_group:
        return {}
    drawn: dict[str, tuple[int, ...]] = {}
    for split, cap in (("train", _train_cap(entry)), ("validation", entry.options.max_val_set)):
        files = {remote.path: remote for remote in remotes if remote.split == split}
        if cap is not None and files:
            rows = {path: fetcher.row_groups(remote) for path, remote in files.items()}
            groups = draw_row_groups(rows, cap, entry.seed)
            drawn |= {path: tuple(group for name, group in groups if name == path) for path in files}
    return drawn


def _train_cap(entry: Entry) -> int | None:
    """Rows to draw so that, after `fraction` has taken its share, as many as the caps allow are left; None: all."""
    caps = [cap for cap in (entry.options.max_train_set, entry.options.size) if cap is not None]
    return ceil(min(caps) / (entry.options.fraction or 1)) if caps else None
