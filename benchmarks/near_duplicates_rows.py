"""Conversations for `bench_near_duplicates.py`: sentences of real texts put together anew, and one of ten a changed copy.

A row is a question and an answer of one to six sentences each, all of one language, from Dolly, GSM8K, MMLU and FLORES-200. A
tenth of the rows are copies of an earlier one with one word of twenty changed; `copy_of` names it.
"""

from __future__ import annotations

import csv
import random
import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl

COPIES = 0.1
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")
_WORD = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]{1,2}|[\u0e00-\u0e7f]{1,4}|[^\W_\u0e00-\u0e7f\u3040-\u30ff\u4e00-\u9fff]+")


def make(shared: Path, rows: int, path: Path) -> None:
    """Write so many rows (`id`, `prompt`, `response`, `copy_of`) as Parquet: the same for the same number."""
    pools, draw = _pools(shared), random.Random(0)
    languages = ["en"] * 3 + sorted(pools)  # a third or so in English, of which there is most
    drawn: list[tuple[str, str, int | None]] = []
    for place in range(rows):
        if place > 100 and draw.random() < COPIES:
            of = draw.randrange(place)
            prompt, response, before = drawn[of]
            of = before if before is not None else of
            prompt, response, _ = drawn[of]
            drawn.append((*_changed(prompt, response, draw), of))
        else:
            pool = pools[draw.choice(languages)]
            drawn.append((_text(pool, draw), _text(pool, draw), None))
    frame = pl.DataFrame(drawn, schema={"prompt": pl.String, "response": pl.String, "copy_of": pl.Int64}, orient="row")
    frame.with_row_index("id").write_parquet(path)


def _pools(shared: Path) -> dict[str, list[str]]:
    hub = shared / "hub/datasets"
    dolly = pl.read_ndjson(hub / "databricks/databricks-dolly-15k/databricks-dolly-15k.jsonl")
    gsm8k = pl.read_parquet(hub / "openai/gsm8k/main/train-00000-of-00001.parquet")
    texts = [*dolly["context"], *dolly["response"], *gsm8k["question"], *gsm8k["answer"], *_mmlu(shared / "eval/mmlu/test")]
    pools = {"en": sorted({part for text in texts for part in _SENTENCE.split(text) if len(part) > 30})}
    for file in sorted((shared / "langid/flores200").glob("*.devtest")):
        pools[file.stem] = file.read_text(encoding="utf8").splitlines()
    return pools


def _mmlu(folder: Path) -> Iterator[str]:
    for file in sorted(folder.glob("*.csv")):
        with file.open(encoding="utf8", newline="") as lines:
            yield from (row[0] for row in csv.reader(lines))


def _text(pool: list[str], draw: random.Random) -> str:
    return " ".join(draw.choice(pool) for _ in range(draw.randint(1, 6)))


def _changed(prompt: str, response: str, draw: random.Random) -> tuple[str, str]:
    """One word of twenty is left out or written twice, or another of the row takes its place."""
    words = _WORD.findall(f"{prompt} {response}")

    def change(match: re.Match[str]) -> str:
        if draw.random() > 0.05:
            return match[0]
        return draw.choice((f"{match[0]} {match[0]}", "", draw.choice(words)))

    return _WORD.sub(change, prompt), _WORD.sub(change, response)
