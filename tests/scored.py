"""What tests of scoring stand on: a model whose answers are computed, a task of sums, a checkpoint that is small and real."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from commands import Shell
from data_mix_eval.benchmark_files import FoundFiles
from data_mix_eval.question import Answer, Mark, Question, Sampling, TextPrompt
from data_mix_eval.results import Results
from data_mix_eval.run import Asked, Marked, Setup, evaluate
from data_mix_eval.subset import Subset
from data_mix_eval.task import BenchmarkFiles, Judges, Recipe, Records, Task
from sample_tokenizers import byte_level
from training import small_model

SUBJECTS: Final = ("small", "large")


def sums(count: int, *, subjects: Sequence[str] = SUBJECTS, sampling: Sampling | None = None) -> list[Question]:
    """Questions of sums, `count` of each subject: of two choices, or to be written."""
    return [
        Question(
            id=f"{subject}/{number}",
            subject=subject,
            prompt=TextPrompt(header=f"Sums that are {subject}.\n\n", question=f"{number}+1=", overflow="cut_left"),
            target=str(number + 1),
            choices=() if sampling else (str(number), str(number + 1)),
            sampling=sampling,
            record={"number": number},
        )
        for subject in subjects
        for number in range(count)
    ]


def judge(questions: Sequence[Question], answers: Sequence[Answer], judges: Judges) -> list[Mark]:
    """Mark the likelier choice, or what was written."""
    return [_mark(question, answer) for question, answer in zip(questions, answers, strict=True)]


def _mark(question: Question, answer: Answer) -> Mark:
    if answer.completions:
        said = answer.completions[0]
        return Mark(metrics={"acc": float(said == question.target)}, picked=said)
    low, high = answer.logprobs
    picked = question.choices[high > low]
    return Mark(metrics={"acc": float(picked == question.target)}, picked=picked, margin=abs(high - low))


def sums_recipe(name: str = "sums/1", **changes: Any) -> Recipe:
    """How sums are asked."""
    given: dict[str, Any] = {"name": name, "metric": "acc", "average": "micro", "ask": ask, "judge": judge}
    return Recipe(**given | {"groups": dict.fromkeys(SUBJECTS, "all sums")} | changes)


def ask(records: Records) -> list[Question]:
    """The questions of as many numbers as there are records."""
    return sums(len(records["small"]))


def asked(questions: Sequence[Question] | None = None, *, name: str = "sums", recipe: str = "sums/1", **changes: Any) -> Asked:
    """Sums, ready to be asked."""
    how = sums_recipe(recipe, **changes)
    files = BenchmarkFiles(repo="none/none", revision="0", layouts=(("*.json",),))
    task = Task(
        name=name,
        title="Sums",
        licence="Apache-2.0",
        homepage="https://example.org",
        files=files,
        read=lambda _: {},
        recipes={"standard": how},
    )
    found = FoundFiles(paths=(), origin="memory", sha256="0" * 64)
    every = list(sums(5) if questions is None else questions)
    return Asked(task=task, recipe=how, files=found, subset=Subset(), questions=every, of=len(every))


@dataclass
class ComputedModel:
    """A model whose answers are digests of the batch in which they are asked: as sensitive to batches as a real one may be."""

    name: str = "computed"
    digest: str = "d" * 64
    size: int = 3
    fails_at: int | None = None
    """The number of the batch at which the machine breaks down."""
    asked: list[tuple[str, ...]] = field(default_factory=list)
    """The batches that it was asked."""

    def describe(self) -> dict[str, Any]:
        """See `Model`."""
        return {"engine": "computed", "parameters": 0, "batch_size": self.size}

    def batches(self, questions: Sequence[Question]) -> list[list[int]]:
        """See `Model`."""
        return [list(range(start, min(start + self.size, len(questions)))) for start in range(0, len(questions), self.size)]

    def loglikelihood(self, questions: Sequence[Question]) -> list[Answer]:
        """See `Model`."""
        return [
            Answer(logprobs=self._numbers(each, questions), prompt_tokens=len(each.prompt.question))
            for each in self._ask(questions)
        ]

    def generate(self, questions: Sequence[Question]) -> list[Answer]:
        """See `Model`."""
        return [
            Answer(
                completions=(each.target if self._numbers(each, questions)[0] < -0.5 else "?",),
                prompt_tokens=3,
                generated_tokens=1,
            )
            for each in self._ask(questions)
        ]

    def _ask(self, questions: Sequence[Question]) -> Sequence[Question]:
        if len(self.asked) == self.fails_at:
            raise BreakdownError
        self.asked.append(tuple(each.id for each in questions))
        return questions

    def _numbers(self, question: Question, batch: Sequence[Question]) -> tuple[float, float]:
        text = json.dumps([question.id, [each.id for each in batch]])
        digest = hashlib.sha256(text.encode()).digest()
        return -digest[0] / 255, -digest[1] / 255


class BreakdownError(Exception):
    """What nobody expects."""


def scored(model: ComputedModel, what: Sequence[Asked], home: Path, **setup: Any) -> tuple[Results, list[Marked]]:
    """What a run over all of it finds."""
    given: dict[str, Any] = {"protocol": "standard", "home": home} | setup
    done = evaluate(model, what, Setup(**given), say_nothing)
    assert done is not None
    return done


def say_nothing(step: str, done: int, total: int) -> None:
    """Nobody looks."""


def make_checkpoint(folder: Path, *, seed: int = 0) -> Path:
    """A small untrained model with a tokenizer and a chat template."""
    byte_level(folder)
    small_model(folder, seed=seed)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    turns = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{{ eos_token }}{% endfor %}<assistant>"
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"chat_template": turns}))
    return folder


def shell(folder: Path) -> Shell:
    """A place to score from, with a cache of its own."""
    return Shell(cwd=folder, home=folder / "home", variables={"OMP_NUM_THREADS": "1", "TRANSFORMERS_VERBOSITY": "error"})


def read_results(folder: Path) -> dict[str, Any]:
    """What a folder's results.json says, but for the times."""
    read: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return {name: value for name, value in read.items() if name != "times"}


def contents(folder: Path) -> Mapping[str, object]:
    """All that two runs of the same have in common."""
    return {
        "results": read_results(folder),
        "items": (folder / "items.jsonl").read_bytes(),
        "page": (folder / "report.html").read_bytes(),
    }
