"""What is taken for near-duplicates among real rows, and among translations under one instruction."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import polars as pl

from conversation_frames import talk
from data_mix.measures.minhash import MinHash
from data_mix.near_duplicates.search import find_near_duplicates
from data_mix.schema import as_frame, pair, with_context
from near_duplicates import SETTINGS, found_in, slow_jaccard
from sentences import SENTENCES

INSTRUCTION = "Please translate the following text as literally as you can, and write nothing but the translation of it:\n\n"


def test_translations_under_one_instruction_stay() -> None:
    """Short texts under one long instruction, each with its own answer, are not taken for each other."""
    texts = list(SENTENCES.values())
    assert found_in(*(talk(INSTRUCTION + text, answer) for text, answer in pairwise([*texts, texts[0]]))) == {}
    assert found_in(*(talk(INSTRUCTION + texts[0], answer) for answer in texts)) == {}


def test_what_is_dropped_of_dolly_has_nearly_the_same_answer(shared: Path) -> None:
    """Of the real rows, many of which share a long text, one in five hundred is dropped, each with its answer there already."""
    file = shared / "hub/datasets/databricks/databricks-dolly-15k/databricks-dolly-15k.jsonl"
    rows = pl.read_ndjson(file)
    frame = as_frame(rows.select(pair(with_context("instruction", "context"), "response")))
    keys = pl.concat([frame.select("group", "drop"), MinHash(SETTINGS).take(frame)], how="horizontal")
    found = find_near_duplicates(keys, SETTINGS)
    assert 20 <= len(found) <= 40
    answers = [[re.findall(r"\w+", rows["response"][place].lower()) for place in found[column]] for column in ("row", "kept")]
    assert min(slow_jaccard(one, other, 1) for one, other in zip(*answers, strict=True)) > 0.6
