"""What a build would come to, before anything of the data is fetched: rows, tokens, bytes and time.

What an entry's staged parts know is counted; of one whose raw files were never read here, rows are what its Parquet footers or
its source say, else what the size of its files makes of it. All rows, known or made up, are then decided on as a build decides
on them, so that caps, shares and budgets are those of the mix. A figure is exact where every row that it counts is known.

What an earlier build of this cache has learnt of a source (`steps.rates`) takes the place of the assumptions below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import polars as pl

from data_mix.measure import Measure
from data_mix.mix import Mix
from data_mix.mixing.settings import MixingSettings, needs_tokens
from data_mix.schema import SPLITS, UNKNOWN_LANGUAGE
from data_mix.selection import KEYS, decide, drop_duplicates
from data_mix.source import SourceOptions
from data_mix.steps.asking import token_count
from data_mix.steps.measuring import Measurement
from data_mix.steps.plan import PlannedEntry, PlannedFile
from data_mix.steps.rates import WORK, raw_bytes, read_rates
from data_mix.steps.staging import Unit, read_keys, units_of

RAW_BYTES_PER_ROW: Final = 1_500
TEXT_OF_RAW: Final = 0.6
"""Bytes of text in a raw byte."""
BYTES_PER_TOKEN: Final = 4.0
READ_BYTES: Final = 20_000_000
"""Raw bytes that are read in a second by one process."""
WRITTEN_BYTES: Final = 200_000_000
"""Bytes of a build that are written in a second."""

_AROUND_ROW: Final = 120
"""Bytes of a build's row beside its text, which it holds twice: id, offsets, roles and flags."""

_PER_PART: Final = 1_800
"""Bytes of a part beside its rows."""

_LARGEST: Final = 1_000_000
"""Rows that are decided on at most; of a larger mix so many are drawn, and what comes of them is multiplied."""

_SIZES: Final = ("size", "max_train_set", "max_val_set", "max_train_tokens")


@dataclass(frozen=True)
class Figure:
    """One number of a forecast."""

    value: int
    is_exact: bool


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What one entry would come to."""

    entry: str
    read: Figure
    train: Figure
    """Conversations, copies included."""
    validation: Figure
    tokens: Figure
    """Of train, copies included."""
    bytes: Figure
    """Of its parts in the build folder."""
    seconds: Figure
    """Of one process, fetching left aside: nobody knows how fast a network is."""


@dataclass(frozen=True, kw_only=True)
class _Known:
    """An entry's rows: those of its staged parts, or made up."""

    keys: pl.DataFrame
    is_staged: bool
    has_tokens: bool
    raw_bytes: int


def forecast(mix: Mix, planned: Sequence[PlannedEntry], home: Path) -> list[Forecast]:
    """A forecast of each entry, in the order of the mix; no byte of the data is fetched.

    Digests are taken of raw files that are at hand; of Parquet files the footers are read, wherever they are. Raises what these
    raise, and ConfigError as a build does where a tokenizer is missing.
    """
    wants_tokens = needs_tokens(mix.settings.mixing, {each.entry.name: each.entry.options for each in planned})
    known = [_known(mix, each, place, home) for place, each in enumerate(planned)]
    decided, factor = _decided(mix, planned, known)
    is_staged, has_tokens = all(each.is_staged for each in known), all(each.has_tokens for each in known)
    is_exact = is_staged and factor == 1 and not _drops_later(mix) and (has_tokens or not wants_tokens)
    rates = read_rates(home, WORK)
    return [
        _forecast(each, one, decided.filter(pl.col("entry") == place), factor, is_exact=is_exact, rates=rates)
        for place, (each, one) in enumerate(zip(planned, known, strict=True))
    ]


def _decided(mix: Mix, planned: Sequence[PlannedEntry], known: Sequence[_Known]) -> tuple[pl.DataFrame, float]:
    """What is decided of all rows, or of so many as are drawn of a large mix, and how many times more there are."""
    settings, total = mix.settings, sum(len(each.keys) for each in known)
    step = max(round(total / _LARGEST), 1)
    keys = pl.concat([each.keys.gather_every(step) for each in known])
    factor = total / len(keys) if step > 1 else 1.0
    selections = [replace(each.selection, options=_scaled(each.entry.options, factor)) for each in planned]
    if settings.deduplicate:
        keys = drop_duplicates(keys)
    decided = decide(keys, selections, seed=settings.data_seed, mixing=_scaled_mixing(settings.mixing, factor))
    return decided, factor


def _drops_later(mix: Mix) -> bool:
    """Whether rows may be dropped for what no key tells: near duplicates, and items of benchmarks."""
    return mix.settings.near_duplicates is not None or bool(mix.settings.decontaminate_against)


def _forecast(
    planned: PlannedEntry, known: _Known, rows: pl.DataFrame, factor: float, *, is_exact: bool, rates: dict[str, float]
) -> Forecast:
    copies = pl.col("copies").cast(pl.Int64)
    kept = rows.filter(pl.col("drop").is_null())
    train, validation = (kept.filter(pl.col("split") == split) for split in SPLITS)

    def figure(frame: pl.DataFrame, value: pl.Expr, *, exact: bool) -> Figure:
        return Figure(round((frame.select(value.sum()).item() or 0) * factor), exact)

    parts = sum(_PER_PART for frame in (train, validation) if len(frame))
    size = Figure(figure(kept, copies * (2 * pl.col("bytes").cast(pl.Int64) + _AROUND_ROW), exact=False).value + parts, False)
    reading = 0.0 if known.is_staged else known.raw_bytes / rates.get("read", READ_BYTES)
    return Forecast(
        entry=planned.entry.name,
        read=Figure(len(known.keys), known.is_staged),
        train=figure(train, copies, exact=is_exact),
        validation=figure(validation, copies, exact=is_exact),
        tokens=figure(train, copies * pl.col("tokens").cast(pl.Int64), exact=is_exact and known.has_tokens),
        bytes=size,
        seconds=Figure(round(reading + size.value / rates.get("write", WRITTEN_BYTES)), False),
    )


def _known(mix: Mix, planned: PlannedEntry, place: int, home: Path) -> _Known:
    staged = _staged(mix, planned, home)
    raw = sum(raw_bytes(planned, file) for file in planned.files)
    if staged is None:
        return _Known(keys=_made_up(planned, place, home), is_staged=False, has_tokens=False, raw_bytes=raw)
    keys, has_tokens = staged
    return _Known(keys=keys.with_columns(entry=pl.lit(place, pl.Int32)), is_staged=True, has_tokens=has_tokens, raw_bytes=raw)


def _staged(mix: Mix, planned: PlannedEntry, home: Path) -> tuple[pl.DataFrame, bool] | None:
    """The keys of an entry's staged parts, and whether its tokens are counted; None where not all of it is staged."""
    if any(planned.bytes_to_fetch(file) != 0 for file in planned.files):
        return None
    units = units_of(planned.fetch(), mix.settings.stage_options, home)
    if not all(unit.is_staged for unit in units):
        return None
    count = None if mix.settings.mixing.tokenizer is None else token_count(mix)
    counts = [_counted(unit, count) for unit in units]
    frames = [
        read_keys(unit.folder).with_columns(upstream_split=pl.lit(unit.files[0].split, pl.String), **_columns(found))
        for unit, found in zip(units, counts, strict=True)
    ]
    return pl.concat([_nothing(), *frames]), all(found is not None for found in counts)


def _columns(counted: pl.DataFrame | None) -> dict[str, pl.Expr | pl.Series]:
    """Counts of tokens; where nobody has counted, what the bytes make of it, all of them trained."""
    if counted is not None:
        return {name: counted[name] for name in ("tokens", "trained_tokens")}
    guess = (pl.col("bytes") / BYTES_PER_TOKEN).ceil().cast(pl.UInt32)
    return {"tokens": guess, "trained_tokens": guess}


def _counted(unit: Unit, count: Measure | None) -> pl.DataFrame | None:
    """The tokens of a staged part's rows, where an earlier build has counted them by this mix's tokenizer."""
    taken = None if count is None else Measurement(unit, count)
    return taken.values() if taken is not None and taken.is_taken else None


def _nothing() -> pl.DataFrame:
    return pl.DataFrame(schema={**KEYS, "upstream_split": pl.String, "tokens": pl.UInt32, "trained_tokens": pl.UInt32})


def _made_up(planned: PlannedEntry, place: int, home: Path) -> pl.DataFrame:
    """Rows of an entry that was never read, as many and as long as can be known, in the splits of their files."""
    rates = read_rates(home, planned.entry.source.name)
    text = rates.get("raw_per_row", RAW_BYTES_PER_ROW) * rates.get("text_of_raw", TEXT_OF_RAW)
    languages = planned.entry.source.languages
    parts = [_nothing()]
    for number, file in enumerate(planned.files):
        rows = pl.DataFrame({"row": pl.int_range(_rows(planned, file, rates), dtype=pl.UInt64, eager=True)})
        frame = rows.select(
            id=pl.format(f"{planned.entry.name}/{number}:{{}}", "row"),
            content_0=pl.col("row"),
            content_1=pl.lit((place << 32) + number, pl.UInt64),
            lang=pl.lit(languages[0] if len(languages) == 1 else UNKNOWN_LANGUAGE),
            bytes=pl.lit(round(text), pl.UInt32),
            upstream_split=pl.lit(file.remote.split, pl.String),
        )
        missing = [pl.lit(None, KEYS[name]).alias(name) for name in KEYS if name not in frame.columns]
        parts.append(frame.with_columns(*missing, **_columns(None)).select(parts[0].columns))
    return pl.concat(parts).with_columns(entry=pl.lit(place, pl.Int32))


def _rows(planned: PlannedEntry, file: PlannedFile, rates: dict[str, float]) -> int:
    """Rows of a raw file, of what is drawn of it where it is not read whole."""
    remote, upstream = file.remote, planned.entry.source.rows
    if remote.name.endswith(".parquet") and remote.size is not None:
        groups = planned.fetcher.row_groups(remote)
        return sum(groups if file.row_groups is None else (groups[group] for group in file.row_groups))
    if upstream is not None and not isinstance(remote.location, Path):
        whole = sum(raw_bytes(planned, each) for each in planned.files)
        return round(upstream * raw_bytes(planned, file) / whole) if whole else upstream // len(planned.files)
    return round(raw_bytes(planned, file) / rates.get("raw_per_row", RAW_BYTES_PER_ROW))


def _scaled(options: SourceOptions, factor: float) -> SourceOptions:
    """The options for so many times fewer rows."""
    if factor == 1:
        return options
    sizes = {name: getattr(options, name) for name in _SIZES}
    return options.model_copy(update={name: round(size / factor) for name, size in sizes.items() if size is not None})


def _scaled_mixing(mixing: MixingSettings, factor: float) -> MixingSettings:
    if factor == 1:
        return mixing
    total = None if mixing.total is None else round(mixing.total / factor)
    languages = {
        tag: each.model_copy(update={"max_tokens": None if each.max_tokens is None else round(each.max_tokens / factor)})
        for tag, each in mixing.languages.items()
    }
    return mixing.model_copy(update={"total": total, "languages": languages})
