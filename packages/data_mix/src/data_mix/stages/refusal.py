"""Finds answers that refuse, and answers in which a model speaks of itself: `refusal`, `boilerplate`.

By lists of phrases (`phrases/answers.yaml`) and the mix's own. A refusal stands at the beginning of an answer, boilerplate
anywhere in it. Phrases are literal text. Case, the kinds of apostrophes and what stands between words make no difference; a
phrase is found as whole words, but where it begins or ends in a letter of a script that writes no blanks between them.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Annotated, Final, Literal, get_args

import polars as pl
from pydantic import AfterValidator, Field
from ruamel.yaml import YAML

from data_mix.findings import note
from data_mix.language import matches
from data_mix.language.frames import Tags
from data_mix.stage import Stage, StageOptions, drop_where

ListName = Literal["refusal", "boilerplate"]
LISTS: Final[tuple[ListName, ...]] = get_args(ListName)

_DENSE: Final = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}ー]"
_APOSTROPHE: Final = "\u02bc"  # a letter, so that it is part of a word; a quotation mark is not


def _with_words(phrase: str) -> str:
    """Refuse a phrase that every text would hold."""
    if not any(map(str.isalnum, phrase)):
        raise ValueError(f"a phrase is {phrase!r}, wanted one with a letter or a digit")
    return phrase


def _listed(languages: list[str]) -> list[str]:
    known = {language for name in LISTS for language in _book()[name]}
    unknown = [language for language in languages if not any(matches(one, [language]) for one in known)]
    if unknown:
        raise ValueError(f"no phrases are listed for {', '.join(unknown)}, only for {', '.join(sorted(known))}")
    return languages


Phrase = Annotated[str, AfterValidator(_with_words)]


class RefusalOptions(StageOptions):
    """Which lists are looked for, and what is done about what is found."""

    lists: list[ListName] = Field(default=[], description="The lists of phrases to look for: refusal, boilerplate.")
    action: Literal["report", "drop"] = Field(
        default="report", description="Whether a conversation with such an answer is only counted, or dropped."
    )
    languages: Annotated[Tags, AfterValidator(_listed)] | None = Field(
        default=None,
        description="Languages whose phrases are looked for, whatever a conversation's own; unset: all listed ones.",
    )
    phrases: dict[ListName, list[Phrase]] = Field(
        default_factory=dict,
        description="Phrases of your own, as literal text, beside a list or in place of one that lists does not name: "
        "{refusal: [I would rather not]}.",
    )
    opening: int = Field(
        default=100, ge=1, description="Characters at an answer's beginning in which a refusal must begin; blanks do not count."
    )


def apply(frame: pl.DataFrame, options: RefusalOptions) -> pl.DataFrame:
    """Note what is found, an item per answer, and fill `drop` where that is wanted."""
    for name in LISTS:
        phrases = _phrases(name, options)
        if phrases:
            frame = _look(frame, name, phrases, options)
    return frame


def _look(frame: pl.DataFrame, name: ListName, phrases: list[str], options: RefusalOptions) -> pl.DataFrame:
    message = pl.element().struct
    content = message.field("content").fill_null("")
    text = fold(content, options.opening) if name == "refusal" else fold(content)
    found = (message.field("role") == "assistant") & text.str.contains_any(phrases)
    times = frame.select(pl.when(pl.col("drop").is_null()).then(pl.col("messages").list.eval(found).list.sum())).to_series()
    times = times.fill_null(0)
    frame = frame.with_columns(note(times, name))
    return frame.with_columns(drop_where(pl.lit(times) > 0, name)) if options.action == "drop" else frame


def fold(text: pl.Expr, opening: int | None = None) -> pl.Expr:
    """Write a text, or so many characters of it, as words with one blank around each, so that whole words can be looked for.

    There are no blanks beside the letters of a script that writes none. Where the text is cut, the last word has no end, for it
    may go on; it has one where the next character is none of a word.
    """
    end = pl.lit(" ")
    if opening is not None:
        text = text.str.strip_chars_start()
        end = pl.when(text.str.len_chars() > opening).then(pl.lit("")).otherwise(end)
        text = text.str.head(opening + 1)
    words = pl.concat_str(pl.lit(" "), text.str.to_lowercase(), end)
    words = words.str.replace_all(r"\b['’]\b", _APOSTROPHE).str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ")
    return words.str.replace_all(rf" ?({_DENSE}) ?", "$1")


def _phrases(name: ListName, options: RefusalOptions) -> list[str]:
    """The phrases to look for under a name, folded as texts are."""
    book = _book()[name] if name in options.lists else {}
    listed = [
        phrase
        for language, phrases in book.items()
        if options.languages is None or matches(language, options.languages)
        for phrase in phrases
    ]
    phrases = pl.DataFrame({"phrase": [*listed, *options.phrases.get(name, [])]}, schema={"phrase": pl.String})
    return phrases.select(fold(pl.col("phrase")).unique(maintain_order=True)).to_series().to_list()


@cache
def _book() -> dict[str, dict[str, list[str]]]:
    text = files("data_mix").joinpath("phrases/answers.yaml").read_text("utf-8")
    book: dict[str, dict[str, list[str]]] = YAML(typ="safe").load(text)
    return book


STAGE = Stage(name="refusal", order=55, apply=apply, options=RefusalOptions)
