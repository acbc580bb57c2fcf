"""Writing files: whole or not at all."""

import hashlib
import resource
from pathlib import Path

import pytest

from data_mix.errors import OutputError
from data_mix.files import file_sha256, write_bytes, writing, writing_folder


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
