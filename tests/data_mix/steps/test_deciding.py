"""The step decide, over builds: what drops a row, and in which order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from building import build_mix, entry, mix_of, pairs, rows_of, write
from commands import Shell, section
from data_mix.shards import DROPPED, Build, verify

ANSWER = (
    "The lighthouse keeper climbed the winding stairs every evening at dusk, trimmed the wick, filled the lamp with oil, "
    "polished the great lens until it shone and wrote the weather, the tide and every passing ship into his thick log book"
)
QUESTION = "What did the keeper of the old lighthouse on the northern cliff do on each evening of the long winter of that year?"


def changed(text: str) -> str:
    """The text with one word another."""
    return text.replace("evening", "night", 1)


ROWS = [
    {"q": QUESTION, "a": ANSWER, "key": "first"},
    {"q": QUESTION, "a": ANSWER, "key": "same"},
    {"q": QUESTION, "a": changed(ANSWER), "key": "near"},
    {"q": "Tell me something else.", "a": "A quite different and rather short answer.", "key": "other"},
]


def decided(tmp_path: Path, rows: list[dict[str, Any]], **settings: Any) -> tuple[Build, dict[str, str]]:
    """The build of these rows and twenty others, and the reason of each dropped one."""
    mix = mix_of(entry("e", write(tmp_path / "r.jsonl", [*rows, *pairs(20)]), val_split=0.0), **settings)
    built = build_mix(tmp_path, mix, keep_dropped=True)
    return built, {row["id"].removeprefix("e/"): row["drop"] for row in rows_of(built, DROPPED)}


def test_a_near_duplicate_goes_after_the_same_and_for_the_first(tmp_path: Path) -> None:
    """What is the same is a duplicate, what is nearly the same a near duplicate, and the first of them stays."""
    built, dropped = decided(tmp_path, ROWS, near_duplicates={})
    assert dropped == {"same": "duplicate", "near": "near_duplicate"}
    assert built.manifest["near_duplicates"] == {"clusters": 1, "rows": 1}


def test_the_audit_list_names_what_stays_and_what_goes(tmp_path: Path) -> None:
    """A line per cluster, whose digest the manifest has."""
    built, _ = decided(tmp_path, ROWS, near_duplicates={})
    (line,) = map(json.loads, (built.path / "audit/near_duplicates.jsonl").read_text().splitlines())
    assert (line["kept"], [each["id"] for each in line["dropped"]]) == ("e/first", ["e/near"])
    assert 0.7 <= line["dropped"][0]["similarity"] <= 1
    assert verify(built.path) == []
    (built.path / "audit/near_duplicates.jsonl").write_text("{}\n")
    assert len(verify(built.path)) == 1


def test_without_being_asked_nothing_is_looked_for(tmp_path: Path) -> None:
    """By default near duplicates stay, and neither the manifest nor the folder mentions them."""
    built, dropped = decided(tmp_path, ROWS)
    assert dropped == {"same": "duplicate"}
    assert not {"near_duplicates", "contamination", "mixing"} & built.manifest.keys()
    assert not (built.path / "audit").exists()


@pytest.fixture
def benchmark(tmp_path: Path) -> dict[str, Any]:
    """A benchmark that asks the question, as a mix names it."""
    file = tmp_path / "items.jsonl"
    file.write_text(json.dumps({"question": QUESTION, "answer": "He climbed."}) + "\n")
    return {"path": str(file), "name": "keepers", "columns": ["question", "answer"]}


def test_a_contaminated_row_is_dropped_before_a_duplicate_is_looked_for(tmp_path: Path, benchmark: dict[str, Any]) -> None:
    """Every row that holds an item goes for that, so none of them stands in for the others."""
    built, dropped = decided(tmp_path, ROWS, decontaminate_against=(benchmark,), near_duplicates={})
    assert dropped == dict.fromkeys(["first", "same", "near"], "contaminated")
    assert built.manifest["contamination"]["keepers"] == {"items": 1, "rows": 3, "looked_for": 1, "too_short": 0}


def test_a_contaminated_row_may_be_reported_only(tmp_path: Path, benchmark: dict[str, Any]) -> None:
    """It stays, and is counted and listed all the same."""
    built, dropped = decided(tmp_path, ROWS, decontaminate_against=(benchmark,), decontamination={"action": "report"})
    assert dropped == {"same": "duplicate"}
    assert built.manifest["contamination"]["keepers"]["rows"] == 3
    lines = [json.loads(line) for line in (built.path / "audit/contamination.jsonl").read_text().splitlines()]
    assert {line["id"] for line in lines} == {"e/first", "e/same", "e/near"}
    assert all(line["text"] in QUESTION for line in lines)


def test_an_audit_list_goes_with_what_asked_for_it(tmp_path: Path) -> None:
    """A build that takes the folder over leaves no list of the one before."""
    decided(tmp_path, ROWS, near_duplicates={})
    built, _ = decided(tmp_path, ROWS)
    assert not (built.path / "audit").exists()
    assert verify(built.path) == []


def test_the_mix_in_the_manifest_names_a_benchmark_by_its_file(tmp_path: Path, benchmark: dict[str, Any]) -> None:
    """Where the file lies is no business of a reader."""
    built, _ = decided(tmp_path, ROWS, decontaminate_against=(benchmark,))
    assert built.manifest["mix"]["decontaminate_against"][0]["path"] == "items.jsonl"
    assert str(tmp_path) not in json.dumps(built.manifest)


def test_workers_change_no_byte(tmp_path: Path, benchmark: dict[str, Any]) -> None:
    """Measures that are taken by two processes give the same folder as by one."""
    section(tmp_path, "mine: " + json.dumps({"datasets": ["gsm8k", "dolly15k"], "near_duplicates": {"min_ngrams": 1}}))
    section(tmp_path, "more: " + json.dumps({"decontaminate_against": [benchmark | {"path": "items.jsonl"}]}), name="more.yaml")
    manifests = []
    for workers in (1, 2):
        shell, out = Shell(cwd=tmp_path, home=tmp_path / f"home{workers}"), tmp_path / f"out{workers}"
        manifests.append(shell.build(out, "--configs", "mine", "more", "--samples", "--workers", workers))
        assert verify(out) == []
    assert manifests[0] | {"out": None} == manifests[1] | {"out": None}
    assert manifests[0]["contamination"]["keepers"]["looked_for"] == 1
