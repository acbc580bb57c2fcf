"""py3langid in batches, against py3langid text by text."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from data_mix.language.langid_walk import LangidWalk
from sentences import SENTENCES

HELD = ["de", "en", "hr", "ja", "ko", "ru", "sr", "th", "zh"]


@cache
def identifier() -> LanguageIdentifier:
    """The library's own, held to a few languages (loading takes half a second)."""
    found = LanguageIdentifier.from_model_file(MODEL_FILE)
    found.set_languages(HELD)
    return found


@cache
def walk() -> LangidWalk:
    """Ours over the same model."""
    return LangidWalk(identifier())


def one_by_one(texts: list[str]) -> list[str]:
    """The library's answers."""
    return [identifier().classify(text)[0] for text in texts]


@given(st.lists(st.sampled_from([*SENTENCES.values(), "ALL CAPITALS HERE", "e\u0301te\u0301 a\u0300 la plage"]), max_size=30))
@settings(max_examples=30, deadline=None)  # the model is loaded inside
def test_a_batch_gives_what_single_texts_give(texts: list[str]) -> None:
    """Whatever stands beside a text, and in whatever order, its label is the library's own."""
    assert walk().classify(texts) == one_by_one(texts)


@given(st.lists(st.text(max_size=300), max_size=10))
@settings(deadline=None)
def test_any_text_gets_the_label_of_the_library_or_none(texts: list[str]) -> None:
    """Of any Unicode text the label is the library's; there is none only where the library has no features to go by."""
    found = zip(walk().classify(texts), one_by_one(texts), strict=True)
    assert all(label in (None, wanted) for label, wanted in found)


@pytest.mark.parametrize("text", ["", "\x00"])
def test_a_text_without_features_has_no_label(text: str) -> None:
    """A text in which the model finds nothing gets None, alone and among others."""
    assert walk().classify([text]) == [None]
    assert walk().classify([SENTENCES["de"], text, SENTENCES["ja"]]) == ["de", None, "ja"]


def test_more_texts_than_a_block_holds() -> None:
    """Several blocks give the labels in the order of the texts."""
    texts = [SENTENCES[tag] for tag in HELD] * 300
    assert walk().classify(texts) == one_by_one(texts[: len(HELD)]) * 300


def test_real_sentences_agree(shared: Path) -> None:
    """On every tenth FLORES line in all languages, held to nine of them, batch and library agree."""
    files = sorted((shared / "langid" / "flores200").glob("*.devtest"))
    texts = [line for file in files for line in file.read_text("utf-8").splitlines()[::10]]
    assert walk().classify(texts) == one_by_one(texts)
