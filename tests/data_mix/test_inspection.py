"""Reading conversations of a build, to be looked at."""

from __future__ import annotations

import pytest

from commands import Shell, section
from data_mix.errors import ConfigError
from data_mix.inspection import chosen_sources, first_rows
from data_mix.shards import Build, open_build


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """A build of two sources."""
    folder = tmp_path_factory.mktemp("inspection")
    section(folder, "two: {datasets: [joke, gsm8k]}")
    Shell(cwd=folder, home=folder / "home").build(folder / "out", "--configs", "two", "--samples")
    return open_build(folder / "out")


@pytest.fixture(scope="module")
def with_dropped(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """A build that keeps its dropped rows."""
    folder = tmp_path_factory.mktemp("dropped")
    section(folder, "one: {datasets: [webgpt]}")
    Shell(cwd=folder, home=folder / "home").build(folder / "out", "--configs", "one", "--samples", "--keep-dropped")
    return open_build(folder / "out")


def test_of_each_source_the_first_rows_are_read(built: Build) -> None:
    """So many rows of each source, in the order of the mix and of the shards."""
    rows = first_rows(built, split="train", source=None, rows=2)
    assert [row["source"] for row in rows] == ["joke", "joke", "gsm8k", "gsm8k"]
    whole = first_rows(built, split="train", source="joke", rows=1000)
    assert len(whole) == built.manifest["sources"]["joke"]["rows"]["kept"]["train"]
    assert rows[:2] == whole[:2]


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_split_is_read_by_itself(built: Build, split: str) -> None:
    """Rows of one split are not those of the other."""
    kept = built.manifest["sources"]["gsm8k"]["rows"]["kept"][split]
    assert len(first_rows(built, split=split, source="gsm8k", rows=1000)) == kept > 0


def test_no_rows_wanted_is_no_rows(built: Build) -> None:
    """With 0 rows only the counts are looked at."""
    assert first_rows(built, split="train", source=None, rows=0) == []


def test_dropped_rows_have_their_reason(with_dropped: Build) -> None:
    """What was dropped can be read where it was kept."""
    rows = first_rows(with_dropped, split="dropped", source=None, rows=100)
    assert {row["drop"] for row in rows} == set(with_dropped.manifest["sources"]["webgpt"]["rows"]["dropped"])


def test_the_manifest_speaks_of_the_chosen_source_alone(built: Build) -> None:
    """All sources, or the one that is named."""
    assert list(chosen_sources(built, None)) == ["joke", "gsm8k"]
    assert chosen_sources(built, "gsm8k") == {"gsm8k": built.manifest["sources"]["gsm8k"]}


def test_a_source_that_is_not_there_is_named_with_those_that_are(built: Build) -> None:
    """The error lists what could have been meant."""
    with pytest.raises(ConfigError, match=r"^source 'jok' is not in this build; it has joke, gsm8k$"):
        first_rows(built, split="train", source="jok", rows=1)


def test_a_split_that_is_not_there_is_named_with_those_that_are(built: Build) -> None:
    """The error lists the splits, and says how to get the dropped rows."""
    with pytest.raises(ConfigError, match=r"^split 'test' is not in this build; it has train, validation$"):
        first_rows(built, split="test", source=None, rows=1)
    with pytest.raises(ConfigError, match="it has train, validation; build with --keep-dropped, to have it"):
        first_rows(built, split="dropped", source=None, rows=1)


def test_dropped_rows_are_read_by_their_reason(with_dropped: Build) -> None:
    """With a reason, exactly the rows that the manifest counts under it are shown."""
    counts = with_dropped.manifest["sources"]["webgpt"]["rows"]["dropped"]
    assert len(counts) > 1
    for reason, count in counts.items():
        rows = first_rows(with_dropped, split="dropped", source=None, rows=1000, reason=reason)
        assert [row["drop"] for row in rows] == [reason] * count


def test_an_unknown_reason_is_refused_with_those_that_there_are(with_dropped: Build) -> None:
    """The error names what rows were dropped for."""
    with pytest.raises(ConfigError, match=r"no row was dropped as 'boredom', wanted one of .*not_best"):
        first_rows(with_dropped, split="dropped", source=None, rows=1, reason="boredom")
