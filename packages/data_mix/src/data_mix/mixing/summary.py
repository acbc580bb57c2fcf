"""What became of a mix, for the manifest: how far each entry is taken, and what could not be had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from data_mix.mixing.drawing import COPIES
from data_mix.mixing.settings import MixingSettings
from data_mix.mixing.taking import EPOCHS, LANGUAGE_BUDGET, MIXING
from data_mix.source import SourceOptions

TAKEN: tuple[str, ...] = (MIXING, EPOCHS, LANGUAGE_BUDGET, "max_train_tokens")
"""Reasons of rows that could have been had: mixing took them away again."""


def summarise(keys: pl.DataFrame, options: Mapping[str, SourceOptions], settings: MixingSettings) -> dict[str, Any]:
    """The manifest's `mixing`: of each entry what it had and what is taken, in rows and where counted in tokens, and notices.

    `keys` are those that `draw_mix` has drawn; `options` those of the entries by name, in the order of the mix. Empty where
    every row is taken once. `epochs` is taken / had, in rows.
    """
    every = list(options.values())
    if settings.is_idle(every):
        return {}
    had = keys.filter((pl.col("split") == "train") | pl.col("drop").is_in(TAKEN))
    counted = [name for name in ("tokens", "trained_tokens") if name in keys.columns]
    entries = {name: _entry(had.filter(pl.col("entry") == place), counted) for place, name in enumerate(options)}
    unit = settings.unit if settings.has_shares(every) else "rows"
    whole = sum(entry["taken"][unit] for entry in entries.values())
    for entry in entries.values():
        entry["share"] = round(entry["taken"][unit] / whole, 6) if whole else 0.0
    notices = _notices(had, settings, whole)
    if settings.total is None and settings.has_shares(every):
        notices += _cut_for_shares({name: entry for name, entry in entries.items() if options[name].epochs is None})
    return {"unit": unit, "taken": whole, "entries": entries, "notices": notices}


def _entry(rows: pl.DataFrame, counted: Sequence[str]) -> dict[str, Any]:
    copies = rows[COPIES].cast(pl.Int64)
    had = {"rows": len(rows), **{name: int(rows[name].cast(pl.Int64).sum()) for name in counted}}
    taken = {"rows": int(copies.sum()), **{name: int((rows[name].cast(pl.Int64) * copies).sum()) for name in counted}}
    return {"had": had, "taken": taken, "epochs": round(taken["rows"] / len(rows), 4) if len(rows) else 0.0}


def _notices(had: pl.DataFrame, settings: MixingSettings, whole: int) -> list[str]:
    """What a reader would wonder about."""
    notices = []
    # A total of tokens is missed by less than one row; what is missed by more could not be had.
    largest = 1 if settings.unit == "rows" else int(had[settings.unit].max() or 0)  # type: ignore[arg-type]
    if settings.total is not None and whole <= settings.total - largest:
        notices.append(f"mixing.total: {settings.total} {settings.unit} were asked for, {whole} could be had within max_epochs")
    for tag in settings.languages:
        prefix = pl.col("lang").str.starts_with(f"{tag}-") | (pl.col("lang") == tag)
        if not len(had.filter(prefix)):
            notices.append(f"mixing.languages.{tag}: no train row is of this language")
    return notices


def _cut_for_shares(entries: Mapping[str, Any]) -> list[str]:
    """That most rows are left out for the sake of the shares, where they are: by the entry that has no more to give."""
    had, taken = (sum(entry[name]["rows"] for entry in entries.values()) for name in ("had", "taken"))
    if taken * 2 >= had:
        return []
    name = max(entries, key=lambda each: (entries[each]["epochs"], -entries[each]["had"]["rows"]))
    return [
        f"mixing: {taken} of {had} rows are taken, since {name} has {entries[name]['had']['rows']} and the others are held to "
        "their shares beside it; say mixing.total, or raise max_epochs"
    ]
