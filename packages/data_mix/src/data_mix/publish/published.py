"""The manifest of a published build: the build's own, and under `published` the files that stand there for its parts.

    manifest.json   all that stands in the build's manifest; `files` are the pages of the repository
        published   version, layout (parquet or arrow)
            data    of each file: its path, rows, bytes and sha256, the part it stands for, and a digest of the rows

Published in Arrow, a repository is a build folder as it stands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from data_mix.errors import FormatError
from data_mix.shards import FORMAT, MANIFEST, Part, parts_of
from data_mix.shards import VERSION as BUILD_VERSION

VERSION: Final = 1
"""Of what stands under `published`."""

PUBLISHED: Final = "published"

Layout = Literal["parquet", "arrow"]


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """A file of a repository that holds the rows of a part."""

    path: str
    part: str
    rows: int
    bytes: int
    sha256: str
    content: str | None = None
    """Digest of the rows; None: it is the part itself."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """A published build."""

    layout: Layout
    build: dict[str, Any]
    """The manifest of the build, without digests of pages."""
    data: Sequence[DataFile]
    files: Mapping[str, str]
    """SHA-256 by name of the pages of the repository."""

    def as_bytes(self) -> bytes:
        """The manifest of the repository."""
        published = {"version": VERSION, "layout": self.layout, "data": [asdict(file) for file in self.data]}
        whole = {"format": FORMAT, "version": BUILD_VERSION} | self.build | {"files": dict(self.files), PUBLISHED: published}
        return f"{json.dumps(whole, ensure_ascii=False, indent=1)}\n".encode()

    @property
    def parts(self) -> dict[str, Part]:
        """The parts of the build, by their path."""
        return {part.path: part for part in parts_of(self.build)}


def data_path(part: Part, layout: Layout) -> str:
    """Where in the repository the rows of a part stand."""
    return part.path if layout == "arrow" else f"data/{part.path.removesuffix('.arrow')}.parquet"


def read_published(text: bytes, where: str) -> Published:
    """A repository's manifest; FormatError where it is none that this reader knows."""
    try:
        manifest = json.loads(text)
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT or PUBLISHED not in manifest:
            raise FormatError(f"{where}: its {MANIFEST} is not of a published build; name a repository of datamix publish")
        published, files = manifest.pop(PUBLISHED), manifest.pop("files")
        _check_versions(manifest["version"], published["version"], where)
        data = [DataFile(**file) for file in published["data"]]
        found = Published(layout=published["layout"], build=manifest | {"files": {}}, data=data, files=files)
        _check_paths(found, where)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise FormatError(f"{where}: its {MANIFEST} is damaged ({type(error).__name__}: {error}); publish it again") from error
    return found


def _check_versions(build: int, published: int, where: str) -> None:
    if build > BUILD_VERSION or published > VERSION:
        raise FormatError(
            f"{where}: was published with format version {build}.{published}, this datamix reads up to "
            f"{BUILD_VERSION}.{VERSION}; install a newer data-mix-builder"
        )


def _check_paths(found: Published, where: str) -> None:
    """Refuse paths that lead out of the folder, or files that are not one per part."""
    parts = found.parts
    wanted = [data_path(part, found.layout) for part in parts.values()]
    unsafe = [path for path in parts if {"", ".", ".."} & set(path.split("/")) or not path.endswith(".arrow")]
    if unsafe or wanted != [file.path for file in found.data] or list(parts) != [file.part for file in found.data]:
        raise FormatError(f"{where}: its {MANIFEST} lists files that are not those of its parts; publish it again")
