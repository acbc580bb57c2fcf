"""TED talks: the subtitles of talks in 109 languages, translated by volunteers (WIT3, release of 2016).

https://huggingface.co/datasets/IWSLT/ted_talks_iwslt, one archive, `data/XML_releases.tgz`: a tar that holds a zip per language
and release with one XML file of all talks in that language (`wit3.py` shows one). A subtitle:

    <seekvideo id="7555">For any of you who have visited or lived in New York City,</seekvideo>

The subtitles of a talk in two languages are aligned by their times and joined to whole sentences (`alignment.py`). A block of
them becomes a request to translate, in the one or the other direction, and the translation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from itertools import islice
from operator import itemgetter
from typing import Final, NamedTuple

import polars as pl

from data_mix.errors import BadRecordError, ConfigError, RawFileError
from data_mix.language import LANGUAGES
from data_mix.records.archive import members
from data_mix.records.json_record import shown
from data_mix.records.record_frame import BAD_RECORD
from data_mix.source import Entry, Hub, LocalFile, RawFile, Source
from data_mix.subtitles.alignment import align
from data_mix.subtitles.transcript import Transcript
from data_mix.subtitles.wit3 import Talk, talks
from data_mix.translation import TranslationOptions, conversations, refuse_language

_REPO: Final = "IWSLT/ted_talks_iwslt"
_PATH: Final = "data/XML_releases.tgz"

_LANGUAGES: Final = tuple(language.lower() for language in LANGUAGES)
_CODES: Final[Mapping[str, str]] = {"zh": "zh-cn"}
"""Upstream's code of a language, where it is another: its own `zh` mixes scripts and Cantonese."""

_MEMBER: Final = re.compile(r"(?:.*/)?ted_([a-z]+(?:-[a-z]+)?)-20160408\.zip")
"""A language's file of the 2016 release; the older ones stand beside it, with other dates."""

_REFERENCE: Final = "en"
"""Nearly all talks are given in English, and English subtitles have full stops."""

_NO_SPEECH: Final = re.compile(r"\W*|(?:\s*(?:\([^)]*\)|（[^）]*）|\[[^\]]*\]|［[^］]*］|【[^】]*】))+\s*")
"""A subtitle of nothing but a stage direction, such as (Laughter), or of notes that stand for music."""

_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_TIME: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,12})?")
_MOST_SUBTITLES: Final = 5_000
"""A talk of an hour has about 1,000."""

_BLANKS: Final = re.compile(r"[ \t\r\n]+")

_FRAME_TALKS: Final = 50


class _Row(NamedTuple):
    """One row before it becomes a conversation."""

    key: str
    group: str | None = None
    a: str = ""
    b: str = ""
    drop: str | None = None


_SCHEMA: Final = dict.fromkeys(_Row._fields, pl.String())


class _Speech(NamedTuple):
    """What one language's file holds of one talk."""

    transcript: Transcript
    directions: list[str]
    """Subtitles without speech."""


Library = dict[str, dict[str, _Speech]]
"""Talks by language and talk id."""


def _check(entry: Entry) -> None:
    a, b = _languages(entry)
    for language in (a, b):
        if language not in _LANGUAGES:
            base = language.split("-")[0]
            nearest = base if base in _LANGUAGES else get_close_matches(language, _LANGUAGES, n=1, cutoff=0)[0]
            raise ConfigError(
                f"entry {entry.name!r}: no instructions to translate {language!r}, wanted one of {', '.join(_LANGUAGES)}; "
                f"the nearest is {nearest}"
            )
    if a == b:
        raise ConfigError(f"entry {entry.name!r}: {a!r} stands twice, wanted two languages")
    refuse_language(entry)


def _languages(entry: Entry) -> tuple[str, str]:
    return entry.params["a"], entry.params["b"]


def _files(entry: Entry, _hub: Hub) -> list[RawFile]:
    return [RawFile(repo=_REPO, revision=entry.options.revision, path=_PATH)]


def _read(entry: Entry, files: tuple[LocalFile, ...]) -> Iterator[pl.DataFrame]:
    languages = _languages(entry)
    for file in files:
        broken: list[_Row] = []
        library = _library(entry, file, broken)
        talk_ids = iter(dict.fromkeys([*library[languages[0]], *library[languages[1]]]))
        while some := list(islice(talk_ids, _FRAME_TALKS)):
            yield _frame(entry, (row for talk_id in some for row in _talk_rows(library, languages, talk_id)))
        yield _frame(entry, broken)


def _frame(entry: Entry, rows: Iterable[_Row]) -> pl.DataFrame:
    return conversations(pl.DataFrame(list(rows), schema=_SCHEMA, orient="row"), entry, _languages(entry))


def _library(entry: Entry, file: LocalFile, broken: list[_Row]) -> Library:
    """The talks of both languages, and of the reference; rows for broken ones of the two are appended to `broken`."""
    wanted = {_CODES.get(language, language): language for language in (*_languages(entry), _REFERENCE)}
    library: Library = {}
    for name, zipped in members(file.path, name=file.name, wanted=lambda name: _code(name) in wanted):
        language, place = wanted[_code(name)], f"{file.name}/{name}"
        for inner, xml in members(zipped, name=place, wanted=lambda inner: inner.endswith(".xml")):
            rows = broken if language in _languages(entry) else []
            library[language] = _speeches(entry, language, talks(xml, f"{place}/{inner}"), rows)
    for language in _languages(entry):
        if language not in library:
            member = f"ted_{_CODES.get(language, language)}-20160408.zip"
            raise RawFileError(
                f"{file.name}: holds no member {member}, wanted the release of 2016; check that this is the right file"
            )
    return library


def _code(name: str) -> str:
    """Upstream's code of the language that a member holds; "" for other members."""
    found = _MEMBER.fullmatch(name)
    return found[1] if found else ""


def _speeches(entry: Entry, language: str, found: Iterable[Talk], broken: list[_Row]) -> dict[str, _Speech]:
    """The talks of one language by their id; of a talk that comes twice the first."""
    speeches: dict[str, _Speech] = {}
    for talk in found:
        fault = _fault(talk, entry.max_record_bytes)
        if fault and entry.options.on_bad_record == "error":
            raise BadRecordError(talk.where, fault)
        if fault or talk.talk_id in speeches:
            broken.append(_Row(f"{language}:{talk.number}", drop=BAD_RECORD if fault else "repeated_talk"))
        else:
            speeches[talk.talk_id] = _speech(language, talk)
    return speeches


def _fault(talk: Talk, most_bytes: int) -> str | None:
    """What is wrong with a talk's record."""
    if not _NUMBER.fullmatch(talk.talk_id):
        return f"has the talkid {shown(talk.talk_id)}, wanted a number"
    if len(talk.subtitles) > _MOST_SUBTITLES:
        return f"has {len(talk.subtitles):,} subtitles, wanted at most {_MOST_SUBTITLES:,}"
    size = sum(len(text.encode()) for _, text in talk.subtitles)
    if size > most_bytes:
        return f"has {size:,} bytes of text, wanted at most {most_bytes:,} (max_record_bytes)"
    wrong = next((time for time, _ in talk.subtitles if not _TIME.fullmatch(time)), None)
    return None if wrong is None else f"has a subtitle at {shown(wrong)}, wanted milliseconds"


def _speech(language: str, talk: Talk) -> _Speech:
    """Take a talk's subtitles in order of time, those without speech apart."""
    timed = sorted(((int(float(time)), _BLANKS.sub(" ", text).strip()) for time, text in talk.subtitles), key=itemgetter(0))
    spoken = [(time, text) for time, text in timed if not (text and _NO_SPEECH.fullmatch(text))]
    starts, texts = tuple(time for time, _ in spoken), tuple(text for _, text in spoken)
    directions = [text for _, text in timed if text and _NO_SPEECH.fullmatch(text)]
    return _Speech(Transcript(language=language, starts=starts, texts=texts), directions)


def _talk_rows(library: Library, languages: tuple[str, str], talk_id: str) -> Iterator[_Row]:
    """The rows of one talk: its blocks, then its subtitles without speech; one where a language lacks the talk."""
    a, b = (library[language].get(talk_id) for language in languages)
    if a is None or b is None:
        yield _Row(talk_id, talk_id, drop="no_counterpart")
        return
    reference = library.get(_REFERENCE, {}).get(talk_id)
    blocks = align(a.transcript, b.transcript, reference.transcript if reference else None)
    for number, block in enumerate(blocks):
        yield _Row(f"{talk_id}:{number}", talk_id, *block)
    for language, speech in zip(languages, (a, b), strict=True):
        for number, text in enumerate(speech.directions):
            texts = (text, "") if language == languages[0] else ("", text)
            yield _Row(f"{talk_id}:{language}:{number}", talk_id, *texts, "no_speech")


SOURCE: Final = Source(
    name="ted_trans_{a}-{b}",
    licence="CC-BY-NC-ND-4.0",
    homepage="https://wit3.fbk.eu",
    languages=LANGUAGES,
    rows=None,
    files=_files,
    read=_read,
    options=TranslationOptions,
    check=_check,
)
