"""Gives every conversation a language tag, and drops those in a language that is not wanted: `wrong_language`.

A declared tag is only spelled in canonical case. Where there is none, the last answer is identified; where that is too short,
all answers together; where they are too short as well, the tag stays unknown. Dropped rows are not identified.

A guess is weaker than a tag: it drops a row only where the detector knows every language that is kept (langdetect takes
Serbian for its neighbours), and where the guess is not easily confused with one of them.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Literal

import polars as pl
from pydantic import Field

from data_mix.language import LANGUAGES, confusable, matches
from data_mix.language.detect import Detector, DetectorName, load_detector
from data_mix.language.frames import Tags, last_answer, spell
from data_mix.stage import Stage, StageOptions, drop_where

_log = logging.getLogger(__name__)


class LanguageOptions(StageOptions):
    """How languages are identified, and which are kept."""

    detector: DetectorName | Literal["none"] = Field(
        default="py3langid", description="What identifies conversations without a tag; none leaves them unknown."
    )
    candidates: Tags = Field(
        default=list(LANGUAGES),
        description="The languages in question: a conversation without a tag is taken to be in one of them.",
    )
    min_letters: int = Field(
        default=20,
        ge=1,
        description="A text with fewer letters is too short to identify; a Chinese, Japanese, Korean or Thai one is three.",
    )
    keep: Tags | None = Field(
        default=None,
        description="Drop conversations known to be in another language than these (pt keeps pt-BR too); unset: keep all.",
    )


def apply(frame: pl.DataFrame, options: LanguageOptions) -> pl.DataFrame:
    """Fill `lang`, and `drop` of the rows in a language that is not wanted."""
    declared = spell(frame["lang"])
    frame = _drop_foreign(frame.with_columns(declared), declared, options.keep)
    is_open = declared.is_null() & frame["drop"].is_null()
    if options.detector == "none" or not is_open.any():
        return frame
    detector = load_detector(options.detector, tuple(dict.fromkeys([*options.candidates, *(options.keep or [])])))
    guessed = _guess(frame, is_open, detector, options.min_letters)
    frame = frame.with_columns(lang=declared.zip_with(declared.is_not_null(), guessed))
    return _drop_foreign(frame, guessed, _beyond_doubt(options.keep, detector))


def _guess(frame: pl.DataFrame, is_open: pl.Series, detector: Detector, min_letters: int) -> pl.Series:
    """The tags of the open rows, identified; null for all others."""
    texts = frame.filter(is_open).select(last_answer(min_letters)).to_series()
    guessed = pl.repeat(None, len(frame), dtype=pl.String, eager=True)
    return guessed.scatter(is_open.arg_true(), detector.detect(texts, min_letters))


def _beyond_doubt(keep: list[str] | None, detector: Detector) -> list[str] | None:
    """What a guess must match for its row to stay; None, every row stays, where the detector does not know all that is kept."""
    if keep is None:
        return None
    unknown = [tag for tag in keep if not detector.knows(tag)]
    if unknown:
        _warn_of_unknown(detector.name, ", ".join(unknown))
        return None
    return sorted({taken_for for tag in keep for taken_for in confusable(tag)})


@cache
def _warn_of_unknown(detector: str, languages: str) -> None:
    _log.warning("%s knows no %s: no conversation is dropped on its guess; py3langid may know it", detector, languages)


def _drop_foreign(frame: pl.DataFrame, tags: pl.Series, keep: list[str] | None) -> pl.DataFrame:
    """Drop the rows whose tag is known and matches nothing that is kept; None keeps all."""
    if keep is None:
        return frame
    foreign = [tag for tag in tags.unique().drop_nulls() if not matches(tag, keep)]
    return frame.with_columns(drop_where(pl.lit(tags.is_in(foreign).fill_null(value=False)), "wrong_language"))


STAGE = Stage(name="language", order=40, apply=apply, options=LanguageOptions)
