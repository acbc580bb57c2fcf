"""What a hub keeps that can be written to: repositories with commits, branches, tags, pull requests, and the bytes of files.

A commit is a set of files and never changes; what moves are the names of commits. `Repository.moves` is every move of a branch
that there was, so that a test can say what stood under it at any time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Final

from hub_files import HubFile

Files = dict[str, HubFile]

_GITATTRIBUTES: Final = b"*.arrow filter=lfs diff=lfs merge=lfs -text\n*.parquet filter=lfs diff=lfs merge=lfs -text\n"


class RefusedError(Exception):
    """The hub says no: a status, and what it says."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Blobs:
    """The bytes of files, by their SHA-256."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, sha256: str) -> Path:
        """Where the bytes are, or would be."""
        return self._folder / sha256

    def put(self, data: bytes) -> str:
        """Keep these bytes."""
        sha256 = hashlib.sha256(data).hexdigest()
        self._folder.mkdir(parents=True, exist_ok=True)
        self.path(sha256).write_bytes(data)
        return sha256

    def file(self, path: str, sha256: str) -> HubFile:
        """A file of a repository with these bytes."""
        local = self.path(sha256)
        data = local.read_bytes()
        return HubFile(path, local, len(data), hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest(), sha256)


@dataclass
class Discussion:
    """A pull request."""

    num: int
    title: str
    base: str
    """The commit of main that it began with."""
    status: str = "draft"
    merge_commit: str | None = None

    @property
    def ref(self) -> str:
        """The branch of its commits."""
        return f"refs/pr/{self.num}"


@dataclass
class Repository:
    """A repository that can be written to."""

    kind: str
    name: str
    private: bool
    commits: dict[str, Files] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    discussions: list[Discussion] = field(default_factory=list)
    moves: list[tuple[str, str]] = field(default_factory=list)
    """(branch, commit), of every time a branch moved."""

    def resolve(self, revision: str) -> str | None:
        """The commit that a revision means."""
        known = {**self.tags, **self.refs, **{commit: commit for commit in self.commits}}
        return known.get(revision.removeprefix("refs/heads/"))

    def files(self, revision: str = "main") -> Files:
        """The files of a revision that there is."""
        return self.commits[self.refs.get(revision) or self.tags.get(revision) or revision]

    def commit(self, ref: str, files: Files) -> str:
        """Let a branch mean these files."""
        ordered = dict(sorted(files.items()))
        listed = "".join(f"{path}\0{file.sha256}\n" for path, file in ordered.items())
        sha = hashlib.sha1(f"{self.refs.get(ref)} {len(self.commits)}\n{listed}".encode()).hexdigest()
        self.commits[sha] = ordered
        self.move(ref, sha)
        return sha

    def move(self, ref: str, sha: str) -> None:
        """Let a branch mean a commit."""
        self.refs[ref] = sha
        self.moves.append((ref, sha))

    def open_discussion(self, title: str) -> Discussion:
        """Open a pull request: a draft, at main."""
        made = Discussion(len(self.discussions) + 1, title, self.refs["main"])
        self.discussions.append(made)
        self.move(made.ref, made.base)
        return made

    def discussion(self, num: int) -> Discussion:
        """A pull request by its number."""
        if not 0 < num <= len(self.discussions):
            raise RefusedError(404, "there is no such discussion")
        return self.discussions[num - 1]

    def merge(self, num: int) -> str:
        """Merge a pull request, as git merges: what both sides changed differently is a conflict."""
        pull = self.discussion(num)
        if pull.status != "open":
            raise RefusedError(400, f"this pull request is {pull.status}")
        base, theirs, merged = self.commits[pull.base], self.files(pull.ref), dict(self.files())
        for path in base.keys() | theirs.keys():
            if base.get(path) == theirs.get(path) or merged.get(path) == theirs.get(path):
                continue
            if merged.get(path) != base.get(path):
                raise RefusedError(400, f"merge conflict in {path}")
            _set(merged, path, theirs.get(path))
        pull.status, pull.merge_commit = "merged", self.commit("main", merged)
        return pull.merge_commit


def _set(files: Files, path: str, file: HubFile | None) -> None:
    if file is None:
        files.pop(path, None)
    else:
        files[path] = file


class Storage:
    """The repositories that were created over HTTP, by kind (`datasets`, `models`) and name."""

    def __init__(self, root: Path) -> None:
        self.blobs = Blobs(root / "blobs")
        self.lock = RLock()
        self._repositories: dict[tuple[str, str], Repository] = {}

    def find(self, name: str, kind: str = "datasets") -> Repository | None:
        """The repository of that name; None where there is none."""
        return self._repositories.get((kind, name))

    def __getitem__(self, name: str) -> Repository:
        """The repository of a data set that must be there."""
        return self._repositories["datasets", name]

    def create(
        self, name: str, *, private: bool, kind: str = "datasets", files: Mapping[str, bytes] | None = None
    ) -> Repository:
        """Create a repository, with the one file that the hub puts into it, and these."""
        made = Repository(kind, name, private)
        given = {".gitattributes": _GITATTRIBUTES, **(files or {})}
        made.commit("main", {path: self.blobs.file(path, self.blobs.put(data)) for path, data in given.items()})
        self._repositories[kind, name] = made
        return made


def changed(files: Files, gone: Iterable[str], folders: Iterable[str], added: Mapping[str, HubFile]) -> Files:
    """The files after a commit's operations."""
    dropped = set(gone)
    kept = {path: file for path, file in files.items() if path not in dropped and not path.startswith(tuple(folders))}
    return kept | dict(added)
