"""The measure of MinHash sketches."""

from __future__ import annotations

import pickle

import polars as pl

from conversation_frames import conversations, talk
from data_mix.measures.minhash import MinHash
from data_mix.near_duplicates.settings import NearDuplicateSettings
from sentences import SENTENCES

MEASURE = MinHash(NearDuplicateSettings(permutations=32))


def frame() -> pl.DataFrame:
    """A row per language, one that is dropped, one without messages, a short one."""
    rows = [talk(text * 2, text * 2) for text in SENTENCES.values()]
    return conversations(*rows, rows[0], [], talk("a", "b"), drop=[None] * len(rows) + ["empty", None, None])


def test_it_gives_its_columns_for_every_row() -> None:
    """A line per row in the same order; null where the row is dropped, empty or too short."""
    values = MEASURE.take(frame())
    assert dict(values.schema) == dict(MEASURE.columns)
    assert values["minhash"].is_null().to_list() == [False] * len(SENTENCES) + [True] * 3


def test_batches_change_nothing() -> None:
    """Row by row, in another process's hands or all at once, the values are the same."""
    whole = frame()
    again: MinHash = pickle.loads(pickle.dumps(MEASURE))
    parts = pl.concat([again.take(part) for part in whole.iter_slices(1)])
    assert parts.equals(MEASURE.take(whole))
    assert len(MEASURE.take(whole[:0])) == 0


def test_a_batch_of_dropped_rows_alone_is_null_throughout() -> None:
    """Where no row has a message there is no text to look at."""
    assert MEASURE.take(conversations([], [], drop="empty"))["minhash"].null_count() == 2


def test_the_threshold_is_no_part_of_its_facts() -> None:
    """Another threshold uses the sketches that stand; another n-gram does not."""
    facts = [MinHash(NearDuplicateSettings.model_validate(given)).facts() for given in ({}, {"threshold": 0.9}, {"ngram": 3})]
    assert facts[0] == facts[1] != facts[2]
