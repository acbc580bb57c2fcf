"""BIG-Bench Hard: 27 kinds of problems on which language models once stood below people, with three worked ones of each kind.

https://github.com/suzgunmirac/BIG-Bench-Hard: a JSON file of examples per kind, and a text file with three solved step by step.

    {"canary": "…", "examples": [{"input": "not ( True ) and ( True ) is", "target": "False"}, …]}

Two tasks stand on these files: `bbh` lets the model reason, `bbh_direct` asks for the answer alone.

    standard   bbh: the prompts that the authors recorded, and their way to read the answer; bbh_direct: lm-eval's `bbh_fewshot`
    card       bbh: instruct-eval, which asks directly: the first three examples are the shots and are not scored
    chat       shots as turns, reasoning (bbh) or not (bbh_direct)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from data_mix.errors import FormatError
from data_mix_eval.benchmark_records import Found, gathered, json_object, of_split, parquet_rows, read_text, refusal, text_of
from data_mix_eval.question import Answer, ChatPrompt, Mark, Prompt, ProtocolName, Question, Sampling, TextPrompt
from data_mix_eval.replies import answer_in, answer_in_chat, is_same_in_chat
from data_mix_eval.score import Average
from data_mix_eval.task import BenchmarkFiles, Recipe, Records, Task, one_by_one

SHOTS: Final = 3
STEPS: Final = "\nA: Let's think step by step."

_COMMIT: Final = "9ee07bd481feebf959a6b59d61ea57bdcf30964d"
_UPSTREAM: Final = f"https://raw.githubusercontent.com/suzgunmirac/BIG-Bench-Hard/{_COMMIT}"
_DIGESTS: Final = Path(__file__).with_name("bbh.sha256")
"""As sha256sum writes them."""

_CANARY_END: Final = "-----\n"

_THINK: Final = 'Think step by step, and end with the words "So the answer is" and the answer.'
_ALONE: Final = "Reply with the answer and nothing else."

Record = Mapping[str, Any]


def read(paths: Sequence[Path]) -> Records:
    """Records of `<kind>.json` (or the hub's `<kind>/….parquet`), and the three shots of each `<kind>.txt`.

    Raises FormatError for a missing field or a prompt that does not hold three shots, with the file and the place in it.
    """
    readers: dict[str, Callable[[Path], Iterator[Found]]] = {".json": _examples, ".parquet": _table, ".txt": _worked}
    wrong = [path for path in paths if path.suffix not in readers]
    if wrong:
        raise refusal(wrong[0], None, f"is none of {', '.join(readers)}; name the folder that holds the benchmark")
    return gathered(found for path in paths for found in readers[path.suffix](path))


def _examples(path: Path) -> Iterator[Found]:
    examples = json_object(path).get("examples")
    if not isinstance(examples, list) or not examples:
        raise refusal(path, None, "has no list of examples under 'examples'; get the file anew")
    for number, example in enumerate(examples):
        if not isinstance(example, dict):
            raise refusal(path, None, f"example {number} is {example!r:.80}, wanted an object; mend it")
        yield Found(path, path.stem, "test", _record(path, example, f"example {number} "))


def _record(path: Path, example: Mapping[str, Any], place: str) -> dict[str, Any]:
    for key in ("input", "target"):
        if not isinstance(example.get(key), str) or not example[key]:
            raise refusal(path, None, f"{place}has {key} {example.get(key)!r:.80}, wanted a text; get the file anew")
    return {"input": example["input"], "target": example["target"]}


def _table(path: Path) -> Iterator[Found]:
    for number, row in parquet_rows(path, ("input", "target")):
        record = {key: text_of(row, key, path, number) for key in ("input", "target")}
        yield Found(path, path.parent.name, "test", record)


def _worked(path: Path) -> Iterator[Found]:
    """The shots of a prompt file, each with the description that stands above them."""
    text = read_text(path)
    body = text.partition(_CANARY_END)[2] or text
    description, *items = re.split(r"\n\n(?=Q: )", body.rstrip("\n"))
    for item in items:
        asked, found, reasoning = item.removeprefix("Q: ").partition(STEPS)
        answer = answer_in(reasoning)
        if not found or not answer:
            line = text[: text.index(item)].count("\n") + 1
            raise refusal(path, line, f"wanted Q: …{STEPS!r} … the answer is …; get the file anew")
        shot = {"input": asked, "reasoning": reasoning, "target": answer, "description": description}
        yield Found(path, path.stem, "shot", shot)
    if len(items) != SHOTS:
        raise refusal(path, None, f"holds {len(items)} worked examples, wanted {SHOTS}; get the file anew")


def _shots(subject: str, records: Sequence[Record]) -> list[Record]:
    found = of_split(records, "shot")
    if not found:
        raise FormatError(
            f"bbh: {subject!r} has no worked examples, wanted a file {subject}.txt in bbh-cot-prompts or cot-prompts; add it"
        )
    return found


def _questions(
    records: Records, ask: Callable[[Sequence[Record], Record], Prompt], sampling: Sampling, *, first_are_shots: bool = False
) -> list[Question]:
    """A question per example; `ask` makes the prompt of the shots and an example."""
    questions = []
    for subject, its in records.items():
        examples = of_split(its, "test")
        skipped = SHOTS if first_are_shots else 0
        shots = examples[:skipped] if first_are_shots else _shots(subject, its)
        if len(examples) <= skipped:
            raise FormatError(f"bbh: {subject!r} has {len(examples)} examples, wanted more than {skipped}; add {subject}.json")
        for number, record in enumerate(examples[skipped:], skipped):
            question = Question(
                id=f"{subject}/{number}",
                subject=subject,
                prompt=ask(shots, record),
                target=record["target"],
                sampling=sampling,
                record=record,
            )
            questions.append(question)
    return questions


def _steps_prompt(shots: Sequence[Record], record: Record) -> Prompt:
    return TextPrompt(
        header=f"{shots[0]['description']}\n\n",
        shots=tuple(f"Q: {shot['input']}{STEPS}{shot['reasoning']}\n\n" for shot in shots),
        question=f"Q: {record['input']}{STEPS}",
        overflow="cut_left",
    )


def _direct_prompt(shots: Sequence[Record], record: Record) -> Prompt:
    return TextPrompt(
        header=f"{shots[0]['description']}\n\n",
        shots=tuple(f"Q: {shot['input']}\nA: {shot['target']}\n\n" for shot in shots),
        question=f"Q: {record['input']}\nA:",
        overflow="cut_left",
    )


def _card_prompt(shots: Sequence[Record], record: Record) -> Prompt:
    return TextPrompt(
        shots=tuple(f"{shot['input']}\nAnswer: {shot['target']}\n\n" for shot in shots),
        question=f"{record['input']}\nAnswer:",
        overflow="drop_shots",
        max_tokens=2048,
    )


def _chat_prompt(request: str, answer: str) -> Callable[[Sequence[Record], Record], Prompt]:
    """Shots as turns, each asked with the description and the request, and answered by the field `answer` of the shot."""

    def ask(shots: Sequence[Record], record: Record) -> Prompt:
        turns = [f"{shots[0]['description']}\n\n{each['input']}\n\n{request}" for each in (*shots, record)]
        said = [shot[answer].strip() for shot in shots]
        return ChatPrompt(shots=tuple(zip(turns, said, strict=False)), question=turns[-1])

    return ask


def _mark_reasoning(question: Question, answer: Answer) -> Mark:
    said = answer_in(answer.completions[0])
    return Mark(metrics={"acc": float(said == question.target)}, picked=said)


def _mark_direct(question: Question, answer: Answer) -> Mark:
    """`exact_match` is lm-eval's, to which the blank that follows "A:" is a mistake; `acc` takes blanks away first."""
    said = answer.completions[0]
    metrics = {"acc": float(said.strip() == question.target), "exact_match": float(said == question.target)}
    return Mark(metrics=metrics, picked=said.strip())


def _mark_beginning(question: Question, answer: Answer) -> Mark:
    said = answer.completions[0].strip()
    return Mark(metrics={"acc": float(said.startswith(question.target))}, picked=said)


def _mark_chat(question: Question, answer: Answer) -> Mark:
    said = answer_in_chat(answer.completions[0])
    return Mark(metrics={"acc": float(is_same_in_chat(said, question.target))}, picked=said)


def _pinned() -> dict[str, str]:
    """The files of the benchmark by their URLs, with their digests."""
    lines = (line.split() for line in _DIGESTS.read_text(encoding="utf8").splitlines())
    return {f"{_UPSTREAM}/{path}": digest for digest, path in lines}


def _task(name: str, title: str, recipes: Mapping[ProtocolName, Recipe]) -> Task:
    return Task(
        name=name,
        title=title,
        licence="MIT",
        homepage="https://github.com/suzgunmirac/BIG-Bench-Hard",
        files=BenchmarkFiles(
            repo="suzgunmirac/BIG-Bench-Hard",
            revision=_COMMIT,
            pinned=_pinned(),
            layouts=(
                ("bbh/*.json", "bbh-cot-prompts/*.txt", "cot-prompts/*.txt"),
                ("*.json", "*.txt"),
                ("*/test-*.parquet", "*.txt", "cot-prompts/*.txt", "bbh-cot-prompts/*.txt"),
            ),
        ),
        read=read,
        recipes=recipes,
    )


def _recipe(
    name: str, ask: Callable[[Records], list[Question]], mark: Callable[[Question, Answer], Mark], average: Average = "micro"
) -> Recipe:
    return Recipe(name=name, metric="acc", average=average, ask=ask, judge=one_by_one(mark))


TASKS: Final = (
    _task(
        "bbh",
        "BBH",
        {
            "standard": _recipe(
                "bbh-cot/suzgun-9ee07bd4",
                lambda records: _questions(records, _steps_prompt, Sampling(max_tokens=1024, stops=("\n\n", "\nQ:"))),
                _mark_reasoning,
            ),
            "card": _recipe(
                "bbh/instruct-eval-49bbd2ce",
                lambda records: _questions(records, _card_prompt, Sampling(max_tokens=32), first_are_shots=True),
                _mark_beginning,
                "macro",
            ),
            "chat": _recipe(
                "bbh-cot/chat-1",
                lambda records: _questions(records, _chat_prompt(_THINK, "reasoning"), Sampling(max_tokens=1024)),
                _mark_chat,
            ),
        },
    ),
    _task(
        "bbh_direct",
        "BBH, direct",
        {
            "standard": _recipe(
                "bbh-direct/lm-eval-0.4.13",
                lambda records: _questions(records, _direct_prompt, Sampling(max_tokens=256, stops=("</s>", "Q", "\n\n"))),
                _mark_direct,
            ),
            "chat": _recipe(
                "bbh-direct/chat-1",
                lambda records: _questions(records, _chat_prompt(_ALONE, "target"), Sampling(max_tokens=256)),
                _mark_chat,
            ),
        },
    ),
)
