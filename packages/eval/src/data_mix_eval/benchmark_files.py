"""Where the files of a benchmark are: fetched from upstream at a pinned revision, in a local folder, or our own samples."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from data_mix.errors import FormatError
from data_mix.fetch import Fetcher
from data_mix.files import file_sha256
from data_mix.home import datamix_home
from data_mix.source import RawFile
from data_mix_eval.task import Task

SAMPLES: Final = Path(__file__).parent / "samples"
"""Small benchmark files of our own writing, for runs without network; no score on them means anything."""


@dataclass(frozen=True, kw_only=True)
class FoundFiles:
    """The files of a benchmark on this disk."""

    paths: tuple[Path, ...]
    origin: str
    """Where they come from: `cais/mmlu@<commit>`, a folder, or `samples`."""
    sha256: str
    """Of their names and contents, in order: equal digests give equal questions."""


def find_files(task: Task, *, folder: Path | None = None, samples: bool = False, fetcher: Fetcher | None = None) -> FoundFiles:
    """The files of a task: our samples, those below `folder` (which may be a single file), else upstream's, fetched.

    Raises FormatError where the folder has no layout of the benchmark; FetchError and DigestError as the fetcher does.
    """
    if samples or folder is not None:
        place = SAMPLES if samples else Path(folder or ".").expanduser()
        return _found(_local_paths(task, place), "samples" if samples else str(folder))
    fetcher = fetcher or Fetcher(home=datamix_home())
    remote = [each for raw in raw_files(task) for each in fetcher.resolve(raw)]
    paths = [fetcher.fetch(each).path for each in remote]
    return _found(paths, f"{task.files.repo}@{task.files.revision}")


def raw_files(task: Task) -> list[RawFile]:
    """The files of a task as upstream keeps them."""
    files = task.files
    if files.pinned:
        return [RawFile(path=url, sha256=digest) for url, digest in files.pinned.items()]
    return [RawFile(path=pattern, repo=files.repo, revision=files.revision) for pattern in files.patterns]


def _local_paths(task: Task, place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    for layout in task.files.layouts:
        first, *others = ([path for path in sorted(place.glob(pattern)) if path.is_file()] for pattern in layout)
        if first:
            return first + [path for found in others for path in found]
    wanted = " or ".join(layout[0] for layout in task.files.layouts)
    what = "has no files of" if place.is_dir() else "does not exist, wanted the files of"
    raise FormatError(f"{place} {what} {task.name}: {wanted}; name another benchmark_path, or none to fetch them")


def _found(paths: Sequence[Path], origin: str) -> FoundFiles:
    lines = [f"{file_sha256(path)}  {path.name}\n" for path in paths]
    return FoundFiles(paths=tuple(paths), origin=origin, sha256=hashlib.sha256("".join(lines).encode()).hexdigest())
