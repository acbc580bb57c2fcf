"""Benchmark items as training data might hold them, for `quality_decontamination.py`: the same every time."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from itertools import takewhile

import polars as pl

PLANTED = 400
"""Items of each benchmark; HumanEval has fewer."""

FILLER = (
    "I am preparing a quiz evening for our rowing club and would like your help with it. ",
    " Please take your time, and explain your answer so that a child of twelve could follow it.",
)
WORDS = ("apple", "river", "seven", "quick", "under", "blue", "maybe", "often", "table", "window", "paper", "green")


def plant(items: pl.DataFrame) -> pl.DataFrame:
    """Texts with an item each: `benchmark`, `item`, `how`, `text`."""
    prompts = items.filter(pl.col("kind") == "prompt").unique(["benchmark", "item"], keep="first", maintain_order=True)
    draw = random.Random(0)
    rows = []
    for (name,), of_benchmark in prompts.group_by("benchmark", maintain_order=True):
        for row in of_benchmark.sample(min(PLANTED, len(of_benchmark)), seed=1).rows(named=True):
            changes = CHANGES | ({"question only": question_only} if name in _WITH_MORE else {})
            rows += [(name, row["item"], how, change(row["text"], draw)) for how, change in changes.items()]
    return pl.DataFrame(rows, schema=["benchmark", "item", "how", "text"], orient="row")


def instructions(items: pl.DataFrame) -> list[str]:
    """What questions of one subject begin with alike, 13 words or more, and something else below: no item."""
    prompts = items.filter(pl.col("kind") == "prompt").with_columns(subject=pl.col("item").str.extract(r"^(.*)/"))
    grouped = prompts.drop_nulls("subject").group_by("benchmark", "subject", maintain_order=True).agg("text")
    draw = random.Random(0)
    pairs = [_alike(*draw.sample(texts, 2)) for texts in grouped["text"].to_list() for _ in range(20)]
    return [f"{text} {FILLER[0]}" for text in pairs if len(re.findall(r"\w+", text)) >= 13]


def _alike(one: str, other: str) -> str:
    return "".join(char for char, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def laid_out(text: str, draw: random.Random) -> str:
    """Another case, other blanks and other punctuation."""
    text = re.sub(r"\s+", lambda _: draw.choice([" ", "  ", "\n", "\t"]), text.upper() if draw.random() < 0.5 else text.lower())
    return re.sub(r"[.,;:?]", lambda _: draw.choice([".", "", " -", " ,"]), text)


def question_only(text: str, _draw: random.Random) -> str:
    """What stands above the choices, or the docstring."""
    docstring = re.search(r'(?:"""|\'\'\')(.*?)(?:"""|\'\'\')', text, re.DOTALL)
    return docstring[1] if docstring else re.split(r"\n(?:Options:|\(?A[.):] )", text, maxsplit=1)[0]


def edited(text: str, draw: random.Random) -> str:
    """5 % of the words replaced, one at least."""
    parts = re.split(r"(\s+)", text)
    places = [place for place, part in enumerate(parts) if part.strip()]
    for place in draw.sample(places, max(1, round(len(places) * 0.05))):
        parts[place] = draw.choice(WORDS)
    return "".join(parts)


CHANGES: dict[str, Callable[[str, random.Random], str]] = {
    "verbatim": lambda text, _: text,
    "laid out": laid_out,
    "embedded": lambda text, _: FILLER[0] + text + FILLER[1],
    "5 % edited": edited,
}
_WITH_MORE = ("mmlu", "bbh", "humaneval")
"""Benchmarks that ask more than the question."""
