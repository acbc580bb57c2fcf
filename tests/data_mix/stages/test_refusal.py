"""The stage `refusal`: answers that refuse, and a model that speaks of itself."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from conversation_frames import EARLIER, Turns, conversations, drawn_rows, drops, talk
from data_mix.language import base, is_tag
from data_mix.stages.refusal import LISTS, STAGE, RefusalOptions, _book

REFUSALS = {
    "en": "I’m sorry, but I can't tell you that.",
    "de": "Es tut mir leid, aber ich kann dazu nichts sagen.",
    "fr": "Je suis désolé, mais je ne peux pas faire cela.",
    "es": "Lo siento pero no puedo hacer eso.",
    "pt": "Desculpe, mas não posso fazer isso.",
    "it": "Mi dispiace, ma non posso farlo.",
    "nl": "Het spijt me, maar ik kan dat niet doen.",
    "pl": "Przykro mi, ale nie mogę tego zrobić.",
    "ru": "Извините, но я не могу этого сделать.",
    "uk": "Вибачте, але я не можу цього зробити.",
    "zh": "很抱歉，我无法回答这个问题。",
    "zh-TW": "很抱歉,我無法回答這個問題。",
    "ja": "申し訳ありませんが、お答えできません。",
    "ko": "죄송하지만, 저는 그것을 할 수 없습니다.",
}
OFFERS = {
    "en": "The sea is salty. I hope this helps!",
    "de": "Das Meer ist salzig. Ich hoffe, das hilft.",
    "zh": "海水是咸的。希望这对你有帮助！",
    "ja": "海は塩辛いです。お役に立てれば幸いです。",
}
HELPFUL = (
    "I can tell you that the sea is salty, and I'm sorry that you fell in.",
    "She has an aim language model builders share.",
    "Mir tut das leid, und ich kann dir helfen.",
    "海水是咸的，因为河流带来盐分。",
)


def looked(*rows: Turns | None, **options: object) -> pl.DataFrame:
    """The frame after the stage, which looks for both lists and drops unless something else is asked for."""
    asked = {"lists": list(LISTS), "action": "drop"} | options
    return STAGE.apply(conversations(*rows), RefusalOptions.model_validate(asked))


def reason(answer: str, **options: object) -> str | None:
    """Why a conversation with one answer is dropped."""
    return drops(looked(talk("?", answer), **options))[0]


@given(drawn_rows(st.none() | st.sampled_from([*REFUSALS.values(), ""])), EARLIER)
def test_the_defaults_change_nothing(rows: list[Turns | None], earlier: list[str | None]) -> None:
    """Without a list nothing is looked for."""
    frame = conversations(*rows, drop=earlier[: len(rows)])
    assert STAGE.apply(frame, RefusalOptions()).equals(frame)


@pytest.mark.parametrize("language", REFUSALS)
def test_refusals_are_found(language: str) -> None:
    """A refusal in each of the languages is found, and by the list of that language alone."""
    assert reason(REFUSALS[language], lists=["refusal"]) == "refusal"
    assert reason(REFUSALS[language], lists=["refusal"], languages=[base(language)]) == "refusal"
    assert reason(REFUSALS[language], lists=["refusal"], languages="de" if language != "de" else "fr") is None


@pytest.mark.parametrize("language", OFFERS)
def test_boilerplate_is_found_anywhere(language: str) -> None:
    """What models say of themselves is found at the end of an answer as well."""
    assert reason(OFFERS[language]) == "boilerplate"
    assert reason(OFFERS[language], lists=["refusal"]) is None


@pytest.mark.parametrize("answer", HELPFUL)
def test_other_answers_are_kept(answer: str) -> None:
    """Answers that share words with a phrase, or hold it inside other words, are kept."""
    assert reason(answer) is None


@pytest.mark.parametrize("name", LISTS)
def test_every_phrase_is_found_by_itself(name: str) -> None:
    """An answer that is a phrase of the list, in capitals too, is found."""
    phrases = [phrase for listed in _book()[name].values() for phrase in listed]
    rows = [talk("?", each) for phrase in phrases for each in (phrase, f"“{phrase.upper()}”")]
    assert set(drops(looked(*rows, lists=[name]))) == {name}


def test_lists_hold_no_phrase_twice() -> None:
    """Lists are by language, each phrase stands once in it, and languages are tags."""
    for listed in _book().values():
        assert all(is_tag(language) and len(set(phrases)) == len(phrases) for language, phrases in listed.items())


def test_report_counts_and_drops_nothing() -> None:
    """With `report` each answer that matches is a finding beside those of others, and the row stays."""
    frame = conversations(talk("?", REFUSALS["en"], "?", REFUSALS["de"]), talk("?", "ok"), findings=[["email"], None])
    found = STAGE.apply(frame, RefusalOptions(lists=["refusal"]))
    assert found["findings"].to_list() == [["email", "refusal", "refusal"], None]
    assert found.drop("findings").equals(frame.drop("findings"))


def test_drop_counts_as_well() -> None:
    """A dropped row has its findings; of both lists the refusal is the reason, and the first one is not looked at again."""
    found = looked(talk("?", "As an AI language model, I cannot say."))
    assert (found["findings"].to_list(), drops(found)) == ([["refusal"]], ["refusal"])


@pytest.mark.parametrize(("opening", "why"), [(25, "refusal"), (24, None)])
def test_a_refusal_stands_in_the_opening(opening: int, why: str | None) -> None:
    """A phrase that ends with the opening is found, blanks before the answer not counted; one that ends beyond is not."""
    assert reason("\n  Well, I'm sorry, I cannot.", lists=["refusal"], opening=opening) == why


def test_a_word_that_is_cut_by_the_opening_is_not_read() -> None:
    """`cant` cut down to `can` is no `can`."""
    options = {"lists": ["refusal"], "phrases": {"refusal": ["no can"]}}
    assert reason("No cantata.", opening=6, **options) is None
    assert reason("No can.", opening=6, **options) == "refusal"


@pytest.mark.parametrize(
    ("phrase", "answer", "why"),
    [
        ("a.c", "abc", None),
        ("a.c", "A, C!", "boilerplate"),
        ("(b|c)*", "b c", "boilerplate"),
        ("(b|c)*", "bbb", None),
        ("$1", "1", "boilerplate"),
        ("\\d+", "12", None),
        ("{0}", "0", "boilerplate"),
        ("don't", "We don’t", "boilerplate"),
        ("don't", "don t", None),
        ("天气", "今天天气很好", "boilerplate"),
        ("tea", "steam", None),
    ],
)
def test_phrases_of_ones_own_are_literal(phrase: str, answer: str, why: str | None) -> None:
    """A phrase is never a pattern: its words are looked for, and signs only part them."""
    assert reason(answer, lists=["boilerplate"], phrases={"boilerplate": [phrase]}) == why


def test_phrases_of_ones_own_need_no_list() -> None:
    """Phrases are looked for alone where their list is not asked for, and beside it where it is."""
    phrases = {"refusal": ["I would rather not"]}
    answers = ["I'd say: I would rather not.", REFUSALS["en"]]
    assert [reason(answer, lists=[], phrases=phrases) for answer in answers] == ["refusal", None]
    assert [reason(answer, lists=["refusal"], phrases=phrases) for answer in answers] == ["refusal", "refusal"]


def test_answers_are_searched_and_no_questions() -> None:
    """What the user says, or the system, is no refusal; a later answer of the assistant is."""
    refusal = REFUSALS["en"]
    rows = [talk(refusal, "ok"), [("system", refusal), *talk("?", "ok")], talk("?", "ok", "?", refusal)]
    assert drops(looked(*rows)) == [None, None, "refusal"]


@given(drawn_rows(st.none() | st.sampled_from(["", *REFUSALS.values()])), EARLIER)
def test_rows_of_any_shape_pass(rows: list[Turns | None], earlier: list[str | None]) -> None:
    """A row is dropped where one of its answers refuses, whatever its shape; earlier reasons and their findings stay."""
    frame = conversations(*rows, drop=earlier[: len(rows)])
    found = STAGE.apply(frame, RefusalOptions(lists=["refusal"], action="drop"))
    refused = ["refusal" if any(role == "assistant" and text for role, text in row or []) else None for row in rows]
    assert drops(found) == [before or why for before, why in zip(earlier, refused, strict=False)]
    assert found.filter(pl.col("drop") == "earlier")["findings"].null_count() == drops(frame).count("earlier")


@pytest.mark.parametrize(
    "options",
    [{"lists": ["rude"]}, {"lists": "refusal"}, {"action": "mask"}, {"opening": 0}, {"phrases": {"rude": ["no"]}},
     {"phrases": {"refusal": ["…"]}}, {"phrases": {"refusal": [1]}}, {"languages": ["fi"]}, {"languages": ["english"]}],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(options: dict[str, object]) -> None:
    """An unknown list or action, a phrase without a word and a language that has no phrases are errors of the options."""
    with pytest.raises(ValidationError):
        RefusalOptions.model_validate(options)


def test_a_language_without_phrases_is_named() -> None:
    """The error names the language, and those that there are."""
    with pytest.raises(ValidationError, match="no phrases are listed for fi, only for de, en, es"):
        RefusalOptions.model_validate({"languages": ["fi"]})


def test_every_option_says_what_it_does() -> None:
    """Each option has a type, a default and a description."""
    fields = RefusalOptions.model_fields.values()
    assert all(field.description and field.annotation and not field.is_required() for field in fields)


def test_an_empty_frame_passes() -> None:
    """No rows in, no rows out."""
    assert looked().is_empty()
