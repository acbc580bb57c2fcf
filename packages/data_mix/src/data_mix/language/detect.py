"""Language identification: which of the languages in question a text is written in.

    py3langid    knows every language of the reference mix; both scripts of Chinese are `zh` to it
    langdetect   tells `zh` from `zh-TW`, and knows no Serbian; its Rust twin langdetect-rs answers for it, thirty times as
                 fast, where that is installed

An answer depends on the text and the languages in question alone, not on the order of calls, the process or the file system.
Each detector has a fast path and a plain one; the fast one is used only after it gave the plain one's answers on `PROOF`.
"""

from __future__ import annotations

import importlib
import logging
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Literal

import langdetect
import numpy as np
import polars as pl
from py3langid.langid import MODEL_FILE, RAW_FLOOR, LanguageIdentifier

from data_mix.errors import ConfigError
from data_mix.language.langid_walk import LangidWalk, encode
from data_mix.language.tags import base

DetectorName = Literal["py3langid", "langdetect"]
Classify = Callable[[Sequence[str]], list[str | None]]
"""Texts → a detector's own label of each; None where it finds nothing that it knows."""
Weigh = Callable[[str], Mapping[str, float]]
"""A text → the probabilities of a detector's own labels, the improbable ones possibly left out."""

LONGEST: Final = 2000
"""Characters of a text that are read: its beginning tells its language."""

PROOF: Final = (
    "The river rose overnight, and by morning the lower road was under water.",
    "Der Zug nach München fährt heute von einem anderen Gleis ab.",
    "La réunion est reportée à jeudi, faute de salle disponible.",
    "El panadero abre antes de que salga el sol.",
    "O ônibus das sete horas chegou vinte minutos atrasado.",
    "Drugi most preko rijeke bit će otvoren u proljeće.",
    "Нова библиотека отвара врата у понедељак ујутру.",
    "Завтра обещают дождь, возьмите с собой зонт.",
    "Вулиця перед школою сьогодні зачинена для машин.",
    "明日の会議は三階の小さな部屋で行います。",
    "這家書店的二樓有一間安靜的咖啡館。",
    "这条河在春天水位最高。",
    "오늘 저녁에는 비가 올 것 같습니다.",
    "ร้านอาหารปิดทุกวันจันทร์",
    "See https://example.org/a?b=1 or write to me@example.org",
    "OK 42",
)
"""Sentences of our own, on which a fast path must agree with the plain one."""

_TAGS: Final = {"zh-cn": "zh", "zh-tw": "zh-TW"}
_STAND_INS: Final = {"sr": "mk"}  # what Serbian in Cyrillic looks like to langdetect, so that it is not taken for Bulgarian

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Detector:
    """A detector that is held to the languages in question."""

    name: DetectorName
    tags: Mapping[str, str]
    """The tag that each of its labels gives; a label without one gives none."""
    classify: Classify
    weigh: Weigh

    @property
    def languages(self) -> frozenset[str]:
        """The tags that it can give."""
        return frozenset(self.tags.values())

    def knows(self, tag: str) -> bool:
        """Whether it can tell the language of the tag, its region left aside."""
        return base(tag) in {base(known) for known in self.languages}

    def detect(self, texts: pl.Series, min_letters: int) -> pl.Series:
        """A tag per text; null where the text has fewer letters than `min_letters`, or the detector finds nothing in it."""
        heads = texts.str.head(LONGEST)
        places = pl.select((count_letters(pl.lit(heads)) >= min_letters).arg_true()).to_series()
        labels = self.classify(heads.gather(places).to_list())
        tags = pl.Series([self.tags.get(label or "") for label in labels], dtype=pl.String)
        return pl.repeat(None, len(texts), dtype=pl.String, eager=True).scatter(places, tags)

    def probability(self, text: str, tags: Collection[str]) -> float:
        """How probable it is that the text is in one of these languages, regions left aside; a text at a time, so slower."""
        weights = self.weigh(text[:LONGEST])
        return sum(weight for label, weight in weights.items() if label in self.tags and base(self.tags[label]) in tags)


def count_letters(text: pl.Expr) -> pl.Expr:
    """How many letters a text has, or its beginning where it is long; a Chinese, Japanese, Korean or Thai one is three."""
    head = text.str.head(LONGEST)
    return head.str.count_matches(r"\p{L}") + 2 * head.str.count_matches(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}]")


@cache
def load_detector(name: DetectorName, languages: tuple[str, ...]) -> Detector:
    """The detector, held to the languages; takes up to a second for each new pair.

    Raises ConfigError where it knows fewer than two of them, for then there is nothing to tell apart.
    """
    return {"py3langid": _load_py3langid, "langdetect": _load_langdetect}[name](languages)


def _load_py3langid(languages: Sequence[str]) -> Detector:
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    tags = _in_question("py3langid", identifier.labels, languages)
    identifier.set_languages(list(tags))

    def plain(texts: Sequence[str]) -> list[str | None]:
        found = [identifier.classify(text) for text in texts]
        return [label if score > RAW_FLOOR else None for label, score in found]

    fast = LangidWalk(identifier).classify
    classify = proven(fast, plain, "py3langid in batches")
    return Detector(name="py3langid", tags=tags, classify=classify, weigh=lambda text: _weigh(identifier, text))


def _weigh(identifier: LanguageIdentifier, text: str) -> Mapping[str, float]:
    """Probabilities at py3langid's own temperature, the root of a text's bytes, which keeps long texts from being too sure."""
    labels, scores = zip(*identifier.rank(text), strict=True)
    logits = np.array(scores) / math.sqrt(len(encode(text)) or 1)
    weights = np.exp(logits - logits.max())
    return dict(zip(labels, (weights / weights.sum()).tolist(), strict=True))


def _load_langdetect(languages: Sequence[str]) -> Detector:
    profiles = {path.name: path.read_text("utf-8") for path in sorted(Path(langdetect.PROFILES_DIRECTORY).iterdir())}
    tags = _in_question("langdetect", profiles, languages)
    stand_ins = {_STAND_INS[language] for language in map(base, languages) if language in _STAND_INS}
    held = {label: text for label, text in profiles.items() if label in tags or label in stand_ins}
    asked = _Langdetect.load(langdetect, held)
    twin = _twin()
    if twin is not None:
        asked_of_twin = _Langdetect.load(twin, held)
        is_proven = proven(asked_of_twin.classify, asked.classify, twin.__name__) == asked_of_twin.classify
        asked = asked_of_twin if is_proven else asked
    return Detector(name="langdetect", tags=tags, classify=asked.classify, weigh=asked.weigh)


def _in_question(name: DetectorName, labels: Iterable[str], languages: Sequence[str]) -> dict[str, str]:
    """The labels that stand for a language in question, each with the tag that it gives."""
    bases = {base(language) for language in languages}
    tags = {label: _TAGS.get(label, label) for label in labels}
    held = {label: tag if tag in languages else base(tag) for label, tag in tags.items() if base(tag) in bases}
    if len(set(held.values())) < 2:
        known = ", ".join(held.values()) or "none"
        raise ConfigError(f"{name} knows {known} of the languages {', '.join(languages)}; it needs two or more candidates")
    return held


def _twin() -> ModuleType | None:
    try:
        return importlib.import_module("langdetect_rs")
    except ImportError:
        _log.info("langdetect-rs is not installed; langdetect answers, which takes thirty times as long")
        return None


@dataclass(frozen=True, kw_only=True)
class _Langdetect:
    """langdetect or its twin, with some profiles alone.

    langdetect's own factory loads the profiles in the order of the file system, which changes its sums; and it takes most
    traditional Chinese for Korean, which no text without Hangul is.
    """

    module: ModuleType
    any_script: Any
    no_hangul: Any

    @classmethod
    def load(cls, module: ModuleType, profiles: Mapping[str, str]) -> _Langdetect:
        """Make its factories of the profiles."""
        no_korean = [text for label, text in profiles.items() if label != "ko"]
        any_script = _factory(module, list(profiles.values()))
        no_hangul = _factory(module, no_korean) if len(no_korean) > 1 else any_script
        return cls(module=module, any_script=any_script, no_hangul=no_hangul)

    def classify(self, texts: Sequence[str]) -> list[str | None]:
        """The label of each text."""
        has_hangul = pl.Series(texts, dtype=pl.String).str.contains(r"\p{Hangul}")
        factories = [self.any_script if has else self.no_hangul for has in has_hangul]
        return [self._ask(factory, text) for factory, text in zip(factories, texts, strict=True)]

    def weigh(self, text: str) -> Mapping[str, float]:
        """The probabilities of a text's labels; those below a tenth are left out."""
        has_hangul = pl.Series([text]).str.contains(r"\p{Hangul}").item()
        detector = (self.any_script if has_hangul else self.no_hangul).create()
        detector.append(text)
        try:
            return {str(found.lang): float(found.prob) for found in detector.get_probabilities()}
        except self.module.LangDetectException:  # no features in the text
            return {}

    def _ask(self, factory: Any, text: str) -> str | None:
        detector = factory.create()
        detector.append(text)
        try:
            return str(detector.detect())
        except self.module.LangDetectException:
            return None


def _factory(module: ModuleType, profiles: list[str]) -> Any:
    factory = module.DetectorFactory()
    factory.load_json_profile(profiles)
    factory.set_seed(0)  # langdetect starts its random numbers anew for every text
    return factory


def proven(fast: Classify, plain: Classify, name: str) -> Classify:
    """The fast path if it answers on `PROOF` as the plain one does, else the plain one with a warning."""
    if fast(PROOF) == plain(PROOF):
        return fast
    _log.warning("%s does not give the answers that it should; the slower way is taken", name)
    return plain
