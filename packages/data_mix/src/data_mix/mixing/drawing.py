"""Keys of a build → how often each row is written, or why it is not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from data_mix.errors import BuildError
from data_mix.hashing import hash_strings
from data_mix.mixing.candidates import Cell, Numbers
from data_mix.mixing.settings import MixingSettings
from data_mix.mixing.taking import EPOCHS, Limits, take
from data_mix.source import SourceOptions

COPIES: Final = "copies"
"""The column that says how often a row is written."""


def draw_mix(keys: pl.DataFrame, options: Sequence[SourceOptions], settings: MixingSettings, seed: int) -> pl.DataFrame:
    """Give every row `copies`, and those of train that are not taken a `drop` reason and no `split`.

    `keys` holds `id`, `lang`, `entry` (place in `options`), `split`, `drop`, and `tokens` and `trained_tokens` where something
    counts them. A row is taken in the order of its hash, so that a raised weight or budget only adds rows to its entry, and an
    entry that is added changes how far others are taken, never in what order. Validation is left as it is.

    Raises BuildError where the id of a copy (`ID#2`) is another row's own.
    """
    if settings.is_idle(options):
        return keys.with_columns(pl.col("drop").is_null().cast(pl.UInt32).alias(COPIES))
    parts = _ordered(keys, options, settings, seed).partition_by("entry", "cell", maintain_order=True)
    cells = [_cell(part, options, settings) for part in parts]
    steps = take(cells, _limits(options, settings))
    copies = keys["drop"].is_null().to_numpy().astype(np.int64)
    reasons = np.full(len(keys), None, dtype=object)
    for place, (part, cell) in enumerate(zip(parts, cells, strict=True)):
        mine, left = part["row"].to_numpy(), [(reason, int(counts[place])) for reason, counts in steps]
        if options[cell.entry].epochs is not None:
            left[0] = (EPOCHS, left[0][1])
        copies[mine], reasons[mine] = _copies(len(part), left[-1][1]), _reasons(len(part), left)
    drawn = keys.with_columns(
        pl.Series(COPIES, copies, pl.UInt32), drop=pl.coalesce("drop", pl.Series(reasons.tolist(), dtype=pl.String))
    )
    _refuse_taken_ids(drawn)
    return drawn.with_columns(split=pl.when(pl.col("drop").is_null()).then("split"))


def _ordered(keys: pl.DataFrame, options: Sequence[SourceOptions], settings: MixingSettings, seed: int) -> pl.DataFrame:
    """The rows of train with the language of their cell, in the order in which they are taken."""
    rows = keys.with_row_index("row").filter(pl.col("split") == "train")
    rows = rows.with_columns(pl.Series("hash", hash_strings(rows["id"], seed, "cap")))
    every = settings.temperature_over == "languages" and settings.has_shares(options)
    tags = {tag: _cell_language(tag, settings, every=every) for tag in rows["lang"].unique()}
    named = rows["lang"].replace_strict(tags, default="", return_dtype=pl.String)
    return rows.with_columns(named.alias("cell")).sort("entry", "hash", "row")


def _cell_language(tag: str, settings: MixingSettings, *, every: bool) -> str:
    """The most exact tag of the mix's that finds this one; else the language itself where all are cells, or nothing."""
    parts = tag.split("-")
    longer = ("-".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((each for each in longer if each in settings.languages), parts[0] if every else "")


def _cell(rows: pl.DataFrame, options: Sequence[SourceOptions], settings: MixingSettings) -> Cell:
    entry, language = int(rows["entry"][0]), str(rows["cell"][0])
    own, of = options[entry], settings.languages.get(language)
    has_shares = settings.has_shares(options)
    ones = np.ones(len(rows), dtype=np.int64)
    tokens = rows["tokens"].to_numpy().astype(np.int64) if "tokens" in rows.columns else ones
    in_unit = ones if settings.unit == "rows" or not has_shares else rows[settings.unit].to_numpy().astype(np.int64)
    most = settings.max_epochs if own.max_epochs is None else own.max_epochs
    return Cell(
        entry=entry,
        language=language,
        is_fixed=own.epochs is not None or not has_shares,
        limit=own.epochs if own.epochs is not None else (most if has_shares else 1.0),
        weight=(own.weight or 1.0) * (of.weight if of else 1.0),
        tokens=tokens,
        amounts=in_unit,
    )


def _limits(options: Sequence[SourceOptions], settings: MixingSettings) -> Limits:
    return Limits(
        temperature=math.inf if settings.temperature == "inf" else (settings.temperature or 1.0),
        over_languages=settings.temperature_over == "languages",
        total=settings.total,
        entries={place: each.max_train_tokens for place, each in enumerate(options) if each.max_train_tokens is not None},
        languages={tag: each.max_tokens for tag, each in settings.languages.items() if each.max_tokens is not None},
    )


def _copies(rows: int, taken: int) -> Numbers:
    """How often each row of a cell is written."""
    epochs, rest = divmod(taken, rows)
    return epochs + (np.arange(rows) < rest).astype(np.int64)


def _reasons(rows: int, steps: Sequence[tuple[str, int]]) -> list[str | None]:
    """Why each row of a cell is not taken: the first step that left fewer rows than stand before it."""
    reasons: list[str | None] = []
    for reason, left in reversed(steps):
        reasons = (reasons + [None] * rows)[: min(int(left), rows)]
        reasons += [reason] * (rows - len(reasons))
    return reasons


def _refuse_taken_ids(keys: pl.DataFrame) -> None:
    """Refuse a row whose id is that of another's copy: ids are unique in a build."""
    numbers = pl.int_ranges(2, pl.col(COPIES) + 1).alias("number")
    repeated = keys.filter(pl.col(COPIES) > 1).select("id", numbers).explode("number", empty_as_null=False)
    taken = keys.join(repeated.select(id=pl.format("{}#{}", "id", "number")), on="id", how="semi")
    if len(taken):
        raise BuildError(f"the id {taken['id'][0]!r} is that of another row's copy; give the record another key")
