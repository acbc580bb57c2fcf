"""What of a build is sent: data files, pages, and the manifest that lists them; no dropped rows, audit lists or tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from data_mix.engine import run
from data_mix.errors import FormatError, PublishError
from data_mix.publish.cards import hub_pages
from data_mix.publish.files import PlannedFile
from data_mix.publish.leaving_out import publishable
from data_mix.publish.licences import licence_stops
from data_mix.publish.parquet import Conversion, convert
from data_mix.publish.published import DataFile, Layout, Published, data_path
from data_mix.report.page import report_page
from data_mix.shards import MANIFEST, REPORT, Build, open_build, parts_of, verify

CONVERTED: Final = "publish"
"""The folder below `$DATAMIX_HOME` of the Parquet files that are made."""


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """What of a build is published, and how."""

    repo: str
    layout: Layout = "parquet"
    without: Collection[str] = ()
    with_report: bool = False
    workers: int = 1


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to stand in a repository."""

    repo: str
    kind: str
    """`dataset` or `model`."""
    files: dict[str, PlannedFile]
    label: str
    """Twelve characters that name the contents: the tag of the revision."""
    stops: list[str]
    """Why it must not be public."""
    conversions: Sequence[Conversion] = ()

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(file.size for file in self.files.values())

    def make_files(self, workers: int) -> None:
        """Have every file at hand that is made for this."""
        missing = [task for task in self.conversions if not task.target.is_file()]
        for _ in run(convert, missing, workers):
            pass

    def remove_files(self) -> None:
        """Take away what was made for this; what it was stays known."""
        for task in self.conversions:
            task.target.unlink(missing_ok=True)


def plan_build(folder: Path, home: Path, options: BuildOptions) -> Plan:
    """What is sent of a build; the Parquet files are made below `home`, once.

    Raises FormatError where the folder is not whole, PublishError where the options do not fit it.
    """
    build = open_build(folder)
    if problems := verify(folder):
        raise FormatError(f"{problems[0]}; nothing was sent: build again")
    manifest = publishable(build, options.without)
    conversions = _conversions(build, manifest, home) if options.layout == "parquet" else []
    data = _data(manifest, conversions, options)
    pages = hub_pages(build, manifest, data, layout=options.layout, repo=options.repo)
    pages |= {REPORT: _report(build, options)} if options.with_report else {}
    digests = {name: hashlib.sha256(page).hexdigest() for name, page in pages.items()}
    published = Published(layout=options.layout, build=manifest, data=data, files=digests)
    small = {**pages, MANIFEST: published.as_bytes()}
    files = [*_data_files(build, data, conversions), *(PlannedFile.of_bytes(name, page) for name, page in small.items())]
    return Plan(
        repo=options.repo,
        kind="dataset",
        files={file.path: file for file in files},
        label=manifest["fingerprint"][:12],
        stops=licence_stops(manifest),
        conversions=conversions,
    )


def _conversions(build: Build, manifest: dict[str, Any], home: Path) -> list[Conversion]:
    folder = home / CONVERTED
    return [Conversion(part=part, source=build.path / part.path, folder=folder) for part in parts_of(manifest)]


def _data(manifest: dict[str, Any], conversions: Sequence[Conversion], options: BuildOptions) -> list[DataFile]:
    """The data files; what was not converted before is now."""
    if options.layout == "arrow":
        parts = parts_of(manifest)
        return [
            DataFile(path=part.path, part=part.path, rows=part.rows, bytes=part.bytes, sha256=part.sha256) for part in parts
        ]
    new = [task for task in conversions if task.known is None]
    for _ in run(convert, new, options.workers):
        pass
    return [_data_file(task, options.layout) for task in conversions]


def _data_file(task: Conversion, layout: Layout) -> DataFile:
    known = task.known
    if known is None:
        raise PublishError(f"{task.target}: was made, and is gone; run again")
    facts = {"rows": known.rows, "bytes": known.bytes, "sha256": known.sha256, "content": known.content}
    return DataFile(path=data_path(task.part, layout), part=task.part.path, **facts)  # type: ignore[arg-type]


def _data_files(build: Build, data: Sequence[DataFile], conversions: Sequence[Conversion]) -> list[PlannedFile]:
    places = [task.target for task in conversions] or [build.path / file.part for file in data]
    return [
        PlannedFile(path=file.path, size=file.bytes, sha256=file.sha256, data=place)
        for file, place in zip(data, places, strict=True)
    ]


def _report(build: Build, options: BuildOptions) -> bytes:
    """The report, which shows conversations of every source: so it goes only where every source does."""
    if options.without:
        raise PublishError(f"--with-report with --without: {REPORT} shows conversations of every source; leave one of them off")
    page, path = report_page(build), build.path / REPORT
    if not path.is_file() or path.read_bytes() != page:
        raise PublishError(
            f"{build.path}: has no {REPORT} that belongs to the build, wanted one for --with-report; "
            f"make it with datamix report {build.path}, and look at it"
        )
    return page
