"""The files of benchmarks → their items' texts, in one frame.

    benchmark   what the benchmark is called
    item        the item's id in it
    kind        "prompt": what is asked; "question": the same without the choices below it, or the docstring alone; "answer"
    text

A line of an export of `datamix eval`:

    {"benchmark": "mmlu", "subject": "anatomy", "id": "anatomy/0", "prompt": "…", "answer": "A"}

Calculator marks such as `<<48/2=24>>` are taken out of a text that has them, in a second text of the same item: training data
come with and without.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import polars as pl

from data_mix.decontamination.settings import BenchmarkFile
from data_mix.errors import BadRecordError, ConfigError, FormatError
from data_mix.fetch import Fetcher
from data_mix.records import is_parquet, json_values, read_records
from data_mix.source import Entry, LocalFile, RawFile, Source, SourceOptions, is_url

ITEMS: Final[dict[str, pl.DataType]] = {
    "benchmark": pl.String(),
    "item": pl.String(),
    "kind": pl.String(),
    "text": pl.String(),
}

_KEY: Final = "decontaminate_against"
_EXPORT: Final = {name: pl.String() for name in ("benchmark", "id", "prompt", "answer")}
_CHOICES: Final = r"(?s)\n\s*(?:Options:|\(?A[.):] ).*"
_DOCSTRING: Final = r"(?s)def [^\n]*:.*?(?:\"{3}|'{3})(.*?)(?:\"{3}|'{3})"
_CALCULATOR: Final = r"<<[^<>\n]*>>"


def raw_file(benchmark: BenchmarkFile, folders: Sequence[Path]) -> RawFile:
    """Where the file is: on the hub, on the web, or in the first of the folders that has it.

    Raises ConfigError where none has it.
    """
    if benchmark.repo is not None or is_url(benchmark.path):
        return RawFile(path=benchmark.path, repo=benchmark.repo, revision=benchmark.revision)
    tried = list(dict.fromkeys((folder / Path(benchmark.path).expanduser()).absolute() for folder in folders))
    for path in tried:
        if path.exists() or any(Path(path.anchor).glob(str(path.relative_to(path.anchor)))):
            return RawFile(path=str(path))
    raise ConfigError(f"{_KEY}: there is no {' and no '.join(map(str, tried))}; put the file there, or leave it out of {_KEY}")


def fetch_items(benchmark: BenchmarkFile, fetcher: Fetcher, folders: Sequence[Path]) -> list[LocalFile]:
    """The files at hand; raises as `raw_file` and `Fetcher.fetch` do."""
    return [fetcher.fetch(remote) for remote in fetcher.resolve(raw_file(benchmark, folders))]


def read_items(benchmark: BenchmarkFile, files: Sequence[LocalFile]) -> pl.DataFrame:
    """The texts of all items of the files, in their order, with the columns of `ITEMS`.

    Raises ConfigError for a column that is not there, FormatError for a broken record or where there is no item, RawFileError
    for a file that is broken as a whole.
    """
    frames = [frame for file in files for frame in _read(benchmark, file)]
    items = pl.concat(frames) if frames else pl.DataFrame(schema=ITEMS)
    if items.is_empty():
        names = ", ".join(file.name for file in files)
        raise FormatError(f"{_KEY}: {names} holds no item, wanted one per line or row; check that it is the right file")
    return items


def _read(benchmark: BenchmarkFile, file: LocalFile) -> Iterator[pl.DataFrame]:
    """The items of one file, a frame for each kind of text and part of the file."""
    _check_columns(benchmark, file)
    columns = benchmark.columns or ["prompt", "answer"]
    schema = _EXPORT if benchmark.columns is None else dict.fromkeys((*columns, *_named(benchmark)), pl.String())
    try:
        for records in read_records(file, _entry(), schema):
            about = records.select(
                pl.lit(benchmark.name).alias("benchmark") if benchmark.name else "benchmark",
                _id(benchmark, file).alias("item"),
                *columns,
            )
            _check_export(benchmark, file, about)
            for place, column in enumerate(columns):
                texts = about.select("benchmark", "item", kind=pl.lit("answer" if place else "prompt"), text=column)
                yield from _variants(texts.drop_nulls("text"))
    except BadRecordError as error:
        raise FormatError(f"{error.where}: {error.what}; mend it, or leave the file out of {_KEY}") from error


def _variants(texts: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The texts as they are, without calculator marks, and of what is asked the question alone."""
    text = pl.col("text")
    yield texts
    yield texts.filter(text.str.contains(_CALCULATOR)).with_columns(text.str.replace_all(_CALCULATOR, ""))
    asked = texts.filter(pl.col("kind") == "prompt").with_columns(kind=pl.lit("question"))
    yield asked.filter(text.str.contains(_CHOICES)).with_columns(text.str.replace(_CHOICES, ""))
    yield asked.with_columns(text.str.extract(_DOCSTRING)).drop_nulls("text")


def _named(benchmark: BenchmarkFile) -> tuple[str, ...]:
    return () if benchmark.id is None else (benchmark.id,)


def _id(benchmark: BenchmarkFile, file: LocalFile) -> pl.Expr:
    """The id that the file gives an item, else the place of its record."""
    place = pl.concat_str(pl.lit(f"{file.stem}:"), pl.col("record").cast(pl.String))
    given = "id" if benchmark.columns is None else benchmark.id
    return place if given is None else pl.coalesce(given, place)


def _check_columns(benchmark: BenchmarkFile, file: LocalFile) -> None:
    """Refuse a file without the columns that are named, or one that nothing is said of and that is no export.

    What JSON Lines have, the first line says; of Parquet and CSV the reader says itself what is missing.
    """
    is_table = is_parquet(file) or ".csv" in file.name or ".tsv" in file.name
    if is_table and benchmark.columns is None:
        raise ConfigError(f"{_KEY}: {file.name} is a table; say name: and columns: to read it")
    found = None if is_table else _first_keys(file)
    for name in (*(benchmark.columns or _EXPORT), *_named(benchmark)):
        if found is not None and name not in found:
            raise ConfigError(f"{_KEY}: {file.name} has no column {name!r}; {_hint(benchmark, name, found)}")


def _hint(benchmark: BenchmarkFile, name: str, found: Sequence[str]) -> str:
    if benchmark.columns is None:
        return f"its columns are {', '.join(found)}; say name: and columns: to read what is no export of datamix eval"
    nearest = get_close_matches(name, found, n=1, cutoff=0)
    return f"did you mean {nearest[0]!r}? (columns: {', '.join(found)})" if nearest else "its first record is empty"


def _first_keys(file: LocalFile) -> Sequence[str] | None:
    """The keys of the first record; None where there is none, or no object, of which the reader then says so."""
    try:
        first = next(json_values(file, _entry()), (0, None))[1]
    except BadRecordError:
        return None
    return list(first) if isinstance(first, dict) else None


def _check_export(benchmark: BenchmarkFile, file: LocalFile, about: pl.DataFrame) -> None:
    if benchmark.columns is None and about["benchmark"].null_count():
        raise FormatError(f"{_KEY}: {file.name} has an item without a benchmark; export it anew, or say name: and columns:")


def _entry() -> Entry:
    """What the readers of records want to know: these files are no entry of the mix, and a broken record is an error."""
    source = Source(name=_KEY, licence="", homepage="", languages=(), rows=None, files=lambda *_: [], read=lambda *_: iter(()))
    return Entry(name=_KEY, source=source, params={}, options=SourceOptions.model_validate({}), seed=0)
