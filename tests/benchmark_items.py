"""Benchmarks of the tests' own writing, and the items that are found in texts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

import polars as pl

from data_mix.decontamination.finding import find_items
from data_mix.decontamination.index import build_index
from data_mix.decontamination.items import read_items
from data_mix.decontamination.settings import BenchmarkFile, DecontaminationOptions
from data_mix.source import LocalFile

LONG: Final = (
    "Nora grows 14 rows of leeks behind the mill and sells every third bundle at the harbour market for 6 crowns. "
    "How many crowns does she bring home after two market days?"
)
CHOICES: Final = "\nA. the tide\nB. a paper lantern\nC. seven grey herons\nD. the ferryman's bell\nAnswer:"
ASKED: Final = "What did the lighthouse keeper of Ostrel hear on the night the pier gave way?"


_WORDS: Final = (
    "heron mill leek harbour lantern ferry reed copper ladder orchard thimble gravel saddle tide pepper violin candle meadow "
    "anchor basket kettle window feather walnut marble ribbon saffron barley compass pigeon tunnel velvet"
)


def sentence(seed: int, count: int) -> str:
    """So many words that hardly come in this order under another seed."""
    return " ".join(Random(seed).choices(_WORDS.split(), k=count)) + "."


def export(folder: Path, items: Sequence[Mapping[str, Any]], name: str = "prompts.jsonl") -> LocalFile:
    """A file as `datamix eval --export-prompts` writes it."""
    path = folder / name
    lines = [{"benchmark": "own", "subject": "s", "answer": "A", **item} for item in items]
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf8")
    return LocalFile(name=name, path=path, sha256="")


def items_of(prompts: Sequence[str], answer: str = "A") -> pl.DataFrame:
    """The items of a benchmark that asks these, with the ids 0, 1, …; all have the same answer."""
    rows = [("own", str(number), kind, text) for number, asked in enumerate(prompts) for kind, text in _texts(asked, answer)]
    return pl.DataFrame(rows, schema=["benchmark", "item", "kind", "text"], orient="row")


def _texts(asked: str, answer: str) -> list[tuple[str, str]]:
    return [("prompt", asked), ("answer", answer)]


def items_read(folder: Path, prompts: Sequence[str]) -> pl.DataFrame:
    """The same, read from an export."""
    return read_items(
        BenchmarkFile(path="-"), [export(folder, [{"id": str(at), "prompt": asked} for at, asked in enumerate(prompts)])]
    )


def found(items: pl.DataFrame, text: str, **options: Any) -> list[str]:
    """The ids of the items in a text."""
    index, _ = build_index(items, DecontaminationOptions(**options))
    return [match.item for match in find_items(pl.Series([text]), index)]
