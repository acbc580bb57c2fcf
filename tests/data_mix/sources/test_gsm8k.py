"""GSM8K: calculator marks, the final line, and the test split that is never named."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_mix.errors import RawFileError
from data_mix.fetch import Fetcher
from data_mix.sources.gsm8k import SOURCE
from reading import golden, named_files, read, read_sample, texts, write_lines

SAMPLE = "main/train-00000-of-00001.parquet"
ANSWER = "She has 2*3 = $<<2*3=6.00>>6.00 left.\n#### 6"


def test_the_sample_becomes_the_golden_rows() -> None:
    """Every row of the sample is what was read through by eye."""
    assert read_sample(SOURCE, SAMPLE) == golden("gsm8k.jsonl")


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({}, "She has 2*3 = $6.00 left.\n#### 6"),
        ({"calculator": "keep"}, ANSWER),
        ({"final_line": "strip"}, "She has 2*3 = $6.00 left."),
        ({"calculator": "keep", "final_line": "strip"}, "She has 2*3 = $<<2*3=6.00>>6.00 left."),
    ],
)
def test_the_options_decide_what_stays(tmp_path: Path, options: dict[str, str], answer: str) -> None:
    """Marks and the final line are kept or stripped independently of each other."""
    rows = read(SOURCE, write_lines(tmp_path, {"question": "How much?", "answer": ANSWER}), **options)
    assert texts(rows, 1) == [answer]


def test_a_final_line_goes_with_its_line_end(tmp_path: Path) -> None:
    """Windows line ends and blanks before the line are gone with it."""
    path = write_lines(tmp_path, {"question": "How much?", "answer": "Six. \r\n\r\n#### 6\r\n"})
    assert texts(read(SOURCE, path, final_line="strip"), 1) == ["Six."]


def test_only_marks_are_stripped(tmp_path: Path) -> None:
    """A lone << or a mark that is never closed is part of the text."""
    path = write_lines(tmp_path, {"question": "How much?", "answer": "1 << 2 and 3 <<4\nand >>."})
    assert texts(read(SOURCE, path), 1) == ["1 << 2 and 3 <<4\nand >>."]


def test_the_test_split_is_never_read(tmp_path: Path) -> None:
    """Of a repository with train and test files, only those of train are named."""
    for name in ("main/train-0.parquet", "main/test-0.parquet", "socratic/train-0.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    fetcher = Fetcher(home=tmp_path / "home", samples=tmp_path)
    [raw] = named_files(SOURCE)
    assert [file.path for file in fetcher.resolve(raw)] == ["main/train-0.parquet"]
    assert raw.split is None


def test_a_missing_column_is_an_error(tmp_path: Path) -> None:
    """A Parquet file of another data set is refused whole, whatever becomes of bad records."""
    pq.write_table(pa.table({"question": ["How much?"]}), tmp_path / "other.parquet")
    with pytest.raises(RawFileError, match=r"other\.parquet: .*'answer'"):
        read(SOURCE, tmp_path / "other.parquet", on_bad_record="drop")


def test_all_of_gsm8k_is_read(shared: Path) -> None:
    """Of the real file no record is lost, no mark is left, and every answer ends with its final line."""
    rows = read(SOURCE, shared / "hub/datasets/openai/gsm8k" / SAMPLE)
    answers = rows["messages"].list.last().struct.field("content")
    assert len(rows) == 7_473
    assert not answers.str.contains("<<|>>").any()
    assert answers.str.contains(r"\n#### \S+$").all()
