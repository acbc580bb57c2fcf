"""Two builds side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from building import Record, build_mix, entry, mix_of, pairs, write
from commands import Shell, section
from data_mix.comparison import LEARN, NOT_KEPT, NOT_READ, compare
from data_mix.errors import ConfigError
from data_mix.shards import Build, open_build

RECORDS = [{**record, "key": str(number), "lang": "en"} for number, record in enumerate(pairs(40, "row"))]


def built(
    folder: Path, out: str, records: Sequence[Record], *, settings: dict[str, Any] | None = None, **options: Any
) -> Build:
    """A build of these records as the entry `e`."""
    raw = write(folder / f"{out}.jsonl", records)
    return build_mix(folder, mix_of(entry("e", raw, **options), **(settings or {})), out=out, keep_dropped=True)


def test_builds_that_are_alike_differ_in_nothing(tmp_path: Path) -> None:
    """The same mix on the same raw files, wherever it stands."""
    one = build_mix(tmp_path, mix_of(entry("e", write(tmp_path / "raw.jsonl", RECORDS))), out="one")
    other = build_mix(tmp_path, mix_of(entry("e", write(tmp_path / "raw.jsonl", RECORDS))), out="other", keep_dropped=True)
    assert compare(one, other).is_alike


def test_every_way_in_which_a_row_can_differ_is_found(tmp_path: Path) -> None:
    """Other text, other language, a row less and a row more, each with its id."""
    changed: list[dict[str, Any]] = [dict(record) for record in RECORDS]
    changed[3] |= {"a": "Something else."}
    changed[4] |= {"lang": "ja"}
    changed[5:6] = []
    changed.append({"q": "New?", "a": "Yes.", "key": "new", "lang": "en"})
    (found,) = compare(built(tmp_path, "one", RECORDS), built(tmp_path, "other", changed)).sources
    assert found.rows == (40, 40)
    assert {kind: rows.ids for kind, rows in found.kinds.items() if rows.ids} == {
        "only_a": ["e/5"],
        "only_b": ["e/new"],
        "text": ["e/3"],
        "lang": ["e/4"],
    }
    assert found.lang.why == ["en → ja"]
    assert found.only_a.why == [NOT_READ]


def test_the_swap_of_two_messages_is_other_text(tmp_path: Path) -> None:
    """Who says what counts, not only what is said."""
    other = [{**RECORDS[0], "q": RECORDS[0]["a"], "a": RECORDS[0]["q"]}, *RECORDS[1:]]
    (found,) = compare(built(tmp_path, "one", RECORDS), built(tmp_path, "other", other)).sources
    assert found.text.ids == ["e/0"]


def test_a_setting_that_differs_is_named_with_both_values(tmp_path: Path) -> None:
    """By its dotted key, and why rows are gone by the reason of the build that dropped them."""
    raw = write(tmp_path / "raw.jsonl", RECORDS)
    one = build_mix(tmp_path, mix_of(entry("e", raw, val_split=0.0)), out="one", keep_dropped=True)
    other = build_mix(tmp_path, mix_of(entry("e", raw, val_split=0.0, max_train_set=30)), out="other", keep_dropped=True)
    found = compare(one, other)
    assert found.options == [("datasets.e.max_train_set", None, 30)]
    assert found.files == []
    assert found.sources[0].only_a.reasons == {"max_train_set": 10}


def test_a_row_that_moved_names_both_splits(tmp_path: Path) -> None:
    """Another seed puts other rows into validation."""
    raw = write(tmp_path / "raw.jsonl", RECORDS)
    mixes = [mix_of(entry("e", raw, val_split=0.2, seed=seed), data_seed=seed) for seed in (0, 1)]
    one, other = (build_mix(tmp_path, mix, out=f"{place}") for place, mix in enumerate(mixes))
    found = compare(one, other)
    assert found.options == [("data_seed", 0, 1)]
    assert set(found.sources[0].split.reasons) == {"train → validation", "validation → train"}


def test_a_raw_file_that_differs_is_named_with_both_digests(tmp_path: Path) -> None:
    """What is said of it in each build, though its name is the same."""
    raw = write(tmp_path / "raw.jsonl", RECORDS)
    one = build_mix(tmp_path, mix_of(entry("e", raw)), out="one")
    write(tmp_path / "raw.jsonl", RECORDS[1:])
    other = build_mix(tmp_path, mix_of(entry("e", raw)), out="other")
    ((source, name, before, after),) = compare(one, other).files
    assert (source, name) == ("e", "raw.jsonl")
    assert before["sha256"] != after["sha256"]


def test_turns_that_are_trained_elsewhere_are_no_other_text(tmp_path: Path) -> None:
    """A thread whose elder is gone trains what they share."""
    threads = [{**record, "group": "g", "turn_ids": ["shared"]} for record in RECORDS[:2]]
    found = compare(built(tmp_path, "one", threads), built(tmp_path, "other", threads[1:])).sources[0]
    assert (found.only_a.ids, found.trained.ids, found.text.ids) == (["e/0"], ["e/1"], [])


def test_an_entry_that_one_mix_lacks_is_all_in_the_other(tmp_path: Path) -> None:
    """Its rows are counted, and the reason is the mix."""
    raws = [write(tmp_path / f"{name}.jsonl", pairs(5, name)) for name in ("e", "f")]
    one, other = (mix_of(*(entry(name, raw) for name, raw in zip("ef"[:count], raws, strict=False))) for count in (1, 2))
    found = compare(build_mix(tmp_path, one, out="one"), build_mix(tmp_path, other, out="other"))
    assert found.sources[1].only_b.reasons == {"the entry is not in that build": 5}
    assert found.sources[0].is_alike


def test_without_dropped_rows_the_reason_is_not_known(tmp_path: Path) -> None:
    """It is not guessed, and what to do about it is said."""
    raw = write(tmp_path / "raw.jsonl", RECORDS)
    one = build_mix(tmp_path, mix_of(entry("e", raw)), out="one")
    other = build_mix(tmp_path, mix_of(entry("e", raw, max_train_set=3)), out="other")
    found = compare(one, other)
    assert set(found.sources[0].only_a.why) == {NOT_KEPT}
    assert found.lacks_dropped == (False, True)
    assert "--keep-dropped" in LEARN


def test_a_source_that_neither_has_is_an_error(tmp_path: Path) -> None:
    """The error names those that there are."""
    build = built(tmp_path, "one", RECORDS)
    with pytest.raises(ConfigError, match="source 'x' is in neither build; they have e"):
        compare(build, open_build(build.path), "x")


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A place with two builds, of which one is capped."""
    folder = tmp_path_factory.mktemp("diff")
    section(folder, "mine: {datasets: [joke, gsm8k]}\n")
    shell = Shell(cwd=folder, home=folder / "home")
    shell.build(folder / "a", "--configs", "mine", "--samples")
    shell.build(folder / "b", "--configs", "mine", "--samples", "--keep-dropped", "--datasets.gsm8k.max_train_set", "3")
    return shell


def test_the_command_says_what_differs_and_why(shell: Shell) -> None:
    """Setting, counts and reasons; with --rows the ids as well; the exit code is 0 all the same."""
    said = shell.ok("diff", "a", "b", "--rows", "2")
    assert "datasets.gsm8k.max_train_set  -  3" in said
    assert "gsm8k, only in A: max_train_set 6" in said
    assert len([line for line in said.splitlines() if line.startswith("  gsm8k/")]) == 2


def test_the_command_prints_plain_data(shell: Shell) -> None:
    """For programs, of one source alone where it is named."""
    found = json.loads(shell.ok("diff", "a", "b", "--json", "--source", "joke"))
    assert list(found["sources"]) == ["joke"]
    assert found["sources"]["joke"]["only_a"] == {"rows": 0, "why": {}, "ids": {}}


def test_the_exit_code_tells_where_it_is_asked_to(shell: Shell) -> None:
    """1 for builds that differ, 0 for those that do not."""
    assert shell.run("diff", "a", "b", "--exit-code").returncode == 1
    assert shell.ok("diff", "a", "a", "--exit-code") == "a and a: nothing differs\n"


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [(("a", "nothing"), "nothing: does not exist"), (("a", "b", "--source", "x"), "source 'x' is in neither build")],
)
def test_what_cannot_be_compared_is_one_line(shell: Shell, arguments: tuple[str, ...], wanted: str) -> None:
    """Exit code 1, the value found and what there is."""
    assert wanted in shell.refused("diff", *arguments)
