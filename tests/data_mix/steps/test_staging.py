"""The step read and the step write, on a source of the test's own."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from data_mix.files import file_sha256
from data_mix.schema import CONVERSATION, pair
from data_mix.shards import DROPPED, Part, read_batches
from data_mix.source import Entry, LocalFile, Source, SourceOptions
from data_mix.steps.staging import Unit, read_keys, stage_unit
from data_mix.steps.writing import Piece, ShardTask, write_shard
from data_mix.template import chat_template

READS: list[Path] = []


def read(entry: Entry, files: tuple[LocalFile, ...]) -> Iterator[pl.DataFrame]:
    """Yield a frame of two rows at a time."""
    for file in files:
        READS.append(file.path)
        records = pl.DataFrame([json.loads(line) for line in file.path.read_text().splitlines()])
        frame = records.select(pair("q", "a"), key=pl.col("q"))
        yield from frame.iter_slices(2)


SOURCE = Source(name="own", licence="MIT", homepage="", languages=("en",), rows=None, files=lambda *_: [], read=read)


def unit_of(tmp_path: Path, pairs: list[tuple[str, str]], **options: Any) -> Unit:
    """A unit over a raw file with these pairs."""
    path = tmp_path / "raw.jsonl"
    path.write_text("".join(json.dumps({"q": q, "a": a}) + "\n" for q, a in pairs))
    entry = Entry(name="own", source=SOURCE, params={}, options=SourceOptions(**options), seed=0)
    file = LocalFile(name=path.name, path=path, sha256=file_sha256(path))
    return Unit(entry=entry, files=(file,), stages={}, home=tmp_path / "home")


def written(unit: Unit, rows: list[int], **piece: Any) -> tuple[Part, pa.Table]:
    """The shard of these rows of the unit's staged part."""
    stage_unit(unit).result()
    split = DROPPED if "drop" in piece else "train"
    piece = {"train": None} | piece
    pieces = (Piece(folder=unit.folder, rows=np.array(rows, dtype=np.int64), **piece),)
    out = unit.home / "out"
    task = ShardTask(out=out, path="x.arrow", split=split, source="own", template=chat_template("openassistant"), pieces=pieces)
    part = write_shard(task).result()
    return part, pa.Table.from_batches(list(read_batches(out / "x.arrow")))


PAIRS = [("a", "1"), ("b", "2"), ("a", "1"), ("ab", ""), ("c", "3")]


def test_a_staged_row_s_id_is_entry_and_key(tmp_path: Path) -> None:
    """Ids begin with the entry's name."""
    unit = unit_of(tmp_path, PAIRS[:2])
    stage_unit(unit).result()
    assert read_keys(unit.folder)["id"].to_list() == ["own/a", "own/b"]


def test_content_digests_are_equal_for_equal_conversations_only(tmp_path: Path) -> None:
    """Rows with the same roles and contents have one digest, and moving a letter between turns changes it."""
    unit = unit_of(tmp_path, [("a", "b"), ("a", "b"), ("ab", ""), ("", "ab"), ("b", "a")])
    stage_unit(unit).result()
    digests = read_keys(unit.folder).select("content_0", "content_1").rows()
    assert digests[0] == digests[1]
    assert len(set(digests)) == 4


def test_a_staged_part_is_not_read_again(tmp_path: Path) -> None:
    """The second staging of the same raw bytes with the same options reads nothing."""
    unit = unit_of(tmp_path, PAIRS)
    stage_unit(unit).result()
    before = len(READS)
    stage_unit(replace(unit)).result()
    assert len(READS) == before


@pytest.mark.parametrize("options", [{"max_train_set": 3}, {"val_split": 0.5}, {"fraction": 0.5}, {"licence": "MIT"}])
def test_options_that_choose_rows_leave_the_key(tmp_path: Path, options: dict[str, Any]) -> None:
    """Caps, splits and licences re-read no raw file."""
    assert unit_of(tmp_path, PAIRS, **options).key == unit_of(tmp_path, PAIRS).key


def test_options_that_change_reading_change_the_key(tmp_path: Path) -> None:
    """What changes the rows of a raw file is read anew."""
    assert unit_of(tmp_path, PAIRS, on_bad_record="drop").key != unit_of(tmp_path, PAIRS).key


def test_other_raw_bytes_change_the_key(tmp_path: Path) -> None:
    """A changed raw file is read anew."""
    assert unit_of(tmp_path, PAIRS).key != unit_of(tmp_path, PAIRS[:-1]).key


def test_a_declared_language_is_every_row_s(tmp_path: Path) -> None:
    """`lang` of an entry is the tag of its rows; without it they are und."""
    unit = unit_of(tmp_path, PAIRS, lang="de")
    stage_unit(unit).result()
    assert set(read_keys(unit.folder)["lang"]) == {"de"}


def test_a_shard_holds_the_chosen_rows_in_the_schema_of_conversations(tmp_path: Path) -> None:
    """A shard has exactly the columns of the contract, and the chosen rows in order."""
    _, table = written(unit_of(tmp_path, PAIRS), [1, 4])
    assert table.schema == CONVERSATION
    assert table["id"].to_pylist() == ["own/b", "own/c"]
    assert table["text"][0].as_py() == "<|prompter|>b<|endoftext|><|assistant|>2<|endoftext|>"


def test_the_part_is_described_as_it_stands_on_disk(tmp_path: Path) -> None:
    """Rows, bytes and digest of a part are those of its file."""
    unit = unit_of(tmp_path, PAIRS)
    part, table = written(unit, [0, 1, 4])
    path = unit.home / "out" / part.path
    assert (part.rows, part.bytes, part.sha256) == (len(table), path.stat().st_size, file_sha256(path))


def test_assistant_turns_are_trained_and_user_turns_are_not(tmp_path: Path) -> None:
    """`train` is true for every assistant turn unless another row trains it."""
    _, table = written(unit_of(tmp_path, PAIRS), [0])
    assert [message["train"] for message in table["messages"][0].as_py()] == [False, True]


def test_a_turn_that_another_row_trains_is_not_trained(tmp_path: Path) -> None:
    """The flags of the decision stand in `train`, and rows without flags train all."""
    flags = pl.Series([[False], None, [True]], dtype=pl.List(pl.Boolean))
    _, table = written(unit_of(tmp_path, PAIRS), [0, 1, 4], train=flags)
    assert [row[-1]["train"] for row in table["messages"].to_pylist()] == [False, True, True]


def test_dropped_rows_are_written_with_their_reason(tmp_path: Path) -> None:
    """A shard of dropped rows has the reason beside each."""
    _, table = written(unit_of(tmp_path, PAIRS), [2, 3], drop=pl.Series(["duplicate", "empty_turn"]))
    assert table["drop"].to_pylist() == ["duplicate", "empty_turn"]


def test_a_shard_s_key_follows_what_it_is_made_of(tmp_path: Path) -> None:
    """Two tasks have one key only where rows, template and flags agree."""
    folder = tmp_path / "k"
    pieces = [Piece(folder=folder, rows=np.array(rows), train=None) for rows in ([1, 2], [1, 3])]
    tasks = [
        ShardTask(out=tmp_path, path="x", split="train", source="s", template=chat_template(name), pieces=(piece,))
        for piece in pieces
        for name in ("openassistant", "chatml")
    ]
    assert len({task.key for task in tasks}) == 4
    assert tasks[0].key == replace(tasks[0], out=tmp_path / "elsewhere").key
