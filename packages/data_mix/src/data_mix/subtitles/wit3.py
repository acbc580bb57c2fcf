"""The XML of WIT3, TED talks with the times of their subtitles, one file per language.

https://wit3.fbk.eu, a file of the 2016 release, where `id` is the time in milliseconds at which a subtitle appears:

    <xml language="en">
      <file id="1">
        <head>
          <url>http://www.ted.com/talks/…</url>
          <transcription>
            <seekvideo id="2939">(Music)</seekvideo>
            <seekvideo id="7555">For any of you who have visited or lived in New York City,</seekvideo>
          </transcription>
          <talkid>1903</talkid>
          <title>…</title>
        </head>
        <content>…</content>
      </file>
    </xml>

The XML is parsed piece by piece. Control characters, which XML does not allow, are read as blanks, and an ampersand that begins
none of XML's own entities as itself: neither can change where an element begins or ends. A document type is refused, and with
it every entity that could grow or reach outside; anything else that is not XML is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple
from xml.parsers import expat

from data_mix.errors import RawFileError

_PIECE: Final = 1 << 20
"""Bytes that are parsed at once."""

_CONTROLS: Final = bytes(byte if byte >= 32 or byte in b"\t\n\r" else 32 for byte in range(256))
_AMPERSAND: Final = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos|#[0-9]+|#x[0-9A-Fa-f]+);)")

_TALK: Final = "file"
_SUBTITLE: Final = "seekvideo"
_TALK_ID: Final = "talkid"


class Talk(NamedTuple):
    """One talk as it stands in the file."""

    where: str
    """The file and the line at which the talk ends, for errors."""
    number: int
    """Its place in the file, from 0."""
    talk_id: str
    """The publisher's number of the talk, the same in all languages; "" where there is none."""
    subtitles: list[tuple[str, str]]
    """(time, text), the time as it is written."""


def talks(stream: BinaryIO, where: str) -> Iterator[Talk]:
    """The talks of an XML file in order; `where` names it in errors.

    Raises RawFileError where the file is not XML, ends too early or has a document type.
    """
    reader = _Reader(where)
    for piece in _pieces(stream):
        yield from reader.feed(piece)
    yield from reader.finish()


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    """The file in pieces that end with an element's tag, so that none ends inside an entity."""
    rest = b""
    while block := stream.read(_PIECE):
        whole, mark, rest = (rest + block).rpartition(b">")
        yield whole + mark
    yield rest


class _Reader:
    """Collects talks from the parser's events."""

    def __init__(self, where: str) -> None:
        self._where, self._count = where, 0
        self._id, self._subtitles, self._time = "", list[tuple[str, str]](), ""
        self._text: list[str] | None = None  # None outside of the elements whose text is wanted
        self._done: list[Talk] = []
        self._parser = expat.ParserCreate("utf-8")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.StartCdataSectionHandler = self._refuse  # an ampersand would mean another thing inside
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._hear

    def feed(self, piece: bytes) -> list[Talk]:
        """Parse a piece of the file and return the talks that end in it."""
        self._parse(_AMPERSAND.sub(b"&amp;", piece.translate(_CONTROLS)), is_final=False)
        done, self._done = self._done, []
        return done

    def finish(self) -> list[Talk]:
        """Check that the file is whole."""
        self._parse(b"", is_final=True)
        return self._done

    def _parse(self, piece: bytes, *, is_final: bool) -> None:
        try:
            self._parser.Parse(piece, is_final)
        except expat.ExpatError as error:
            what = expat.ErrorString(error.code)
            raise RawFileError(
                f"{self._where}:{error.lineno}: is no XML ({what}), wanted a whole XML file; fetch it again"
            ) from None

    def _refuse(self, *_: object) -> None:
        line = self._parser.CurrentLineNumber
        raise RawFileError(f"{self._where}:{line}: has a document type or a CDATA section, wanted plain XML as WIT3 has it")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == _TALK:
            self._id, self._subtitles = "", []
        elif name in (_SUBTITLE, _TALK_ID):
            self._text, self._time = [], attributes.get("id", "")

    def _hear(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def _end(self, name: str) -> None:
        if name == _TALK:
            where = f"{self._where}:{self._parser.CurrentLineNumber}"
            self._done.append(Talk(where, self._count, self._id, self._subtitles))
            self._count += 1
        elif name in (_SUBTITLE, _TALK_ID):
            self._take(name, "".join(self._text or []))
            self._text = None

    def _take(self, name: str, text: str) -> None:
        if name == _SUBTITLE:
            self._subtitles.append((self._time, text))
        else:
            self._id = text.strip()
