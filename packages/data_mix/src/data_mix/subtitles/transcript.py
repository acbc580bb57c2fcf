"""The subtitles of one talk in one language, and where their sentences end.

    Transcript(language="en", starts=(1000, 2400, 4000), texts=("And that day,", "everything changed.", "We left."))

A subtitle holds what is said from its time until that of the next one: often a piece of a sentence, sometimes the end of
one and the beginning of another.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]
Places = NDArray[np.intp]

_UNSPACED: Final = frozenset({"zh", "zh-tw", "ja", "th"})

_CLOSERS: Final = " \t\n\u00a0\u3000\"'”’“„«»›‹」』）)]】》〉♫♪"
"""What may follow the last full stop of a text."""

_STOPS: Final = ".!?…‼⁇⁈⁉"
_WIDE_STOPS: Final = "。！？｡．"
"""These end a sentence whether or not a blank follows."""

_PAUSES: Final = ",;:、，；："
_SENTENCE: Final = re.compile(
    rf"(?<![{_STOPS}])[{_STOPS}]++[{re.escape(_CLOSERS.strip())}]*+(?=\s|$)|[{_WIDE_STOPS}]++[{re.escape(_CLOSERS.strip())}]*+"
)

_LENGTHS: Final = {"en": 1.0, "zh": 0.33, "zh-tw": 0.31, "ja": 0.43, "ko": 0.5, "th": 0.96}
"""Characters that a text takes for one of its English translation: means over FLORES-200."""

_LENGTH: Final = 1.08
"""The same for other languages."""

_FEW: Final = 0.1
"""With fewer sentence ends than this per subtitle, a transcript is held to leave its full stops away."""


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """Subtitles in order of time."""

    language: str
    starts: tuple[int, ...]
    """When each subtitle appears, in milliseconds, ascending."""
    texts: tuple[str, ...]
    """What it says; "" where upstream left it empty."""


@dataclass(frozen=True, kw_only=True)
class Marked:
    """A transcript with the places at which its sentences end."""

    transcript: Transcript
    starts: Times
    """The subtitles' times, by the clock of the transcript that it is compared with."""
    ends: Places
    """The subtitles before which a sentence ends, or may end where `marks` is none; ascending."""
    marks: Literal["own", "reference", "none"]
    """Whose punctuation says so: its own, that of another transcript of the talk, or nobody's."""

    @property
    def is_sure(self) -> bool:
        """Whether sentences do end at `ends`."""
        return self.marks != "none"

    @cached_property
    def end(self) -> float:
        """About when the last subtitle goes: it is shown as long per character as the others usually are."""
        lengths = np.array([len(text) for text in self.transcript.texts])
        paces = (np.diff(self.starts) / np.maximum(lengths[:-1], 1))[lengths[:-1] > 0]
        return float(self.starts[-1] + (np.median(paces) * lengths[-1] if len(paces) else 0))

    def text(self, start: int, stop: int) -> str:
        """The running text of some subtitles."""
        return join(self.transcript.texts[start:stop], self.transcript.language)


def mark(transcript: Transcript, other: Transcript | None = None) -> Marked:
    """Find where sentences end.

    Translators of some languages leave full stops away. Where sentence ends are few for so many subtitles, or come less than
    half as often as in the other transcript, sentences may end at every subtitle but after a comma.
    """
    texts = transcript.texts
    found, expected = sum(map(count_sentences, texts)), _density(other) * _length(transcript) / 2 if other else 0
    has_marks = found >= max(_FEW * len(texts), expected)
    places = np.array(_ends(texts) if has_marks else _no_pauses(texts), dtype=np.intp)
    starts = np.array(transcript.starts, dtype=np.float64)
    return Marked(transcript=transcript, starts=starts, ends=places, marks="own" if has_marks else "none")


def english_length(text: str, language: str) -> float:
    """About how many characters the text's English translation takes."""
    return len(text) / _LENGTHS.get(language, _LENGTH)


def _length(transcript: Transcript) -> float:
    return sum(english_length(text, transcript.language) for text in transcript.texts)


def _density(transcript: Transcript) -> float:
    """Sentence ends per character."""
    return sum(map(count_sentences, transcript.texts)) / max(_length(transcript), 1)


def count_sentences(text: str) -> int:
    """How many sentences end in the text."""
    return len(_SENTENCE.findall(text))


def ends_sentence(text: str) -> bool:
    """Whether the text ends with the end of a sentence."""
    return text.rstrip(_CLOSERS).endswith(tuple(_STOPS + _WIDE_STOPS))


def inner_ends(text: str) -> list[float]:
    """Where sentences end before the end of the text, as shares of its length."""
    ends = (found.end() for found in _SENTENCE.finditer(text))
    return [end / len(text) for end in ends if end < len(text.rstrip(_CLOSERS))]


def join(texts: Sequence[str], language: str) -> str:
    """Join subtitles to running text: without blanks where the language writes none, except between Latin letters."""
    parts = [text for text in texts if text]
    if language not in _UNSPACED:
        return " ".join(parts)
    blanks = [" " if before[-1].isascii() and after[0].isascii() else "" for before, after in pairwise(parts)]
    return "".join(blank + text for blank, text in zip(["", *blanks], parts, strict=False))


def _ends(texts: Sequence[str]) -> list[int]:
    """The subtitles before which a sentence ends; an empty one changes nothing."""
    places, has_ended = [], True
    for place, text in enumerate(texts):
        if has_ended:
            places.append(place)
        has_ended = ends_sentence(text) if text else has_ended
    return places


def _no_pauses(texts: Sequence[str]) -> list[int]:
    """The first subtitle, and those before which no comma stands."""
    return [
        place for place in range(len(texts)) if place == 0 or not texts[place - 1].rstrip(_CLOSERS).endswith(tuple(_PAUSES))
    ]
