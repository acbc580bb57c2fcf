"""Which rows are dropped as near-duplicates, and for which."""

from __future__ import annotations

import random
import time

import polars as pl
import pytest
from pydantic import ValidationError

from conversation_frames import Turns, talk
from data_mix.near_duplicates.audit import audit_lines, counts
from data_mix.near_duplicates.search import FOUND, find_near_duplicates
from data_mix.near_duplicates.settings import NearDuplicateSettings
from near_duplicates import SETTINGS, found_in, keys_of
from sentences import SENTENCES

WORDS = [f"word{place}" for place in range(100)]


def text(*changed: int, words: int = 60) -> str:
    """So many words, those at the given places changed."""
    return " ".join(f"other{place}" if place in changed else WORDS[place] for place in range(words))


def row(*changed: int) -> Turns:
    """A conversation of which some words of question and answer are changed."""
    return talk(text(*changed), text(*changed))


def test_the_later_row_is_dropped() -> None:
    """Of two near-duplicates the first in the order of the mix stays, whichever that is."""
    assert found_in(row(), talk("another", text(*range(60))), row(30)) == {2: 0}
    assert found_in(row(30), talk("another", text(*range(60))), row()) == {2: 0}


@pytest.mark.parametrize("tag", ["en", "zh", "ja", "th", "ko", "ru"])
def test_near_duplicates_are_found_in_every_script(tag: str) -> None:
    """A sentence again with a word in front of it is dropped; sentences of other languages stay."""
    others = [talk(SENTENCES[other], SENTENCES[other]) for other in SENTENCES if other != tag]
    again = talk(SENTENCES[tag] * 3, SENTENCES[tag] * 3)
    assert found_in(again, *others, talk("OK! " + SENTENCES[tag] * 3, SENTENCES[tag] * 3)) == {len(others) + 1: 0}


def test_rows_of_one_group_stay() -> None:
    """Threads of a tree share all but an answer; a row of another tree, or of none, is dropped for the first of them."""
    found = found_in(row(), row(3), row(5), row(7), group=["a", "a", "b", None])
    assert set(found) == {2, 3}
    assert set(found.values()) <= {0, 1}
    assert found_in(row(), row(), row(), group="a") == {}


def test_the_answers_must_be_near_too() -> None:
    """A long text with another question and answer about it stays."""
    long = " ".join(f"fact{place}" for place in range(400))
    asked = talk(f"{long} Who was it?", "It was the old king of the northern islands himself.")
    again = talk(f"{long} When was it?", "That happened during a cold winter long ago, in March.")
    assert found_in(asked, again) == {}


def test_what_is_like_a_dropped_row_alone_stays() -> None:
    """A chain of small changes drops no row that is unlike the row that stays."""
    chain = [row(*range(steps * 4)) for steps in range(8)]
    found = find_near_duplicates(keys_of(*chain), SETTINGS)
    assert set(found["kept"]).isdisjoint(found["row"])
    assert found["similarity"].min() >= SETTINGS.threshold  # type: ignore[operator]
    assert 0 < len(found) < 7


def test_of_several_the_nearest_is_named() -> None:
    """A row that is near two rows that stay is listed with the nearer one."""
    first, second = row(*range(12)), row(*range(48, 60))
    assert found_in(first, second, row(*range(48, 58))) == {2: 1}


@pytest.mark.parametrize("short", [talk("Yes?", "No."), talk("", ""), talk("!?", "…"), talk("🙂", "🙃")])
def test_short_rows_are_not_compared(short: Turns) -> None:
    """What has fewer n-grams than it takes is never a near-duplicate, not even of itself."""
    assert found_in(short, short) == {}


def test_dropped_rows_are_not_compared() -> None:
    """A row that something else dropped neither stays for another nor is found."""
    keys = keys_of(row(), row(), row()).with_columns(drop=pl.Series(["duplicate", None, None]))
    assert find_near_duplicates(keys, SETTINGS).select("row", "kept").rows() == [(2, 1)]


def test_nothing_is_found_in_nothing() -> None:
    """No rows, or none to compare, give an empty frame of the same columns."""
    for keys in (keys_of(row())[:0], keys_of(talk("a", "b"))):
        assert find_near_duplicates(keys, SETTINGS).schema == FOUND
        assert len(find_near_duplicates(keys, SETTINGS)) == 0


def drawn_rows(count: int) -> list[Turns]:
    """Rows of drawn words, two of three near an earlier one."""
    draw, texts = random.Random(0), list[list[str]]()
    for place in range(count):
        words = [f"w{draw.randrange(5000)}" for _ in range(40)] if place % 3 == 0 else list(draw.choice(texts))
        words[draw.randrange(40)] = f"new{place}"
        texts.append(words)
    return [talk(" ".join(words), " ".join(words)) for words in texts]


@pytest.mark.parametrize("seed", range(5))
def test_what_stays_has_no_near_duplicates(seed: int) -> None:
    """In whatever order the rows come, a row is dropped for an earlier one that stays, and a second search finds nothing."""
    rows = drawn_rows(150)
    random.Random(seed).shuffle(rows)
    found = found_in(*rows)
    assert len(found) > 30
    assert all(kept < dropped and kept not in found for dropped, kept in found.items())
    assert found_in(*(each for place, each in enumerate(rows) if place not in found)) == {}


def test_fifty_thousand_times_the_same_row_is_soon_done() -> None:
    """All are dropped for the first, in the time that as many different rows take, not in its square."""
    keys = keys_of(row())
    many = pl.concat([keys] * 50_000)
    find_near_duplicates(many[:10], SETTINGS)
    began = time.process_time()
    found = find_near_duplicates(many, SETTINGS)
    assert (len(found), set(found["kept"]), set(found["similarity"])) == (49_999, {0}, {1.0})
    assert time.process_time() - began < 20  # the square would take an hour


def test_fifty_thousand_rows_of_one_group_are_soon_done() -> None:
    """Where none may be dropped for another, no more than a crowd is looked at."""
    many = pl.concat([keys_of(row(), group="a")] * 50_000)
    began = time.process_time()
    assert len(find_near_duplicates(many, SETTINGS)) == 0
    assert time.process_time() - began < 20


def test_the_audit_lists_each_cluster_once() -> None:
    """A line has the id that stays, and those that were dropped for it with their similarities."""
    keys = keys_of(row(), row(30), talk("x", text(*range(60))), row())
    found = find_near_duplicates(keys, SETTINGS)
    lines = list(audit_lines(keys, found))
    assert [(line["kept"], [each["id"] for each in line["dropped"]]) for line in lines] == [("own/0", ["own/1", "own/3"])]
    assert lines[0]["dropped"][1]["similarity"] == 1.0
    assert counts(found) == {"clusters": 1, "rows": 2}


@pytest.mark.parametrize(
    "wrong", [{"threshold": 0.1}, {"threshold": 2.0}, {"ngram": 0}, {"permutations": 8}, {"treshold": 0.7}]
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    """A value out of its range, or an unknown key, is an error."""
    with pytest.raises(ValidationError):
        NearDuplicateSettings.model_validate(wrong)
