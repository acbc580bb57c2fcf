"""Holds the declared language of a conversation against the text of its answers: `language_mismatch`.

Only tags that came with the rows are verified, so the stage runs before `language`, which guesses those that are missing, and
which then drops by the mended tag. The last answer is identified, or all answers together where it is too short. Where that
contradicts the tag, it counts only if the text's prose says the same (`language.prose`: most contradictions are mere lists of
names), if no sentence of it is in the declared language (a text in two languages is no mistake), and if the detector is sure.

`identified` holds the language found; it stays null where nothing could be said, so that agreement is counted over what was
judged: a declared tag that the detector does not know, a text that is too short, a guess that is not sure. Languages that are
easily confused agree, and so do a language's regions and scripts.
"""

from __future__ import annotations

from functools import cache
from typing import Final, Literal

import polars as pl
from pydantic import Field

from data_mix.findings import note
from data_mix.language import LANGUAGES, base, confusable
from data_mix.language.detect import Detector, DetectorName, load_detector
from data_mix.language.frames import Tags, last_answer, spell
from data_mix.language.prose import prose
from data_mix.stage import Stage, StageOptions, drop_where

MISMATCH: Final = "language_mismatch"

_SENTENCE: Final = 20
"""Letters from which on a run of prose in the declared language makes a text a mixed one."""


class LanguageCheckOptions(StageOptions):
    """What is done about a wrong tag, and when a text contradicts its tag."""

    action: Literal["off", "keep", "drop", "relabel"] = Field(
        default="off",
        description="What becomes of a conversation in another language than declared: keep only counts it, "
        "relabel declares the one that was found; off verifies nothing.",
    )
    detector: DetectorName = Field(
        default="py3langid",
        description="What identifies the texts; langdetect takes more English for other languages, and knows no Serbian.",
    )
    candidates: Tags = Field(
        default=list(LANGUAGES),
        description="The languages in question; a conversation declared to be in another one is not verified.",
    )
    min_letters: int = Field(
        default=30,
        ge=1,
        description="A text with fewer letters, or fewer in its sentences where it contradicts its tag, is not judged; "
        "a Chinese, Japanese, Korean or Thai letter is three.",
    )
    min_confidence: float = Field(
        default=0.9, ge=0, le=1, description="The least probability at which the language found contradicts the declared one."
    )


def apply(frame: pl.DataFrame, options: LanguageCheckOptions) -> pl.DataFrame:
    """Fill `identified`, and do with the rows that contradict their tag what the options say."""
    if options.action == "off":
        return frame
    declared = spell(frame["lang"])
    detector = load_detector(options.detector, tuple(options.candidates))
    known = [tag for tag in declared.unique().drop_nulls() if detector.knows(tag)]
    is_open = declared.is_in(known).fill_null(value=False) & frame["drop"].is_null()
    if not is_open.any():
        return frame
    texts = frame.filter(is_open).select(last_answer(options.min_letters)).to_series()
    found = verify(texts, declared.filter(is_open), detector, options)
    nothing = pl.repeat(None, len(frame), dtype=pl.String, eager=True)
    return _act(frame, declared, nothing.scatter(is_open.arg_true(), found), options.action)


def verify(texts: pl.Series, declared: pl.Series, detector: Detector, options: LanguageCheckOptions) -> pl.Series:
    """The language found in each text, of which `declared` says the supposed one; null where nothing can be said."""
    found = detector.detect(texts, options.min_letters)
    doubted = _contradicts(declared, found).arg_true()
    return found.scatter(doubted, _judge(prose(texts.gather(doubted)), declared.gather(doubted), detector, options))


def _contradicts(declared: pl.Series, found: pl.Series) -> pl.Series:
    return pl.Series(
        [not (one is None or other is None or _agree(one, other)) for one, other in zip(declared, found, strict=True)],
        dtype=pl.Boolean,
    )


@cache
def _agree(declared: str, found: str) -> bool:
    return base(found) in confusable(declared)


def _judge(runs: pl.Series, declared: pl.Series, detector: Detector, options: LanguageCheckOptions) -> pl.Series:
    """The language of each text's prose; null where it is in doubt whether the text is in the declared one."""
    texts = runs.list.join("\n")
    found = detector.detect(texts, options.min_letters)
    wrong = _contradicts(declared, found) & ~_is_mixed(runs, declared, detector)
    sure = [
        detector.probability(texts[place], confusable(found[place])) >= options.min_confidence for place in wrong.arg_true()
    ]
    wrong = wrong.scatter(wrong.arg_true(), sure)
    return pl.select(pl.when(wrong | ~_contradicts(declared, found)).then(found)).to_series()


def _is_mixed(runs: pl.Series, declared: pl.Series, detector: Detector) -> pl.Series:
    """Whether a run of each text's prose is in the declared language."""
    parts = pl.DataFrame({"text": pl.int_range(len(runs), eager=True), "run": runs}).explode("run", empty_as_null=False)
    found = detector.detect(parts["run"], _SENTENCE)
    agree = found.is_not_null() & ~_contradicts(declared.gather(parts["text"]), found)
    return pl.int_range(len(runs), eager=True).is_in(parts["text"].filter(agree).unique().implode())


def _act(frame: pl.DataFrame, declared: pl.Series, found: pl.Series, action: str) -> pl.DataFrame:
    wrong = _contradicts(declared, found)
    frame = frame.with_columns(note(wrong, MISMATCH), identified=found)
    if action == "drop":
        return frame.with_columns(drop_where(pl.lit(wrong), MISMATCH))
    if action == "relabel":
        return frame.with_columns(lang=found.zip_with(wrong, frame["lang"]))
    return frame


STAGE = Stage(name="language_check", order=35, apply=apply, options=LanguageCheckOptions)
