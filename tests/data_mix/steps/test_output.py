"""The folder that a build writes into."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from data_mix.errors import FormatError, OutputError
from data_mix.files import writing_folder
from data_mix.shards import MANIFEST, write_manifest
from data_mix.steps.output import locked, open_for_writing, remove_dead_folders, remove_strangers
from worker_tasks import hold_and_be_killed


def test_a_folder_is_held_by_one_build(tmp_path: Path) -> None:
    """A second build of the same folder is refused with the reason, and the first goes on."""
    with locked(tmp_path / "out"):
        with pytest.raises(OutputError, match="another build is writing it"), locked(tmp_path / "out"):
            pass
        assert (tmp_path / "out").is_dir()


def test_a_folder_can_be_held_again(tmp_path: Path) -> None:
    """The lock goes when the build ends."""
    for _ in range(2):
        with locked(tmp_path / "out"):
            pass


def test_a_dead_build_holds_nothing(tmp_path: Path) -> None:
    """The lock goes with the process, whatever ended it."""
    process = multiprocessing.get_context("spawn").Process(target=hold_and_be_killed, args=(tmp_path / "out",))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    with locked(tmp_path / "out"):
        pass


def test_a_build_that_fails_at_once_leaves_no_folder(tmp_path: Path) -> None:
    """An empty folder that the build made goes with it."""
    with pytest.raises(ValueError, match="stop"), locked(tmp_path / "out"):
        raise ValueError("stop")
    assert not (tmp_path / "out").exists()


def test_other_people_s_files_are_refused(tmp_path: Path) -> None:
    """A folder that holds anything else is never written into."""
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(OutputError, match=r"holds files that are no build's \(thesis.tex\)"), locked(tmp_path):
        pass
    assert (tmp_path / "thesis.tex").read_text() == "x"


def test_what_an_ended_build_left_is_taken_over(tmp_path: Path) -> None:
    """Shards and unfinished files without a manifest are a build's own."""
    (tmp_path / "train").mkdir()
    (tmp_path / "train/s-00000.arrow").write_bytes(b"")
    (tmp_path / "train/.s-00001.arrow.12ab.partial").write_bytes(b"")
    with locked(tmp_path):
        open_for_writing(tmp_path)
    assert [path.name for path in (tmp_path / "train").iterdir()] == ["s-00000.arrow"]


def test_a_folder_of_a_newer_format_is_not_overwritten(tmp_path: Path) -> None:
    """An older program does not destroy what a newer one built."""
    write_manifest(tmp_path, {"version": 99})
    with pytest.raises(FormatError, match="format version 99"), locked(tmp_path):
        pass


def test_opening_for_writing_declares_the_folder_unfinished(tmp_path: Path) -> None:
    """From the first change on, no manifest says that the folder is whole."""
    write_manifest(tmp_path, {})
    open_for_writing(tmp_path)
    assert not (tmp_path / MANIFEST).exists()


def test_parts_of_an_earlier_build_go(tmp_path: Path) -> None:
    """Only the parts of the new build stay, and no empty folder."""
    for name in ("train/a-00000.arrow", "train/b-00000.arrow", "validation/b-00000.arrow"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    remove_strangers(tmp_path, {"train/a-00000.arrow"})
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == ["train", "train/a-00000.arrow"]


def test_unfinished_folders_of_living_builds_stay(tmp_path: Path) -> None:
    """Of the unfinished folders in a cache, those go whose processes are gone, whatever the clock says."""
    dead = tmp_path / "aa/.x.1.partial"
    dead.mkdir(parents=True)
    (dead / "rows.arrow").write_bytes(b"")
    with writing_folder(tmp_path / "aa/y") as living:
        os.utime(living, (0, 0))
        remove_dead_folders(tmp_path)
        assert living.is_dir()
        assert not dead.exists()
    assert (tmp_path / "aa/y").is_dir()
