"""What a hub repository holds: the commit that a revision means, and its files with their sizes and digests.

A commit's list of files is asked for once and kept: a pinned revision needs no network the next time.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final
from urllib.parse import quote

from huggingface_hub import constants
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from data_mix.errors import FetchError
from data_mix.fetch.web import Web, endpoint, is_offline
from data_mix.files import read_sealed, write_sealed

LONG_LIST: Final = 1000
"""A hub may cut the list of files in its answer about a repository short from here on; the tree is then read page by page."""

_COMMIT: Final = re.compile("[0-9a-f]{40}")
_SHA256: Final = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class HubFile:
    """A file of a repository."""

    path: str
    size: int
    oid: str | None
    """Git's name of it; of a large file that is the name of a pointer."""
    sha256: str | None
    """Set for a large file, which is kept outside git."""

    @property
    def etag(self) -> str | None:
        """The ETag under which the hub sends it."""
        return self.sha256 or self.oid


@dataclass(frozen=True)
class Listing:
    """The files of a repository at a commit, by their path, sorted."""

    repo: str
    commit: str
    files: Mapping[str, HubFile]


class Listings:
    """Finds the listing of a revision: in memory, else in `folder`, else on the hub. Threads may share it.

    A branch is asked for once; what it meant is kept for offline use.
    """

    def __init__(self, folder: Path, web: Web) -> None:
        self._folder = folder / hashlib.sha256(endpoint().encode()).hexdigest()[:12]  # two hubs may differ in a branch
        self._web = web
        self._known: dict[tuple[str, str], Listing] = {}
        self._lock = Lock()
        self._locks: dict[str, Lock] = {}

    def find(self, repo: str, revision: str | None) -> Listing:
        """The listing of a branch, tag or commit (None: main).

        Raises FetchError where the hub knows no such repository or revision, refuses it or cannot be reached.
        """
        _check_repo(repo)
        key = repo, revision or "main"
        with self._lock_of(repo):
            if key not in self._known:
                self._known[key] = self._read(*key) or self._ask(*key)
            return self._known[key]

    def _lock_of(self, repo: str) -> Lock:
        with self._lock:
            return self._locks.setdefault(repo, Lock())

    def _read(self, repo: str, revision: str) -> Listing | None:
        """What is kept of the revision; of a branch only offline, for it may have moved."""
        if not (_COMMIT.fullmatch(revision) or is_offline()):
            return None
        ref = None if _COMMIT.fullmatch(revision) else read_sealed(self._ref(repo, revision))
        commit = ref.decode() if ref else revision
        kept = read_json(self._listing(repo, commit))
        if kept:
            return Listing(repo, commit, {file[0]: HubFile(*file) for file in kept})
        return _in_hub_cache(repo, revision) if is_offline() else None

    def _ask(self, repo: str, revision: str) -> Listing:
        api = f"{endpoint()}/api/datasets/{repo}"
        name = f"{repo}@{revision}"
        about, _ = self._web.get_json(f"{api}/revision/{quote(revision, safe='')}?blobs=true", name)
        try:
            commit, entries = about["sha"], about["siblings"]
            if len(entries) >= LONG_LIST:
                entries = self._pages(f"{api}/tree/{commit}?recursive=true", name)
            listing = Listing(repo, commit, _files(entries))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise FetchError(
                f"{name}: the answer ({type(error).__name__} in it) is no hub's list of files; check HF_ENDPOINT"
            ) from error
        self._keep(listing, revision)
        return listing

    def _pages(self, url: str, name: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = []
        following: str | None = url
        while following:
            page, following = self._web.get_json(following, name)
            entries += [entry for entry in page if entry["type"] == "file"]
        return entries

    def _keep(self, listing: Listing, revision: str) -> None:
        if not _COMMIT.fullmatch(str(listing.commit)):
            raise FetchError(f"{listing.repo}: the hub names the commit {listing.commit!r}, wanted 40 hexadecimal digits")
        rows = [[file.path, file.size, file.oid, file.sha256] for file in listing.files.values()]
        write_sealed(self._listing(listing.repo, listing.commit), json.dumps(rows).encode())
        write_sealed(self._ref(listing.repo, revision), listing.commit.encode())

    def _listing(self, repo: str, commit: str) -> Path:
        return self._folder / repo.replace("/", "--") / f"{commit}.json"

    def _ref(self, repo: str, revision: str) -> Path:
        return self._folder / repo.replace("/", "--") / f"{quote(revision, safe='')}.ref"


def hub_cache() -> Path:
    """The folder in which huggingface_hub keeps what it has downloaded, as the environment names it now."""
    if folder := os.environ.get("HF_HUB_CACHE"):
        return Path(folder).expanduser()
    home = os.environ.get("HF_HOME")
    return Path(home).expanduser() / "hub" if home else Path(constants.HF_HUB_CACHE)


def cached_by_hub(repo: str, commit: str, path: str) -> Path | None:
    """A file that huggingface_hub has downloaded already, by whatever command."""
    file = _repo_cache(repo) / "snapshots" / commit / path
    return file if file.is_file() else None


def _repo_cache(repo: str) -> Path:
    return hub_cache() / f"datasets--{repo.replace('/', '--')}"


def _in_hub_cache(repo: str, revision: str) -> Listing | None:
    """What huggingface_hub's cache holds of a revision; its blobs are named by their ETags."""
    folder = _repo_cache(repo)
    commit = revision if _COMMIT.fullmatch(revision) else _read_text(folder / "refs" / revision)
    snapshot = folder / "snapshots" / (commit or "none")
    if commit is None or not _COMMIT.fullmatch(commit) or not snapshot.is_dir():
        return None
    found = {}
    for file in sorted(path for path in snapshot.rglob("*") if path.is_file()):
        path, blob = file.relative_to(snapshot).as_posix(), file.resolve().name
        oid, sha256 = (blob if pattern.fullmatch(blob) else None for pattern in (_COMMIT, _SHA256))
        found[path] = HubFile(path, file.stat().st_size, oid, sha256)
    return Listing(repo, commit, found)


def _files(entries: Iterable[Mapping[str, Any]]) -> dict[str, HubFile]:
    """The files of a hub's answer: it names their fields one way in a repository's siblings, another way in its tree."""
    found = {}
    for entry in entries:
        path, lfs = entry["path"] if "path" in entry else entry["rfilename"], entry.get("lfs") or {}
        _check_path(path)
        sha256 = lfs.get("sha256") or lfs.get("oid")
        found[path] = HubFile(path, int(lfs.get("size") or entry["size"]), entry.get("oid") or entry.get("blobId"), sha256)
    return dict(sorted(found.items()))


def _check_path(path: str) -> None:
    if {"", ".", ".."} & set(path.split("/")) or "\0" in path:
        raise FetchError(f"the hub lists a file {path!r}, wanted a path inside the repository; check HF_ENDPOINT")


def _check_repo(repo: str) -> None:
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise FetchError(f"{repo!r} is no name of a hub data set, wanted owner/name; check `repo`") from error


def read_json(path: Path) -> Any:
    """What a sealed JSON note holds; None where it is not there, or damaged."""
    note = read_sealed(path)
    return json.loads(note) if note else None


def _read_text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf8")
    except OSError:
        return None
