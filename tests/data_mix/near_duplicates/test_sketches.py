"""What sketches are made of: which n-grams there are, and how well a sketch tells their similarity."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversation_frames import conversations, talk
from data_mix.near_duplicates.sketches import Sketches, sketch
from near_duplicates import slow_jaccard
from sentences import SENTENCES


def sketches_of(*texts: str, ngram: int = 2, permutations: int = 128) -> tuple[Sketches, list[int]]:
    """Sketches of conversations that answer a blank with these texts, and their numbers of n-grams."""
    frame = conversations(*(talk("", text) for text in texts))
    found, sizes = sketch(frame["messages"], ngram=ngram, permutations=permutations)
    return found, sizes.tolist()


def same(one: str, other: str) -> bool:
    """Whether two texts have the same sketch."""
    found, _ = sketches_of(one, other)
    return bool((found[0] == found[1]).all())


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("one two three four", 3),
        ("one", 1),
        ("", 0),
        (" … !? ", 0),
        ("傍晚我们坐在", 4),
        ("ภาษาไทย", 3),
        ("🙂 🙃 😀", 2),
        ("여름 밤 하늘", 2),
        ("x" * 1000, 1),
    ],
)
def test_ngrams_are_of_words_or_of_characters_where_there_are_no_blanks(text: str, size: int) -> None:
    """By two go words, symbols and Korean words; by three Han and kana, by five Thai letters; what is shorter is one n-gram."""
    assert sketches_of(text)[1] == [size]


@pytest.mark.parametrize("ngram", [1, 2, 3, 5])
def test_a_changed_word_changes_the_same_number_of_ngrams_in_every_script(ngram: int) -> None:
    """A word with its n-grams is lost in as many places, be it one with blanks, two Han characters or four Thai letters."""
    texts = {"a": ([f"w{place}" for place in range(40)], " "), "漢": ([chr(0x4E00 + place) for place in range(80)], "")}
    lost = {}
    for name, (parts, joint) in texts.items():
        size = 1 if joint else 2
        whole, shorter = joint.join(parts), joint.join(parts[:20] + parts[20 + size :])
        first, second = (sketches_of(text, ngram=ngram)[1][0] for text in (whole, shorter))
        lost[name] = (first - second) / size
    assert set(lost.values()) == {1.0}


@pytest.mark.parametrize("text", SENTENCES.values(), ids=SENTENCES)
def test_case_punctuation_and_blanks_do_not_count(text: str) -> None:
    """A sentence in any language has the sketch that it has in capitals, without its full stop, between other blanks."""
    odd = "  " + text.rstrip(".。").replace(" ", "\n\t") + " !!"
    assert same(text, odd)
    assert same(text, text.upper())


@pytest.mark.parametrize(("one", "other"), [("ＡＢＣ ｄｅｆ", "abc def"), ("ｶﾀｶﾅ", "カタカナ"), ("☂️ sun", "☂ sun")])
def test_forms_of_one_character_are_the_same(one: str, other: str) -> None:
    """Wide and narrow forms, and how an emoji is drawn, do not count."""
    assert sketches_of(one)[1] == sketches_of(other)[1]
    assert same(one, other)


@settings(deadline=None, max_examples=50)
@given(st.text(), st.text())
def test_any_text_has_a_sketch_and_another_text_by_it_does_not_change_it(one: str, other: str) -> None:
    """Whatever the characters, a row's sketch depends on the row alone."""
    alone, together = sketches_of(one)[0], sketches_of(other, one, other)[0]
    assert (alone[0] == together[1]).all()


def drawn_pairs(count: int, changed: int) -> Sequence[tuple[list[str], list[str]]]:
    """Texts of 200 words, and each again with so many words changed."""
    draw, pairs = random.Random(0), []
    for _ in range(count):
        words = [f"w{draw.randrange(10**6)}" for _ in range(200)]
        other = list(words)
        for place in draw.sample(range(200), changed):
            other[place] = f"v{draw.randrange(10**6)}"
        pairs.append((words, other))
    return pairs


@pytest.mark.parametrize("changed", [0, 10, 30, 80, 200])
def test_the_share_of_equal_bytes_tells_the_jaccard_similarity(changed: int) -> None:
    """Over 60 pairs the estimate is right on average within 0.015, and each within four standard errors."""
    pairs = drawn_pairs(60, changed)
    found, _ = sketches_of(*(" ".join(words) for pair in pairs for words in pair))
    agree = (found[::2] == found[1::2])[:, :128].mean(axis=1)
    estimates = (256 * agree - 1) / 255
    exact = np.array([slow_jaccard(one, other, 2) for one, other in pairs])
    assert abs((estimates - exact).mean()) < 0.015
    assert (abs(estimates - exact) < 4 * np.sqrt(exact * (1 - exact) / 128) + 0.03).all()


def test_the_second_sketch_is_of_the_answers_alone() -> None:
    """Another question changes the first half of a sketch, and not the second."""
    frame = conversations(talk("What is rain?", "Water that falls."), talk("Now what is snow?", "Water that falls."))
    found, _ = sketch(frame["messages"], ngram=2, permutations=64)
    assert (found[0, 64:] == found[1, 64:]).all()
    assert not (found[0, :64] == found[1, :64]).all()


def test_sketches_are_the_same_for_ever() -> None:
    """The bytes of a sketch are these, on any machine: measured values outlive a process."""
    found, _ = sketches_of("Rain falls on the roof, 雨が降る 🙂.", permutations=16)
    assert found.tobytes().hex() == "d05d58010dd785bb6c3dbb14363c472c" * 2  # all that is said is the answer
