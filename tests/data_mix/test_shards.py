"""The build folder: what a reader refuses, and what verify finds."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from data_mix.errors import FormatError
from data_mix.files import file_sha256
from data_mix.schema import CONVERSATION
from data_mix.shards import MANIFEST, VERSION, Part, open_build, part_records, read_batches, verify, write_manifest, write_part

ROW = {
    "id": "s/1",
    "source": "s",
    "lang": "en",
    "messages": [{"role": "user", "content": "a", "train": False}, {"role": "assistant", "content": "b", "train": True}],
    "text": "ab",
}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A build folder of one part."""
    batch = pa.RecordBatch.from_pylist([ROW] * 50, schema=CONVERSATION)
    path = "train/s-00000.arrow"
    rows, size, sha256 = write_part(tmp_path / path, CONVERSATION, [batch, batch])
    parts = [Part(path=path, split="train", source="s", rows=rows, bytes=size, sha256=sha256)]
    (tmp_path / "README.md").write_text("card")
    files = {"README.md": file_sha256(tmp_path / "README.md")}
    write_manifest(tmp_path, {"parts": part_records(parts), "files": files})
    return tmp_path


def part_of(out: Path) -> Path:
    """The path of the only part."""
    return out / "train/s-00000.arrow"


def rewrite_manifest(out: Path, **changes: object) -> None:
    """Change keys of the manifest by hand."""
    manifest = json.loads((out / MANIFEST).read_text())
    (out / MANIFEST).write_text(json.dumps(manifest | changes))


def test_a_whole_folder_opens_and_verifies(out: Path) -> None:
    """A folder as it was written has no problem, and its rows are all there."""
    assert verify(out) == []
    assert sum(table.num_rows for _, table in open_build(out).tables("train")) == 100


def test_batches_are_read_as_they_were_written(out: Path) -> None:
    """Reading gives the batches of writing, one by one."""
    assert [batch.num_rows for batch in read_batches(part_of(out))] == [50, 50]


def test_the_same_rows_give_the_same_bytes(out: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Writing the same batches elsewhere gives the same digest."""
    batch = pa.RecordBatch.from_pylist([ROW] * 50, schema=CONVERSATION)
    other = tmp_path_factory.mktemp("other") / "x.arrow"
    assert write_part(other, CONVERSATION, [batch, batch])[2] == file_sha256(part_of(out))


def test_a_folder_without_manifest_is_refused(out: Path) -> None:
    """No manifest: no finished build."""
    (out / MANIFEST).unlink()
    with pytest.raises(FormatError, match=r"holds no manifest.json, so it is no finished build"):
        open_build(out)


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    """A wrong path is said to be one."""
    with pytest.raises(FormatError, match="does not exist; make it with datamix build"):
        open_build(tmp_path / "nowhere")


def test_a_manifest_of_a_newer_format_is_refused(out: Path) -> None:
    """A newer folder is never misread by an older reader."""
    rewrite_manifest(out, version=VERSION + 1)
    with pytest.raises(FormatError, match=f"has format version {VERSION + 1}, this datamix reads up to {VERSION}"):
        open_build(out)


def test_another_program_s_manifest_is_refused(out: Path) -> None:
    """A manifest.json that is not ours is not taken for a build."""
    rewrite_manifest(out, format="web-app")
    with pytest.raises(FormatError, match="is no manifest of a build"):
        open_build(out)


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "\x00"])
def test_a_damaged_manifest_is_refused(out: Path, text: str) -> None:
    """A manifest that cannot be read is an error that names it."""
    (out / MANIFEST).write_text(text)
    with pytest.raises(FormatError, match=r"manifest.json"):
        open_build(out)


def test_a_truncated_part_is_refused_at_opening(out: Path) -> None:
    """A part whose size differs is never opened."""
    whole = part_of(out).read_bytes()
    part_of(out).write_bytes(whole[:-1])
    with pytest.raises(FormatError, match=f"has {len(whole) - 1} bytes, the manifest says {len(whole)}"):
        open_build(out)


def test_a_missing_part_is_refused_at_opening(out: Path) -> None:
    """A part that is gone is named."""
    part_of(out).unlink()
    with pytest.raises(FormatError, match=r"s-00000.arrow: is missing"):
        open_build(out)


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_one_flipped_bit_is_found(out: Path, place: float) -> None:
    """A single bit that changed is found by verify, which names the file."""
    data = bytearray(part_of(out).read_bytes())
    data[int(place * len(data))] ^= 1
    part_of(out).write_bytes(data)
    assert len(verify(out)) == 1
    assert "s-00000.arrow: its SHA-256 is not the manifest's" in verify(out)[0]


def test_verify_names_what_is_missing_and_what_is_too_many(out: Path) -> None:
    """A renamed part is both missing and a stranger."""
    part_of(out).rename(out / "train/t-00000.arrow")
    assert [problem.rsplit("/", 1)[1] for problem in verify(out)] == [
        "s-00000.arrow: is missing",
        "t-00000.arrow: is not in the manifest",
    ]


def test_a_changed_card_is_found(out: Path) -> None:
    """The card's digest is in the manifest as well."""
    (out / "README.md").write_text("other")
    assert len(verify(out)) == 1


def test_token_shards_are_not_strangers(out: Path) -> None:
    """What stands below tokens/ has a manifest of its own."""
    (out / "tokens").mkdir()
    (out / "tokens/x.train.arrow").write_bytes(b"")
    assert verify(out) == []


def test_a_reader_of_a_folder_that_is_built_again_is_told_so(out: Path) -> None:
    """Parts are never taken for those of a build whose manifest is gone, or another, since the folder was opened."""
    build = open_build(out)
    text = (out / MANIFEST).read_bytes()
    for change in ((out / MANIFEST).unlink, lambda: (out / MANIFEST).write_bytes(text)):
        change()
        with pytest.raises(FormatError, match="is being built again, or was since it was opened"):
            list(build.tables("train"))


def test_a_part_that_is_no_arrow_is_said_in_one_line(out: Path) -> None:
    """A part of the right size with other bytes is an error that names it."""
    build = open_build(out)
    part_of(out).write_bytes(bytes(part_of(out).stat().st_size))
    with pytest.raises(FormatError, match=r"s-00000\.arrow: is damaged or missing"):
        list(build.tables("train"))


@pytest.mark.parametrize(
    "changes", [{"parts": None}, {"parts": [{"path": "x"}]}, {"files": 5}, {"version": "new"}, {"parts": 5}]
)
def test_a_manifest_of_the_wrong_form_is_refused(out: Path, changes: dict[str, object]) -> None:
    """A manifest whose lists are none is damaged, and the line says what to do."""
    rewrite_manifest(out, **changes)
    with pytest.raises(FormatError, match=r"is damaged .*; remove it and build again"):
        open_build(out)
