"""A raw file before it is fetched: where it is and what it must be, as far as that is known without its bytes."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from huggingface_hub import hf_hub_url

from data_mix.errors import FetchError
from data_mix.fetch.digests import check_sha256
from data_mix.fetch.hub import HubFile, Listing
from data_mix.fetch.web import endpoint, split_url
from data_mix.schema import Split
from data_mix.source import RawFile


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A raw file before it is fetched."""

    name: str
    path: str
    """Path in the repository or below the samples; else the URL without its secrets, or the local path as it was given."""
    url: str
    """`hf://datasets/OWNER/NAME@COMMIT/PATH`, the URL without its secrets, or the base name of a local file."""
    location: str | Path = field(repr=False)
    """Where it really is: a URL, which may hold secrets, or a local path."""
    repo: str | None = None
    commit: str | None = None
    size: int | None
    """Bytes; None where a server does not say."""
    sha256: str | None = None
    """What its digest must be, where that is known before."""
    etag: str | None = None
    split: Split | None = None
    is_cached: bool = False
    """Whether fetching it needs no network."""

    @property
    def key(self) -> str:
        """A name of its content: equal for the same file of another commit or another hub."""
        place = (self.etag or self.url) if self.repo else self.location
        content = self.sha256 or f"{place}\0{self.etag}\0{self.size}"
        return hashlib.sha256(content.encode()).hexdigest()


def url_name(url: str) -> str:
    """The base name of the file that a URL names."""
    return re.sub(r"[\x00-\x1f/\\]", "_", unquote(PurePosixPath(split_url(url).path).name)) or "download"


def bare_url(url: str) -> str:
    """The URL without user, password and query, any of which may be a secret."""
    parts = split_url(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def remote_url(raw: RawFile, size: int | None, etag: str | None) -> RemoteFile:
    """The file at a URL, with what its server says of it."""
    shown = bare_url(raw.path)
    return RemoteFile(
        name=url_name(raw.path),
        path=shown,
        url=shown,
        location=raw.path,
        size=size,
        sha256=raw.sha256,
        etag=etag,
        split=raw.split,
    )


def remote_hub_files(raw: RawFile, listing: Listing) -> list[RemoteFile]:
    """The files of a repository that a path or a glob names; `*` stays inside one folder.

    Raises FetchError where there is none, DigestError where the hub has another file than `raw` fixes.
    """
    wanted, where = PurePosixPath(raw.path), f"{listing.repo}@{listing.commit}"
    literal = [listing.files[raw.path]] if raw.path in listing.files else []
    found = literal or [file for file in listing.files.values() if _matches(PurePosixPath(file.path), wanted)]
    if not found:
        raise FetchError(f"{where} has no file {raw.path!r}; {_nearest(raw.path, listing.files)}")
    return [_remote_hub_file(raw, listing, file) for file in found]


def local_files(raw: RawFile, path: Path, below: Path | None = None) -> list[RemoteFile]:
    """The local files that a path or a glob names; with `below` it lies in that folder, and so do their `path`s.

    Raises FetchError where there is none.
    """
    base = below or Path(path.anchor)
    whole = base / path
    found = [whole] if whole.exists() else sorted(base.glob(path.relative_to(path.anchor).as_posix()))
    files = [file for file in found if file.is_file()]
    if not files:
        what = "is a folder" if whole.is_dir() else "does not exist"
        near = _nearest(whole.name, (each.name for each in whole.parent.iterdir()) if whole.parent.is_dir() else ())
        raise FetchError(f"{whole} {what}, wanted a file; {near}")
    return [_local_file(raw, file, file.relative_to(base).as_posix() if below else str(file)) for file in files]


def _remote_hub_file(raw: RawFile, listing: Listing, file: HubFile) -> RemoteFile:
    repo, commit = listing.repo, listing.commit
    url = f"hf://datasets/{repo}@{commit}/{file.path}"
    if file.sha256:
        check_sha256(url, raw.sha256, file.sha256)
    return RemoteFile(
        name=PurePosixPath(file.path).name,
        path=file.path,
        url=url,
        location=hf_hub_url(repo, file.path, repo_type="dataset", revision=commit, endpoint=endpoint()),
        repo=repo,
        commit=commit,
        size=file.size,
        sha256=file.sha256 or raw.sha256,
        etag=file.etag,
        split=raw.split,
    )


def _local_file(raw: RawFile, file: Path, path: str) -> RemoteFile:
    size, name = file.stat().st_size, file.name
    return RemoteFile(
        name=name, path=path, url=name, location=file, size=size, sha256=raw.sha256, split=raw.split, is_cached=True
    )


def _matches(path: PurePosixPath, pattern: PurePosixPath) -> bool:
    return len(path.parts) == len(pattern.parts) and path.match(str(pattern))


def _nearest(wanted: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(wanted, list(names), n=3, cutoff=0.4)
    return f"nearest: {', '.join(near)}" if near else "nothing there has a name like it"
