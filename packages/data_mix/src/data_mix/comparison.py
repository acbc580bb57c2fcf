"""Two builds side by side: which settings, raw files and rows differ, and why a row is in one of them only.

Rows are matched by their id. What became of a row that one build lacks, its `dropped/` part knows, which `--keep-dropped`
keeps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

from data_mix.arrays import to_numpy
from data_mix.errors import ConfigError
from data_mix.mix import settings_by_name
from data_mix.runs import ODD, digest_runs
from data_mix.schema import SPLITS
from data_mix.shards import DROPPED, Build

ABSENT: Final = None
"""The value of a key that a build's mix does not have."""

NOT_READ: Final = "not read there"
"""Why a row is missing where all rows that were dropped are known, and it is none of them."""
NO_SOURCE: Final = "the entry is not in that build"
COPY: Final = "taken more often here"
NOT_KEPT: Final = "unknown"
"""Why a row is missing where the other build has not kept what it dropped."""

LEARN: Final = "build it again with --keep-dropped, to learn why rows are not in it"


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of one source that differ in one way."""

    ids: list[str]
    why: list[str]
    """Of each row, where it is in one build only; what changed, where it is in both."""

    @property
    def reasons(self) -> dict[str, int]:
        """How many rows by why."""
        counts = pl.Series(self.why, dtype=pl.String).value_counts().iter_rows()
        return dict(sorted(counts, key=lambda item: (-item[1], item[0])))


@dataclass(frozen=True, kw_only=True)
class SourceDifference:
    """What differs in the rows of one source, validation and train together."""

    name: str
    rows: tuple[int, int]
    """Rows in A and in B."""
    only_a: Rows
    only_b: Rows
    text: Rows
    """The same id, other messages."""
    split: Rows
    lang: Rows
    trained: Rows
    """The same messages, of which others count in the loss."""

    @property
    def is_alike(self) -> bool:
        """Whether every row is the same in both."""
        return not any(each.ids for each in self.kinds.values())

    @property
    def kinds(self) -> dict[str, Rows]:
        """The rows by the way in which they differ."""
        return {name: getattr(self, name) for name in ("only_a", "only_b", "text", "split", "lang", "trained")}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two builds, compared."""

    options: list[tuple[str, Any, Any]]
    """Key, value in A, value in B, of every setting that differs; a key that a mix does not have is None there."""
    files: list[tuple[str, str, Any, Any]]
    """Source, url, and what is said of the raw file in A and in B, where that differs."""
    sources: list[SourceDifference]
    lacks_dropped: tuple[bool, bool]
    """Whether A, and B, have not kept what they dropped, though that is asked for."""

    @property
    def is_alike(self) -> bool:
        """Whether nothing differs."""
        return not self.options and not self.files and all(source.is_alike for source in self.sources)


def compare(a: Build, b: Build, source: str | None = None) -> Comparison:
    """Compare two builds, or one source of them; ConfigError where neither has such a source.

    Rows are read source by source, and only what is compared of them. Raises FormatError as `Build.tables`.
    """
    names = list(dict.fromkeys([*a.manifest["sources"], *b.manifest["sources"]]))
    if source is not None and source not in names:
        raise ConfigError(f"source {source!r} is in neither build; they have {', '.join(names)}")
    chosen = names if source is None else [source]
    is_same = a.manifest["fingerprint"] == b.manifest["fingerprint"]
    found = [_alike(a, name) if is_same else _compare_source(a, b, name) for name in chosen]
    return Comparison(
        options=[each for each in _options(a, b) if source is None or _is_of(each[0], source)],
        files=[(name, *each) for name in chosen for each in _files(a, b, name)],
        sources=found,
        lacks_dropped=(
            any(NOT_KEPT in each.only_b.why for each in found),
            any(NOT_KEPT in each.only_a.why for each in found),
        ),
    )


def _is_of(key: str, source: str) -> bool:
    """Whether a key may concern a source: its own do, and those of the whole mix."""
    return not key.startswith("datasets.") or key == f"datasets.{source}" or key.startswith(f"datasets.{source}.")


def _options(a: Build, b: Build) -> Iterator[tuple[str, Any, Any]]:
    """The settings that differ, those of the entries by their names."""
    one, other = (settings_by_name(build.manifest["mix"]) for build in (a, b))
    one, other = ({"name": build.manifest["name"]} | flat for build, flat in ((a, one), (b, other)))
    for key in dict.fromkeys([*one, *other]):
        if one.get(key, ABSENT) != other.get(key, ABSENT):
            yield key, one.get(key, ABSENT), other.get(key, ABSENT)


def _files(a: Build, b: Build, name: str) -> Iterator[tuple[str, Any, Any]]:
    """The raw files of a source of which something else is said, by what names them in any revision."""
    one, other = ({_place(file["url"]): file for file in _facts(build, name).get("files", ())} for build in (a, b))
    for place in dict.fromkeys([*one, *other]):
        if one.get(place) != other.get(place):
            yield place, one.get(place), other.get(place)


def _place(url: str) -> str:
    """A raw file's URL without the revision of its repository."""
    head, at, tail = url.partition("@")
    return f"{head}/{tail.partition('/')[2]}" if at and url.startswith("hf://") else url


def _facts(build: Build, name: str) -> dict[str, Any]:
    return dict(build.manifest["sources"].get(name, {}))


def _alike(build: Build, name: str) -> SourceDifference:
    """A source of which both have the same rows, as their fingerprints say."""
    count, none = sum(part.rows for part in build.parts if part.source == name and part.split in SPLITS), Rows(ids=[], why=[])
    return SourceDifference(
        name=name, rows=(count, count), only_a=none, only_b=none, text=none, split=none, lang=none, trained=none
    )


def _compare_source(a: Build, b: Build, name: str) -> SourceDifference:
    one, other = _rows(a, name), _rows(b, name)
    both = one.join(other, on="id", how="inner", maintain_order="left", suffix="_b")
    is_same_text = (pl.col("text") == pl.col("text_b")) & (pl.col("turns") == pl.col("turns_b"))
    return SourceDifference(
        name=name,
        rows=(len(one), len(other)),
        only_a=_missing(one, other, b, name),
        only_b=_missing(other, one, a, name),
        text=_changed(both.filter(~is_same_text), pl.lit("the same id")),
        split=_changed(both.filter(pl.col("split") != pl.col("split_b")), _arrow("split")),
        lang=_changed(both.filter(pl.col("lang") != pl.col("lang_b")), _arrow("lang")),
        trained=_changed(both.filter(is_same_text & (pl.col("trained") != pl.col("trained_b"))), pl.lit("the same text")),
    )


def _arrow(column: str) -> pl.Expr:
    return pl.format("{} → {}", column, f"{column}_b")


def _changed(rows: pl.DataFrame, what: pl.Expr) -> Rows:
    return Rows(ids=rows["id"].to_list(), why=rows.with_columns(what=what)["what"].to_list())


def _missing(rows: pl.DataFrame, others: pl.DataFrame, other: Build, name: str) -> Rows:
    """The rows that the other build lacks, and why."""
    mine = rows.select("id").join(others.select("id"), on="id", how="anti", maintain_order="left")
    if name not in other.manifest["sources"]:
        return Rows(ids=mine["id"].to_list(), why=[NO_SOURCE] * len(mine))
    mine = mine.with_columns(original=pl.col("id").str.replace(r"#\d+$", ""))
    copied = mine.filter(pl.col("original") != pl.col("id")).join(others, left_on="original", right_on="id", how="semi")
    dropped = _dropped(other, name)
    unknown = NOT_KEPT if dropped is None else NOT_READ
    reasons = dropped if dropped is not None else pl.DataFrame(schema={"id": pl.String, "drop": pl.String})
    why = pl.when(pl.col("id").is_in(copied["id"].implode())).then(pl.lit(COPY)).otherwise(pl.coalesce("drop", pl.lit(unknown)))
    found = mine.join(reasons, on="id", how="left", maintain_order="left").with_columns(why=why)
    return Rows(ids=found["id"].to_list(), why=found["why"].to_list())


def _dropped(build: Build, name: str) -> pl.DataFrame | None:
    """The dropped rows with their reasons; None where some were dropped and none were kept to be read."""
    tables = [table.select(["id", "drop"]) for _, table in build.tables(DROPPED, name)]
    if not tables:
        nothing = pl.DataFrame(schema={"id": pl.String, "drop": pl.String})
        return None if _facts(build, name)["rows"]["dropped"] else nothing
    frame = pl.DataFrame(pa.concat_tables(tables))
    return frame.cast({"drop": pl.String})


def _rows(build: Build, name: str) -> pl.DataFrame:
    """What is compared of a source's rows."""
    parts = [
        _digests(batch).with_columns(split=pl.lit(split))
        for split in SPLITS
        for _, table in build.tables(split, name)
        for batch in table.select(["id", "lang", "messages"]).to_batches()
    ]
    kinds = {
        "id": pl.String,
        "lang": pl.String,
        "text": pl.UInt64,
        "turns": pl.UInt32,
        "trained": pl.UInt64,
        "split": pl.String,
    }
    return pl.concat([pl.DataFrame(schema=kinds), *parts])


def _digests(batch: pa.RecordBatch) -> pl.DataFrame:
    """Per row: a digest of its roles and contents in order, its number of messages, and one of which of them are trained."""
    messages = batch["messages"]
    offsets = to_numpy(messages.offsets).astype(np.int64)
    flat = messages.values.slice(offsets[0], offsets[-1] - offsets[0])
    counts = np.diff(offsets)
    contents, roles = (pl.Series(flat.field(name)).hash(seed).to_numpy() for name, seed in (("content", 0), ("role", 1)))
    trained = pl.Series(flat.field("train")).to_numpy().astype(np.uint64)
    return pl.DataFrame(
        {
            "id": pl.Series(batch["id"]),
            "lang": pl.Series(batch["lang"]),
            "text": digest_runs(contents * ODD + roles, counts),
            "turns": counts.astype(np.uint32),
            "trained": digest_runs(trained, counts),
        }
    )
