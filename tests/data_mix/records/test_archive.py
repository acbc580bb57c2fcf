"""Members of archives: read as data in one pass, and refused where they could do harm or are not whole."""

from __future__ import annotations

import gzip
import io
import os
import resource
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import pytest
import zstandard

from data_mix.errors import RawFileError
from data_mix.records.archive import Limits, members

FILES = {"talks/en.xml": b"<talk>one</talk>" * 99, "talks/ja.xml": "<talk>一</talk>".encode() * 99, "empty.xml": b""}
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "own.tar": bytes,
    "own.tgz": lambda data: gzip.compress(data, mtime=0),
    "own.tar.zst": zstandard.compress,
}
ARCHIVES = [*PACKERS, "own.zip"]

Member = tuple[tarfile.TarInfo, bytes]


def plain(name: str, data: bytes = b"x") -> Member:
    """A regular member of a tar."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    return info, data


def odd(name: str, kind: bytes, target: str = "") -> Member:
    """A member of a tar that is no regular file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def tar(*entries: Member, shape: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar of these members."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=shape) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def zipped(entries: Iterable[tuple[str | zipfile.ZipInfo, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return file.getvalue()


def packed(folder: Path, name: str, files: dict[str, bytes]) -> Path:
    """An archive of the kind that its name says."""
    inner = zipped(files.items()) if name == "own.zip" else PACKERS[name](tar(*(plain(*file) for file in files.items())))
    (folder / name).write_bytes(inner)
    return folder / name


def contents(archive: Path | BinaryIO, limits: Limits | None = None) -> dict[str, bytes]:
    """All members, read whole."""
    return {name: file.read() for name, file in members(archive, limits=limits or Limits())}


def refuse(folder: Path, data: bytes, message: str, limits: Limits | None = None) -> None:
    """Expect an archive of these bytes to be refused in one line that names it."""
    (folder / "own.arc").write_bytes(data)
    with pytest.raises(RawFileError, match=message) as caught:
        contents(folder / "own.arc", limits)
    assert str(caught.value).startswith("own.arc: ")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ARCHIVES)
def test_members_are_read_in_order_whatever_the_archive(tmp_path: Path, name: str) -> None:
    """Tar, plain or packed, and zip give the same names and contents."""
    assert list(contents(packed(tmp_path, name, FILES)).items()) == list(FILES.items())


@pytest.mark.parametrize("name", ARCHIVES)
def test_only_members_that_are_wanted_are_given(tmp_path: Path, name: str) -> None:
    """Members are chosen by name; one need not be read to come to the next."""
    found = members(packed(tmp_path, name, FILES), wanted=lambda member: "ja" in member)
    assert [(member, file.read(9)) for member, file in found] == [("talks/ja.xml", "<talk>一".encode())]
    assert [member for member, _ in members(tmp_path / name)] == list(FILES)


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize("inner", ARCHIVES)
def test_an_archive_inside_an_archive_is_read_as_data(tmp_path: Path, name: str, inner: str) -> None:
    """A member that is an archive is read like one of its own, in memory or, where it is large, in a nameless file."""
    data = packed(tmp_path, inner, FILES).read_bytes()
    outer = packed(tmp_path, name, {"a.zip": data, "b.zip": data})
    for limits in (Limits(), Limits(memory_bytes=10)):
        found = [contents(file, limits) for _, file in members(outer)]
        assert found == [FILES, FILES]


def test_folders_are_passed_over(tmp_path: Path) -> None:
    """A folder is no member, in tar as in zip."""
    (tmp_path / "own.tar").write_bytes(tar(odd("talks", tarfile.DIRTYPE), plain("talks/a")))
    (tmp_path / "own.zip").write_bytes(zipped([("talks/", b""), ("talks/a", b"x")]))
    assert contents(tmp_path / "own.tar") == contents(tmp_path / "own.zip") == {"talks/a": b"x"}


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../x", "a/../../x", "a/..", "..", "..\\x", "a\\..\\..\\x", "\\\\host\\x", "C:\\x", "c:x", "a\0b", "\0"],
)
def test_a_name_that_is_absolute_or_climbs_is_refused(tmp_path: Path, name: str) -> None:
    """No name that could lead out of a folder is given to anybody, in tar or in zip, wanted or not."""
    info = zipfile.ZipInfo("placeholder")
    info.filename = name
    refuse(tmp_path, zipped([("a", b"x"), (info, b"x")]), "has an absolute, climbing or empty name")
    if "\0" not in name:  # a tar ends a name there
        refuse(tmp_path, tar(plain("a"), plain(name)), f"member {name!r} has an absolute".replace("\\", "\\\\"))


@pytest.mark.parametrize("name", ["a..b", "..a/b", "a./b", "...", "名前/ü.xml"])
def test_a_name_that_only_looks_like_climbing_is_read(tmp_path: Path, name: str) -> None:
    """Dots that are part of a name, and any script, are harmless."""
    (tmp_path / "own.tar").write_bytes(tar(plain(name)))
    assert list(contents(tmp_path / "own.tar")) == [name]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, b"?"], ids=repr
)
def test_a_member_of_a_tar_that_is_no_plain_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    """Links, pipes, devices and unknown kinds raise RawFileError, harmless as their names may be."""
    refuse(tmp_path, tar(plain("a"), odd("b", kind, "a")), "member 'b' is no plain file")


def test_a_sparse_member_is_refused(tmp_path: Path) -> None:
    """A member that claims gigabytes of holes takes nobody's memory."""
    info, data = plain("holes", b"x" * 512)
    info.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.size": str(1 << 30), "GNU.sparse.map": "0,1,1073741823,1"}
    refuse(tmp_path, tar((info, data)), "member 'holes' is no plain file")


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_a_member_of_a_zip_that_is_no_plain_file_is_refused(tmp_path: Path, mode: int) -> None:
    """Links, pipes and devices can stand in a zip too."""
    info = zipfile.ZipInfo("b")
    info.external_attr = (mode | 0o777) << 16
    refuse(tmp_path, zipped([(info, b"/etc/passwd")]), "member 'b' is no plain file")


def test_a_name_that_comes_twice_is_refused(tmp_path: Path) -> None:
    """Which of two members of one name is meant nobody can say."""
    refuse(tmp_path, tar(plain("a"), plain("a")), "member 'a' comes twice")
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = zipped([("a", b"x"), ("a", b"y")])
    refuse(tmp_path, twice, "member 'a' comes twice")


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    """A member that needs a password raises RawFileError instead of asking for one."""
    data = bytearray(zipped([("a", b"x")]))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + flags] |= 1
    refuse(tmp_path, bytes(data), "member 'a' is encrypted")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packing_whose_output_cannot_be_bounded_is_refused(tmp_path: Path, method: int) -> None:
    """Only stored and deflated members are read from a zip."""
    refuse(tmp_path, zipped([("a", b"x" * 999)], method), f"is packed by method {method}, wanted 0")


def test_too_many_too_large_and_too_much_are_refused(tmp_path: Path) -> None:
    """Each limit has its error, in tar and in zip."""
    cases = [
        (Limits(members=2), "member 'c' is one of more than 2 members"),
        (Limits(member_bytes=9), "member 'a' unpacks to 10 bytes, wanted at most 9"),
        (Limits(total_bytes=25), "member 'c' takes the members to 30 bytes, wanted at most 25"),
    ]
    for limits, message in cases:
        refuse(tmp_path, tar(*(plain(name, b"x" * 10) for name in "abc")), message, limits)
        refuse(tmp_path, zipped((name, b"x" * 10) for name in "abc"), message, limits)


@pytest.mark.slow
def test_very_many_members_are_refused(tmp_path: Path) -> None:
    """A tar of more members than the limit is refused as soon as it is passed, however small they are."""
    many = b"".join(tarfile.TarInfo(f"{number}").tobuf() for number in range(100_001))
    refuse(tmp_path, gzip.compress(many, 1), "member '100000' is one of more than 100,000 members")


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    """Gigabytes of zeros, packed small as tar or as zip, end with an error in bounded memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    zeros = bytes(50_000_000)
    refuse(tmp_path, zipped((str(number), zeros) for number in range(6)), "claim to hold")
    header = tarfile.TarInfo("a")
    header.size = 20 * len(zeros)
    bomb = gzip.compress(header.tobuf()) + gzip.compress(zeros, 1) * 20 + gzip.compress(bytes(1024))
    (tmp_path / "own.tgz").write_bytes(bomb)
    with pytest.raises(RawFileError, match=r"unpack to .* and more, wanted at most 200 times"):
        list(members(tmp_path / "own.tgz", wanted=lambda _: False))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000


def test_members_of_a_zip_that_overlap_are_refused(tmp_path: Path) -> None:
    """Many members that share the same packed bytes are a bomb whose ratio looks harmless."""
    data = zipped([("a", os.urandom(5_000))])
    directory = data[data.index(b"PK\x01\x02") : data.index(b"PK\x05\x06")]
    others = b"".join(directory.replace(b"a", bytes([letter])) for letter in b"bcdefgh")
    start, size = data.index(b"PK\x01\x02"), len(directory) + len(others)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 8, 8, size, start, 0)
    refuse(tmp_path, data[: start + len(directory)] + others + end, r"claim to hold 40,\d\d\d packed")


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_truncated_archive_is_refused_wherever_it_ends(tmp_path: Path, name: str) -> None:
    """Each beginning of an archive that is not all of it raises RawFileError, also one that ends between two members."""
    path = packed(tmp_path, name, FILES)
    data = path.read_bytes()
    whole = len(data.rstrip(b"\0")) + 1_024 if name == "own.tar" else len(data)
    for size in range(0, whole - 512 if name == "own.tar" else whole, 13):
        path.write_bytes(data[:size])
        with pytest.raises(RawFileError, match=f"^{name}: "):
            contents(path)


@pytest.mark.parametrize("name", ARCHIVES)
def test_anything_behind_the_end_is_refused(tmp_path: Path, name: str) -> None:
    """What follows an archive is no part of it."""
    path = packed(tmp_path, name, FILES)
    path.write_bytes(path.read_bytes() + b"garbage")
    with pytest.raises(RawFileError, match="truncated or corrupt"):
        contents(path)


def test_a_damaged_header_between_members_is_no_end(tmp_path: Path) -> None:
    """A tar whose second header is damaged is refused, though tarfile takes it for the end."""
    data = bytearray(tar(plain("a"), plain("b")))
    data[1024] ^= 1
    refuse(tmp_path, bytes(data), "other bytes than the zeros that end a tar")


def test_damaged_contents_are_found_while_they_are_read(tmp_path: Path) -> None:
    """A member of a zip whose checksum does not match raises RawFileError with the member's name."""
    data = bytearray(zipped([("a", b"x" * 99)], zipfile.ZIP_STORED))
    data[40] ^= 1
    refuse(tmp_path, bytes(data), "truncated or corrupt archive .in member 'a': Bad CRC-32")


@pytest.mark.parametrize(
    "data", [b"", b"no archive", b"PK no zip", bytes(10_000)], ids=["empty", "text", "text of PK", "zeros"]
)
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    """Anything else raises RawFileError; only a tar of no members but with its end is an empty archive."""
    if data.startswith(b"\0"):
        (tmp_path / "own.tar").write_bytes(data)
        assert contents(tmp_path / "own.tar") == {}
    else:
        refuse(tmp_path, data, "truncated or corrupt archive")


def test_headers_that_follow_one_another_without_end_are_refused(tmp_path: Path) -> None:
    """Extended headers, into which tarfile recurses, end in RawFileError and not in a traceback."""
    header = tarfile.TarInfo("x")
    header.type = tarfile.XHDTYPE
    refuse(tmp_path, header.tobuf() * 5_000, "truncated or corrupt archive")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["own.tar", "own.zip"])
def test_damage_anywhere_ends_in_all_members_or_an_error_of_ours(tmp_path: Path, name: str) -> None:
    """No byte that is changed in a header ends in another exception, or hides a member."""
    small = {"a.xml": b"<a/>", "b.xml": b"<b/>", "c.xml": b""}
    path = packed(tmp_path, name, small)
    data = path.read_bytes()
    for place in range(min(len(data), 3_000)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        with suppress(RawFileError):
            assert len(contents(path)) == 3


def test_the_members_name_is_all_that_its_stream_shares_with_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading an archive leaves no file behind, wherever one stands."""
    path = packed(tmp_path, "own.tgz", {"inner.zip": zipped(FILES.items())})
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for _, file in members(path):
        contents(file, Limits(memory_bytes=10))
    assert list((tmp_path / "here").iterdir()) == []


def test_the_real_archive_of_talks_is_read(shared: Path) -> None:
    """The archive in upstream's layout, a tar.gz of zips of XML, gives the one language that is wanted."""
    path = shared / "hub/datasets/IWSLT/ted_talks_iwslt/data/XML_releases.tgz"
    [(name, file)] = [
        (name, inner.read())
        for name, outer in members(path, wanted=lambda name: name.endswith("ted_ja-20160408.zip"))
        for _, inner in members(outer, name=f"{path.name}/{name}")
    ]
    assert name == "XML_releases/xml/ted_ja-20160408.zip"
    assert file.startswith(b"<?xml")
