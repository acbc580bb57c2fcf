"""What was computed, on disk, so that a run that was interrupted goes on, and one that is repeated is read.

    $DATAMIX_HOME/eval/<model digest>/<recipe>/00000.jsonl    answers: a file per rank, a line per batch
                      verdicts/00000.jsonl                    of code that was run: a line per program
    {"key": "9f2c…", "seconds": 1.8, "answers": [{"logprobs": [-1.2, …], "prompt_tokens": 412, …}, …]}

Files are only ever appended to, under a lock, and a line that a kill has cut is passed over; so any number of processes may
share a folder. A batch is kept whole: its key is the digest of all that is asked in it, so that the digits of an answer are
those of the batch in which it was computed, and never those of another run's smaller one.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, BinaryIO, Final

from data_mix.files import make_folder, output_errors
from data_mix_eval.question import Answer, Question

FOLDER: Final = "eval"

_COMPUTING: Final = ("torch", "transformers", "tokenizers", "data-mix-builder")
"""Distributions of which another version may give other digits."""
_OWN_CODE: Final = ("question.py", "models")
"""Our own part of what makes an answer."""

Line = Mapping[str, Any]


@dataclass(kw_only=True)
class Lines:
    """Lines by their keys, in a folder that processes share; `rank` names the file to which this one adds."""

    folder: Path
    rank: int = 0
    _lines: dict[str, Line] = field(init=False, default_factory=dict)
    _read: dict[Path, int] = field(init=False, default_factory=dict)
    """How many bytes of each file have been read."""

    def refresh(self) -> None:
        """Read what has been added since the last time, by whichever process."""
        for path in sorted(self.folder.glob("*.jsonl")):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                whole, end, _ = file.read().rpartition(b"\n")
            self._read[path] = self._read.get(path, 0) + len(whole) + len(end)
            self._lines |= {line["key"]: line for line in map(_line, whole.split(b"\n")) if line is not None}

    def get(self, key: str) -> Line | None:
        """The line of this key; None where there is none."""
        return self._lines.get(key)

    def add(self, line: Line) -> None:
        """Add a line, which has a `key`. OutputError where it cannot be written."""
        path = self.folder / f"{self.rank:05}.jsonl"
        with output_errors(path):
            make_folder(self.folder)
            with path.open("a+b") as file:
                _append(file, json.dumps(line, separators=(",", ":")).encode())
        self._lines[line["key"]] = line


@dataclass(frozen=True, kw_only=True)
class CachedBatch:
    """The answers of a batch."""

    answers: tuple[Answer, ...]
    seconds: float
    """What they took when they were computed."""


@dataclass
class AnswerCache:
    """The answers of one model to one recipe."""

    lines: Lines
    _batches: dict[str, CachedBatch] = field(init=False, default_factory=dict)
    """Those that were read."""

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None

    def __getitem__(self, key: str) -> CachedBatch:
        found = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def get(self, key: str) -> CachedBatch | None:
        """A batch; None where it is not there."""
        line = self.lines.get(key) if key not in self._batches else None
        batch = None if line is None else _batch(line)
        if batch is not None:
            self._batches[key] = batch
        return self._batches.get(key)

    def add(self, key: str, answers: Sequence[Answer], seconds: float) -> None:
        """Add a batch. OutputError where it cannot be written."""
        self.lines.add({"key": key, "seconds": round(seconds, 6), "answers": [_filled(answer) for answer in answers]})


def open_lines(folder: Path, rank: int) -> Lines:
    """The lines that are there, and a file to add to."""
    lines = Lines(folder=folder, rank=rank)
    lines.refresh()
    return lines


def open_answers(home: Path, digest: str, recipe: str, rank: int) -> AnswerCache:
    """What is known of a model's answers to a recipe."""
    return AnswerCache(open_lines(home / FOLDER / _plain(digest) / _plain(recipe), rank))


def batch_key(recipe: str, seed: int, questions: Iterable[Question], *, batch_size: int | None = None) -> str:
    """The digest of a batch: of each question, in order, what decides its answer; and of the code that gives it.

    `batch_size` is the answers that are computed at once: a question with more samples than that is computed in parts.
    """
    digest = hashlib.sha256(json.dumps([code_digest(_OWN_CODE), [_version(name) for name in _COMPUTING], batch_size]).encode())
    for question in questions:
        digest.update(json.dumps([recipe, *_asked(question, seed)], sort_keys=True).encode())
    return digest.hexdigest()


@cache
def code_digest(parts: tuple[str, ...]) -> str:
    """The digest of modules and packages of this distribution, so that what other code has computed is not believed."""
    digest = hashlib.sha256()
    for path in _modules(parts):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _modules(parts: tuple[str, ...]) -> Iterator[Path]:
    for path in map(Path(__file__).parent.joinpath, parts):
        yield from [path] if path.is_file() else sorted(path.rglob("*.py"))


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _asked(question: Question, seed: int) -> list[Any]:
    """What decides an answer: all that the model sees, and the seed where it draws."""
    sampling = None if question.sampling is None else vars(question.sampling)
    draws = question.sampling is not None and question.sampling.temperature > 0
    kind = type(question.prompt).__name__
    return [question.id, kind, vars(question.prompt), question.choices, sampling, seed if draws else None]


def _append(file: BinaryIO, line: bytes) -> None:
    """Add a line behind whatever stands there, a line that was cut included."""
    fcntl.flock(file, fcntl.LOCK_EX)
    end = file.seek(0, os.SEEK_END)
    if end:
        file.seek(end - 1)
        line = line if file.read(1) == b"\n" else b"\n" + line
    file.write(line + b"\n")
    file.flush()


def _line(text: bytes) -> Line | None:
    """A line of a file; None where a kill or a disk has damaged it."""
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) and isinstance(line.get("key"), str) else None


def _batch(line: Line) -> CachedBatch | None:
    """A batch; None where the line holds something else."""
    try:
        return CachedBatch(answers=tuple(map(_answer, line["answers"])), seconds=float(line["seconds"]))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _filled(answer: Answer) -> dict[str, Any]:
    """The fields of an answer that say something."""
    return {name: value for name, value in vars(answer).items() if value or name == "prompt_tokens"}


def _answer(fields: Mapping[str, Any]) -> Answer:
    plain: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    return Answer(**plain)


def _plain(name: str) -> str:
    """A name as one part of a path."""
    return re.sub(r"[^\w.-]+", "__", name)
