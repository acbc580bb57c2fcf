"""Jokes, each with an explanation of what is funny about it.

https://huggingface.co/datasets/theblackcat102/joke_explaination, one record of `main.jsonl` (the spelling is upstream's):

    {"url": "https://explainthejoke.com/…",
     "joke": "Why did the compiler break up with the linker? Too many unresolved references.",
     "explaination": "A linker reports unresolved references when a name has no definition. Said of a couple, it sounds like …"}

A joke alone does not say what is wanted, so an instruction is put before it, drawn for each row by its key.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, cast

import polars as pl
from pydantic import Field

from data_mix.hashing import draw
from data_mix.records import read_records, record_key
from data_mix.records.required import required
from data_mix.schema import pair, unless_dropped
from data_mix.source import Entry, Hub, LocalFile, RawFile, Source, SourceOptions

_COLUMNS: Final = {"joke": pl.String(), "explaination": pl.String()}

INSTRUCTIONS: Final = (
    "Explain this joke.",
    "Can you explain why this is funny?",
    "I don't get this joke. What is the point of it?",
    "What makes this joke work?",
    "Please tell me what is funny here.",
    "Someone told me this joke and I didn't understand it. Could you explain it to me?",
    "Read the joke below and explain its humour.",
    "Why do people laugh at this?",
)


class JokeOptions(SourceOptions):
    """What an entry of this source may say."""

    instruction: Literal["default", "none"] = Field(
        "default", description="What stands before the joke: one of several ways to ask for an explanation, or nothing."
    )


def _files(entry: Entry, _hub: Hub) -> list[RawFile]:
    return [RawFile(repo="theblackcat102/joke_explaination", revision=entry.options.revision, path="main.jsonl")]


def _read(entry: Entry, files: tuple[LocalFile, ...]) -> Iterator[pl.DataFrame]:
    for file in files:
        for records in read_records(file, entry, _COLUMNS):
            rows = required(records, file, entry, _COLUMNS).with_columns(key=record_key(file))
            yield rows.select(
                unless_dropped(pair(_prompt(rows, entry), "explaination")),
                "drop",
                "key",
                lang=pl.lit(entry.options.lang or "en"),
            )


def _prompt(rows: pl.DataFrame, entry: Entry) -> pl.Expr:
    if cast(JokeOptions, entry.options).instruction == "none":
        return pl.col("joke")
    drawn = pl.Series(INSTRUCTIONS).gather(draw(rows["key"], entry.seed, "joke", len(INSTRUCTIONS)))
    return pl.concat_str(pl.lit(drawn), pl.lit("\n\n"), "joke")


SOURCE: Final = Source(
    name="joke",
    licence="MIT",
    homepage="https://huggingface.co/datasets/theblackcat102/joke_explaination",
    languages=("en",),
    rows=377,
    files=_files,
    read=_read,
    options=JokeOptions,
)
