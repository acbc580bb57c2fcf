r"""HumanEval: 164 functions in Python to be written from their signature and docstring, judged by tests that are run.

https://huggingface.co/datasets/openai/openai_humaneval, or the authors' HumanEval.jsonl.gz:

    {"task_id": "HumanEval/53", "prompt": "\n\ndef add(x: int, y: int):\n    \"\"\"Add two numbers x and y\n    …\"\"\"\n",
     "entry_point": "add", "canonical_solution": "    return x + y\n", "test": "…\ndef check(candidate):\n    …"}

    standard   the paper's: the prompt as it stands, its five stops; the likeliest tokens once, as lm-eval does by default
    card       instruct-eval: an instruction line above the prompt, ten samples at temperature 0.6, text to the first blank line
    chat       the prompt in a block of code, the function taken out of the first block of the reply

A program is the prompt, the completion and the tests; it runs in the sandbox alone. With n samples, pass@1 to pass@n are
estimated without bias, so n may be changed in a question's sampling.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from data_mix_eval.benchmark_records import Found, gathered, json_lines, parquet_rows, refusal, text_of
from data_mix_eval.question import Answer, ChatPrompt, Mark, Prompt, Question, Sampling, TextPrompt
from data_mix_eval.sandbox.program import Program, Verdict
from data_mix_eval.score import pass_at_k
from data_mix_eval.task import BenchmarkFiles, Judges, Recipe, Records, Task

SUBJECT: Final = "humaneval"
STOPS: Final = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
INSTRUCTION: Final = (
    "Please complete the following Python code without providing any additional tasks such as testing or explanations\n"
)

_FIELDS: Final = ("task_id", "prompt", "entry_point", "canonical_solution", "test")
_BLOCK: Final = re.compile(r"```[^\n`]*\n(.*?)(?:\n?[ \t]*```|\Z)", re.DOTALL)

Record = Mapping[str, Any]
Reading = Callable[[str, Record], str]
"""What a model said, and the record → the text that follows the prompt in the program."""


def read(paths: Sequence[Path]) -> Records:
    """The problems of a JSON Lines file, plain or gzip, or of the hub's Parquet file.

    Raises FormatError for a missing field, a problem that comes twice, or one whose prompt does not define its function, with
    file and line.
    """
    return gathered(found for path in paths for found in _problems(path))


def _problems(path: Path) -> Iterator[Found]:
    seen: dict[str, int] = {}
    for line, row in parquet_rows(path, _FIELDS) if path.suffix == ".parquet" else json_lines(path):
        problem = {name: text_of(row, name, path, line) for name in _FIELDS}
        first = seen.setdefault(problem["task_id"], line)
        if first != line:
            raise refusal(path, line, f"task_id {problem['task_id']!r} stands in line {first} already; take one of them out")
        if not _defines(problem["prompt"], problem["entry_point"]):
            raise refusal(
                path, line, f"the prompt does not define {problem['entry_point']!r}, its entry_point; mend the problem"
            )
        yield Found(path, SUBJECT, "test", problem)


def _defines(code: str, name: str) -> bool:
    return re.search(rf"^def {re.escape(name)}\b", code, re.MULTILINE) is not None


def _questions(records: Records, ask: Callable[[Record], Prompt], sampling: Sampling) -> list[Question]:
    return [
        Question(id=f"{SUBJECT}/{number}", subject=SUBJECT, prompt=ask(record), target="", sampling=sampling, record=record)
        for number, record in enumerate(records[SUBJECT])
    ]


def _standard_prompt(record: Record) -> Prompt:
    return TextPrompt(question=record["prompt"], overflow="cut_left")


def _card_prompt(record: Record) -> Prompt:
    return TextPrompt(header=INSTRUCTION, question=record["prompt"], overflow="cut_left")


def _chat_prompt(record: Record) -> Prompt:
    asked = "Complete this Python function. Reply with one block of code that holds the whole function."
    return ChatPrompt(question=f"{asked}\n\n```python\n{record['prompt'].strip()}\n```")


def fix_indents(text: str) -> str:
    """The text with each line's indent filled up to an even number of blanks, as instruct-eval does."""
    return re.sub(r"^ *", lambda indent: indent[0] + " " * (len(indent[0]) % 2), text, flags=re.MULTILINE)


def _first_paragraph(said: str, _record: Record) -> str:
    return fix_indents(said).lstrip("\n").split("\n\n")[0]


def _as_it_stands(said: str, _record: Record) -> str:
    return said


def code_in(said: str, record: Record) -> str:
    """The code of a reply: its first fenced block, else all of it; on a line of its own where it defines the function again."""
    block = _BLOCK.search(said)
    code = block[1] if block else said
    return f"\n{code}" if _defines(code, record["entry_point"]) else code


def _judge(read_code: Reading) -> Callable[[Sequence[Question], Sequence[Answer], Judges], list[Mark]]:
    """Run every completion of every answer, in one go."""

    def judge(questions: Sequence[Question], answers: Sequence[Answer], judges: Judges) -> list[Mark]:
        codes = [
            [read_code(said, each.record) for said in its.completions] for each, its in zip(questions, answers, strict=True)
        ]
        programs = [_program(each.record, code) for each, its in zip(questions, codes, strict=True) for code in its]
        verdicts = iter(judges.run_code(programs))
        return [_mark(its, [next(verdicts) for _ in its]) for its in codes]

    return judge


def _program(record: Record, completion: str) -> Program:
    return Program(prompt=record["prompt"], completion=completion, test=record["test"], entry_point=record["entry_point"])


def _mark(codes: Sequence[str], verdicts: Sequence[Verdict]) -> Mark:
    """The code that is shown is the first that passes, else the first."""
    total, strict, compat = len(verdicts), sum(each.strict for each in verdicts), sum(each.compat for each in verdicts)
    metrics = {f"pass@{k}": pass_at_k(total, strict, k) for k in range(1, total + 1)}
    metrics |= {f"compat pass@{k}": pass_at_k(total, compat, k) for k in range(1, total + 1)}
    shown = next((code for code, verdict in zip(codes, verdicts, strict=True) if verdict.strict), codes[0])
    return Mark(
        metrics=metrics,
        picked=shown,
        verdicts=tuple("passed" if each.strict else each.reason for each in verdicts),
        is_suspicious=any(each.is_suspicious for each in verdicts),
    )


def _recipe(name: str, ask: Callable[[Record], Prompt], sampling: Sampling, read_code: Reading) -> Recipe:
    return Recipe(
        name=name,
        metric="pass@1",
        average="micro",
        ask=lambda records: _questions(records, ask, sampling),
        judge=_judge(read_code),
    )


TASKS: Final = (
    Task(
        name="humaneval",
        title="HumanEval",
        licence="MIT",
        homepage="https://huggingface.co/datasets/openai/openai_humaneval",
        files=BenchmarkFiles(
            repo="openai/openai_humaneval",
            revision="7dce6050a7d6d172f3cc5c32aa97f52fa1a2e544",
            patterns=("openai_humaneval/test-*.parquet",),
            layouts=(("HumanEval.jsonl.gz",), ("HumanEval.jsonl",), ("openai_humaneval/test-*.parquet",), ("test-*.parquet",)),
        ),
        read=read,
        recipes={
            "standard": _recipe(
                "humaneval/lm-eval-0.4.13", _standard_prompt, Sampling(max_tokens=1024, stops=STOPS), _as_it_stands
            ),
            "card": _recipe(
                "humaneval/instruct-eval-49bbd2ce",
                _card_prompt,
                Sampling(max_tokens=512, temperature=0.6, top_k=50, samples=10),  # 50: what transformers drew from by default
                _first_paragraph,
            ),
            "chat": _recipe("humaneval/chat-1", _chat_prompt, Sampling(max_tokens=1024), code_in),
        },
    ),
)
