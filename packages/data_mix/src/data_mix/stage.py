"""What a stage is, and running them in order.

A stage is a function frame → frame: it mends rows, or fills `drop` with the reason why a row is dropped. It never asks
where a row came from, and never takes a row away: dropped rows go on, so that they can be counted and read.

A stage is a module of `data_mix.stages` with one `STAGE`. The folder is the registry.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict


class StageOptions(BaseModel):
    """The options of a stage; a stage without any uses this one as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step over the rows of any source."""

    name: str
    """The key under `stages:` that holds its options."""
    order: int
    """Place in the order of stages; the built-in ones stand at 10, 20, …"""
    apply: Callable[[pl.DataFrame, Any], pl.DataFrame]
    """(frame of `schema.FRAME`, options) → frame of the same rows in the same order."""
    options: type[StageOptions] = StageOptions


def drop_where(condition: pl.Expr, reason: str) -> pl.Expr:
    """Fill `drop` with the reason where the condition holds and nothing dropped the row before."""
    return pl.when(pl.col("drop").is_null() & condition).then(pl.lit(reason)).otherwise(pl.col("drop")).alias("drop")


@cache
def stages() -> tuple[Stage, ...]:
    """All stages in the order in which they run."""
    package = importlib.import_module("data_mix.stages")
    modules = [
        importlib.import_module(f"{package.__name__}.{module.name}") for module in pkgutil.iter_modules(package.__path__)
    ]
    return tuple(sorted((module.STAGE for module in modules), key=lambda stage: (stage.order, stage.name)))


def run_stages(frame: pl.DataFrame, options: Mapping[str, StageOptions]) -> pl.DataFrame:
    """Run every stage over the frame; `options` holds the options of each by its name."""
    for stage in stages():
        frame = stage.apply(frame, options.get(stage.name, stage.options()))
    return frame
