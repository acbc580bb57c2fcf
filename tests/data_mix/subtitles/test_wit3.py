"""The XML of WIT3 is read as it stands, piece by piece, and nothing in it can reach outside."""

from __future__ import annotations

import io
import tracemalloc

import pytest

from data_mix.errors import RawFileError
from data_mix.subtitles.wit3 import Talk, talks
from subtitles import xml

HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\n'


class Pieces(io.RawIOBase):
    """A stream that gives only a few bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        self._left, self._size = data, size

    def read(self, _: int = -1) -> bytes:
        """The next few bytes, however many are asked for."""
        piece, self._left = self._left[: self._size], self._left[self._size :]
        return piece


def read(data: bytes) -> list[Talk]:
    """Read a whole file."""
    return list(talks(io.BytesIO(data), "ted.xml"))


def talk(inner: bytes) -> bytes:
    """Make a file with one talk of one subtitle."""
    inside = b"<file><head><transcription><seekvideo id='5'>%s</seekvideo></transcription><talkid>1</talkid></head></file>"
    return HEAD + b"<xml>" + inside % inner + b"</xml>"


def test_talks_come_with_their_subtitles() -> None:
    """Each talk has its number in the file, its id, and its subtitles with their times as written."""
    data = xml("en", {"7": [(0, "One."), ("12.5", "Two & <three>.")], "8": []})
    assert [found[1:] for found in read(data)] == [(0, "7", [("0", "One."), ("12.5", "Two & <three>.")]), (1, "8", [])]


def test_a_talk_knows_its_line() -> None:
    """Errors about a talk name the file and the line at which it ends."""
    assert [found.where for found in read(xml("en", {"7": [(0, "One.")], "8": []}))] == ["ted.xml:6", "ted.xml:9"]


def test_other_elements_are_passed_over() -> None:
    """Whatever else a file holds (title, content, an element inside a subtitle) changes no subtitle."""
    data = b"<xml><file id='3'><url>u</url><transcription>x<seekvideo id='1'>a <i>b</i> c</seekvideo>y</transcription>"
    data += b"<talkid> 9 </talkid><title>t</title><content>a b c</content></file></xml>"
    assert [found[1:] for found in read(data)] == [(0, "9", [("1", "a b c")])]


@pytest.mark.parametrize("empty", [b"<seekvideo id='5' />", b"<seekvideo id='5'></seekvideo>"])
def test_an_empty_subtitle_is_one(empty: bytes) -> None:
    """A subtitle that upstream left empty keeps its time."""
    [found] = read(b"<xml><file><transcription>" + empty + b"</transcription><talkid>1</talkid></file></xml>")
    assert found.subtitles == [("5", "")]


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (b"R&D", "R&D"),
        (b"a & b &", "a & b &"),
        (b"AT&T; &nbsp;", "AT&T; &nbsp;"),
        (b"&amp;&lt;&#65;&#x42;", "&<AB"),
        (b"&amp;lt;", "&lt;"),
        (b"a\x08b\x0b\x00c", "a b  c"),
        ("für 猫".encode(), "für 猫"),
    ],
)
def test_bare_ampersands_and_control_characters_are_text(written: bytes, text: str) -> None:
    """An ampersand that begins no entity of XML stands for itself, and a control character is a blank."""
    [found] = read(talk(written))
    assert found.subtitles == [("5", text)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_the_size_of_the_pieces_does_not_matter(size: int) -> None:
    """However the stream is cut, inside an entity or a letter of several bytes, the same talks come out."""
    data = xml("ja", {"1": [(0, "猫 & <犬>."), (9, "&amp; R&D")], "2": [(1, "é")]})
    assert list(talks(Pieces(data, size), "ted.xml")) == read(data)  # type: ignore[arg-type]


def test_talks_come_one_by_one() -> None:
    """A talk is given before the next one is read, so that memory does not grow with the file."""
    many = xml("en", {str(number): [(0, "x" * 50_000)] for number in range(400)})
    tracemalloc.start()
    assert sum(len(found.subtitles) for found in talks(io.BytesIO(many), "ted.xml")) == 400
    assert tracemalloc.get_traced_memory()[1] < 8_000_000
    tracemalloc.stop()


BOMB = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    "kind",
    [BOMB, b'<!DOCTYPE x SYSTEM "file:///etc/hostname">', b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>'],
    ids=["bomb", "external type", "external entity"],
)
def test_a_document_type_is_refused(kind: bytes) -> None:
    """No entity can be declared, so none can grow or read another file."""
    with pytest.raises(RawFileError, match=r"^ted\.xml:2: has a document type"):
        read(talk(b"&a;").replace(b"<xml>", kind + b"<xml>", 1))


def test_a_cdata_section_is_refused() -> None:
    """Where an ampersand would mean another thing, the file is refused rather than changed."""
    with pytest.raises(RawFileError, match="CDATA"):
        read(talk(b"<![CDATA[a & b]]>"))


@pytest.mark.parametrize(
    "broken",
    [b"", b"no xml", talk(b"x")[:-3], talk(b"<i>x"), talk(b"\xff"), talk(b"&#0;"), talk(b"x") + b"<more/>", b"PK\x03\x04"],
    ids=["empty", "text", "cut", "unclosed", "not UTF-8", "no character", "two roots", "zip"],
)
def test_what_is_no_xml_is_an_error_with_its_line(broken: bytes) -> None:
    """A file that is no XML, or ends too early, is refused with file and line."""
    with pytest.raises(RawFileError, match=r"^ted\.xml:\d+: is no XML"):
        read(broken)


def test_utf8_is_read_whatever_the_file_declares() -> None:
    """A file that declares another encoding is still UTF-8, as all of upstream is."""
    assert read(talk("é".encode()).replace(b"UTF-8", b"ISO-8859-1"))[0].subtitles == [("5", "é")]
