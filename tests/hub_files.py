"""What a hub says of the files in a folder: their digests, their commit, their listings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

LFS_SUFFIXES: Final = {".parquet", ".arrow", ".gz", ".tgz", ".zip", ".zst", ".bin", ".safetensors"}
LFS_SIZE: Final = 10_000_000


@dataclass(frozen=True)
class HubFile:
    """A file of a repository, with what the hub says of it."""

    path: str
    local: Path
    size: int
    oid: str
    sha256: str

    @property
    def is_lfs(self) -> bool:
        """Whether the hub keeps it outside git; its ETag is then its SHA-256."""
        return self.size >= LFS_SIZE or Path(self.path).suffix in LFS_SUFFIXES

    @property
    def etag(self) -> str:
        """The digest under which the hub knows it."""
        return self.sha256 if self.is_lfs else self.oid

    def _lfs(self, digest_key: str) -> dict[str, Any]:
        """What a listing adds for a file outside git; the key of the digest differs from call to call."""
        return {"lfs": {digest_key: self.sha256, "size": self.size, "pointerSize": 134}} if self.is_lfs else {}

    def sibling(self) -> dict[str, Any]:
        """The file as `?blobs` shows it."""
        return {"rfilename": self.path, "size": self.size, "blobId": self.oid} | self._lfs("sha256")

    def entry(self) -> dict[str, Any]:
        """The file as a tree shows it."""
        return {"type": "file", "path": self.path, "oid": self.oid, "size": self.size} | self._lfs("oid")


@lru_cache(maxsize=100_000)
def _digests(path: Path, size: int, _mtime_ns: int, _inode: int) -> tuple[str, str]:
    """Git's name of a file and its SHA-256; remembered until the file changes."""
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % size + data).hexdigest(), hashlib.sha256(data).hexdigest()


def repository(folder: Path) -> dict[str, HubFile]:
    """The files of a repository by their path, sorted."""
    files = {}
    for local in sorted(path for path in folder.rglob("*") if path.is_file()):
        stat, path = local.stat(), local.relative_to(folder).as_posix()
        oid, sha256 = _digests(local, stat.st_size, stat.st_mtime_ns, stat.st_ino)
        files[path] = HubFile(path, local, stat.st_size, oid, sha256)
    return files


def commit_of(files: dict[str, HubFile]) -> str:
    """The commit that holds exactly these files."""
    return hashlib.sha1("".join(f"{file.path}\0{file.sha256}\n" for file in files.values()).encode()).hexdigest()


def entries(files: dict[str, HubFile], folder: str, *, recursive: bool) -> Iterator[dict[str, Any]]:
    """The entries of a folder (`""`, or a path with a slash at its end), each once; if `recursive`, of all below it."""
    seen: set[str] = set()
    for file in files.values():
        if not file.path.startswith(folder):
            continue
        names = file.path.removeprefix(folder).split("/")[:-1]
        parents = [folder + "/".join(names[: depth + 1]) for depth in range(len(names))]
        for parent in parents if recursive else parents[:1]:
            if parent not in seen:
                seen.add(parent)
                yield {"type": "directory", "path": parent, "oid": hashlib.sha1(parent.encode()).hexdigest(), "size": 0}
        if recursive or not parents:
            yield file.entry()
