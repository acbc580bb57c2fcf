"""Bytes and lines of raw files: plain, packed, broken, and packed to do harm."""

from __future__ import annotations

import gzip
import resource
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from data_mix.errors import RawFileError
from data_mix.records.compressed import CHUNK_BYTES, Lines, Unpacked, line_chunks, split_lines
from raw_files import PACKED, pack, raw

TEXT = b"".join(b'{"n": %d}\n' % number for number in range(500))
LONGEST = 64_000_000


def unpacked(folder: Path, data: bytes, name: str = "raw.jsonl.gz") -> bytes:
    """All bytes of a raw file with these packed bytes."""
    with raw(folder, data, name).path.open("rb") as file:
        stream = Unpacked(file, name)
        return b"".join(iter(lambda: stream.read(1_000_000), b""))


def lines_of(chunks: list[Lines]) -> dict[int, bytes]:
    """The lines of chunks by their numbers."""
    numbered = [enumerate(chunk.data.removesuffix(b"\n").split(b"\n"), chunk.first) for chunk in chunks]
    return {number: line for lines in numbered for number, line in lines}


@pytest.mark.parametrize("codec", ["plain", *PACKED])
@pytest.mark.parametrize("name", ["raw.jsonl", "raw.jsonl.gz", "raw.zst"])
def test_first_bytes_tell_the_codec_whatever_the_name(tmp_path: Path, codec: str, name: str) -> None:
    """A file is unpacked as what it is, not as what it is called."""
    assert unpacked(tmp_path, pack(TEXT, codec), name) == TEXT


@pytest.mark.parametrize("codec", PACKED)
def test_members_may_follow_one_another(tmp_path: Path, codec: str) -> None:
    """Concatenated members read as their concatenated contents, empty ones too."""
    packed = [pack(part, codec) for part in (TEXT[:100], b"", TEXT[100:])]
    assert unpacked(tmp_path, b"".join(packed)) == TEXT


@pytest.mark.parametrize("data", [b"", gzip.compress(b""), zstandard.compress(b"")], ids=["plain", *PACKED])
def test_an_empty_file_has_no_lines(tmp_path: Path, data: bytes) -> None:
    """A file without any bytes is sound, and so is a packed one that unpacks to none."""
    assert list(line_chunks(raw(tmp_path, data), LONGEST)) == []


@pytest.mark.parametrize("codec", PACKED)
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path: Path, codec: str) -> None:
    """Each beginning of a packed file that is not all of it raises RawFileError with the file's name."""
    packed = pack(TEXT, codec)
    for size in range(1, len(packed)):
        with pytest.raises(RawFileError, match=r"^raw\.jsonl\.gz: truncated"):
            unpacked(tmp_path, packed[:size])


@pytest.mark.parametrize("codec", PACKED)
def test_a_truncated_second_member_is_refused(tmp_path: Path, codec: str) -> None:
    """A whole member before it does not make a truncated one sound."""
    with pytest.raises(RawFileError, match="fetch it again"):
        unpacked(tmp_path, pack(TEXT, codec) + pack(TEXT, codec)[:-1])


@pytest.mark.parametrize("codec", PACKED)
@pytest.mark.parametrize("garbage", [b"x", b"\0" * 64, b"\x1f\x8b", b"garbage that is long enough"])
def test_anything_behind_the_last_member_is_refused(tmp_path: Path, codec: str, garbage: bytes) -> None:
    """Trailing garbage is no part of a sound file."""
    with pytest.raises(RawFileError, match="truncated or corrupt"):
        unpacked(tmp_path, pack(TEXT, codec) + garbage)


def test_a_flipped_bit_is_found_by_the_checksum(tmp_path: Path) -> None:
    """A bit that flips in the packed text or in its checksum raises RawFileError."""
    for packed in (gzip.compress(TEXT), zstandard.ZstdCompressor(write_checksum=True).compress(TEXT)):
        for place in (len(packed) // 2, len(packed) - 2):
            flipped = packed[:place] + bytes([packed[place] ^ 4]) + packed[place + 1 :]
            with pytest.raises(RawFileError, match="truncated or corrupt"):
                unpacked(tmp_path, flipped)


@pytest.mark.parametrize("codec", PACKED)
def test_a_bomb_is_refused_before_it_fills_anything(tmp_path: Path, codec: str) -> None:
    """Ten gigabytes of zeros in a few megabytes end with an error that says so, in bounded memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bomb = pack(bytes(20_000_000), codec) * 500
    with pytest.raises(RawFileError, match=r"unpack to 2\d\d,\d\d\d,\d\d\d and more, wanted at most 200 times"):
        list(line_chunks(raw(tmp_path, bomb), LONGEST))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000


def test_a_small_file_may_be_as_repetitive_as_it_likes(tmp_path: Path) -> None:
    """A ratio of a thousand is no bomb while what it unpacks to is small."""
    text = b'{"a": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}\n' * 200_000
    assert unpacked(tmp_path, zstandard.compress(text)) == text


def test_a_zstd_window_that_takes_gigabytes_is_refused(tmp_path: Path) -> None:
    """A frame cannot ask for more memory than is its due."""
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=30)
    writer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(RawFileError, match="too much memory"):
        unpacked(tmp_path, writer.compress(TEXT) + writer.flush())


@pytest.mark.parametrize(
    ("start", "what"), [(b"BZh91AY", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"PK\x03\x04", "zip"), (b"PAR1", "Parquet")]
)
def test_another_format_is_named(tmp_path: Path, start: bytes, what: str) -> None:
    """A file of a format that is not read raises RawFileError with the format's name, not with bad records."""
    with pytest.raises(RawFileError, match=f"is {what}, wanted a plain, gzip or zstd file"):
        unpacked(tmp_path, start + TEXT)


def test_a_byte_order_mark_at_the_start_is_left_out(tmp_path: Path) -> None:
    """The mark is no part of the first line; a second one is."""
    [lines] = line_chunks(raw(tmp_path, b"\xef\xbb\xbf\xef\xbb\xbfa\n"), LONGEST)
    assert lines == Lines(0, b"\xef\xbb\xbfa\n")


@pytest.mark.parametrize("codec", ["plain", *PACKED])
def test_chunks_are_whole_lines_of_bounded_size(tmp_path: Path, codec: str) -> None:
    """A large file comes in several chunks that end with a line and together are the file."""
    text = b"".join(b"%d,%s\n" % (number, b"x" * (number % 300)) for number in range(150_000))
    chunks = list(line_chunks(raw(tmp_path, pack(text, codec)), LONGEST))
    assert len(chunks) > 2
    assert all(chunk.data.endswith(b"\n") and len(chunk.data) < CHUNK_BYTES + 400 for chunk in chunks)
    assert b"".join(chunk.data for chunk in chunks) == text
    assert [chunk.first for chunk in chunks] == [int(chunk.data.split(b",")[0]) for chunk in chunks]


@given(st.lists(st.text(alphabet="ab\n", max_size=12).map(str.encode)), st.integers(0, 8))
def test_lines_keep_their_numbers_and_only_too_long_ones_are_cut(blocks: list[bytes], longest: int) -> None:
    """However a text is cut into blocks, each line comes under its number: whole, or cut to more bytes than are allowed."""
    found = lines_of(list(split_lines(iter(blocks), longest)))
    expected = dict(enumerate(b"".join(blocks).removesuffix(b"\n").split(b"\n"))) if b"".join(blocks) else {}
    assert found.keys() == expected.keys()
    for number, line in expected.items():
        assert found[number] == line or (len(line) > longest and found[number] == line[: longest + 1])


def test_a_line_without_end_never_fills_memory() -> None:
    """Of a line that goes on and on only its beginning is kept, and the lines behind it keep their numbers."""
    blocks = [b"a\nb", *[b"x" * 1000] * 100, b"\nc\nd"]
    assert lines_of(list(split_lines(iter(blocks), 5_000))) == {0: b"a", 1: b"b" + b"x" * 5_000, 2: b"c", 3: b"d"}
