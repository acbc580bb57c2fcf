"""Writing files: whole or not at all."""

import errno
import hashlib
import os
import resource
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_mix.errors import OutputError
from data_mix.files import (
    file_sha256,
    hold,
    output_errors,
    read_sealed,
    seal,
    unseal,
    write_bytes,
    write_sealed,
    writing,
    writing_folder,
)


def test_a_written_file_has_the_digest_that_was_taken_on_the_way(tmp_path: Path) -> None:
    """The digest taken while writing is that of the bytes on disk."""
    with writing(tmp_path / "a") as file:
        file.write(b"one")
        file.write(memoryview(b"two"))
    assert file.bytes == 6
    assert file.hexdigest == file_sha256(tmp_path / "a") == hashlib.sha256(b"onetwo").hexdigest()


def test_a_block_that_fails_leaves_no_file(tmp_path: Path) -> None:
    """An error in the middle of writing leaves nothing behind, under no name."""
    with pytest.raises(ValueError, match="stop"), writing(tmp_path / "a") as file:
        file.write(b"half")
        raise ValueError("stop")
    assert list(tmp_path.iterdir()) == []


def test_a_block_that_fails_leaves_the_earlier_file(tmp_path: Path) -> None:
    """An error in the middle of writing leaves what stood there before."""
    write_bytes(tmp_path / "a", b"old")
    with pytest.raises(ValueError, match="stop"), writing(tmp_path / "a") as file:
        file.write(b"new")
        raise ValueError("stop")
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_folder_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """A folder appears whole or not at all."""
    with pytest.raises(ValueError, match="stop"), writing_folder(tmp_path / "d") as folder:
        write_bytes(folder / "a", b"half")
        raise ValueError("stop")
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_waited_for_is_whole_or_not_there_as_well(tmp_path: Path) -> None:
    """Files and folders that are made again where they fail appear under their names like any other."""
    with writing_folder(tmp_path / "a/d", durable=False) as folder:
        write_bytes(folder / "one", b"1", durable=False)
        write_sealed(folder / "two", b"2", durable=False)
    assert (tmp_path / "a/d/one").read_bytes() == b"1"
    assert read_sealed(tmp_path / "a/d/two") == b"2"
    with pytest.raises(ValueError, match="stop"), writing(tmp_path / "a/d/three", durable=False) as file:
        file.write(b"half")
        raise ValueError("stop")
    assert sorted(path.name for path in (tmp_path / "a").rglob("*")) == ["d", "one", "two"]


def test_of_two_processes_that_make_a_folder_the_first_wins(tmp_path: Path) -> None:
    """A folder that came into being meanwhile stays as it is, and the later one goes without a trace."""
    with writing_folder(tmp_path / "d") as later:
        write_bytes(later / "a", b"later")
        with writing_folder(tmp_path / "d") as first:
            write_bytes(first / "a", b"first")
    assert (tmp_path / "d" / "a").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_a_name_that_is_too_long_is_said_in_one_line(tmp_path: Path) -> None:
    """A path too long for the file system is an OutputError, not a traceback."""
    with pytest.raises(OutputError, match="the path is too long"):
        write_bytes(tmp_path / ("x" * 300), b"")


def test_a_path_through_a_file_is_said_in_one_line(tmp_path: Path) -> None:
    """A folder that is a file is an OutputError."""
    write_bytes(tmp_path / "a", b"")
    with pytest.raises(OutputError, match="choose another place"):
        write_bytes(tmp_path / "a" / "b", b"")


def test_a_full_disk_is_said_in_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    """When no more bytes can be written, the error names the file and nothing half-written stays."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OutputError, match=r"cannot write .*big: the file would be larger"):
            write_bytes(tmp_path / "big", b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_disk_without_a_sentence_of_its_own_is_said_too(tmp_path: Path) -> None:
    """Whatever the system answers is one line that names the place and what to do."""
    said = rf"^cannot write {tmp_path}: Too many links; choose another place$"
    with pytest.raises(OutputError, match=said), output_errors(tmp_path):
        raise OSError(errno.EMLINK, "")


def test_an_error_of_reading_is_not_said_to_be_one_of_writing(tmp_path: Path) -> None:
    """What the block that fills a file raises comes out as it is."""
    with pytest.raises(FileNotFoundError), writing(tmp_path / "a"):
        (tmp_path / "missing").read_bytes()
    with pytest.raises(FileNotFoundError), writing_folder(tmp_path / "d"):
        (tmp_path / "missing").read_bytes()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_get_its_name_is_an_error(tmp_path: Path) -> None:
    """A folder is left out in silence only where another one has its place."""
    with pytest.raises(OutputError, match="a part of the path is a file"), writing_folder(tmp_path / "d") as folder:
        write_bytes(folder / "a", b"")
        write_bytes(tmp_path / "d", b"in the way")


def test_a_folder_is_held_once_and_not_after_it_is_gone(tmp_path: Path) -> None:
    """Of those who hold a folder the first has it, until it lets go; one that is gone has nobody."""
    (tmp_path / "d").mkdir()
    first = hold(tmp_path / "d")
    assert first is not None
    assert hold(tmp_path / "d") is None
    os.close(first)
    again = hold(tmp_path / "d")
    assert again is not None
    os.close(again)
    (tmp_path / "d").rmdir()
    assert hold(tmp_path / "d") is None


@given(st.binary().filter(lambda data: b"\n" not in data), st.integers(0), st.integers(0, 7))
def test_a_note_with_one_bit_changed_is_not_believed(data: bytes, place: int, bit: int) -> None:
    """What was sealed comes back as it was, and no damaged line does."""
    line = bytearray(seal(data))
    assert unseal(bytes(line)) == data
    line[place % len(line)] ^= 1 << bit
    assert unseal(bytes(line)) is None
    assert unseal(seal(data)[:-1]) is None


def test_a_note_that_is_not_there_or_damaged_is_none(tmp_path: Path) -> None:
    """A note is what was written, or nothing."""
    assert read_sealed(tmp_path / "note") is None
    write_sealed(tmp_path / "note", b"text")
    assert read_sealed(tmp_path / "note") == b"text"
    (tmp_path / "note").write_bytes(b"text")
    assert read_sealed(tmp_path / "note") is None
