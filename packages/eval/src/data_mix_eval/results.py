"""The results of a run as files, which other programs may read.

    OUT/results.json   {"format": 1, "protocol": "standard", "model": {…}, "tasks": {"mmlu": {…}}, …, "times": {…}}
        items.jsonl    {"task": "mmlu", "id": "anatomy/17", "picked": "C", "target": "B", "margin": 0.21, …}, a line each
        report.html    the same to look at

`results.json` is written last: where it is, the others are whole. Two runs of the same differ in `times` alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import TypeAdapter, ValidationError

from data_mix.errors import FormatError, OutputError
from data_mix.files import write_bytes, writing
from data_mix_eval.question import Answer, Mark, Prompt, Question, TextPrompt
from data_mix_eval.score import Score

RESULTS: Final = "results.json"
ITEMS: Final = "items.jsonl"
REPORT: Final = "report.html"
BASE: Final = "base-model"
"""The folder, below one of results, of those of its base model."""
FORMAT: Final = 1

OWN_SAMPLES: Final = "samples"
"""What stands for the files of a benchmark where they are our own small ones, whose scores are nobody's but ours."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """What became of one question."""

    task: str
    id: str
    subject: str
    prompt_sha256: str
    """Of the prompt's text; of a chat's, of its parts as JSON."""
    target: str
    picked: str
    margin: float | None
    metrics: dict[str, float]
    logprobs: tuple[float, ...] = ()
    completions: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()
    is_suspicious: bool = False
    prompt_tokens: int
    left_out: int = 0
    generated_tokens: int = 0


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A score, how sure it is, and over how many questions."""

    score: float
    standard_error: float | None
    n: int

    @classmethod
    def of(cls, score: Score) -> Figure:
        """A score as it is written down."""
        return cls(score=score.value, standard_error=score.stderr, n=score.items)


Figures = dict[str, Figure]
"""By metric."""


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """The scores of one task."""

    title: str
    recipe: str
    """How it was asked and judged, in one name."""
    metric: str
    """The metric that stands in tables."""
    average: Literal["micro", "macro"]
    files: str
    """Where the benchmark's files are from."""
    files_sha256: str
    subset: str
    """Which of its questions were asked."""
    n: int
    of: int
    """How many questions the whole benchmark has."""
    scores: Figures
    groups: dict[str, Figures] = field(default_factory=dict)
    subjects: dict[str, Figures] = field(default_factory=dict)
    prompt_tokens: int
    generated_tokens: int
    left_out_items: int
    """Questions whose prompts did not fit the context whole."""
    left_out_tokens: int
    suspicious: int
    """Questions with a completion that passes its test only where it can reach its judge."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """All that a run says."""

    format: int = FORMAT
    protocol: str
    """`standard`, `card` or `chat`; `lm-eval` where that computed."""
    model: dict[str, Any]
    """Its name, its digest, and what it says of itself."""
    tasks: dict[str, TaskResult]
    seed: int
    settings: dict[str, Any] = field(default_factory=dict)
    """The keys of `EvalSettings` that were set: with the model's name, all that it takes to do the run again."""
    versions: dict[str, str]
    times: dict[str, Any] = field(default_factory=dict)
    """The only thing in which two runs of the same differ."""

    def identity(self) -> dict[str, Any]:
        """What makes two results ones of the same thing."""
        return {"model digest": self.model["digest"], "protocol": self.protocol, "seed": self.seed}


def make_item(task: str, question: Question, answer: Answer, mark: Mark) -> Item:
    """A line of the items."""
    return Item(
        task=task,
        id=question.id,
        subject=question.subject,
        prompt_sha256=prompt_sha256(question.prompt),
        target=question.target,
        picked=mark.picked,
        margin=mark.margin,
        metrics=dict(mark.metrics),
        logprobs=answer.logprobs,
        completions=answer.completions,
        verdicts=mark.verdicts,
        is_suspicious=mark.is_suspicious,
        prompt_tokens=answer.prompt_tokens,
        left_out=answer.left_out,
        generated_tokens=answer.generated_tokens,
    )


def prompt_sha256(prompt: Prompt) -> str:
    """The digest of a prompt: of a text the one that lm-eval logs."""
    text = prompt.text if isinstance(prompt, TextPrompt) else json.dumps(vars(prompt), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def write_results(folder: Path, results: Results, items: Sequence[Item], report: bytes) -> None:
    """Write a folder of results, each file whole or not at all. OutputError where it cannot be written."""
    with writing(folder / ITEMS) as file:
        for item in items:
            file.write(_adapter(Item).dump_json(item) + b"\n")
    write_bytes(folder / REPORT, report)
    write_bytes(folder / RESULTS, _adapter(Results).dump_json(results, indent=1) + b"\n")


def read_results(folder: Path) -> Results:
    """Read what a run has written. FormatError where it has not ended, is damaged, or newer than this."""
    path = folder / RESULTS
    if not path.is_file():
        raise FormatError(f"{folder}: holds no {RESULTS}, so no run has ended there; name a folder of results")
    data = path.read_bytes()
    _check_format(path, data)
    results: Results = _read(Results, path, data)
    return results


def read_items(folder: Path) -> Iterator[Item]:
    """The items of a folder of results. FormatError where a line is damaged."""
    path = folder / ITEMS
    if not path.is_file():
        raise FormatError(f"{path}: is not there; score the model again")
    with path.open("rb") as file:
        yield from (_read(Item, path, line) for line in file)


def check_folder(folder: Path, results: Results) -> None:
    """Refuse to overwrite results of anything else with OutputError: of another model, protocol or seed, or of more tasks."""
    if not (folder / RESULTS).is_file():
        return
    try:
        then = read_results(folder)
    except FormatError as error:
        raise OutputError(f"{error}; that is not overwritten: name another folder with -o, or remove {folder}") from error
    found, wanted = _identity(then, results.tasks), _identity(results, results.tasks)
    differing = [f"{name} {value}"[:60] for name, value in found.items() if wanted.get(name) != value]
    missing = [name for name in then.tasks if name not in results.tasks]
    if differing or missing:
        what = ", ".join([*differing, *(f"task {name}" for name in missing)])
        every = " ".join(dict.fromkeys([*then.tasks, *results.tasks]))
        together = "" if differing else f"score all, whose answers are kept, by --task {every}; or "
        raise OutputError(
            f"{folder}: holds results of something else ({what}); {together}name another folder with -o, or remove it"
        )


def _identity(results: Results, tasks: Mapping[str, Any]) -> dict[str, Any]:
    """What must be the same for one result to take another's place: of the tasks that both have, what was asked of each."""
    both = {name: task for name, task in results.tasks.items() if name in tasks}
    asked = {
        f"{name} {what}": getattr(task, what) for name, task in both.items() for what in ("recipe", "subset", "files_sha256")
    }
    return results.identity() | asked


def _check_format(path: Path, data: bytes) -> None:
    try:
        found = json.loads(data)["format"]
    except (ValueError, TypeError, KeyError) as error:
        raise FormatError(f"{path}: is no results file; name a folder that datamix eval has written") from error
    if found != FORMAT:
        raise FormatError(f"{path}: has format {found!r}, wanted {FORMAT}; install the data-mix-eval that wrote it")


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _read(kind: type, path: Path, data: bytes) -> Any:
    try:
        return _adapter(kind).validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the text"
        raise FormatError(f"{path}: is damaged ({where}: {first['msg']}); score the model again") from error
