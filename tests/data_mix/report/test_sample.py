"""The conversations in the file: few of each source, always the same, and never too many bytes."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from data_mix.report.sample import BYTES, KEPT, OF_DROPPED, sample_rows
from data_mix.shards import DROPPED
from looking_at import make_build, pair, plain


def test_every_source_has_its_share(tmp_path: Path) -> None:
    """A large source has 200 conversations, a small one all of its own."""
    build = make_build(
        tmp_path, {("train", "large"): plain(900), ("validation", "large"): plain(50), ("train", "small"): plain(7)}
    )
    assert Counter(row["source"] for row in sample_rows(build)) == {"large": KEPT, "small": 7}


def test_the_draw_is_by_the_row_alone(tmp_path: Path) -> None:
    """Another source in the mix changes nothing of the sample of this one."""
    alone = sample_rows(make_build(tmp_path / "1", {("train", "large"): plain(900)}))
    both = sample_rows(make_build(tmp_path / "2", {("train", "other"): plain(9), ("train", "large"): plain(900)}))
    assert [row for row in both if row["source"] == "large"] == alone


def test_dropped_rows_are_drawn_apart(tmp_path: Path) -> None:
    """Dropped rows stand behind the kept ones, with their reasons."""
    rows = sample_rows(make_build(tmp_path, {("train", "one"): plain(300), (DROPPED, "one"): plain(300)}))
    assert Counter(row.get("drop") for row in rows) == {None: KEPT, "too_long": OF_DROPPED}


def test_long_messages_are_cut_and_counted(tmp_path: Path) -> None:
    """Of a message of a million characters the beginning stays, and the page knows how much is left out."""
    (row,) = sample_rows(make_build(tmp_path, {("train", "one"): [("0", "en", pair("q", "x" * 1_000_000))]}))
    answer = row["messages"][1]
    assert len(answer["content"]) + answer["cut"] == 1_000_000
    assert row["length"] == 1_000_001


def test_a_mix_of_many_long_sources_stays_small(tmp_path: Path) -> None:
    """Forty sources of 200 long conversations are cut until they fit."""
    rows = [(str(number), "en", pair("q" * 3_000, "å" * 3_000)) for number in range(KEPT)]
    found = sample_rows(make_build(tmp_path, {("train", f"source-{place}"): rows for place in range(40)}))
    assert len(json.dumps(found, ensure_ascii=False).encode()) < BYTES * 1.1
    assert len({row["source"] for row in found}) == 40
