"""Hub, URL or local path → a verified local file.

What was fetched stays below `$DATAMIX_HOME`, shared by all builds, and is not fetched again:

    hub/        the files of each commit; which commit a branch last meant
    urls/       what servers last said of a URL: size and ETag
    files/      whole files, by content, each with its digest
    ranges/     row groups of Parquet files, by content of the file
    digests/    SHA-256 of files, for as long as they do not change
    locks/      so that two processes do not fetch the same

A file that huggingface_hub has in its own cache, at the same commit, is used where it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq
from filelock import FileLock

from data_mix.errors import DigestError, FetchError, RawFileError
from data_mix.fetch.digests import DigestStore, Span, check_git_oid, check_sha256
from data_mix.fetch.hub import Listings, cached_by_hub, read_json
from data_mix.fetch.ranges import RangedFile, RangeFolder, StoredRange, footer_span, read_metadata, row_group_span, tail_span
from data_mix.fetch.remote import RemoteFile, local_files, remote_hub_files, remote_url, url_name
from data_mix.fetch.transfer import Notify, Wanted, download
from data_mix.fetch.web import Web, is_offline
from data_mix.files import PARTIAL, file_sha256, output_errors, read_sealed, sync_folder, write_sealed
from data_mix.source import LocalFile, RawFile, is_url

SMALL_TEXT: Final = 10_000_000
"""Bytes; `read_text` refuses a larger file."""


class Fetcher:
    """Finds and fetches raw files; threads may share it.

    `home` is the folder of `datamix_home`. With `samples`, a file of a repository is looked for below that folder by its path
    in the repository, one of a URL by its base name, and nothing goes over the network. `rehash` reads every file again whose
    digest is remembered. `notify` hears of progress; `backoff` is the wait before the second try of a request, in seconds.
    """

    def __init__(
        self,
        *,
        home: Path,
        samples: Path | None = None,
        rehash: bool = False,
        notify: Notify | None = None,
        backoff: float = 1.0,
    ) -> None:
        self._home, self._samples, self._rehash, self._notify = home, samples, rehash, notify
        self._web = Web(backoff=backoff)
        self._listings = Listings(home / "hub", self._web)
        self._digests = DigestStore(home / "digests")
        self._footers: dict[str | Path, pq.FileMetaData] = {}

    def list_files(self, repo: str, revision: str | None) -> list[str]:
        """Paths of all files of the repository, sorted; with `samples`, of all samples."""
        if self._samples is None:
            return list(self._listings.find(repo, revision).files)
        found = (path.relative_to(self._samples) for path in self._samples.rglob("*") if path.is_file())
        return sorted(path.as_posix() for path in found)

    def read_text(self, repo: str, revision: str | None, path: str) -> str | None:
        """A small text file's contents; None where there is none.

        Raises RawFileError where it is larger than 10 MB or not UTF-8.
        """
        if path not in self.list_files(repo, revision):
            return None
        [remote] = self.resolve(RawFile(repo=repo, revision=revision, path=path))
        if (remote.size or 0) > SMALL_TEXT:
            raise RawFileError(
                f"{remote.url} has {remote.size:,} bytes, wanted a text of at most {SMALL_TEXT:,}; check its path"
            )
        try:
            return self.fetch(remote).path.read_text(encoding="utf8")
        except UnicodeDecodeError as error:
            raise RawFileError(f"{remote.url}: byte {error.start} is not UTF-8, wanted a text; check its path") from error

    def resolve(self, raw: RawFile) -> list[RemoteFile]:
        """The files that `raw` names, sorted by path; nothing of a hub's file is fetched, and one byte of a URL's.

        In a glob, `*` stays inside one folder. Raises FetchError where there is no such file, where a server refuses or cannot
        be reached, or is offline and nothing is kept; DigestError where the hub has another file than upstream fixes.
        """
        if self._samples and (raw.repo or is_url(raw.path)):
            sample = Path(raw.path if raw.repo else url_name(raw.path))
            return local_files(raw, sample, self._samples)
        if raw.repo:
            found = remote_hub_files(raw, self._listings.find(raw.repo, raw.revision))
        elif is_url(raw.path):
            found = [self._resolve_url(raw)]
        else:
            return local_files(raw, Path(raw.path).expanduser())
        return [
            replace(remote, is_cached=self._cached(remote) is not None) for remote in sorted(found, key=lambda each: each.path)
        ]

    def fetch(self, remote: RemoteFile) -> LocalFile:
        """The whole file, verified.

        Raises FetchError where it cannot be had, DigestError where its bytes are others than wanted (they are not kept) and
        OutputError where it cannot be stored.
        """
        if isinstance(remote.location, Path):
            return self._local(remote, remote.location)
        if cached := self._cached(remote):
            try:
                return self._local(remote, cached)
            except DigestError:  # damaged on this disk since it was fetched
                self._place(remote).unlink(missing_ok=True)
        return self._local(remote, self._download(remote))

    def row_groups(self, remote: RemoteFile) -> list[int]:
        """The number of rows of each row group of a Parquet file, for the bytes of its footer alone."""
        footer = self._footer(remote)
        return [footer.row_group(index).num_rows for index in range(footer.num_row_groups)]

    def row_group_span(self, remote: RemoteFile, index: int) -> Span:
        """The bytes [start, end) of the file that `fetch_row_group` fetches."""
        span = row_group_span(self._footer(remote), index)
        if not 0 <= span.start < span.end <= (remote.size or 0):
            raise RawFileError(
                f"{remote.url}: its footer puts row group {index} at bytes {span.start} to {span.end}; check the file"
            )
        return span

    def bytes_of_row_group(self, remote: RemoteFile, index: int) -> int:
        """The bytes that `fetch_row_group` would have to fetch: none, where it was fetched before."""
        span = self.row_group_span(remote, index)
        return 0 if self._ranges(remote).find(span) else span.end - span.start

    def fetch_row_group(self, remote: RemoteFile, index: int) -> LocalFile:
        """One row group of a Parquet file, for its bytes alone: exactly those are asked for, once, and kept.

        Read it with `ranges.open_parquet`. Its `sha256` is that of those bytes, wherever they come from. Raises as `fetch`.
        """
        span, whole = self.row_group_span(remote, index), self._whole(remote)
        if whole:
            path, digest = whole, self._digests.sha256(whole, span=span, rehash=self._rehash)
        else:
            path, digest = self._ranges(remote).path, self._range(remote, span).sha256
        return LocalFile(name=remote.name, path=path, sha256=digest, split=remote.split, row_group=index)

    def _resolve_url(self, raw: RawFile) -> RemoteFile:
        if raw.sha256 and self._cached(pinned := remote_url(raw, None, None)):
            return pinned
        note = self._home / "urls" / hashlib.sha256(raw.path.encode()).hexdigest()
        if is_offline() and (kept := read_json(note)):
            return remote_url(raw, *kept)
        size, etag = self._web.size_and_etag(raw.path, remote_url(raw, None, None).url)
        write_sealed(note, json.dumps([size, etag]).encode())
        return remote_url(raw, size, etag)

    def _local(self, remote: RemoteFile, path: Path) -> LocalFile:
        digest = self._digests.sha256(path, rehash=self._rehash)
        check_sha256(remote.url, remote.sha256 or self._kept_digest(path), digest)
        return LocalFile(name=remote.name, path=path, sha256=digest, split=remote.split)

    def _place(self, remote: RemoteFile) -> Path:
        return self._home / "files" / remote.key / remote.name

    def _cached(self, remote: RemoteFile) -> Path | None:
        own = self._place(remote)
        if own.is_file():
            return own
        found = cached_by_hub(remote.repo, remote.commit, remote.path) if remote.repo and remote.commit else None
        return found if found and remote.size == found.stat().st_size else None

    def _whole(self, remote: RemoteFile) -> Path | None:
        """The whole file where it needs no network, verified where there is something to verify it by."""
        if isinstance(remote.location, Path) and remote.sha256 is None:
            return remote.location
        is_here = isinstance(remote.location, Path) or self._cached(remote)
        return self.fetch(remote).path if is_here else None

    def _kept_digest(self, path: Path) -> str | None:
        """What the digest of a file was when it was fetched; None for one that is not ours."""
        note = read_sealed(path.parent.with_suffix(".sha256")) if path.is_relative_to(self._home / "files") else None
        return note.decode() if note else None

    def _download(self, remote: RemoteFile) -> Path:
        place = self._place(remote)
        partial = place.with_name(place.name + PARTIAL)
        with self._locked(remote.key):
            if place.is_file():  # another process was faster
                return place
            was_cut = partial.exists()
            try:
                digest = self._receive(remote, partial)
            except DigestError:
                if not was_cut:
                    raise
                digest = self._receive(remote, partial)  # what an earlier run left was damaged
            write_sealed(place.parent.with_suffix(".sha256"), digest.encode())
            _rename(partial, place)
            self._digests.remember(place, digest)
        return place

    def _receive(self, remote: RemoteFile, partial: Path) -> str:
        """Bring the whole file into `partial` and return its digest, verified; what is not right is removed."""
        wanted = Wanted(url=str(remote.location), name=remote.url, etag=remote.etag, end=remote.size)
        download(self._web, wanted, partial, self._notify)
        try:
            digest = file_sha256(partial)
            check_sha256(remote.url, remote.sha256, digest)
            check_git_oid(remote.url, remote.etag if remote.repo else None, partial)
        except DigestError:
            partial.unlink()
            raise
        return digest

    def _footer(self, remote: RemoteFile) -> pq.FileMetaData:
        key = remote.location if isinstance(remote.location, Path) else remote.key
        if key not in self._footers:
            self._footers[key] = self._read_footer(remote)
        return self._footers[key]

    def _read_footer(self, remote: RemoteFile) -> pq.FileMetaData:
        if whole := self._whole(remote):
            return read_metadata(whole, remote.name)
        if remote.size is None:
            raise FetchError(f"{remote.url}: its server does not say how large it is; set no cap, to fetch the whole file")
        tail = self._range(remote, tail_span(remote.size, remote.url))
        self._range(remote, footer_span(remote.size, tail.path.read_bytes(), remote.url))
        return read_metadata(RangedFile(self._ranges(remote).path, remote.name), remote.url)

    def _ranges(self, remote: RemoteFile) -> RangeFolder:
        return RangeFolder(self._home / "ranges" / remote.key)

    def _range(self, remote: RemoteFile, span: Span) -> StoredRange:
        """These bytes of the file, fetched where they are not kept."""
        folder = self._ranges(remote)
        with self._locked(remote.key):
            if stored := folder.find(span):
                if self._digests.sha256(stored.path, rehash=self._rehash) == stored.sha256:
                    return stored
                stored.path.unlink()  # damaged on this disk since it was fetched
            partial = folder.path / f"{span.start}-{span.end}{PARTIAL}"
            wanted = Wanted(
                url=str(remote.location), name=remote.url, etag=remote.etag, start=span.start, end=span.end, is_whole=False
            )
            download(self._web, wanted, partial, self._notify)
            digest = file_sha256(partial)
            place = folder.place(span, digest)
            _rename(partial, place)
            self._digests.remember(place, digest)
            return StoredRange(span, digest, place)

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """Keep other processes and threads from fetching the same file."""
        lock = FileLock(self._home / "locks" / key)
        with output_errors(self._home):
            (self._home / "locks").mkdir(parents=True, exist_ok=True)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()


def _rename(partial: Path, place: Path) -> None:
    with output_errors(place):
        partial.replace(place)
        sync_folder(place.parent)
