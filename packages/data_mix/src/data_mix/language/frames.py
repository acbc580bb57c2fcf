"""What the stages about languages have in common: tags as an option, and which text tells a row's language."""

from __future__ import annotations

from typing import Annotated

import polars as pl
from pydantic import BeforeValidator, Field

from data_mix.errors import ConfigError
from data_mix.language import normalise_tag, parse_languages
from data_mix.language.detect import count_letters
from data_mix.schema import UNKNOWN_LANGUAGE


def _read_tags(value: object) -> object:
    """`en, pt-BR` is read as a list is; what is neither is left for pydantic to refuse."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return value
    try:
        return list(parse_languages(names))
    except ConfigError as error:
        raise ValueError(str(error)) from error  # so that it gets its place in the file


Tags = Annotated[list[str], BeforeValidator(_read_tags), Field(min_length=1)]
"""An option that takes language tags."""


def spell(tags: pl.Series) -> pl.Series:
    """The tags in canonical case; null for what is no tag."""
    spelled = {tag: normalise_tag(tag) for tag in tags.unique().drop_nulls()}
    known = [None if tag == UNKNOWN_LANGUAGE else tag for tag in spelled.values()]
    return tags if list(spelled) == known else tags.replace(list(spelled), known)


def last_answer(min_letters: int) -> pl.Expr:
    """The last answer of a conversation, or all answers together where it has fewer letters."""
    message = pl.element().struct
    is_answer = message.field("role") == "assistant"
    answers = pl.col("messages").list.filter(is_answer).list.eval(message.field("content"))
    last = answers.list.last()
    return pl.when(count_letters(last) >= min_letters).then(last).otherwise(answers.list.join("\n"))
