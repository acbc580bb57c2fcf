"""Instructions to translate are whole, natural and drawn by the row's id alone."""

from __future__ import annotations

import time
import unicodedata
from collections import Counter
from itertools import permutations
from typing import Any

import polars as pl
import pytest

from data_mix.errors import ConfigError
from data_mix.language import LANGUAGES
from data_mix.language.detect import load_detector
from data_mix.schema import FRAME, as_frame
from data_mix.source import Entry, Source
from data_mix.translation import TEXT, TranslationOptions, conversations, instructions, refuse_language

MIX = [language.lower() for language in LANGUAGES]
"""The languages of the reference mix, and Traditional Chinese."""

WITH_ENGLISH = ("fi", "gu", "kk", "lt")
"""Languages that WMT 2019 has beside these, with English."""

PAIRS = [*permutations(MIX, 2), *((other, "en") for other in WITH_ENGLISH), *(("en", other) for other in WITH_ENGLISH)]

SOURCE = Source(
    name="pairs",
    licence="MIT",
    homepage="",
    languages=(),
    rows=None,
    files=lambda *_: [],
    read=lambda *_: iter(()),
    options=TranslationOptions,
)


def entry(*, seed: int = 7, name: str = "pairs", **options: Any) -> Entry:
    """Make an entry of sentence pairs."""
    return Entry(name=name, source=SOURCE, params={}, options=TranslationOptions(**options), seed=seed)


def pairs(*texts: tuple[str | None, str | None]) -> pl.DataFrame:
    """Make rows of two texts."""
    rows = [(f"k{place}", *pair) for place, pair in enumerate(texts)]
    return pl.DataFrame(rows, schema={"key": pl.String, "a": pl.String, "b": pl.String}, orient="row")


def turns(frame: pl.DataFrame) -> list[tuple[str, str]]:
    """The user's and the assistant's text of each row."""
    return [(user["content"], assistant["content"]) for user, assistant in frame["messages"]]


def many(count: int) -> pl.DataFrame:
    """Make many rows of the same two texts."""
    texts = {"a": pl.repeat("Hallo.", count, eager=True), "b": pl.repeat("Hello.", count, eager=True)}
    return pl.DataFrame({"key": [f"train:{place}" for place in range(count)], **texts})


@pytest.mark.parametrize("source", [*MIX, *WITH_ENGLISH])
def test_every_instruction_holds_the_text_once_and_no_other_brace(source: str) -> None:
    """An instruction has one place for the text, is NFC, and no blank stands at its ends or before its line breaks."""
    for text in [text for pair in PAIRS if pair[0] == source for text in instructions(*pair)]:
        assert text.count(TEXT) == 1
        assert not set("{}") & set(text.replace(TEXT, ""))
        assert unicodedata.is_normalized("NFC", text)
        assert text == text.strip()
        assert " \n" not in text


@pytest.mark.parametrize("target", [*MIX, *WITH_ENGLISH])
def test_there_are_at_least_five_instructions_into_every_language(target: str) -> None:
    """No two of a pair's instructions are the same, and at least five are written in the target language."""
    for pair in PAIRS:
        texts = instructions(*pair)
        assert len(set(texts)) == len(texts)
        assert pair[1] != target or len(texts) >= 8


@pytest.mark.parametrize("target", [*MIX, *WITH_ENGLISH])
def test_instructions_in_the_target_language_read_as_that_language(target: str) -> None:
    """A detector that is asked among all of them takes each for the language that it is written in."""
    detector = load_detector("py3langid", tuple(sorted({*MIX, *WITH_ENGLISH} - {"zh-tw"})))
    written = instructions("en" if target != "en" else "de", target)[:5]
    found = detector.detect(pl.Series([text.replace(TEXT, "") for text in written]), 1)
    assert set(found) == {target.split("-", maxsplit=1)[0]}


@pytest.mark.parametrize("source", sorted(set(MIX) - {"en", "hr"}))
def test_instructions_in_the_source_language_read_as_that_language(source: str) -> None:
    """What is written for the speaker of the source language reads as that (Croatian alone is taken for Serbian)."""
    detector = load_detector("py3langid", tuple(sorted({*MIX} - {"zh-tw"})))
    others = [target for target in MIX if target not in {source, "en"}]
    written = [text for target in others for text in instructions(source, target) if text not in instructions("en", target)]
    joined = pl.Series([" ".join(text.replace(TEXT, "") for text in written)])
    assert detector.detect(joined, 1)[0] == source.split("-", maxsplit=1)[0]


def test_an_instruction_names_the_target_language_and_no_other() -> None:
    """Into two languages one never has the same instruction, save into the two scripts of Chinese from Chinese."""
    for source in MIX:
        said = Counter(text for target in MIX if target != source for text in instructions(source, target))
        assert {text for text, count in said.items() if count > 1} == set()


def test_between_the_two_scripts_of_chinese_the_script_is_named() -> None:
    """From Traditional into Simplified Chinese, no instruction asks for Chinese alone."""
    assert all("简体" in text or "簡體" in text or "Simplified" in text for text in instructions("zh-tw", "zh"))
    assert any("简体" not in text for text in instructions("ja", "zh"))


def test_texts_may_hold_anything() -> None:
    """Braces, percent signs, quotes and control tokens in a text come through as they are."""
    texts = ("{text} {0} {} %s \\1 <|endoftext|>", '"“”"\n\n{')
    [(user, assistant)] = turns(conversations(pairs(texts), entry(direction="forward"), ("de", "en")))
    assert user.count(texts[0]) == 1
    assert assistant == texts[1]


def test_the_user_asks_and_the_assistant_translates() -> None:
    """The user's turn is an instruction for the direction around the text, the assistant's the other text alone."""
    frame = conversations(many(200), entry(), ("de", "en"))
    for (user, assistant), lang in zip(turns(frame), frame["lang"], strict=True):
        source, target, text = ("de", "en", "Hallo.") if lang == "en" else ("en", "de", "Hello.")
        assert assistant == {"en": "Hello.", "de": "Hallo."}[lang]
        assert user in {asked.replace(TEXT, text) for asked in instructions(source, target)}


@pytest.mark.parametrize(("direction", "lang"), [("forward", "zh-TW"), ("backward", "ja")])
def test_a_direction_may_be_asked_for(direction: str, lang: str) -> None:
    """Forward translates into the second language of the name, backward into the first; `lang` is a BCP-47 tag."""
    frame = conversations(pairs(("猫です。", "是貓。")), entry(direction=direction), ("ja", "zh-tw"))
    assert frame["lang"].to_list() == [lang]


def test_directions_and_instructions_are_spread_evenly() -> None:
    """Both directions, and every instruction of each, come about as often."""
    frame = conversations(many(20_000), entry(), ("de", "en"))
    counts = Counter(user for user, _ in turns(frame))
    assert 0.48 < (frame["lang"] == "en").mean() < 0.52  # type: ignore[operator]
    assert len(counts) == len(instructions("de", "en")) + len(instructions("en", "de"))
    assert max(counts.values()) < 1.3 * min(counts.values())


def test_a_row_is_drawn_by_its_id_alone() -> None:
    """The order of rows, and which others there are, changes no row; another seed or entry changes many."""
    rows = many(300)
    whole = conversations(rows, entry(), ("de", "en"))
    assert conversations(rows.reverse(), entry(), ("de", "en")).reverse().equals(whole)
    assert conversations(rows[37:40], entry(), ("de", "en")).equals(whole[37:40])
    for other in (entry(seed=8), entry(name="more")):
        assert not conversations(rows, other, ("de", "en")).equals(whole)


@pytest.mark.parametrize("texts", [("", "Hi."), ("Hallo.", ""), (None, "Hi."), ("Hallo.", None), (" \n", "Hi.")])
def test_a_blank_side_leaves_a_blank_turn(texts: tuple[str | None, str | None]) -> None:
    """A row that lacks one text has an empty turn, which the stages drop; no instruction hides it."""
    for direction in ("forward", "backward"):
        [said] = turns(conversations(pairs(texts), entry(direction=direction), ("de", "en")))
        assert any(not text.strip() for text in said)


def test_other_columns_are_kept() -> None:
    """Key, group and reason to drop go through, and the result fits a source's frame; no rows are no rows."""
    rows = pairs(("a", "b")).with_columns(group=pl.lit("g"), drop=pl.lit("why"))
    frame = as_frame(conversations(rows, entry(), ("de", "en")))
    assert frame.select("key", "group", "drop").rows() == [("k0", "g", "why")]
    assert as_frame(conversations(rows.clear(), entry(), ("de", "en"))).schema == FRAME


def test_a_million_pairs_take_seconds() -> None:
    """At least 100,000 rows are made in a second of one processor."""
    rows = many(100_000)
    conversations(rows[:1], entry(), ("de", "en"))
    begin = time.process_time()
    conversations(rows, entry(), ("de", "en"))
    assert time.process_time() - begin < 1


def test_a_declared_language_is_refused() -> None:
    """A translation's language is its answer's, so one that is declared for all rows is an error, not a wrong tag."""
    refuse_language(entry())
    with pytest.raises(
        ConfigError, match="entry 'pairs': lang: found 'en', but a translation's language is that of its answer"
    ):
        refuse_language(entry(lang="en"))
