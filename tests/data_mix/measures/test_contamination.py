"""The measure of benchmark items in rows."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import polars as pl

from benchmark_items import LONG, items_of, sentence
from data_mix.decontamination.index import prepare
from data_mix.decontamination.settings import DecontaminationOptions
from data_mix.measure import Measure
from data_mix.measures.contamination import Contamination
from data_mix.schema import FRAME

SCHEMA = {"id": pl.String(), "lang": pl.String(), "messages": FRAME["messages"], "drop": pl.String()}


def measure(folder: Path, *prompts: str, **options: Any) -> Contamination:
    """The measure of a benchmark that asks these."""
    prepared = prepare(items_of(prompts), DecontaminationOptions(**options), folder)
    return Contamination(prepared.path, prepared.digest)


def frame(*conversations: list[str]) -> pl.DataFrame:
    """Conversations of these messages, as the step *read* has staged them."""
    roles = ("system", "user", "assistant")
    rows = [[{"role": roles[place % 3], "content": text} for place, text in enumerate(messages)] for messages in conversations]
    return pl.DataFrame([(str(at), "en", row, None) for at, row in enumerate(rows)], schema=SCHEMA, orient="row")


def test_a_measure_fits_its_contract(tmp_path: Path) -> None:
    """Rows stay as they are, in order, with exactly the columns that are promised."""
    taken: Measure = measure(tmp_path, LONG)
    values = taken.take(frame(["a", "b"], [LONG], []))
    assert values.schema == dict(taken.columns)
    assert [row is not None for row in values["contamination"].to_list()] == [False, True, False]
    assert taken.take(frame()).schema == dict(taken.columns)


def test_messages_of_every_role_are_searched(tmp_path: Path) -> None:
    """An item is found whoever says it, once per row, with the text as it stands there."""
    values = measure(tmp_path, LONG).take(frame([LONG, "x"], ["x", LONG.upper(), LONG], ["", "x", f"So: {LONG}"]))
    texts = [[each["text"] for each in row] for row in values["contamination"].to_list()]
    assert texts == [[LONG[:-1]], [LONG[:-1].upper()], [LONG[:-1]]]


def test_a_row_may_hold_many_items(tmp_path: Path) -> None:
    """Each is named, in the order in which they stand."""
    others = [sentence(at, 20) for at in range(3)]
    [row] = measure(tmp_path, *others).take(frame([others[2], f"{others[0]} {others[1]}"]))["contamination"].to_list()
    assert [(each["benchmark"], each["item"]) for each in row] == [("own", "2"), ("own", "0"), ("own", "1")]


def test_of_a_long_overlap_the_beginning_is_kept(tmp_path: Path) -> None:
    """At most 300 characters."""
    long = sentence(5, 400)
    [[match]] = measure(tmp_path, long).take(frame([long]))["contamination"].to_list()
    assert match["text"] == long[:300]


def test_facts_tell_items_and_options_apart_but_not_places(tmp_path: Path) -> None:
    """Other items or options are other facts; another folder is not."""
    facts = measure(tmp_path, LONG).facts()
    assert facts == measure(tmp_path / "elsewhere", LONG).facts()
    assert facts != measure(tmp_path, LONG, min_share=0.9).facts()
    assert facts != measure(tmp_path, LONG + " Why?").facts()
    assert str(tmp_path) not in str(facts)


def test_a_measure_goes_to_other_processes(tmp_path: Path) -> None:
    """Pickled and back it gives the same values."""
    taken = measure(tmp_path, LONG)
    copy = pickle.loads(pickle.dumps(taken))
    assert copy == taken
    assert copy.take(frame([LONG])).equals(taken.take(frame([LONG])))


def test_values_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    """A row has the same value alone and among others."""
    taken = measure(tmp_path, LONG, sentence(1, 30))
    rows = frame([LONG], ["nothing"], [sentence(1, 30), LONG], ["漢字"])
    alone = [taken.take(rows[at : at + 1]) for at in range(len(rows))]
    assert pl.concat(alone).equals(taken.take(rows))
