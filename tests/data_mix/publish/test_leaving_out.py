"""What a published manifest says of what is left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from building import build_mix, entry, mix_of, pairs, write
from data_mix.errors import PublishError
from data_mix.publish.leaving_out import publishable
from data_mix.shards import Build
from publishing import small_build


def with_lists(build: Build, **lists: list[dict[str, Any]]) -> Build:
    """The build with counts over all entries, and the audit lists that they come from."""
    for name, records in lists.items():
        (build.path / "audit").mkdir(exist_ok=True)
        (build.path / f"audit/{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        build.manifest[name] = {key: {"looked_for": 9} for key in ("mmlu", "bbh", "humaneval")}
    return build


def test_nothing_stays_of_an_entry_that_is_left_out(tmp_path: Path) -> None:
    """Part, counts, licence and settings of it go, the others stay as they are, and the fingerprint is another."""
    build = small_build(tmp_path, two="CC-BY-ND-4.0")
    found = publishable(build, ["two"])
    assert "two" not in json.dumps(found | {"left_out": None})
    assert found["left_out"] == ["two"]
    assert found["licence_warnings"] == []
    assert found["sources"] == {"one": build.manifest["sources"]["one"]}
    assert found["parts"] == [part for part in build.manifest["parts"] if part["source"] == "one"]
    assert found["fingerprint"] != build.manifest["fingerprint"]
    assert found == publishable(build, ["two"])


def test_without_anything_left_out_the_manifest_is_the_builds(tmp_path: Path) -> None:
    """Only the digests of pages go, for other pages are published."""
    build = small_build(tmp_path)
    assert publishable(build, []) == build.manifest | {"files": {}}


def test_dropped_rows_are_never_published(tmp_path: Path) -> None:
    """Of a build that keeps its dropped rows, their parts are not listed, their counts are."""
    twice = write(tmp_path / "raw.jsonl", [*pairs(9), *({**pair, "key": f"again-{pair['a']}"} for pair in pairs(3))])
    build = build_mix(tmp_path, mix_of(entry("one", twice)), keep_dropped=True)
    found = publishable(build, [])
    assert {part["split"] for part in build.manifest["parts"]} == {"train", "validation", "dropped"}
    assert {part["split"] for part in found["parts"]} == {"train", "validation"}
    assert found["sources"]["one"]["rows"]["dropped"] == {"duplicate": 3}


def test_counts_over_all_entries_are_taken_anew(tmp_path: Path) -> None:
    """Near duplicates and contamination are counted of the rows that stay, from the audit lists."""
    near = [{"kept": "one/0", "dropped": [{"id": "two/1", "similarity": 0.9}, {"id": "one/2", "similarity": 0.9}]}]
    near += [{"kept": "one/3", "dropped": [{"id": "two/4", "similarity": 1.0}]}]
    hits = [{"id": each, "benchmark": "mmlu", "item": item} for each, item in (("one/1", "a"), ("one/1", "b"), ("two/1", "c"))]
    build = with_lists(small_build(tmp_path), near_duplicates=near, contamination=[*hits, hits[2] | {"benchmark": "bbh"}])
    found = publishable(build, ["two"])
    assert found["near_duplicates"] == {"clusters": 1, "rows": 1}
    counts = {"mmlu": {"items": 2, "rows": 1}, "bbh": {"items": 0, "rows": 0}, "humaneval": {"items": 0, "rows": 0}}
    assert found["contamination"] == {name: {"looked_for": 9, **of} for name, of in counts.items()}


def test_shares_are_those_of_the_entries_that_stay(tmp_path: Path) -> None:
    """What mixing took is summed over the entries that stay, and notices of the whole are not repeated."""
    build = small_build(tmp_path)
    entries = {name: {"taken": {"rows": rows}, "share": 0.5} for name, rows in (("one", 6), ("two", 6))}
    build.manifest["mixing"] = {"unit": "rows", "taken": 12, "entries": entries, "notices": ["of all"]}
    found = publishable(build, ["two"])["mixing"]
    assert found == {"unit": "rows", "taken": 6, "entries": {"one": {"taken": {"rows": 6}, "share": 1.0}}, "notices": []}


def test_counts_that_cannot_be_taken_anew_are_an_error(tmp_path: Path) -> None:
    """Without the list, what is counted over all entries cannot be told apart."""
    build = with_lists(small_build(tmp_path), near_duplicates=[])
    (build.path / "audit/near_duplicates.jsonl").unlink()
    with pytest.raises(PublishError, match=r"near_duplicates\.jsonl: is missing"):
        publishable(build, ["two"])


@pytest.mark.parametrize(
    ("without", "said"), [(["three"], "no such entry; it has one, two"), (["one", "two"], "leaves no entry")]
)
def test_what_cannot_be_left_out_is_an_error(tmp_path: Path, without: list[str], said: str) -> None:
    """An entry that is not there, or all there are, cannot be left out."""
    with pytest.raises(PublishError, match=said):
        publishable(small_build(tmp_path), without)
