"""Digests: when a file is read again, and what they are held against."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from data_mix.errors import DigestError, FetchError
from data_mix.fetch.digests import DigestStore, Span, check_git_oid, check_sha256


def rewrite(path: Path, data: bytes) -> None:
    """Change a file's bytes so that its size, time and inode stay as they are."""
    stat = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_a_digest_outlives_the_process(tmp_path: Path) -> None:
    """What one store took, another one of the same folder knows without reading."""
    path = tmp_path / "file"
    path.write_bytes(b"one")
    taken = DigestStore(tmp_path / "digests").sha256(path)
    rewrite(path, b"two")
    assert DigestStore(tmp_path / "digests").sha256(path) == taken == hashlib.sha256(b"one").hexdigest()


def test_a_part_and_the_whole_are_told_apart(tmp_path: Path) -> None:
    """The digest of some bytes of a file is that of those bytes alone, and remembered beside that of all."""
    path, store = tmp_path / "file", DigestStore(tmp_path / "digests")
    path.write_bytes(b"0123456789")
    for _ in range(2):
        assert store.sha256(path, span=Span(2, 5)) == hashlib.sha256(b"234").hexdigest()
        assert store.sha256(path) == hashlib.sha256(b"0123456789").hexdigest()


def test_a_file_is_only_read_when_its_time_cannot_stay_the_same(tmp_path: Path) -> None:
    """A file written just now is waited for, so that a change in the same tick of the clock is not missed."""
    path, store = tmp_path / "file", DigestStore(tmp_path / "digests")
    path.write_bytes(b"one")
    store.sha256(path)
    assert time.time() - path.stat().st_mtime >= 0.05
    path.write_bytes(b"two")
    assert store.sha256(path) == hashlib.sha256(b"two").hexdigest()


@pytest.mark.parametrize("damage", [b"", b"x", b"1 2 3 4", b"\xff\xfe"])
def test_a_damaged_note_is_as_good_as_none(tmp_path: Path, damage: bytes) -> None:
    """A digest that cannot be read is taken anew."""
    path, store = tmp_path / "file", DigestStore(tmp_path / "digests")
    path.write_bytes(b"one")
    taken = store.sha256(path)
    for note in (tmp_path / "digests").rglob("*"):
        if note.is_file():
            note.write_bytes(damage)
    assert store.sha256(path) == taken


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """The error names the file and what the system says."""
    with pytest.raises(FetchError, match=r"^gone: cannot be read \(No such file or directory\)"):
        DigestStore(tmp_path).sha256(tmp_path / "gone")


def test_a_digest_is_held_against_the_one_wanted() -> None:
    """None wants nothing, an equal one is right, another one is an error that names both."""
    check_sha256("x", None, "a")
    check_sha256("x", "a", "a")
    with pytest.raises(DigestError, match=r"^x: has sha256 b, wanted a; "):
        check_sha256("x", "a", "b")


def test_a_small_file_is_held_against_gits_name_of_it(tmp_path: Path) -> None:
    """The digest is the one that `git hash-object` prints."""
    path = tmp_path / "file"
    path.write_bytes(b"what is up, doc?")
    check_git_oid("file", "bd9dbf5aae1a3862dd1526723246b20206e5fc37", path)
    check_git_oid("file", None, path)
    with pytest.raises(DigestError, match="git calls its contents bd9dbf"):
        check_git_oid("file", "0" * 40, path)
