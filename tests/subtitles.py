"""Talks of a test's own: sentences cut into subtitles at random, archives of them, and how much of a talk is found again."""

from __future__ import annotations

import io
import random
import re
import tarfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from data_mix.subtitles.alignment import align
from data_mix.subtitles.transcript import Transcript, join

Subtitles = Sequence[tuple[int | str, str]]
"""(time, text)."""

UNSPACED: Final = ("zh", "zh-tw", "ja", "th")


@dataclass(frozen=True, kw_only=True)
class Cuts:
    """How sentences become subtitles."""

    most: int = 3
    """Subtitles per sentence, at most."""
    merge: float = 0
    """Share of the subtitles that are joined to the one before."""
    shift: int = 0
    """Milliseconds by which the whole talk may be early or late."""
    jitter: int = 0
    """Milliseconds by which each subtitle may be early or late."""
    missing: float = 0
    """Share of the sentences that are left out."""
    stops: bool = False
    """Whether the talk breaks off somewhere after its first third."""


def xml(language: str, talks: Mapping[str, Subtitles]) -> bytes:
    """Write a file of WIT3 that holds the talks, by their ids."""
    parts = [f'<?xml version="1.0" encoding="UTF-8"?>\n<xml language="{language}">\n']
    for number, (talk_id, subtitles) in enumerate(talks.items(), 1):
        lines = "".join(f'<seekvideo id="{time}">{escape(text)}</seekvideo>\n' for time, text in subtitles)
        parts.append(
            f'<file id="{number}"><head><transcription>\n{lines}</transcription>\n<talkid>{talk_id}</talkid></head></file>\n'
        )
    return "".join([*parts, "</xml>\n"]).encode()


def zipped(name: str, data: bytes) -> bytes:
    """Pack one file as a zip."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr(name, data)
    return packed.getvalue()


def write_archive(path: Path, files: Mapping[str, bytes], folder: str = "XML_releases/xml") -> Path:
    """Write a release's XML files, by upstream's code of their language, in upstream's layout."""
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for code, data in files.items():
            packed = zipped(f"ted_{code}-20160408.xml", data)
            member = tarfile.TarInfo(f"{folder}/ted_{code}-20160408.zip")
            member.size = len(packed)
            tar.addfile(member, io.BytesIO(packed))
    return path


def subtitle(rng: random.Random, sentences: Iterable[tuple[int, int, str]], language: str, cuts: Cuts) -> Transcript:
    """Cut sentences, (start, duration, text) each, into subtitles; subtitles keep their order whatever the jitter."""
    pieces: list[tuple[float, str]] = []
    for begin, duration, text in sentences:
        if rng.random() >= cuts.missing:
            pieces += [
                (begin + share * duration, piece)
                for share, piece in _cut(rng, text, language, min(cuts.most, duration // 1200))
            ]
    merged: list[tuple[float, str]] = []
    for start, piece in pieces:
        if merged and rng.random() < cuts.merge:
            merged[-1] = (merged[-1][0], join([merged[-1][1], piece], language))
        else:
            merged.append((start, piece))
    kept = merged[: rng.randint(len(merged) // 3, len(merged) - 1)] if cuts.stops else merged
    shift = rng.randint(-cuts.shift, cuts.shift)
    starts = sorted(int(start) + shift + rng.randint(-cuts.jitter, cuts.jitter) for start, _ in kept)
    return Transcript(language=language, starts=tuple(starts), texts=tuple(piece for _, piece in kept))


def _cut(rng: random.Random, text: str, language: str, most: int) -> list[tuple[float, str]]:
    """Cut a sentence into one to `most` pieces, about evenly; each with its share of the time before it."""
    units, blank = (list(text), "") if language in UNSPACED else (text.split(" "), " ")
    count = min(rng.randint(1, max(most, 1)), len(units))
    inner = {round((place + rng.uniform(-0.2, 0.2)) / count * len(units)) for place in range(1, count)} - {0, len(units)}
    places = [0, *sorted(inner), len(units)]
    pieces = [blank.join(units[start:stop]) for start, stop in pairwise(places)]
    befores = [len(blank.join(units[:start])) / len(text) for start in places[:-1]]
    return list(zip(befores, pieces, strict=True))


@dataclass(frozen=True)
class Found:
    """How much of a talk was found again."""

    sentences: int
    recovered: int
    """Sentences that are wholly in right pairs."""
    wrong: list[tuple[str, str]]
    """Kept pairs whose texts are not of the same sentences."""


def found_again(rng: random.Random, talk: Sequence[tuple[str, str]], languages: tuple[str, str], cuts: Cuts) -> Found:
    """Cut a talk's sentence pairs in both languages, the second as `cuts` says, align them, and look what is left."""
    timed, start = list[tuple[int, int, tuple[str, str]]](), 1000
    for pair in talk:
        longest = max(len(text) * (3 if language in UNSPACED else 1) for text, language in zip(pair, languages, strict=True))
        duration = int(longest * rng.uniform(50, 90))  # nobody speaks as evenly as a clock
        timed.append((start, duration, pair))
        start += duration
    steady = Cuts(most=cuts.most, merge=cuts.merge, jitter=cuts.jitter)
    first = subtitle(rng, [(begin, duration, a) for begin, duration, (a, _) in timed], languages[0], steady)
    second = subtitle(rng, [(begin, duration, b) for begin, duration, (_, b) in timed], languages[1], cuts)
    kept = [(block.a, block.b) for block in align(first, second) if block.drop is None]
    right = [set(_places(a, [x for x, _ in talk])) & set(_places(b, [y for _, y in talk])) for a, b in kept]
    covered = {place for places in right for start, stop in sorted(places)[:1] for place in range(start, stop + 1)}
    return Found(len(talk), len(covered), [pair for pair, places in zip(kept, right, strict=True) if not places])


def _places(text: str, sentences: Sequence[str]) -> Iterable[tuple[int, int]]:
    """The first and the last of the sentences of which a text is made, or a part of it; each way to read it."""
    flat = [re.sub(r"\s", "", sentence) for sentence in sentences]
    owners = [place for place, sentence in enumerate(flat) for _ in sentence]
    whole, wanted = "".join(flat), re.sub(r"\s", "", text)
    place = whole.find(wanted)
    while place >= 0:
        yield owners[place], owners[place + len(wanted) - 1]
        place = whole.find(wanted, place + 1)
