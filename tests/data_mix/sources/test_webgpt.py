"""WebGPT: the best answer of each question, and where all the others went."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_mix.errors import BadRecordError, RawFileError
from data_mix.sources.webgpt import SOURCE
from reading import golden, local, make_entry, read, read_sample, texts, write_lines

Side = tuple[str, float]


def raw(question: str, *sides: Side) -> list[dict[str, Any]]:
    """A comparison in the raw layout."""
    asked = {"dataset": "eli5", "id": "q", "full_text": question}
    return [
        {"question": asked, "quotes": {"title": [], "extract": []}, "answer": answer, "score": score} for answer, score in sides
    ]


def of_hub(question: str, first: Side, second: Side) -> dict[str, Any]:
    """A comparison in the hub's layout."""
    texts = {"answer_0": first[0], "answer_1": second[0], "score_0": first[1], "score_1": second[1]}
    return {"question": {"dataset": "eli5", "id": "q", "full_text": question}, **texts}


def kept(rows: pl.DataFrame) -> list[tuple[str, str]]:
    """Question and answer of the rows that are kept."""
    rows = rows.filter(pl.col("drop").is_null())
    return list(zip(texts(rows, 0), texts(rows, 1), strict=True))


def test_the_sample_becomes_the_golden_rows() -> None:
    """Every row of the sample is what was read through by eye."""
    assert read_sample(SOURCE, "comparisons.jsonl") == golden("webgpt.jsonl")


def test_the_best_answer_of_a_question_is_kept(tmp_path: Path) -> None:
    """It is looked for over all files of the entry, and every other comparison of the question is a counted drop."""
    one = write_lines(
        tmp_path, raw("Why?", ("So.", 0.5), ("No.", -0.5)), raw("Who?", ("He.", -0.25), ("She.", 0.25)), name="one.jsonl"
    )
    two = write_lines(tmp_path, raw(" Why? ", ("Bad.", -1), ("Best [1].", 1.0)), name="two.jsonl")
    rows = read(SOURCE, one, two)
    assert kept(rows) == [("Who?", "She."), ("Why?", "Best.")]
    assert rows["drop"].to_list() == ["not_best", None, None]


def test_of_equal_answers_the_first_is_kept(tmp_path: Path) -> None:
    """A tie within a comparison, or between two, is decided by their place in the file."""
    path = write_lines(tmp_path, raw("Why?", ("First.", 0), ("Second.", 0)), raw("Why?", ("Third.", 0), ("Fourth.", 0)))
    assert kept(read(SOURCE, path)) == [("Why?", "First.")]


@pytest.mark.parametrize(
    ("comparison", "answer"),
    [
        (raw("Why?", ("", 0), ("So.", 0)), "So."),
        (raw("Why?", ("[1] ", -0.5), ("So.", 0.5)), "So."),
        (raw("Why?", ("", 0.5), ("So.", -0.5)), None),
        (raw("Why?", (" ", 0), ("[1][2]", 0)), None),
        (raw(" ", ("So.", 0.5), ("No.", -0.5)), None),
    ],
)
def test_a_comparison_without_an_answer_is_dropped(tmp_path: Path, comparison: Any, answer: str | None) -> None:
    """What is empty once it is cleaned is never chosen over an equal, and where it was preferred nothing is."""
    rows = read(SOURCE, write_lines(tmp_path, comparison))
    assert [text for _, text in kept(rows)] == ([answer] if answer else [])
    assert rows["drop"].to_list() == [None if answer else "empty"]


def test_a_question_whose_best_answer_scores_low_is_dropped(tmp_path: Path) -> None:
    """Below `min_score` the question is dropped, at it the answer is kept."""
    path = write_lines(tmp_path, raw("Why?", ("So.", 0.25), ("No.", -0.25)), raw("Who?", ("He.", 0.5), ("She.", -0.5)))
    assert read(SOURCE, path, min_score=0.5)["drop"].to_list() == ["low_score", None]


def test_stray_blanks_go(tmp_path: Path) -> None:
    """Those at the ends of the text and of lines, and all but one between words, but no indentation."""
    path = write_lines(tmp_path, raw(" Why? ", (" One.  Two [1]  three. \n  - four [2] \r\n", 1), ("No.", -1)))
    assert kept(read(SOURCE, path)) == [("Why?", "One. Two three.\n  - four")]


def test_both_layouts_give_the_same_rows(tmp_path: Path) -> None:
    """Raw lines, the hub's objects and the hub's Parquet are the same data set."""
    sides = [("Why?", ("So [1].", 0.5), ("No.", -0.5)), ("Who?", ("He.", 0), ("She.", 0)), ("Why?", ("", 0), ("Yes.", 0))]
    pq.write_table(pa.Table.from_pylist([of_hub(*each) for each in sides]), tmp_path / "own.parquet")
    lines = read(SOURCE, write_lines(tmp_path, *(raw(*each) for each in sides)))
    assert lines.equals(read(SOURCE, write_lines(tmp_path, *(of_hub(*each) for each in sides))))
    assert lines.equals(read(SOURCE, tmp_path / "own.parquet"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (raw("Why?", ("So.", 1)), "there is no 'answer_0'|there is no 'question'"),
        ([*raw("Why?", ("So.", 1), ("No.", -1)), {"answer": "Third."}], "there is no 'question'"),
        (raw("Why?", ("So.", 1), ("No.", "bad")), "score"),  # type: ignore[arg-type]
        ({"question": {"full_text": "Why?"}, "answer_0": "So."}, "there is no 'answer_1'"),
        (b"[{broken", "not JSON"),
    ],
)
def test_a_broken_comparison_is_named(tmp_path: Path, line: Any, said: str) -> None:
    """The error holds the line, and on request the record is a counted drop without messages."""
    path = write_lines(tmp_path, raw("Who?", ("He.", 1), ("She.", -1)), line)
    with pytest.raises(BadRecordError, match=rf"own\.jsonl:2: .*({said})"):
        read(SOURCE, path)
    rows = read(SOURCE, path, on_bad_record="drop")
    assert rows["drop"].to_list() == [None, "bad_record"]
    assert rows["messages"][1] is None


def test_a_parquet_file_of_another_layout_is_refused(tmp_path: Path) -> None:
    """A missing column is an error, always."""
    pq.write_table(pa.table({"question": ["Why?"]}), tmp_path / "own.parquet")
    with pytest.raises(RawFileError, match="question"):
        read(SOURCE, tmp_path / "own.parquet", on_bad_record="drop")


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    """Nothing in, nothing out, and no error."""
    assert list(SOURCE.read(make_entry(SOURCE), (local(write_lines(tmp_path)),))) == []


@pytest.mark.parametrize("seed", range(5))
def test_the_same_answers_are_kept_in_any_order(tmp_path: Path, seed: int) -> None:
    """Where no two answers to a question score the same, the order of the lines decides nothing."""
    lines = [raw(f"Why {number % 4}?", (f"{number}.", number / 40), ("No.", -number / 40)) for number in range(1, 40)]
    random.Random(seed).shuffle(lines)
    rows = read(SOURCE, write_lines(tmp_path, *lines))
    assert sorted(kept(rows)) == [("Why 0?", "36."), ("Why 1?", "37."), ("Why 2?", "38."), ("Why 3?", "39.")]


def test_the_constructed_comparisons_are_read(shared: Path) -> None:
    """Of 400 comparisons one row per question is kept, clean, and the rest are counted."""
    rows = read(SOURCE, shared / "local/webgpt/comparisons.jsonl")
    assert rows["drop"].value_counts().sort("count").rows() == [("not_best", 20), (None, 380)]
    answers = [answer for _, answer in kept(rows)]
    assert not [answer for answer in answers if "[1" in answer or "  " in answer or answer != answer.strip()]
    assert len({question for question, _ in kept(rows)}) == 380
