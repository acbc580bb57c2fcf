"""Figures that others have published, each with its source, in tables of the protocol by which they were measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_CARD: Final = "its model card"
_CITED: Final = "instruct-eval, README; ikala's card has this row one column off"


@dataclass(frozen=True, kw_only=True)
class Published:
    """A row of somebody else's table."""

    model: str
    protocol: str
    percents: Mapping[str, float]
    """By task, of the metric that stands in tables."""
    source: str


PUBLISHED: Final = (
    Published(
        model="ikala/redpajama-3b-chat",
        protocol="card",
        percents={"mmlu": 24.6, "bbh": 29.3, "humaneval": 4.8},
        source=_CARD,
    ),
    Published(
        model="ikala/bloom-zh-3b-chat",
        protocol="card",
        percents={"mmlu": 31.4, "bbh": 30.2, "humaneval": 0.0},
        source=_CARD,
    ),
    Published(
        model="llama-7b (reference)",
        protocol="card",
        percents={"mmlu": 35.2, "bbh": 30.9, "humaneval": 10.3},
        source=_CITED,
    ),
)
