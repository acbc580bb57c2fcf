"""Parts as Parquet and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from building import build_mix, entry, mix_of, pairs, write
from data_mix.errors import FormatError, OutputError
from data_mix.publish.content import ContentDigest
from data_mix.publish.parquet import Conversion, Restoration, convert, held_for_conversion, restore
from data_mix.schema import CONVERSATION
from data_mix.shards import Build, Part, read_batches, write_part
from publishing import small_build


def conversions(build: Build, folder: Path) -> list[Conversion]:
    """The parts of a build, to be converted."""
    return [Conversion(part=part, source=build.path / part.path, folder=folder) for part in build.parts]


def check_round_trip(build: Build, folder: Path) -> None:
    """Every part comes back as it was."""
    for task in conversions(build, folder):
        content = convert(task).content
        target = folder / "back" / task.part.path
        assert restore(Restoration(part=task.part, source=task.target, content=content, target=target)) == task.part
        assert target.read_bytes() == task.source.read_bytes()


def test_a_part_comes_back_with_its_bytes(tmp_path: Path) -> None:
    """Of a build with rows that were dropped between others, many batches and trees, each part is the same file again."""
    texts = ["", "a\0b", "日本語", "x" * 5000, "\U0001f600"]
    records = [{"q": f"{number} {texts[number % 5]}?", "a": f"{number}", "key": f"k{number}"} for number in range(400)]
    records += [records[7] | {"key": f"again{number}"} for number in range(9)]
    tree = [{"q": "t", "a": f"{n}", "key": f"t{n}", "group": "g", "turn_ids": ["x" if n < 2 else f"y{n}"]} for n in range(4)]
    files = [write(tmp_path / f"{name}.jsonl", rows) for name, rows in (("many", records), ("trees", [*tree, *pairs(130)]))]
    mix = mix_of(entry("many", files[0], max_train_set=300), entry("trees", files[1], val_split=0))
    check_round_trip(build_mix(tmp_path, mix), tmp_path / "parquet")


def test_samples_come_back_with_their_bytes(sample_build: Path, tmp_path: Path) -> None:
    """So do the parts of every source's sample."""
    from data_mix.shards import open_build

    check_round_trip(open_build(sample_build), tmp_path / "parquet")


def test_a_part_is_the_same_parquet_every_time(tmp_path: Path) -> None:
    """Converted twice, a part is the same bytes, a row group for each record batch, and known without the file."""
    [task, *_] = conversions(small_build(tmp_path, 200), tmp_path / "parquet")
    first = convert(task)
    data = task.target.read_bytes()
    task.target.unlink()
    assert task.known == first
    assert convert(task) == first
    assert task.target.read_bytes() == data
    groups = pq.ParquetFile(task.target).metadata
    rows = [batch.num_rows for batch in read_batches(task.source)]
    assert len(rows) > 1
    assert [groups.row_group(place).num_rows for place in range(groups.num_row_groups)] == rows


def one_batch(part: Part, source: Path, folder: Path) -> Path:
    """The rows of a part in one row group, as if another pyarrow had cut them so."""
    table = pa.Table.from_batches(read_batches(source), CONVERSATION).combine_chunks()
    folder.mkdir(exist_ok=True)
    pq.write_table(table, folder / "other.parquet")
    return folder / "other.parquet"


def test_the_same_rows_in_other_bytes_are_taken(tmp_path: Path) -> None:
    """Where rows come back in another file than they were, they are taken, and the part says what it is now."""
    [task, *_] = conversions(small_build(tmp_path, 200), tmp_path / "parquet")
    source = one_batch(task.part, task.source, tmp_path / "other")
    target = tmp_path / "back.arrow"
    found = restore(Restoration(part=task.part, source=source, content=convert(task).content, target=target))
    assert found.sha256 != task.part.sha256
    assert found == replace(task.part, sha256=found.sha256, bytes=target.stat().st_size)


def test_other_rows_are_refused(tmp_path: Path) -> None:
    """A file of other rows is an error, and leaves no part."""
    build = small_build(tmp_path)
    one, two, *_ = conversions(build, tmp_path / "parquet")
    convert(one)
    restoration = Restoration(part=one.part, source=one.target, content=convert(two).content, target=tmp_path / "back.arrow")
    with pytest.raises(FormatError, match=r"one-00000\.arrow: its published file holds other rows"):
        restore(restoration)
    assert not (tmp_path / "back.arrow").exists()


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    """A file that is not Parquet is an error in one line."""
    [task, *_] = conversions(small_build(tmp_path), tmp_path / "parquet")
    (tmp_path / "x.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(FormatError, match=r"x\.parquet: is no Parquet of conversations"):
        restore(Restoration(part=task.part, source=tmp_path / "x.parquet", content="", target=tmp_path / "back.arrow"))


def content_of(*batches: pa.RecordBatch) -> str:
    """The digest of rows."""
    digest = ContentDigest()
    for batch in batches:
        digest.update(batch)
    return digest.hexdigest()


def test_a_content_digest_knows_rows_and_nothing_else(tmp_path: Path) -> None:
    """However rows are cut into batches their digest is one; with a row less, or in another order, it is another."""
    build = small_build(tmp_path, 60)
    batches = list(read_batches(build.path / build.parts[0].path))
    whole = pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
    rows = whole.num_rows
    assert content_of(*batches) == content_of(whole) == content_of(whole.slice(0, 7), whole.slice(7))
    others = [content_of(whole.slice(1)), content_of(whole.slice(7), whole.slice(0, 7)), content_of(whole.slice(0, rows - 1))]
    assert len({content_of(whole), *others}) == 4


def test_a_content_digest_tells_nulls_from_empty_texts() -> None:
    """A null, an empty text, a flag and where one text ends are all told apart."""
    texts: list[list[str | None]] = [["ab", "c"], ["a", "bc"], [None, "abc"], ["", "abc"], ["abc", None]]
    batches = [pa.record_batch({"text": pa.array(each, pa.string())}) for each in texts]
    flags = [pa.record_batch({"flag": pa.array(each)}) for each in ([True, False], [False, True], [None, True])]
    assert len({content_of(batch) for batch in (*batches, *flags)}) == len(batches) + len(flags)


def test_two_publications_do_not_share_the_folder_of_files(tmp_path: Path) -> None:
    """While one holds it another is told so; what one that was killed left half-written goes when it is held again."""
    (tmp_path / ".x.parquet.0.partial").write_bytes(b"half")
    with held_for_conversion(tmp_path):
        with pytest.raises(OutputError, match="another publication is using it"), held_for_conversion(tmp_path):
            pass
        assert list(tmp_path.iterdir()) == []
    with held_for_conversion(tmp_path):
        pass


def test_a_damaged_note_is_made_again(tmp_path: Path) -> None:
    """What is remembered of a conversion is not believed where it was changed."""
    [task, *_] = conversions(small_build(tmp_path), tmp_path / "parquet")
    convert(task)
    [note] = (tmp_path / "parquet").glob("*.json")
    note.write_bytes(note.read_bytes().replace(b'"rows": ', b'"rows": 1'))
    assert task.known is None


def test_a_part_that_was_published_as_it_is_is_copied(tmp_path: Path) -> None:
    """Published in Arrow, a part comes back byte for byte."""
    build = small_build(tmp_path)
    part = build.parts[0]
    source, target = build.path / part.path, tmp_path / "back/copy.arrow"
    assert restore(Restoration(part=part, source=source, content=None, target=target)) == part
    assert target.read_bytes() == source.read_bytes()


def test_parts_can_be_written_by_hand(tmp_path: Path) -> None:
    """A part of rows whose source differs from the part's name still has its own source in Parquet."""
    build = small_build(tmp_path)
    part = build.parts[0]
    batches = list(read_batches(build.path / part.path))
    other = replace(part, source="another")
    rows, size, sha256 = write_part(tmp_path / "other.arrow", CONVERSATION, batches)
    task = Conversion(
        part=replace(other, rows=rows, bytes=size, sha256=sha256), source=tmp_path / "other.arrow", folder=tmp_path
    )
    target = tmp_path / "back.arrow"
    restore(Restoration(part=task.part, source=task.target, content=convert(task).content, target=target))
    assert [batch.to_pydict() for batch in read_batches(target)] == [batch.to_pydict() for batch in batches]
