"""WMT 2019: the training data of the news translation task, sentence pairs of news, parliament, subtitles and the web.

https://huggingface.co/datasets/wmt/wmt19, a folder of Parquet files per pair of languages, rows with one column, `translation`:

    {"zh": "上周，古装剧《美人私房菜》临时停播。", "en": "Last week, “Beauty Private Kitchen” was halted."}

A row becomes a request to translate, in the one or the other direction, and the translation.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

import polars as pl

from data_mix.errors import ConfigError
from data_mix.records import parquet_records, record_key
from data_mix.records.required import required
from data_mix.schema import unless_dropped
from data_mix.source import Entry, Hub, LocalFile, RawFile, Source
from data_mix.translation import TranslationOptions, conversations, refuse_language

_REPO: Final = "wmt/wmt19"

_ROWS: Final = {
    "cs-en": 7_270_695,
    "de-en": 38_690_334,
    "fi-en": 6_587_448,
    "fr-de": 9_824_476,
    "gu-en": 11_670,
    "kk-en": 126_583,
    "lt-en": 2_344_893,
    "ru-en": 37_492_126,
    "zh-en": 25_984_574,
}
"""Train pairs upstream, by upstream's name of the pair."""


def _pair(entry: Entry) -> str:
    """Upstream's name of the entry's pair of languages, in whichever order the entry names them."""
    a, b = entry.params["a"], entry.params["b"]
    found = [pair for pair in (f"{a}-{b}", f"{b}-{a}") if pair in _ROWS]
    if not found:
        either = {name: pair for pair in _ROWS for name in (pair, "-".join(reversed(pair.split("-"))))}
        nearest = get_close_matches(f"{a}-{b}", either, n=1, cutoff=0)[0]
        raise ConfigError(
            f"entry {entry.name!r}: WMT 2019 has no pair {a}-{b}, wanted one of {', '.join(_ROWS)}; the nearest is {nearest}"
        )
    return found[0]


def _check(entry: Entry) -> None:
    _pair(entry)
    refuse_language(entry)


def _files(entry: Entry, _hub: Hub) -> list[RawFile]:
    pair, revision = _pair(entry), entry.options.revision
    return [
        RawFile(repo=_REPO, revision=revision, path=f"{pair}/train-*.parquet", split="train"),
        RawFile(repo=_REPO, revision=revision, path=f"{pair}/validation-*.parquet", split="validation"),
    ]


def _read(entry: Entry, files: tuple[LocalFile, ...]) -> Iterator[pl.DataFrame]:
    languages = (entry.params["a"], entry.params["b"])
    columns = {"translation": pl.Struct({language: pl.String() for language in languages})}
    for file in files:
        for records in parquet_records(file, entry, columns):
            rows = required(records, file, entry, columns)
            a, b = (pl.col("translation").struct.field(language) for language in languages)
            pairs = rows.select("drop", key=record_key(file), a=a, b=b)
            yield conversations(pairs, entry, languages).with_columns(unless_dropped(pl.col("messages")))


SOURCE: Final = Source(
    name="wmt2019_{a}-{b}",
    licence="LicenseRef-WMT19-research",
    homepage="https://www.statmt.org/wmt19/translation-task.html",
    languages=tuple(sorted({language for pair in _ROWS for language in pair.split("-")})),
    rows=sum(_ROWS.values()),
    files=_files,
    read=_read,
    options=TranslationOptions,
    by_row_group=True,
    check=_check,
)
