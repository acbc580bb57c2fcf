"""The stage `language`: tags, and what is in a language that is not wanted."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from pydantic import ValidationError

from conversation_frames import Turns, conversations, drops, talk
from data_mix.language import LANGUAGES
from data_mix.stages.language import STAGE, LanguageOptions
from sentences import SENTENCES, SERBIAN

MIX = ["en", "de", "hr", "bg", "sr"]
DETECTORS = ["py3langid", "langdetect"]


def tagged(*rows: Turns | None, lang: list[str | None] | None = None, **options: object) -> pl.DataFrame:
    """The frame after the stage."""
    return STAGE.apply(conversations(*rows, lang=lang), LanguageOptions.model_validate(options))


def tags(frame: pl.DataFrame) -> list[str | None]:
    """The tags, a row each."""
    return frame["lang"].to_list()


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_missing_tag_is_identified(detector: str) -> None:
    """Conversations without a tag get that of their last answer, whatever the question's language."""
    told = [tag for tag in LANGUAGES if tag not in {"sr", "zh-TW"}]
    found = tagged(*(talk(SENTENCES["en"], SENTENCES[tag]) for tag in told), detector=detector)
    assert tags(found) == told
    assert drops(found) == [None] * len(told)


def test_a_declared_tag_is_spelled_and_never_overwritten() -> None:
    """A tag that came with the row stays, in canonical case, though the text is in another language."""
    rows = [talk("?", SENTENCES["de"])] * 4
    assert tags(tagged(*rows, lang=["fr", "ZH_tw", "pt-br", "fi"])) == ["fr", "zh-TW", "pt-BR", "fi"]


@pytest.mark.parametrize("declared", ["und", "", "German", "??"])
def test_a_tag_that_says_nothing_is_no_tag(declared: str) -> None:
    """Where `und` or what is no tag was declared, the text is identified, or stays unknown."""
    assert tags(tagged(talk("?", SENTENCES["de"]), talk("?", "42"), lang=[declared, declared])) == ["de", None]


def test_the_last_answer_decides() -> None:
    """Of several answers the last one's language is the conversation's."""
    assert tags(tagged(talk("a", SENTENCES["en"], "b", SENTENCES["ja"]))) == ["ja"]


def test_a_short_last_answer_borrows_from_those_before() -> None:
    """Where the last answer is too short to tell, all answers together are read, and never the questions."""
    rows = [talk("?", SENTENCES["de"], "?", "Ja."), talk(SENTENCES["de"], "Ja."), talk("?", "", "?", "")]
    assert tags(tagged(*rows)) == ["de", None, None]


@pytest.mark.parametrize("row", [None, [], [("user", SENTENCES["en"])], [("assistant", None)], talk("?", "42 + 1 = 43")])
def test_what_cannot_be_told_stays_unknown(row: Turns | None) -> None:
    """No messages, no answer and no letters leave the tag null, and drop nothing."""
    found = tagged(row, talk("?", SENTENCES["de"]), keep=["de"])
    assert (tags(found), drops(found)) == ([None, "de"], [None, None])


def test_dropped_rows_are_left_alone() -> None:
    """A row that is dropped already is neither identified nor dropped again."""
    frame = conversations(*[talk("?", SENTENCES["de"])] * 2, lang=[None, "de"], drop="earlier")
    found = STAGE.apply(frame, LanguageOptions(keep=["en"]))
    assert found.equals(frame)


def test_none_identifies_nothing() -> None:
    """With `detector: none` the tags are as they were declared."""
    assert tags(tagged(*[talk("?", SENTENCES["de"])] * 2, lang=[None, "EN"], detector="none")) == [None, "en"]


def test_the_fewest_letters_are_an_option() -> None:
    """A lower limit identifies shorter texts."""
    rows = [talk("?", "Guten Morgen")]
    assert tags(tagged(*rows)) == [None]
    assert tags(tagged(*rows, min_letters=5)) == ["de"]


def test_candidates_hold_the_detector() -> None:
    """What is not in question is no answer."""
    assert tags(tagged(talk("?", SENTENCES["de"]), candidates="nl, fr")) == ["nl"]


def test_only_what_is_wanted_is_kept() -> None:
    """With `keep` a known tag that matches nothing wanted is a drop, whether declared or identified."""
    rows = [talk("?", SENTENCES[tag]) for tag in ("pt", "de", "ja", "en", "en", "en")]
    found = tagged(*rows, lang=[None, None, None, "pt-BR", "fi", None], keep=["pt", "ja"])
    assert drops(found) == [None, "wrong_language", None, None, "wrong_language", "wrong_language"]
    assert tags(found) == ["pt", "de", "ja", "pt-BR", "fi", "en"]


def test_what_is_kept_is_in_question() -> None:
    """A wanted language that is no candidate is one all the same."""
    finnish = talk("?", "Illalla istuimme puutarhassa ja kuuntelimme sadetta katolla.")
    found = tagged(finnish, talk("?", SENTENCES["en"]), keep=["fi"])
    assert (tags(found), drops(found)) == (["fi", "en"], [None, "wrong_language"])


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("keep", [MIX, ["sr"], list(LANGUAGES)], ids=len)
@pytest.mark.parametrize("script", SERBIAN)
def test_serbian_survives(detector: str, keep: list[str], script: str) -> None:
    """Serbian that is wanted is never dropped on a guess, in either script, by either detector."""
    found = tagged(talk("?", SERBIAN[script]), talk("?", SENTENCES["hr"]), detector=detector, keep=keep)
    assert drops(found) == [None, None]


@pytest.mark.parametrize("detector", DETECTORS)
def test_serbian_survives_on_real_sentences(detector: str, shared: Path) -> None:
    """Not one of the Serbian FLORES lines is dropped where Serbian is wanted."""
    lines = (shared / "langid" / "flores200" / "srp_Cyrl.devtest").read_text("utf-8").splitlines()
    found = tagged(*(talk("?", line) for line in lines), detector=detector, keep=list(LANGUAGES))
    assert drops(found) == [None] * len(lines)


def test_a_detector_that_lacks_a_wanted_language_drops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """German stays where langdetect cannot know what is wanted, which is said once; a declared tag still counts."""
    rows = [talk("?", SENTENCES["de"])] * 2
    with caplog.at_level(logging.WARNING):
        found = [tagged(*rows, lang=[None, "de"], detector="langdetect", keep=["ja", "fo", "sr"]) for _ in range(2)]
    assert [drops(frame) for frame in found] == [[None, "wrong_language"]] * 2
    assert [record.message.partition(":")[0] for record in caplog.records] == ["langdetect knows no fo, sr"]


@pytest.mark.parametrize(("wanted", "text"), [("sr", "hr"), ("es", "ca"), ("no", "da"), ("zh-TW", "zh"), ("zh-CN", "zh-TW")])
def test_languages_that_are_easily_confused_are_not_dropped(wanted: str, text: str) -> None:
    """A guess at a language much like a wanted one proves nothing, nor does one at another region."""
    assert drops(tagged(talk("?", SENTENCES[text]), keep=[wanted])) == [None]
    assert drops(tagged(talk("?", SENTENCES[text]), lang=[text], keep=[wanted])) == ["wrong_language"]


def test_a_row_is_judged_alone() -> None:
    """The rows beside it, and their order, change nothing of a row."""
    rows = [talk("?", text[:25]) for text in SENTENCES.values()]
    assert tags(tagged(*rows[::-1]))[::-1] == tags(tagged(*rows)) == [tags(tagged(row))[0] for row in rows]


def test_rows_with_tags_load_no_model() -> None:
    """Where every row has a tag, or is dropped, no detector is loaded."""
    code = (
        "from conversation_frames import conversations, talk\nfrom data_mix.language.detect import load_detector\n"
        "from data_mix.stages.language import STAGE, LanguageOptions\n"
        "frame = conversations(talk('a', 'b'), talk('c', 'd'), lang=['en', None], drop=[None, 'earlier'])\n"
        "STAGE.apply(frame, LanguageOptions(keep=['de', 'fr']))\nprint(load_detector.cache_info().misses)"
    )
    tests = Path(__file__).parent.parent.parent
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=tests) == "0\n"


@pytest.mark.parametrize("value", ["pt-br,uk", ["PT_br", "uk"]], ids=["text", "list"])
def test_languages_are_text_or_list(value: object) -> None:
    """Options take tags with commas or as a list, in any case."""
    assert LanguageOptions.model_validate({"keep": value}).keep == ["pt-BR", "uk"]


@pytest.mark.parametrize(
    "options", [{"keep": "english"}, {"keep": []}, {"keep": [1]}, {"candidates": 5}, {"detector": "cld3"}, {"min_letters": 0}]
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object]) -> None:
    """No tags, what is no tag, an unknown detector and a limit below one letter are errors of the options."""
    with pytest.raises(ValidationError):
        LanguageOptions.model_validate(options)


def test_every_option_says_what_it_does() -> None:
    """Each option has a type, a default and a description."""
    fields = LanguageOptions.model_fields.values()
    assert all(field.description and field.annotation and not field.is_required() for field in fields)


def test_an_empty_frame_passes() -> None:
    """No rows in, no rows out."""
    assert tagged(keep=["de"]).is_empty()
