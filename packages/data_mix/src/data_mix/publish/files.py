"""A file as it is to stand in a repository, and as it stands there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository, as the hub describes it."""

    size: int
    oid: str
    """Git's name of it."""
    sha256: str | None
    """Set for a file that is kept outside git."""


@dataclass(frozen=True, kw_only=True)
class PlannedFile:
    """A file that is to be sent."""

    path: str
    """In the repository."""
    size: int
    sha256: str
    data: Path | bytes
    """Where its bytes are."""

    @classmethod
    def of_bytes(cls, path: str, data: bytes) -> PlannedFile:
        """A small file that is made, not read."""
        return cls(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest(), data=data)

    @cached_property
    def oid(self) -> str:
        """Git's name of it."""
        digest = hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)
        if isinstance(self.data, bytes):
            digest.update(self.data)
            return digest.hexdigest()
        with self.data.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()

    def is_as(self, remote: RemoteFile | None) -> bool:
        """Whether that is what stands in the repository."""
        if remote is None or remote.size != self.size:
            return False
        return remote.sha256 == self.sha256 if remote.sha256 else remote.oid == self.oid


def differing(planned: Mapping[str, PlannedFile], remote: Mapping[str, RemoteFile]) -> list[PlannedFile]:
    """The files that the repository does not have, or has otherwise."""
    return [file for path, file in planned.items() if not file.is_as(remote.get(path))]
