"""WebGPT comparisons: questions that people ask, each with two answers written with a browser at hand, and which is preferred.

https://huggingface.co/datasets/openai/webgpt_comparisons. The hub keeps a loading script and, beside it, the Parquet files made
from it, which are read here. A file of one's own may have that layout, or be OpenAI's raw `comparisons.jsonl`, whose lines are
lists of two records:

    [{"question": {"dataset": "eli5", "id": "q0", "full_text": "Why can camels survive for long without water?"},
      "quotes": {"title": ["…"], "extract": ["…"]}, "answer": " Camels use the fat in their humps to … [1]",
      "tokens": {"prefix": […], "completion": […]}, "score": 0.25},
     {"question": {…}, …, "answer": "Camels use the fat … [1, 2]", …, "score": -0.25}]

Parquet has the same as `question`, `answer_0`, `answer_1`, `score_0`, `score_1`, …. The preferred answer scores above 0, and
the scores of a comparison sum to 0. A row is a comparison; one row per question is kept, that of its best answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, cast

import polars as pl
from pydantic import Field

from data_mix.citations import without_citations
from data_mix.licence import UNKNOWN
from data_mix.records import is_parquet, parquet_records, record_key
from data_mix.records.compressed import Lines, line_chunks
from data_mix.records.json_chunk import JsonReader
from data_mix.records.record_frame import Wanted
from data_mix.records.required import required
from data_mix.schema import pair
from data_mix.source import Entry, Hub, LocalFile, RawFile, Source, SourceOptions
from data_mix.stage import drop_where

_REPO: Final = "openai/webgpt_comparisons"
_REVISION: Final = "8193c7bffcb63ae55b88bd85647be4b77ca8cab2"  # of refs/convert/parquet: main holds a script and no data
_PATH: Final = "default/train/*.parquet"

_QUESTION: Final = pl.Struct({"full_text": pl.String()})
_COLUMNS: Final[dict[str, pl.DataType]] = {
    "question": _QUESTION,
    "answer_0": pl.String(),
    "answer_1": pl.String(),
    "score_0": pl.Float64(),
    "score_1": pl.Float64(),
}
_PAIR: Final = "comparison"
_RAW: Final = pl.List(pl.Struct({"question": _QUESTION, "answer": pl.String(), "score": pl.Float64()}))


class WebGptOptions(SourceOptions):
    """What an entry of this source may say."""

    min_score: float | None = Field(None, ge=-1, le=1, description="Drop a question whose best answer scores below this.")


def _files(entry: Entry, _hub: Hub) -> list[RawFile]:
    return [RawFile(repo=_REPO, revision=entry.options.revision or _REVISION, path=_PATH)]


def _read(entry: Entry, files: tuple[LocalFile, ...]) -> Iterator[pl.DataFrame]:
    comparisons = [frame for file in files for frame in _comparisons(file, entry)]
    if comparisons:
        yield _choose(pl.concat(comparisons), cast(WebGptOptions, entry.options))


def _comparisons(file: LocalFile, entry: Entry) -> Iterator[pl.DataFrame]:
    """The comparisons of a file with the text of their question, a bad one dropped."""
    for records in _records(file, entry):
        rows = records.with_columns(
            pl.col("score_0", "score_1").fill_nan(None), question=pl.col("question").struct.field("full_text")
        )
        yield required(rows, file, entry, _COLUMNS).select(*_COLUMNS, "drop", key=record_key(file))


def _records(file: LocalFile, entry: Entry) -> Iterator[pl.DataFrame]:
    if is_parquet(file):
        yield from parquet_records(file, entry, _COLUMNS)
        return
    reader = JsonReader(Wanted(file, entry, {**_COLUMNS, _PAIR: _RAW}))
    for lines in line_chunks(file, entry.max_record_bytes):
        for records in reader.frames(_as_objects(lines)):
            yield records.with_columns(_unpaired())


def _as_objects(lines: Lines) -> Lines:
    """The lines with each list under the key of an object, which is what the reader takes."""
    wrapped = (b'{"%s":%s}' % (_PAIR.encode(), line) if line.startswith(b"[") else line for line in lines.data.split(b"\n"))
    return Lines(lines.first, b"\n".join(wrapped))


def _unpaired() -> Iterator[pl.Expr]:
    """The columns of Parquet, from a list of two records where the line holds one."""
    two = pl.when(pl.col(_PAIR).list.len() == 2).then(_PAIR)
    first = two.list.first().struct
    yield pl.coalesce("question", first.field("question")).alias("question")
    for side in (0, 1):
        record = two.list.get(side, null_on_oob=True).struct
        for name in ("answer", "score"):
            yield pl.coalesce(f"{name}_{side}", record.field(name)).alias(f"{name}_{side}")


def _choose(comparisons: pl.DataFrame, options: WebGptOptions) -> pl.DataFrame:
    """Keep of each question the comparison that holds its best answer; the first of equals."""
    rows = comparisons.with_row_index("place").with_columns(pl.col("question").str.strip_chars())
    rows = rows.join(_best_answers(rows), on="place", how="left", maintain_order="left")
    rows = rows.with_columns(drop_where(pl.col("answer").is_null(), "empty"))
    rows = rows.with_columns(drop_where(~pl.col("is_best"), "not_best"))
    if options.min_score is not None:
        rows = rows.with_columns(drop_where(pl.col("score") < options.min_score, "low_score"))
    messages = pl.when(pl.col("answer").is_not_null()).then(pair("question", "answer")).alias("messages")
    return rows.select(messages, "drop", "key", lang=pl.lit(options.lang or "en"))


def _best_answers(rows: pl.DataFrame) -> pl.DataFrame:
    """The preferred answer of each comparison, and whether it is the best of all to its question.

    A comparison without a question, or whose preferred answer is empty, is left out.
    """
    sides = [
        rows.select("place", "question", "drop", answer=_cleaned(f"answer_{side}"), score=f"score_{side}") for side in (0, 1)
    ]
    is_empty = (pl.col("question") == "") | (pl.col("answer") == "")
    answers = pl.concat(sides).filter(pl.col("drop").is_null()).with_columns(is_empty=is_empty)
    answers = answers.sort("score", "is_empty", "place", descending=[True, False, False], maintain_order=True)
    answers = answers.unique("place", keep="first", maintain_order=True).filter(~pl.col("is_empty"))
    return answers.select("place", "answer", "score", is_best=pl.col("question").is_first_distinct())


def _cleaned(answer: str) -> pl.Expr:
    """The answer without citations and without blanks at its ends, at the ends of lines and beside other blanks."""
    text = without_citations(pl.col(answer))
    return text.str.replace_all(r"(\S)[ \t\x{A0}]{2,}", "$1 ").str.replace_all(r"(?mR)[ \t]+$", "").str.strip_chars()


SOURCE: Final = Source(
    name="webgpt",
    licence=UNKNOWN,
    homepage="https://huggingface.co/datasets/openai/webgpt_comparisons",
    languages=("en",),
    rows=19_578,
    files=_files,
    read=_read,
    options=WebGptOptions,
    together=True,
    sample_options={"input_file_path": "comparisons.jsonl"},
)
