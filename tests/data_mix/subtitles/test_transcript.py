"""Where the sentences of a transcript end, and how its subtitles become running text."""

from __future__ import annotations

import pytest

from data_mix.subtitles.transcript import Transcript, count_sentences, ends_sentence, english_length, inner_ends, join, mark


def transcript(*texts: str, language: str = "en") -> Transcript:
    """Make a transcript with a subtitle a second."""
    return Transcript(language=language, starts=tuple(range(0, 1000 * len(texts), 1000)), texts=texts)


@pytest.mark.parametrize(
    "text",
    [
        "Yes.",
        "Is it?",
        "No!",
        "And then…",
        "“Yes.”",
        "«Oui.»",
        "(So it is.)",
        "是的。",
        "「そうです。」",
        "何？",
        "好！ ”",
        "♫ La la. ♫",
    ],
)
def test_a_full_stop_ends_a_sentence_in_every_script(text: str) -> None:
    """The enders of all scripts count, with any closing marks behind them."""
    assert ends_sentence(text)


@pytest.mark.parametrize("text", ["", "And so,", "the number 3.5 is", "そして、", "因为", "“", "..a", "ครับ"])
def test_what_goes_on_ends_no_sentence(text: str) -> None:
    """A text that ends in a comma, a word or nothing ends no sentence."""
    assert not ends_sentence(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [("One. Two! Three?", 3), ("It is 3.5 km.", 1), ("一。二！三", 2), ("Wait... what?", 2), ("“A.” “B.”", 2), ("none", 0)],
)
def test_sentences_are_counted(text: str, count: int) -> None:
    """A sentence is counted once however many marks end it, and a point inside a number not at all."""
    assert count_sentences(text) == count


def test_ends_inside_a_text_are_shares_of_its_length() -> None:
    """The end of the whole text is none of them."""
    assert inner_ends("12345. 789.") == [6 / 11]
    assert inner_ends("前半。後半。") == [0.5]
    assert inner_ends("“Only one.”") == []


def test_a_long_run_of_stops_takes_no_long_time() -> None:
    """A text of a hundred thousand full stops is read in one pass."""
    assert count_sentences("." * 100_000 + "x") == 0
    assert ends_sentence("." * 100_000)


@pytest.mark.parametrize(("language", "joined"), [("en", "ab cd"), ("ko", "ab cd"), ("zh", "ab cd"), ("th", "ab cd")])
def test_latin_letters_are_joined_with_a_blank(language: str, joined: str) -> None:
    """Two Latin words keep apart even in a language that writes no blanks."""
    assert join(["ab", "", "cd"], language) == joined


@pytest.mark.parametrize(("language", "joined"), [("zh", "我们走了TED的"), ("ja", "我们走了TED的"), ("ko", "我们 走了 TED 的")])
def test_only_languages_with_blanks_are_joined_with_them(language: str, joined: str) -> None:
    """Chinese, Japanese and Thai subtitles are joined as they are, others with a blank."""
    assert join(["我们", "走了", "TED", "的"], language) == joined


def test_sentences_end_before_the_subtitles_that_follow_a_full_stop() -> None:
    """An empty subtitle changes nothing about whether the sentence before it has ended."""
    marked = mark(transcript("One.", "", "Two", "", "goes on.", "Three."))
    assert marked.ends.tolist() == [0, 1, 2, 5]
    assert marked.marks == "own"


def test_a_transcript_without_full_stops_may_end_a_sentence_anywhere_but_after_a_comma() -> None:
    """Where translators leave full stops away, what is left says only where a sentence goes on."""
    marked = mark(transcript("今天 我们", "走了很远，", "然后回家", language="zh"))
    assert (marked.ends.tolist(), marked.marks, marked.is_sure) == ([0, 1], "none", False)


def test_half_of_the_full_stops_are_not_enough() -> None:
    """A transcript with less than half as many sentence ends as the other, for its length, does not mark them."""
    full = transcript(*["This is one whole sentence."] * 10)
    few = transcript(*["这是一整句话。" if place % 4 == 0 else "这是一整句话" for place in range(10)], language="zh")
    assert mark(few).marks == "own"
    assert mark(few, full).marks == "none"


def test_the_last_subtitle_is_taken_to_be_shown_as_long_as_others_of_its_length() -> None:
    """When the last subtitle goes is estimated, since no other follows."""
    assert mark(Transcript(language="en", starts=(0, 1000), texts=("Ten chars.", "Twenty characters it"))).end == 3000
    assert mark(Transcript(language="en", starts=(500,), texts=("Alone.",))).end == 500


def test_lengths_are_compared_as_if_in_english() -> None:
    """A Chinese text of a third of the characters is as long as its English translation."""
    assert english_length("字" * 33, "zh") == pytest.approx(english_length("x" * 100, "en"))
