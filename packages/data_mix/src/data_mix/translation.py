"""A pair of texts in two languages → a conversation: the direction and the instruction are drawn per row.

Both are drawn by the hash of the row's id, so they depend on nothing but the row itself. The instructions stand in
`instructions/translation.yaml`; a row's is one of

    those written in the language to translate into,
    those written in the language of the text,
    those written in English.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field
from ruamel.yaml import YAML

from data_mix.errors import ConfigError
from data_mix.hashing import draw, hash_strings
from data_mix.language import normalise_tag
from data_mix.schema import pair
from data_mix.source import Entry, SourceOptions

TEXT: Final = "{text}"
"""Where an instruction holds the text to translate."""

_INTO: Final = "{into}"


class TranslationOptions(SourceOptions):
    """The options of a source of sentence pairs."""

    direction: Literal["both", "forward", "backward"] = Field(
        "both", description="Translate forward, into the second language of the name, backward, or row by row one of both."
    )


def refuse_language(entry: Entry) -> None:
    """Raise ConfigError where the mix declares a language: the languages are those of the name, row by row."""
    if entry.options.lang is not None:
        raise ConfigError(
            f"entry {entry.name!r}: lang: found {entry.options.lang!r}, but a translation's language is that of its answer, "
            "row by row; take lang out (direction: forward or backward makes it one for all)"
        )


@cache
def instructions(source: str, target: str) -> tuple[str, ...]:
    """All instructions to translate from one language into another, each with `TEXT` in it once.

    Raises KeyError for a language that `instructions/translation.yaml` does not have.
    """
    book = _book()
    named = "zh-cn" if (source, target) == ("zh-tw", "zh") else target
    writers = dict.fromkeys((source, "en"))
    return (*book["target"][named], *(text for writer in writers for text in _written_in(writer, named)))


def conversations(pairs: pl.DataFrame, entry: Entry, languages: tuple[str, str]) -> pl.DataFrame:
    """Add `messages` and `lang` to rows of `key`, `a` and `b`, the texts in the two languages in that order.

    Where the text to translate is blank its turn is empty, without an instruction, so that the stages drop the row.
    """
    ids = f"{entry.name}/" + pairs["key"]
    backward = _backward(ids, entry)
    before, after = _instructions(ids, entry.seed, backward, languages)
    flip, a, b = pl.lit(pl.Series(backward)), pl.col("a").fill_null(""), pl.col("b").fill_null("")
    source, target = pl.when(flip).then(b).otherwise(a), pl.when(flip).then(a).otherwise(b)
    prompt = (
        pl.when(source.str.contains(r"\S")).then(pl.concat_str(pl.lit(before), source, pl.lit(after))).otherwise(pl.lit(""))
    )
    first, second = (pl.lit(normalise_tag(language)) for language in languages)
    return pairs.with_columns(pair(prompt, target), lang=pl.when(flip).then(first).otherwise(second)).drop("a", "b")


def _backward(ids: pl.Series, entry: Entry) -> NDArray[np.bool_]:
    """Whether each row translates from the second language into the first."""
    direction = getattr(entry.options, "direction", "both")
    if direction == "both":
        return np.asarray(draw(ids, entry.seed, "direction", 2) == 1)
    return np.full(len(ids), direction == "backward")


def _instructions(
    ids: pl.Series, seed: int, backward: NDArray[np.bool_], languages: tuple[str, str]
) -> tuple[pl.Series, pl.Series]:
    """What stands before and after each row's text."""
    forth, back = instructions(*languages), instructions(*reversed(languages))
    choices = np.where(backward, np.uint64(len(back)), np.uint64(len(forth)))
    places = hash_strings(ids, seed, "instruction") % choices + np.where(backward, np.uint64(len(forth)), np.uint64(0))
    halves = pl.DataFrame([text.split(TEXT) for text in (*forth, *back)], schema=["before", "after"], orient="row")
    drawn = halves[places.astype(np.int64)]
    return drawn["before"], drawn["after"]


def _written_in(writer: str, target: str) -> list[str]:
    """The instructions in the language `writer` to translate into another; none where it has no name for it."""
    voice = _book()["source"].get(writer, {"templates": [], "into": {}})
    into = voice["into"].get(target)
    return [] if into is None else [text.replace(_INTO, into) for text in voice["templates"]]


@cache
def _book() -> dict[str, Any]:
    """The instructions as they stand in the file."""
    text = files("data_mix").joinpath("instructions", "translation.yaml").read_text(encoding="utf-8")
    book: dict[str, Any] = YAML(typ="safe").load(text)
    return book
