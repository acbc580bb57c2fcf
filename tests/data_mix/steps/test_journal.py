"""What this machine remembers of the builds that it wrote."""

import os
import shutil
from pathlib import Path

import pytest

from data_mix.shards import MANIFEST, Part
from data_mix.steps.journal import Journal

PART = Part(path="train/s-00000.arrow", split="train", source="s", rows=1, bytes=3, sha256="0" * 64)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder with one part, a manifest, and notes on both."""
    path = tmp_path / "out" / PART.path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"abc")
    (tmp_path / "out" / MANIFEST).write_text("{}")
    journal = Journal(tmp_path / "home", tmp_path / "out")
    journal.note_part("task", PART)
    journal.note_end("plan", [])
    return tmp_path / "out"


def reopened(out: Path) -> Journal:
    """The journal as the next process reads it."""
    return Journal(out.parent / "home", out)


def test_a_part_that_stands_untouched_is_remembered(out: Path) -> None:
    """The next build finds what the task had written."""
    assert reopened(out).part("task", PART.path) == PART
    assert reopened(out).is_whole("plan", [PART.path], [])


def test_another_task_s_part_is_not_taken(out: Path) -> None:
    """A part that another task wrote under the same name is written again."""
    assert reopened(out).part("other", PART.path) is None
    assert not reopened(out).is_whole("other", [PART.path], [])


def test_a_file_that_was_written_again_is_not_believed(out: Path) -> None:
    """A part that was touched since is written again, though its size is the same."""
    (out / PART.path).write_bytes(b"xyz")
    assert reopened(out).part("task", PART.path) is None
    assert not reopened(out).is_whole("plan", [PART.path], [])


def test_a_removed_file_is_not_believed(out: Path) -> None:
    """A part that is gone is written again."""
    (out / PART.path).unlink()
    assert reopened(out).part("task", PART.path) is None


def test_an_unfinished_line_is_passed_over(out: Path) -> None:
    """A note that a kill cut short costs nothing but itself."""
    (path,) = (out.parent / "home" / "journals").iterdir()
    with path.open("a") as file:
        file.write('{"path": "train/half')
    assert reopened(out).part("task", PART.path) == PART


def test_the_journal_does_not_grow_with_the_builds(out: Path) -> None:
    """A finished build leaves one line per file, however often it is built."""
    (path,) = (out.parent / "home" / "journals").iterdir()
    for _ in range(3):
        reopened(out).note_part("task", PART)
        reopened(out).note_end("plan", [])
    assert len(path.read_text().splitlines()) == 2


def test_a_file_that_was_changed_and_its_time_set_back_is_not_believed(out: Path) -> None:
    """A part that was edited is written again, though size, mtime and place are what they were."""
    before = (out / PART.path).stat()
    (out / PART.path).write_bytes(b"xyz")
    os.utime(out / PART.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (out / PART.path).stat().st_mtime_ns == before.st_mtime_ns
    assert reopened(out).part("task", PART.path) is None


@pytest.mark.parametrize("place", range(0, 200, 7))
def test_a_note_that_lost_a_bit_is_passed_over(out: Path, place: int) -> None:
    """A damaged note is never believed, and the notes after it are."""
    (path,) = (out.parent / "home" / "journals").iterdir()
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    assert reopened(out).part("task", PART.path) in (None, PART)
    reopened(out).note_part("task", PART)
    assert reopened(out).part("task", PART.path) == PART


def test_a_journal_that_cannot_be_written_does_not_fail_a_whole_build(out: Path) -> None:
    """The last note is a short cut only: where it cannot be written, the build stands."""
    journal = reopened(out)
    shutil.rmtree(out.parent / "home")
    (out.parent / "home").write_text("in the way")
    journal.note_end("plan", [])
