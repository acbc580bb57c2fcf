"""Bytes of a server into a file: cut off and gone on with, in this process or in a later one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import httpx2

from data_mix.errors import FetchError, OutputError
from data_mix.fetch.web import Answer, TransientError, Web
from data_mix.files import output_errors

Notify = Callable[[str, int, int], None]
"""Called with (name, bytes done, bytes in all or 0 where that is not known) while bytes arrive."""

_COMPRESSED: Final = (".gz", ".tgz")  # a server may call their own compression the encoding of the transfer


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Bytes to get: [start, end) of a file."""

    url: str = field(repr=False)
    name: str
    """What errors and progress call it."""
    etag: str | None
    """What the file's ETag must be; None: not known, then nothing is gone on with."""
    start: int = 0
    end: int | None = None
    """None: as far as the file goes."""
    is_whole: bool = True
    """Whether that is the whole file, so that a server that knows no ranges will do."""

    @property
    def length(self) -> int | None:
        """How many bytes that is."""
        return None if self.end is None else self.end - self.start


def download(web: Web, wanted: Wanted, partial: Path, notify: Notify | None = None) -> None:
    """Bring the bytes into the file `partial`, after those that it holds already, and onto the disk.

    Raises FetchError where they cannot be had (what came stays, for the next run), OutputError where they cannot be written.
    """
    with output_errors(partial):
        partial.parent.mkdir(parents=True, exist_ok=True)
        if wanted.etag is None:
            partial.unlink(missing_ok=True)
    web.retry(wanted.name, lambda: _receive(web, wanted, partial, notify), lambda: _size(partial))


def _receive(web: Web, wanted: Wanted, partial: Path, notify: Notify | None) -> None:
    have = _kept(wanted, partial)
    if have == wanted.length:
        partial.touch()
        return
    _check_space(wanted, have, partial)
    first, last = wanted.start + have, "" if wanted.end is None else wanted.end - 1
    headers = {} if wanted.is_whole and not have else {"Range": f"bytes={first}-{last}"}
    with web.open(wanted.url, wanted.name, headers) as answer:
        _check_form(answer.response, wanted)
        try:
            _check_version(answer, wanted, first)
        except TransientError:
            partial.unlink(missing_ok=True)  # it belongs to another version of the file
            raise
        _write(_Sink(partial, wanted, notify), answer.response, have if answer.response.status_code == 206 else 0)


def _kept(wanted: Wanted, partial: Path) -> int:
    """How many bytes an earlier try left that can be gone on with."""
    have = _size(partial) if wanted.etag else 0
    return have if wanted.length is None or have <= wanted.length else 0


def _check_form(response: httpx2.Response, wanted: Wanted) -> None:
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity" and not wanted.name.endswith(_COMPRESSED):
        raise FetchError(
            f"{wanted.name}: comes compressed on its way ({encoding}), wanted the bytes as they are; "
            "fetch it by hand and give it as input_file_path"
        )
    if response.status_code == 200 and not wanted.is_whole:
        raise FetchError(f"{wanted.name}: the server sends no ranges; set no cap, to fetch the whole file")


def _check_version(answer: Answer, wanted: Wanted, first: int) -> None:
    """Raise TransientError where the answer is of another version of the file, or starts elsewhere.

    The ETag is compared here and not by the server (If-Range), because the hub's is not that of the store it redirects to.
    """
    status, is_other = answer.response.status_code, answer.etag != wanted.etag
    if wanted.etag and is_other and (status == 206 or answer.etag):
        raise TransientError(f"the file changed while it was fetched (its ETag is {answer.etag}, was {wanted.etag})")
    sent = answer.response.headers.get("Content-Range", "")
    if status == 416 or (status == 206 and not sent.startswith(f"bytes {first}-")):
        raise TransientError(f"the server sent {sent or 'nothing'}, wanted the bytes from {first} on (HTTP {status})")


class _Sink(NamedTuple):
    """Where bytes end, and who hears of them."""

    partial: Path
    wanted: Wanted
    notify: Notify | None

    def tell(self, done: int) -> None:
        if self.notify:
            self.notify(self.wanted.name, done, self.wanted.length or 0)


def _write(sink: _Sink, response: httpx2.Response, have: int) -> None:
    """Write the body after the first `have` bytes; TransientError where it is too short or too long."""
    length = sink.wanted.length
    with output_errors(sink.partial), sink.partial.open("ab" if have else "wb") as file:
        for block in response.iter_raw():
            file.write(block)
            have += len(block)
            sink.tell(have)
            if length is not None and have > length:
                break
        file.flush()
        os.fsync(file.fileno())
    if length is not None and have != length:
        raise TransientError(f"{have} bytes came, wanted {length}")


def _check_space(wanted: Wanted, have: int, partial: Path) -> None:
    needed = (wanted.length or have) - have
    free = shutil.disk_usage(partial.parent).free
    if needed > free:
        raise OutputError(
            f"{wanted.name} needs {needed:,} bytes, {free:,} are free in {partial.parent}; free some, or set DATAMIX_HOME"
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
