"""Pages of rows: what fits, in the order of the build, and where to go on."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from data_mix.errors import FormatError, UsageError
from data_mix.serve.places import Places
from data_mix.serve.queries import ROWS, Query, page, parse_query
from data_mix.shards import DROPPED, open_build
from data_mix.tokens import Tokenizer, tokenize_build
from looking_at import make_build, pair, plain


def all_pages(places: Places, **query: Any) -> list[str]:
    """The ids of all pages of a query, one after the other."""
    found: list[str] = []
    after: int | None = 0
    while after is not None:
        answer = page(places, Query(**query, after=after))
        found += [row["id"] for row in answer["rows"]]
        after = answer["next"]
    return found


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Two sources in two splits, and dropped rows."""
    parts = {
        ("train", "one"): plain(700),
        ("train", "two"): [*plain(30, "de"), ("needle", "de", pair("Wo?", "Im Heuhaufen ÄÖ [a-z]+"))],
        ("validation", "one"): plain(40, "und"),
        (DROPPED, "two"): plain(5),
    }
    return Places(make_build(tmp_path, parts))


def test_pages_hold_every_row_once(places: Places) -> None:
    """Without filters the pages are the build, in its order."""
    found = all_pages(places)
    assert len(found) == 776
    assert found[:2] == ["one/0", "one/1"]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"source": "two"}, 36),
        ({"split": "validation"}, 40),
        ({"split": "dropped", "source": "two"}, 5),
        ({"lang": "de"}, 31),
        ({"lang": "und", "split": "train"}, 0),
        ({"source": "nobody"}, 0),
        ({"q": "question 12?"}, 3),
        ({"q": "äö [A-Z]+"}, 1),
        ({"q": "two/needle"}, 1),
        ({"q": ".*"}, 0),
        ({"q": "needle", "lang": "en"}, 0),
    ],
    ids=str,
)
def test_a_query_finds_what_fits(places: Places, query: dict[str, str], count: int) -> None:
    """Source, language, split and text narrow the rows; a text is no expression, and large letters are small ones."""
    assert len(all_pages(places, **query)) == count


def test_lengths_bound_a_query(places: Places) -> None:
    """At least and at most are both inclusive."""
    lengths = {row["length"] for row in page(places, Query(min=30, max=30))["rows"]}
    assert lengths <= {30}
    assert len(all_pages(places, min=1)) == len(all_pages(places, max=10**9)) == 776


def test_a_page_of_fewer_rows_goes_on_where_it_ended(places: Places) -> None:
    """The next page begins behind the last row that was given, not behind what was looked through."""
    first = page(places, Query(q="question", rows=3))
    second = page(places, Query(q="question", rows=ROWS + 99, after=first["next"]))
    assert [row["id"] for row in (*first["rows"], *second["rows"])] == [f"one/{number}" for number in range(3 + ROWS)]


def test_a_search_answers_in_time_and_says_how_far_it_came(places: Places) -> None:
    """Where the clock runs out a query gives what it has, and going on from there finds the rest."""
    ticks = itertools.count(0, 10)
    answers = [page(places, Query(q="heuhaufen"), lambda: next(ticks))]
    while answers[-1]["next"] is not None:
        answers.append(page(places, Query(q="heuhaufen", after=answers[-1]["next"]), lambda: next(ticks)))
    assert len(answers) > 2
    assert [row["id"] for answer in answers for row in answer["rows"]] == ["two/needle"]
    assert [answer["looked"] for answer in answers] == sorted(answer["looked"] for answer in answers)


def test_a_row_is_found_by_its_id(places: Places) -> None:
    """An id that the build has gives its row whole, any other none."""
    found = places.find("two/needle", 10**6)
    assert found
    assert found["messages"][1]["content"].startswith("Im Heuhaufen")
    assert places.find("../../etc/passwd", 10**6) is None


def test_lengths_are_tokens_where_there_are_some(sample_build: Path, tokenizer: Tokenizer) -> None:
    """With token shards a row's length is its ids."""
    tokens, _ = tokenize_build(sample_build, tokenizer)
    found = page(Places(open_build(sample_build)), Query(split="train", rows=1))["rows"][0]
    assert found["length"] == int(tokens.lengths("train")[0])


def test_a_text_of_a_megabyte_is_searched_and_cut(tmp_path: Path) -> None:
    """A row larger than a block is searched to its end; the page has its beginning."""
    long = [(str(number), "en", pair("q", "x" * 5_000_000 + f" end {number}")) for number in range(3)]
    places = Places(make_build(tmp_path, {("train", "one"): long}))
    (row,) = page(places, Query(q="end 2"), lambda: 0.0)["rows"]
    assert row["id"] == "one/2"
    assert row["messages"][1]["cut"] > 4_900_000


def test_an_empty_build_has_an_empty_page(tmp_path: Path) -> None:
    """Zero rows are no error, with a search or without."""
    for places in (Places(make_build(tmp_path / "1", {})), Places(make_build(tmp_path / "2", {("train", "one"): []}))):
        assert page(places, Query())["rows"] == page(places, Query(q="a", lang="en", min=1))["rows"] == []


@pytest.mark.parametrize("given", [{"min": "-1"}, {"after": "x"}, {"max": "²"}, {"after": "9" * 99}, {"path": "/"}], ids=str)
def test_a_parameter_that_is_wrong_is_said(given: dict[str, str]) -> None:
    """What is no number, or not known, is refused in a line."""
    with pytest.raises(UsageError, match="parameter"):
        parse_query(given)


def test_a_build_that_was_made_anew_is_refused(places: Places, tmp_path: Path) -> None:
    """Rows of a folder that holds another build by now are not mixed with the old one's."""
    make_build(tmp_path, {("train", "one"): plain(3)})
    with pytest.raises(FormatError, match="is being built again, or was since it was opened"):
        page(places, Query())
