"""What a plan says of a build before it is made, held against the build."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from building import build_mix, entry, mix_of, pairs, write
from commands import Shell, section
from data_mix.build import BuildOptions, plan_build
from data_mix.mix import Mix
from data_mix.shards import Build
from data_mix.steps.forecast import Forecast, forecast
from data_mix.steps.rates import remember
from data_mix.tokens import load_tokenizer, tokenize_build
from sample_tokenizers import byte_level


def said(folder: Path, mix: Mix) -> list[Forecast]:
    """The forecast of a mix by the cache of this folder."""
    home = folder / "home"
    return forecast(mix, plan_build(mix, BuildOptions(home=home)), home)


def kept(built: Build) -> list[tuple[int, int, int]]:
    """Rows read, and kept in train and validation, of each source."""
    counts = [source["rows"] for source in built.manifest["sources"].values()]
    return [(each["read"], each["kept"]["train"], each["kept"]["validation"]) for each in counts]


def rows(found: list[Forecast]) -> list[tuple[int, int, int]]:
    """The same of a forecast."""
    return [(each.read.value, each.train.value, each.validation.value) for each in found]


def two(folder: Path, first: dict[str, Any] | None = None, **settings: Any) -> Mix:
    """A mix of an entry of 400 rows and one of 100, of which ten are the first's."""
    records = [pairs(400, "a"), [*pairs(90, "b"), *pairs(10, "a")]]
    raws = [write(folder / f"{name}.jsonl", each) for name, each in zip("ab", records, strict=True)]
    return mix_of(*(entry(name, raw, **(first or {})) for name, raw in zip("ab", raws, strict=True)), **settings)


@pytest.mark.parametrize(
    ("options", "mixing"),
    [
        ({}, {}),
        ({"max_train_set": 50}, {}),
        ({"epochs": 2.5}, {}),
        ({}, {"temperature": "inf", "total": 120, "max_epochs": 3.0}),
    ],
)
def test_of_what_is_staged_every_row_is_foretold(tmp_path: Path, options: dict[str, Any], mixing: dict[str, Any]) -> None:
    """After a build without a word of mixing, any mixing is foretold exactly, duplicates included."""
    build_mix(tmp_path, two(tmp_path))
    mix = two(tmp_path, options, mixing=mixing)
    found = said(tmp_path, mix)
    built = build_mix(tmp_path, mix)
    assert all(each.read.is_exact and each.train.is_exact for each in found)
    assert rows(found) == kept(built)


def test_bytes_of_a_staged_build_are_foretold_within_a_fifth(tmp_path: Path) -> None:
    """They are estimates, and say so."""
    mix = two(tmp_path)
    built = build_mix(tmp_path, mix)
    found = said(tmp_path, mix)
    assert not any(each.bytes.is_exact for each in found)
    assert sum(each.bytes.value for each in found) == pytest.approx(sum(part.bytes for part in built.parts), rel=0.2)


def test_counted_tokens_are_foretold_exactly(tmp_path: Path) -> None:
    """Where a build has counted them, another budget's tokens are those that it writes."""
    tokenizer = byte_level(tmp_path / "tokenizer")
    mixing = {"tokenizer": str(tokenizer)}
    build_mix(tmp_path, two(tmp_path, {"max_train_tokens": 100}, mixing=mixing))
    mix = two(tmp_path, {"max_train_tokens": 1500, "epochs": 9.0}, mixing=mixing)
    found = said(tmp_path, mix)
    tokens, _ = tokenize_build(build_mix(tmp_path, mix).path, load_tokenizer(tokenizer))
    assert all(each.tokens.is_exact for each in found)
    assert sum(each.tokens.value for each in found) == tokens.lengths("train").sum()


def test_what_was_never_read_is_estimated_and_says_so(tmp_path: Path) -> None:
    """Rows by the size of the file; nothing is staged by asking."""
    found = said(tmp_path, two(tmp_path))
    assert not any(each.read.is_exact or each.train.is_exact or each.tokens.is_exact for each in found)
    assert found[0].read.value > found[1].read.value > 0
    assert not (tmp_path / "home/staged").exists()


def test_what_a_build_has_learnt_makes_the_next_forecast_better(tmp_path: Path) -> None:
    """The bytes of a source's rows are remembered, so that other files of it are estimated by them."""
    mix = two(tmp_path)
    planned = plan_build(mix, BuildOptions(home=tmp_path / "home"))
    built = build_mix(tmp_path / "elsewhere", mix)
    keys = _keys(tmp_path / "elsewhere/home")
    remember(tmp_path / "home", planned, keys, {"read": (1000, 2.0)})
    assert rows(said(tmp_path, mix))[1][0] == pytest.approx(kept(built)[1][0], rel=0.3)


def _keys(home: Path) -> Any:
    """All keys that are staged there, as one entry's."""
    import polars as pl

    from data_mix.steps.staging import read_keys

    frames = [read_keys(path.parent) for path in sorted(home.rglob("keys.arrow"))]
    return pl.concat(frames).with_columns(entry=pl.when(pl.col("id").str.starts_with("a/")).then(0).otherwise(1))


def test_caps_of_a_mix_that_was_never_read_are_followed(tmp_path: Path) -> None:
    """An estimate knows what a cap leaves."""
    assert [each.train.value for each in said(tmp_path, two(tmp_path, {"max_train_set": 1}))] == [1, 1]


def test_the_command_marks_what_is_estimated(tmp_path: Path) -> None:
    """Before a build of it rows have a ~, after it they have none, and as JSON every figure says which it is."""
    section(tmp_path, "mine: {datasets: [joke]}\n")
    shell = Shell(cwd=tmp_path, home=tmp_path / "home")
    asked = ("plan", "--configs", "mine", "--samples")
    before = shell.ok(*asked).splitlines()
    shell.build(tmp_path / "out", *asked[1:])
    after = json.loads(shell.ok(*asked, "--json"))
    assert before[1].split()[1].startswith("~")
    assert after["entries"][0]["read"] == {"value": 9, "is_exact": True}
    assert after["entries"][0]["train"] == {"value": 8, "is_exact": True}
    assert after["files"][0]["file"] == "main.jsonl"
