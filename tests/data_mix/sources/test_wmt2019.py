"""The source wmt2019: which pairs of languages there are, and what becomes of their rows."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest

from data_mix.errors import BadRecordError, ConfigError, RawFileError
from data_mix.fetch import Fetcher
from data_mix.schema import as_frame
from data_mix.source import Entry, Hub, LocalFile
from data_mix.sources.wmt2019 import SOURCE
from data_mix.translation import TEXT, TranslationOptions, instructions

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / "packages/data_mix/src/data_mix/samples/wmt2019"
NO_HUB = cast(Hub, None)  # this source names its files without asking


def entry(name: str = "wmt2019_zh-en", **options: Any) -> Entry:
    """Make an entry by its name, checked as a build checks it."""
    params = SOURCE.match(name)
    assert params is not None
    made = Entry(name=name, source=SOURCE, params=params, options=TranslationOptions(**options), seed=7)
    if SOURCE.check:
        SOURCE.check(made)
    return made


def read(path: Path, of: Entry, row_group: int | None = None) -> pl.DataFrame:
    """Read one file, or one row group, as a build does."""
    file = LocalFile(name=path.name, path=path, sha256="", row_group=row_group)
    return pl.concat(as_frame(frame) for frame in SOURCE.read(of, (file,)))


def sample(name: str = "wmt2019_zh-en") -> list[dict[str, Any]]:
    """The rows of the shipped sample of a pair, file by file."""
    of, rows = entry(name), []
    for path in sorted((SAMPLES / name.removeprefix("wmt2019_")).iterdir()):
        columns = ("key", "lang", "messages", "drop")
        rows += [{"entry": name, **row} for row in read(path, of).select(columns).to_dicts()]
    return rows


def parquet(path: Path, *rows: object, dtype: pl.DataType | None = None) -> Path:
    """Write a Parquet file of translations."""
    struct = dtype or pl.Struct({"zh": pl.String, "en": pl.String})
    pl.DataFrame({"translation": pl.Series(rows, dtype=struct)}).write_parquet(path)
    return path


def test_the_sample_gives_the_golden_rows() -> None:
    """The shipped sample becomes exactly the rows that were read through by eye."""
    golden = (ROOT / "tests/data_mix/golden/wmt2019.jsonl").read_text(encoding="utf8").splitlines()
    assert sample() + sample("wmt2019_de-en") == [json.loads(line) for line in golden]


def test_both_texts_of_a_pair_are_in_the_conversation() -> None:
    """One text is asked to be translated, the other is the answer, and `lang` is the language of the answer."""
    files = {path.stem: translations(path) for path in SAMPLES.glob("zh-en/*")}
    raw = {f"{stem}:{place}": pair for stem, pairs in files.items() for place, pair in enumerate(pairs)}
    for row in sample():
        user, answer = (message["content"] for message in row["messages"])
        source = "en" if row["lang"] == "zh" else "zh"
        assert answer == raw[row["key"]][row["lang"]]
        asked = {text.replace(TEXT, raw[row["key"]][source]) for text in instructions(source, row["lang"])}
        assert user in (asked if raw[row["key"]][source] else {""})


def translations(path: Path) -> list[dict[str, str]]:
    """The raw pairs of a file."""
    return list(pl.read_parquet(path)["translation"])


def test_validation_is_upstreams() -> None:
    """Train files are for training, and upstream's validation file for validation."""
    files = SOURCE.files(entry(revision="abc"), NO_HUB)
    assert [(file.path, file.split) for file in files] == [
        ("zh-en/train-*.parquet", "train"),
        ("zh-en/validation-*.parquet", "validation"),
    ]
    assert {(file.repo, file.revision) for file in files} == {("wmt/wmt19", "abc")}


@pytest.mark.parametrize(("name", "folder"), [("en-zh", "zh-en"), ("zh-en", "zh-en"), ("de-fr", "fr-de"), ("en-kk", "kk-en")])
def test_a_pair_is_found_in_either_order(name: str, folder: str) -> None:
    """The order of the two languages in an entry's name is free."""
    assert SOURCE.files(entry(f"wmt2019_{name}"), NO_HUB)[0].path == f"{folder}/train-*.parquet"


@pytest.mark.parametrize("name", ["ja-en", "en-fr", "zh-tw-en", "de-cs", "zh-cn-en"])
def test_an_unknown_pair_is_refused_with_the_nearest(name: str) -> None:
    """A pair that upstream does not have is an error that lists all and names one that shares a language."""
    with pytest.raises(ConfigError, match=f"no pair {name}, wanted one of cs-en, .*; the nearest is ") as caught:
        entry(f"wmt2019_{name}")
    assert set(str(caught.value)[-5:].split("-")) & set(name.split("-"))


def test_the_order_of_the_name_is_the_direction_forward() -> None:
    """Forward is from the first language of the entry's name into the second, in whatever order upstream has them."""
    path = SAMPLES / "zh-en/validation-00000-of-00001.parquet"
    for name, lang in (("wmt2019_zh-en", "en"), ("wmt2019_en-zh", "zh")):
        assert read(path, entry(name, direction="forward"))["lang"].unique().to_list() == [lang]


def test_a_row_group_alone_gives_the_rows_that_it_has_in_the_file(tmp_path: Path) -> None:
    """A row has the same key, direction and instruction whether its row group or the whole file was fetched."""
    fetcher = Fetcher(home=tmp_path, samples=SAMPLES)
    [remote] = [each for each in fetcher.resolve(SOURCE.files(entry(), NO_HUB)[0]) if "00001" in each.path]
    whole, groups = read(SAMPLES / remote.path, entry()), fetcher.row_groups(remote)
    parts = [fetcher.fetch_row_group(remote, group) for group in range(len(groups))]
    frames = [as_frame(frame) for part in parts for frame in SOURCE.read(entry(), (part,))]
    assert SOURCE.by_row_group
    assert len(parts) == 3
    assert pl.concat(frames).equals(whole)


@pytest.mark.parametrize("row", [{"zh": None, "en": "x"}, {"zh": "", "en": "x"}, {"zh": "x", "en": " "}])
def test_an_empty_side_is_an_empty_turn(tmp_path: Path, row: dict[str, str | None]) -> None:
    """A pair that lacks one text is left to the stages, which drop empty turns."""
    frame = read(parquet(tmp_path / "train-00000-of-00001.parquet", row), entry())
    assert frame["drop"].to_list() == [None]
    assert any(not message["content"].strip() for message in frame["messages"][0])


def test_a_missing_pair_is_a_broken_record(tmp_path: Path) -> None:
    """A row without a translation is an error with its place, or a counted drop."""
    path = parquet(tmp_path / "train-00000-of-00001.parquet", {"zh": "一", "en": "One."}, None)
    with pytest.raises(BadRecordError, match=r"^train-00000-of-00001\.parquet:2: "):
        read(path, entry())
    assert read(path, entry(on_bad_record="drop"))["drop"].to_list() == [None, "bad_record"]


def test_a_file_of_other_languages_is_refused(tmp_path: Path) -> None:
    """A file that lacks one of the entry's languages is an error that names both columns."""
    path = parquet(tmp_path / "own.parquet", {"ru": "a", "en": "b"}, dtype=pl.Struct({"ru": pl.String, "en": pl.String}))
    with pytest.raises(RawFileError, match=r"own\.parquet: .*ru: .*zh"):
        read(path, entry(input_file_path="own.parquet"))


def test_millions_of_rows_are_a_matter_of_seconds(tmp_path: Path) -> None:
    """At least 100,000 pairs are read in a second of one processor."""
    rows = [{"zh": f"第{place}句话在这里。", "en": f"Here is sentence number {place}."} for place in range(100_000)]
    path, of = parquet(tmp_path / "train-00000-of-00001.parquet", *rows), entry()
    read(SAMPLES / "zh-en/validation-00000-of-00001.parquet", of)
    begin = time.process_time()
    assert sum(len(frame) for frame in SOURCE.read(of, (LocalFile(name=path.name, path=path, sha256=""),))) == len(rows)
    assert time.process_time() - begin < 1


def test_the_real_pairs_are_all_read(shared: Path) -> None:
    """Every row of the real files becomes a row, and no text is lost."""
    for path in sorted((shared / "hub/datasets/wmt/wmt19/zh-en").iterdir()):
        raw, frame = pl.read_parquet(path)["translation"].struct.unnest(), read(path, entry(direction="forward"))
        assert len(frame) == len(raw)
        assert frame["messages"].list.get(1).struct.field("content").to_list() == raw["en"].to_list()
