"""Jokes: the instruction before each, drawn by its key."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from data_mix.errors import BadRecordError
from data_mix.source import RawFile
from data_mix.sources.joke import INSTRUCTIONS, SOURCE
from reading import golden, local, make_entry, named_files, read, read_files, read_sample, texts, write_lines

MANY = [{"joke": f"Joke {number}.", "explaination": "It is."} for number in range(400)]


def prompts(path: Path, **options: str) -> list[str]:
    """The user turns of a file."""
    return texts(read(SOURCE, path, **options), 0)


def test_the_sample_becomes_the_golden_rows() -> None:
    """Every row of the sample is what was read through by eye."""
    assert read_sample(SOURCE, "main.jsonl") == golden("joke.jsonl")


def test_an_instruction_stands_before_the_joke(tmp_path: Path) -> None:
    """Each is one of ours, a blank line parts it from the joke, and all of them are drawn, none too often."""
    asked = prompts(write_lines(tmp_path, *MANY))
    drawn = [prompt.removesuffix(f"\n\nJoke {number}.") for number, prompt in enumerate(asked)]
    assert set(drawn) == set(INSTRUCTIONS)
    assert max(map(drawn.count, INSTRUCTIONS)) < 3 * 400 / len(INSTRUCTIONS)


def test_no_instruction_on_request(tmp_path: Path) -> None:
    """With `instruction: none` the user turn is the joke as it came."""
    assert prompts(write_lines(tmp_path, *MANY[:2]), instruction="none") == ["Joke 0.", "Joke 1."]


def test_a_drawn_instruction_depends_on_the_row_alone(tmp_path: Path) -> None:
    """Records that are added after it change nothing for a joke."""
    alone, among = prompts(write_lines(tmp_path, *MANY[:5])), prompts(write_lines(tmp_path, *MANY))
    assert among[:5] == alone


def test_another_seed_draws_other_instructions(tmp_path: Path) -> None:
    """The seed of the mix is part of the draw."""
    path, entry = write_lines(tmp_path, *MANY), make_entry(SOURCE)
    one, other = (read_files(replace(entry, seed=seed), [local(path)]) for seed in (1, 2))
    assert texts(one, 0) != texts(other, 0)
    assert texts(one, 1) == texts(other, 1)


def test_a_record_of_another_spelling_is_broken(tmp_path: Path) -> None:
    """Upstream writes `explaination`, and whoever mends the spelling is told what is missing."""
    with pytest.raises(BadRecordError, match=r"own\.jsonl:1: there is no 'explaination'"):
        read(SOURCE, write_lines(tmp_path, {"joke": "Joke.", "explanation": "It is."}))


def test_the_file_is_named_as_the_entry_wishes() -> None:
    """Nothing is pinned: the commit that a branch means stands in the manifest."""
    wanted = RawFile(repo="theblackcat102/joke_explaination", path="main.jsonl", revision="v1")
    assert named_files(SOURCE, revision="v1") == [wanted]


def test_the_served_jokes_are_read(shared: Path) -> None:
    """Of the file in upstream's layout no record is lost."""
    rows = read(SOURCE, shared / "hub/datasets/theblackcat102/joke_explaination/main.jsonl")
    assert len(rows) == 12
    assert rows["drop"].is_null().all()
