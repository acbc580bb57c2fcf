r"""GSM8K: grade school word problems with solutions written step by step.

https://huggingface.co/datasets/openai/gsm8k, the rows of the configuration `main`:

    {"question": "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. How many
        clips did Natalia sell altogether in April and May?",
     "answer": "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\nNatalia sold 48+24 = <<48+24=72>>72 clips altogether in
        April and May.\n#### 72"}

Only the train files are named here. The test split is a benchmark, and is never read for training.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, cast

import polars as pl
from pydantic import Field

from data_mix.records import read_records, record_key
from data_mix.records.required import required
from data_mix.schema import pair, unless_dropped
from data_mix.source import Entry, Hub, LocalFile, RawFile, Source, SourceOptions

_REPO: Final = "openai/gsm8k"
_REVISION: Final = "740312add88f781978c0658806c59bc2815b9866"
_PATH: Final = "main/train-*.parquet"

_COLUMNS: Final = {"question": pl.String(), "answer": pl.String()}
_CALCULATOR: Final = r"<<[^<>\n]*>>"
_FINAL_LINE: Final = r"\s*\n####[^\n]*\s*$"


class Gsm8kOptions(SourceOptions):
    """What an entry of this source may say."""

    calculator: Literal["strip", "keep"] = Field("strip", description="What becomes of calculator marks such as <<48/2=24>>.")
    final_line: Literal["keep", "strip"] = Field("keep", description="What becomes of the line `#### 72` that ends a solution.")


def _files(entry: Entry, _hub: Hub) -> list[RawFile]:
    return [RawFile(repo=_REPO, revision=entry.options.revision or _REVISION, path=_PATH)]


def _read(entry: Entry, files: tuple[LocalFile, ...]) -> Iterator[pl.DataFrame]:
    answer = _answer(cast(Gsm8kOptions, entry.options))
    for file in files:
        for records in read_records(file, entry, _COLUMNS):
            rows = required(records, file, entry, _COLUMNS)
            yield rows.select(
                unless_dropped(pair("question", answer)), "drop", key=record_key(file), lang=pl.lit(entry.options.lang or "en")
            )


def _answer(options: Gsm8kOptions) -> pl.Expr:
    answer = pl.col("answer")
    if options.calculator == "strip":
        answer = answer.str.replace_all(_CALCULATOR, "")
    return answer.str.replace(_FINAL_LINE, "") if options.final_line == "strip" else answer


SOURCE: Final = Source(
    name="gsm8k",
    licence="MIT",
    homepage="https://huggingface.co/datasets/openai/gsm8k",
    languages=("en",),
    rows=7_473,
    files=_files,
    read=_read,
    options=Gsm8kOptions,
)
