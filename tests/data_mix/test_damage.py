"""What a disk, a hand or a killed process did to the cache or to a build folder: the next build comes out right."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from building import build_mix, entry, mix_of, pairs, rows_of, write
from commands import digests
from data_mix.build import BuildOptions, build
from data_mix.files import write_bytes
from data_mix.mix import Mix
from data_mix.shards import verify
from data_mix.source import RawFile
from hub_server import HubServer


@pytest.fixture
def mix(hub: HubServer, tmp_path: Path) -> Mix:
    """Two entries: one of a file on a hub, one of a file of one's own."""
    write(hub.root / "datasets/a/b/c.jsonl", pairs(40, "hub"))
    entries = entry("h", RawFile(repo="a/b", path="c.jsonl")), entry("o", write(tmp_path / "raw.jsonl", pairs(40)))
    return mix_of(*entries, near_duplicates={})


def flip(path: Path) -> None:
    """Change one bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def flip_late(path: Path) -> None:
    """Change one bit near the end."""
    data = bytearray(path.read_bytes())
    data[-min(3, len(data))] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    """Lose the second half."""
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    """Lose all."""
    path.write_bytes(b"")


def overwrite(path: Path) -> None:
    """Hold what is no text."""
    path.write_bytes(b"\xff" * path.stat().st_size)


def blank(path: Path) -> None:
    """Keep the length alone, as a file may that was on its way to the disk when the power was cut."""
    path.write_bytes(bytes(path.stat().st_size))


def lose(path: Path) -> None:
    """Be gone."""
    path.unlink()


def keep_time(damage: Callable[[Path], None]) -> Callable[[Path], None]:
    """The same damage, but the file's times and its place are what they were."""

    def damage_quietly(path: Path) -> None:
        before = path.stat()
        damage(path)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    return damage_quietly


DAMAGES = [flip, flip_late, cut, empty, overwrite, blank, lose]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_no_damaged_file_of_the_cache_is_believed(mix: Mix, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """Whatever happens to a file in the cache, a build from it has the bytes of one without a cache."""
    whole = digests(build_mix(tmp_path, mix).path)
    names = [path for path in sorted((tmp_path / "home").rglob("*")) if path.is_file() and path.stat().st_size]
    for path in names:
        shutil.rmtree(tmp_path / "out")
        damage(path)
        assert digests(build_mix(tmp_path, mix).path) == whole, path
    assert {path.relative_to(tmp_path / "home").parts[0] for path in names} == {
        "digests",
        "files",
        "hub",
        "journals",
        "measured",
        "rates",
        "staged",
    }


@pytest.mark.parametrize("name", ["rows.arrow", "keys.arrow", "proof"])
def test_a_staged_part_of_which_a_file_is_lost_is_staged_again(tmp_path: Path, name: str) -> None:
    """A part in the cache that somebody cleared in part is made whole, and the next build finds it."""
    mix = mix_of(entry("o", write(tmp_path / "raw.jsonl", pairs(40))))
    whole = digests(build_mix(tmp_path, mix).path)
    (lost,) = (tmp_path / "home/staged").rglob(name)
    lost.unlink()
    assert digests(build_mix(tmp_path, mix, out="again").path) == whole
    assert lost.is_file()


def test_damaged_rows_are_found_when_a_cap_changes(tmp_path: Path) -> None:
    """A part whose rows lost a bit since an earlier build is read again before anything is written from it."""
    raw = write(tmp_path / "raw.jsonl", pairs(40))
    build_mix(tmp_path, mix_of(entry("o", raw)))
    (rows,) = (tmp_path / "home/staged").rglob("rows.arrow")
    keep_time(flip)(rows)
    capped = mix_of(entry("o", raw, max_train_set=20))
    again = digests(build_mix(tmp_path, capped).path)
    shutil.rmtree(tmp_path / "home")
    assert digests(build_mix(tmp_path, capped, out="anew").path) == again


@pytest.mark.parametrize(
    "damage", [flip, keep_time(flip), cut, empty, lose], ids=["flip", "mtime kept", "cut", "empty", "lose"]
)
def test_a_build_folder_that_was_edited_is_mended(mix: Mix, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """Whatever happens to a part or the card of a build, building again brings the bytes back."""
    whole = digests(build_mix(tmp_path, mix).path)
    names = [name for name in whole if name != "manifest.json" and (tmp_path / "out" / name).stat().st_size]
    for name in names:
        damage(tmp_path / "out" / name)
        assert digests(build_mix(tmp_path, mix).path) == whole, name


def test_a_lost_manifest_is_written_again(mix: Mix, tmp_path: Path) -> None:
    """A build folder without its manifest becomes the build again, and its parts are not written anew."""
    whole = digests(build_mix(tmp_path, mix).path)
    inodes = {path: path.stat().st_ino for path in (tmp_path / "out").glob("*/*.arrow")}
    (tmp_path / "out/manifest.json").unlink()
    assert digests(build_mix(tmp_path, mix).path) == whole
    assert {path: path.stat().st_ino for path in inodes} == inodes


def test_what_is_put_among_the_parts_is_taken_away(mix: Mix, tmp_path: Path) -> None:
    """An Arrow file that no build wrote, which a reader of the folder would take for data, does not stay."""
    whole = digests(build_mix(tmp_path, mix).path)
    write_bytes(tmp_path / "out/train/z-00000.arrow", b"")
    assert digests(build_mix(tmp_path, mix).path) == whole
    assert verify(tmp_path / "out") == []


def test_a_mix_of_another_name_is_another_build(tmp_path: Path) -> None:
    """The folder says the name of the mix that it was last built from."""
    raw = write(tmp_path / "raw.jsonl", pairs(40))
    build_mix(tmp_path, mix_of(entry("o", raw)))
    other = Mix(name="other", entries=(entry("o", raw),), settings=mix_of().settings)
    assert build_mix(tmp_path, other).manifest["name"] == "other"


def test_a_build_of_the_same_mix_after_another_one_is_the_first_again(tmp_path: Path) -> None:
    """Building a, b and a into one folder leaves the bytes of a."""
    raw = write(tmp_path / "raw.jsonl", pairs(40))
    one, two = mix_of(entry("o", raw)), mix_of(entry("o", raw, max_train_set=20), template={"name": "chatml"})
    first = digests(build_mix(tmp_path, one).path)
    assert digests(build_mix(tmp_path, two).path) != first
    assert digests(build_mix(tmp_path, one).path) == first


@pytest.mark.parametrize("place", ["with blanks", "mit-ümlaut-你好", "deep/er/still", "x" * 200, b"not-utf8-\xff"], ids=ascii)
def test_any_folder_can_be_built_into(tmp_path: Path, place: str | bytes) -> None:
    """The names of the folder and of the cache change no byte, and what was built can be read."""
    mix = mix_of(entry("n" * 100, write(tmp_path / "raw.jsonl", pairs(40))))
    whole = digests(build_mix(tmp_path, mix).path)
    built = build(mix, tmp_path / os.fsdecode(place) / "out", BuildOptions(home=tmp_path / os.fsdecode(place)))[0]
    assert digests(built.path) == whole
    assert len(rows_of(built, "train")) > 30


def test_a_link_to_a_folder_can_be_built_into(tmp_path: Path) -> None:
    """A link is followed, and stays a link."""
    mix = mix_of(entry("o", write(tmp_path / "raw.jsonl", pairs(40))))
    whole = digests(build_mix(tmp_path, mix).path)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert digests(build_mix(tmp_path, mix, out="link").path) == whole
    assert (tmp_path / "link").is_symlink()


def test_the_working_folder_can_be_built_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative folder, the working folder included, is as good as another, and a failed build leaves it."""
    mix = mix_of(entry("o", write(tmp_path / "raw.jsonl", pairs(40))))
    whole = digests(build_mix(tmp_path, mix).path)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    broken = mix_of(entry("o", write(tmp_path / "bad.jsonl", [{"q": "a", "a": "b", "key": "k"}] * 2)))
    with pytest.raises(Exception, match="stands for 2 rows"):
        build(broken, tmp_path / "here", BuildOptions(home=tmp_path / "home"))
    assert (tmp_path / "here").is_dir()
    assert digests(build(mix, Path(), BuildOptions(home=tmp_path / "home"))[0].path) == whole
