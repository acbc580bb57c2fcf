"""The numbers of the page: those of the manifest, and those that are read off the rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands import Shell
from data_mix.errors import FormatError
from data_mix.report.figures import manifest_figures, measured_figures
from data_mix.shards import DROPPED, open_build
from data_mix.tokens import Tokenizer, tokenize_build
from looking_at import make_build, pair, plain, write_audit


def test_lengths_are_characters_of_the_messages(tmp_path: Path) -> None:
    """Without token shards a length is the characters, not bytes, of all messages of a row."""
    build = make_build(tmp_path, {("train", "one"): [("0", "ja", pair("日本", "語で")), ("1", "en", pair("a", "b" * 19))]})
    found = measured_figures(build)
    assert (found["unit"], found["all"]["sum"], found["all"]["quantiles"]["longest"]) == ("characters", 24, 20)
    assert found["lengths"]["one"]["bars"][:3] == [1, 1, 0]


def test_lengths_are_tokens_where_the_build_has_token_shards(sample_build: Path, tokenizer: Tokenizer) -> None:
    """With token shards of this build the lengths add up to the tokens that their manifest counts."""
    tokens, _ = tokenize_build(sample_build, tokenizer)
    found = measured_figures(open_build(sample_build))
    assert found["unit"] == "tokens"
    assert found["all"]["sum"] == sum(file["tokens"] for file in tokens.manifest["files"].values())


def test_token_shards_of_another_build_are_not_taken(tmp_path: Path, sample_build: Path, tokenizer: Tokenizer) -> None:
    """Shards whose manifest names another fingerprint lie there in vain."""
    tokens, _ = tokenize_build(sample_build, tokenizer)
    build = make_build(tmp_path / "out", {("train", "one"): plain(3)})
    (tmp_path / "out/tokens").symlink_to(tokens.path.parent)
    assert measured_figures(build)["unit"] == "characters"


def test_turns_are_the_assistant_s(tmp_path: Path) -> None:
    """A conversation counts by its answers; many of them share the last bar."""
    rows = [("0", "en", pair("a", "b")), ("1", "en", pair("a", "b") * 3), ("2", "en", pair("a", "b") * 40)]
    found = measured_figures(make_build(tmp_path, {("train", "one"): rows}))
    assert found["turns"] == {"one": [0, 1, 0, 1, 0, 0, 0, 0, 1]}
    assert found["trained_turns"] == {"one": 44}


def test_a_build_without_rows_has_figures(tmp_path: Path) -> None:
    """Zero rows and no part are figures too."""
    assert measured_figures(make_build(tmp_path, {}))["all"]["rows"] == 0
    assert measured_figures(make_build(tmp_path / "2", {("train", "one"): []}))["all"]["rows"] == 0


def test_dropped_rows_are_not_measured(tmp_path: Path) -> None:
    """Lengths and turns are of the kept rows."""
    build = make_build(tmp_path, {("train", "one"): plain(3), (DROPPED, "one"): plain(9)})
    assert measured_figures(build)["all"]["rows"] == 3


def test_what_the_manifest_does_not_have_is_empty(sample_shell: Shell, sample_build: Path) -> None:
    """Findings, agreement, near-duplicates and contamination are optional."""
    found = manifest_figures(open_build(sample_build))
    assert all("findings" in source and "agreement" in source for source in found["sources"].values())
    assert found["clusters"] == []


def test_the_largest_clusters_come_first(tmp_path: Path) -> None:
    """Of the list of near-duplicates the page has the largest clusters, and a few rows of each."""
    small = {"kept": "a", "dropped": [{"id": "b", "similarity": 0.9}]}
    large = {"kept": "c", "dropped": [{"id": str(number), "similarity": 0.8} for number in range(30)]}
    write_audit(tmp_path, "near_duplicates.jsonl", [small, large])
    first, second = manifest_figures(make_build(tmp_path, {("train", "one"): plain(1)}))["clusters"]
    assert (first["kept"], first["rows"], len(first["dropped"]), second["kept"]) == ("c", 30, 8, "a")


def test_a_broken_audit_list_is_one_clear_line(tmp_path: Path) -> None:
    """A list that is no JSON is named, with what to do."""
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit/contamination.jsonl").write_text("{")
    with pytest.raises(FormatError, match=r"contamination\.jsonl: is damaged or missing .* build again"):
        manifest_figures(make_build(tmp_path, {("train", "one"): plain(1)}))
