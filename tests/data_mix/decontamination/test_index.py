"""The index in its file."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import polars as pl
import pytest

from benchmark_items import ASKED, CHOICES, LONG, items_of, items_read, sentence
from data_mix.decontamination.finding import find_items
from data_mix.decontamination.index import load, prepare
from data_mix.decontamination.settings import DecontaminationOptions
from data_mix.errors import ConfigError, OutputError


def test_an_index_is_the_same_file_every_time(tmp_path: Path) -> None:
    """The same items and options give the same bytes, in another folder and another process too; other options do not."""
    items = items_read(tmp_path, [LONG, ASKED + CHOICES, sentence(1, 30)])
    one = prepare(items, DecontaminationOptions(), tmp_path / "one")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        two = pool.apply(prepare, (items, DecontaminationOptions(), tmp_path / "two"))
    assert one.digest == two.digest
    assert one.path.read_bytes() == two.path.read_bytes()
    assert prepare(items, DecontaminationOptions(min_share=0.9), tmp_path).digest != one.digest


def test_an_index_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    """A second time only finds that it stands, with what is said of it; one that is damaged is written anew."""
    items = items_of([LONG, "Why?"])
    first = prepare(items, DecontaminationOptions(), tmp_path)
    data, written = first.path.read_bytes(), first.path.stat().st_mtime_ns
    assert prepare(items, DecontaminationOptions(action="report"), tmp_path) == first
    assert first.path.stat().st_mtime_ns == written
    first.path.write_bytes(data[:-1] + b"x")
    assert prepare(items, DecontaminationOptions(), tmp_path) == first
    assert first.path.read_bytes() == data


def test_what_was_written_finds_the_same(tmp_path: Path) -> None:
    """The loaded index gives the matches of the one that was built, symbols included."""
    prompts = [LONG, "Complete the sequence: ( [ { } ] ) < > ( ( [ ] ) ) { < > }", *(sentence(at, 20) for at in range(9))]
    prepared = prepare(items_of(prompts), DecontaminationOptions(), tmp_path)
    index = load(prepared.path)
    assert [match.item for match in find_items(pl.Series(prompts), index)] == [str(at) for at in range(len(prompts))]
    assert (dict(prepared.items), dict(prepared.left_out)) == ({"own": len(prompts)}, {})


def test_items_that_can_never_be_found_are_an_error(tmp_path: Path) -> None:
    """Where every text is too short, the message says what to look at."""
    with pytest.raises(ConfigError, match=r"each of 2 texts has fewer than 7 words of its own; check the columns"):
        prepare(items_of(["Why?"]), DecontaminationOptions(), tmp_path)


def test_a_cache_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    """A file where the folder should be."""
    (tmp_path / "taken").touch()
    with pytest.raises(OutputError):
        prepare(items_of([LONG]), DecontaminationOptions(), tmp_path / "taken" / "folder")
