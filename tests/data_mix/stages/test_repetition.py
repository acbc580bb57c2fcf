"""The stage `repetition`: answers that repeat themselves."""

from __future__ import annotations

from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from conversation_frames import EARLIER, Turns, conversations, drawn_rows, drops, talk
from data_mix.stages.repetition import STAGE, Ngrams, RepetitionOptions, duplicate_lines

WORDS = st.lists(st.lists(st.sampled_from(["a", "bb", "ccc", "雨"]), max_size=14), max_size=5)
LINES = st.lists(st.lists(st.sampled_from(["a", "bb", " a ", "", "c c"]), max_size=8), max_size=5)


def reason(*answers: str, **options: object) -> str | None:
    """Why a conversation with these answers is dropped."""
    row = talk(*(text for answer in answers for text in ("?", answer)))
    return drops(STAGE.apply(conversations(row), RepetitionOptions.model_validate({"min_words": 1} | options)))[0]


def top_share(words: list[str], length: int) -> float:
    """The part of the characters that the most frequent n-gram takes, one by one."""
    grams = Counter(tuple(words[at : at + length]) for at in range(len(words) - length + 1))
    taken = [times * sum(map(len, gram)) for gram, times in grams.items() if times > 1]
    return min(max(taken, default=0) / max(sum(map(len, words)), 1), 1)


def repeated_share(words: list[str], length: int) -> float:
    """The part of the characters that stand in an n-gram seen before, one by one."""
    seen: set[tuple[str, ...]] = set()
    covered: set[int] = set()
    for at in range(len(words) - length + 1):
        gram = tuple(words[at : at + length])
        if gram in seen:
            covered.update(range(at, at + length))
        seen.add(gram)
    return sum(len(words[at]) for at in covered) / max(sum(map(len, words)), 1)


def line_shares(lines: list[str]) -> tuple[float, float]:
    """The parts of the lines, and of their characters, that repeat an earlier one, one by one."""
    told = [line.strip() for line in lines if line.strip()]
    again = [line for at, line in enumerate(told) if line in told[:at]]
    return len(again) / max(len(told), 1), sum(map(len, again)) / max(sum(map(len, told)), 1)


@given(WORDS, st.integers(1, 4))
def test_ngrams_are_measured_as_one_by_one(texts: list[list[str]], length: int) -> None:
    """Both shares of n-grams are those of a plain count, whatever texts stand beside one another."""
    grams = Ngrams(pl.Series(texts, dtype=pl.List(pl.String)), length)
    assert grams.top_share().tolist() == pytest.approx([top_share(words, length) for words in texts])
    assert grams.repeated_share().tolist() == pytest.approx([repeated_share(words, length) for words in texts])


@given(LINES)
def test_lines_are_measured_as_one_by_one(texts: list[list[str]]) -> None:
    """Both shares of lines are those of a plain count; blank lines and blanks at the ends do not count."""
    number, characters = duplicate_lines(pl.Series(["\n".join(lines) for lines in texts], dtype=pl.String))
    expected = [line_shares(lines) for lines in texts]
    assert list(zip(number, characters, strict=True)) == [pytest.approx(one) for one in expected]


@given(drawn_rows(st.none() | st.text(max_size=8)), EARLIER)
def test_the_defaults_drop_nothing(rows: list[Turns | None], earlier: list[str | None]) -> None:
    """Without limits a frame passes as it is."""
    frame = conversations(*rows, drop=earlier[: len(rows)])
    assert STAGE.apply(frame, RepetitionOptions()).equals(frame)


@given(drawn_rows(st.none() | st.text("a \n雨", max_size=8)), EARLIER)
def test_rows_of_any_shape_pass(rows: list[Turns | None], earlier: list[str | None]) -> None:
    """With every limit at 1 nothing is beyond, whatever the shape of a row; earlier reasons stay."""
    frame = conversations(*rows, drop=earlier[: len(rows)])
    options = RepetitionOptions(
        max_duplicate_lines=1.0, max_duplicate_line_chars=1.0, max_top_ngram=1.0, max_duplicate_ngrams=1.0, min_words=1
    )
    assert STAGE.apply(frame, options).equals(frame)


@pytest.mark.parametrize(("limit", "why"), [(0.5, None), (0.49, "repetitive")])
def test_duplicate_lines(limit: float, why: str | None) -> None:
    """Of four lines two repeat an earlier one; a share as great as the limit is kept."""
    assert reason("drip\ndrop\n\n drip\ndrip", max_duplicate_lines=limit) == why


@pytest.mark.parametrize(("limit", "why"), [(0.25, None), (0.24, "repetitive")])
def test_characters_of_duplicate_lines(limit: float, why: str | None) -> None:
    """Of 16 characters of lines four stand in a line that repeats."""
    assert reason("drip\nraindrop\ndrip", max_duplicate_line_chars=limit) == why


@pytest.mark.parametrize(("limit", "why"), [(0.5, None), (0.49, "repetitive")])
def test_the_most_frequent_ngram(limit: float, why: str | None) -> None:
    """`the rain` takes 14 of 28 letters, in whatever case the others are and whatever stands between."""
    assert reason("the rain, the rain on our old garden", max_top_ngram=limit, top_ngram=2) == why


@pytest.mark.parametrize(("limit", "why"), [(0.25, None), (0.24, "repetitive")])
def test_repeated_ngrams(limit: float, why: str | None) -> None:
    """The second `the rain` takes 7 of 28 letters; the first is no repetition."""
    assert reason("the rain, the rain on our old garden", max_duplicate_ngrams=limit, duplicate_ngram=2) == why


@pytest.mark.parametrize("text", ["大雨大雨大雨大雨", "おおあめおおあめ", "ฝนตกฝนตก"])
def test_a_letter_is_a_word_where_no_blanks_are_written(text: str) -> None:
    """Chinese, Japanese and Thai answers are measured by letters."""
    assert reason(text, max_duplicate_ngrams=0.4, duplicate_ngram=2) == "repetitive"


@pytest.mark.parametrize("text", ["the old house by the sea", "家の前に川がある", "Ein Haus am Meer, und der Weg dorthin"])
def test_what_does_not_repeat_is_kept(text: str) -> None:
    """Plain sentences have no repeated n-grams and no repeated lines."""
    assert reason(text, max_top_ngram=0.0, max_duplicate_ngrams=0.0, max_duplicate_lines=0.0, top_ngram=2) is None


@pytest.mark.parametrize(("least", "why"), [(6, "repetitive"), (7, None)])
def test_short_answers_are_not_judged(least: int, why: str | None) -> None:
    """An answer of as many words as the limit is judged, a shorter one is not."""
    assert reason("so so so so so so", max_top_ngram=0.5, min_words=least) == why


def test_every_answer_is_judged_and_no_question() -> None:
    """One repetitive answer of several is enough, and what the user says does not count."""
    rows = [talk("?", "no no no no no", "?", "a b c"), talk("no no no no no", "a b c d")]
    found = STAGE.apply(conversations(*rows), RepetitionOptions(max_top_ngram=0.5, min_words=1))
    assert drops(found) == ["repetitive", None]


def test_dropped_rows_keep_their_reason() -> None:
    """A row that is dropped already is not dropped again."""
    frame = conversations(talk("?", "no no no no no"), drop="earlier")
    assert STAGE.apply(frame, RepetitionOptions(max_top_ngram=0.5, min_words=1)).equals(frame)


@pytest.mark.parametrize(
    "options",
    [{"max_top_ngram": 1.5}, {"max_duplicate_lines": -0.1}, {"top_ngram": 0}, {"duplicate_ngram": 21}, {"min_words": 0},
     {"max_lines": 0.3}, {"max_duplicate_ngrams": "0.1"}],
)  # fmt: skip
def test_limits_that_make_no_sense_are_refused(options: dict[str, object]) -> None:
    """A share beyond 1, an n-gram of no words, a misspelled option and a text are errors of the options."""
    with pytest.raises(ValidationError):
        RepetitionOptions.model_validate(options)


def test_every_option_says_what_it_does() -> None:
    """Each option has a type, a default and a description."""
    fields = RepetitionOptions.model_fields.values()
    assert all(field.description and field.annotation and not field.is_required() for field in fields)


def test_an_empty_frame_passes() -> None:
    """No rows in, no rows out."""
    assert STAGE.apply(conversations(), RepetitionOptions(max_top_ngram=0.2, max_duplicate_lines=0.3)).is_empty()
