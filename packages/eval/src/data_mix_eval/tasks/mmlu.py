"""MMLU: multiple choice questions of 57 subjects, four choices each, after five answered questions of the same subject.

https://huggingface.co/datasets/cais/mmlu, or the CSV files of the original release: no header, the letter last.

    {"question": "Find the order of 7 in Z_12.", "subject": "abstract_algebra", "choices": ["3", "4", "6", "2"], "answer": 3}
    Find the order of 7 in Z_12.,3,4,6,2,D

    standard   lm-eval's task `mmlu` with five shots, byte for byte: the likeliest of " A" to " D"
    card       instruct-eval: two blanks after "about"; the answer is generated and compared by how it begins
    chat       shots as turns; the likeliest letter at the beginning of the assistant's turn
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from data_mix.errors import FormatError
from data_mix_eval.benchmark_records import Found, csv_rows, gathered, of_split, parquet_rows, refusal, text_of
from data_mix_eval.question import Answer, ChatPrompt, Mark, Prompt, ProtocolName, Question, Sampling, TextPrompt
from data_mix_eval.task import BenchmarkFiles, Recipe, Records, Task, one_by_one

LETTERS: Final = "ABCD"
SHOTS: Final = 5

_SUBJECTS: Final = {
    "stem": """abstract_algebra anatomy astronomy college_biology college_chemistry college_computer_science
        college_mathematics college_physics computer_security conceptual_physics electrical_engineering elementary_mathematics
        high_school_biology high_school_chemistry high_school_computer_science high_school_mathematics high_school_physics
        high_school_statistics machine_learning""",
    "other": """business_ethics clinical_knowledge college_medicine global_facts human_aging management marketing
        medical_genetics miscellaneous nutrition professional_accounting professional_medicine virology""",
    "social_sciences": """econometrics high_school_geography high_school_government_and_politics high_school_macroeconomics
        high_school_microeconomics high_school_psychology human_sexuality professional_psychology public_relations
        security_studies sociology us_foreign_policy""",
    "humanities": """formal_logic high_school_european_history high_school_us_history high_school_world_history
        international_law jurisprudence logical_fallacies moral_disputes moral_scenarios philosophy prehistory
        professional_law world_religions""",
}
GROUPS: Final = {subject: group for group, names in _SUBJECTS.items() for subject in names.split()}
"""Subject → the group in which lm-eval sums it up."""

_FIELDS: Final = ("question", "subject", "choices", "answer")

Record = Mapping[str, Any]


def read(paths: Sequence[Path]) -> Records:
    """Records of `<subject>_<split>.csv` files or of the hub's Parquet files, `<split>-….parquet`.

    Raises FormatError for a missing column or a wrong answer, with file and line.
    """
    return gathered(found for path in paths for found in (_table(path) if path.suffix == ".parquet" else _rows(path)))


def _rows(path: Path) -> Iterator[Found]:
    subject, _, split = path.stem.rpartition("_")
    if not subject:
        raise refusal(path, None, "has no subject in its name, wanted a name such as anatomy_test.csv; rename it")
    for line, row in csv_rows(path):
        if len(row) != 6:
            raise refusal(path, line, f"has {len(row)} columns, wanted 6: question, four choices, letter; mend the row")
        yield Found(path, subject, split, _record(path, line, row[0], row[1:5], row[5]))


def _table(path: Path) -> Iterator[Found]:
    split = path.name.partition("-")[0]
    for number, row in parquet_rows(path, _FIELDS):
        answer, choices = row["answer"], row["choices"]
        if not isinstance(choices, list) or len(choices) != 4 or not all(isinstance(choice, str) for choice in choices):
            raise refusal(path, number, f"choices are {choices!r}, wanted four texts; get the file anew")
        letter = LETTERS[answer] if isinstance(answer, int) and 0 <= answer < 4 else str(answer)
        record = _record(path, number, text_of(row, "question", path, number), choices, letter)
        yield Found(path, text_of(row, "subject", path, number), split, record)


def _record(path: Path, line: int, question: str, choices: Sequence[str], answer: str) -> dict[str, Any]:
    if answer not in tuple(LETTERS):
        hint = "; these files have no header" if line == 1 else ""
        raise refusal(path, line, f"the answer is {answer!r}, wanted A, B, C or D{hint}; mend the row")
    return {"question": question, "choices": tuple(choices), "answer": answer}


def _shots(subject: str, records: Sequence[Record]) -> list[Record]:
    found = of_split(records, "dev")
    if len(found) < SHOTS:
        raise FormatError(
            f"mmlu: subject {subject!r} has {len(found)} records in dev, wanted {SHOTS} for its shots; "
            f"add dev/{subject}_dev.csv, or leave the subject out"
        )
    return found[:SHOTS]


def _questions(
    records: Records, ask: Any, *, choices: tuple[str, ...] = (), sampling: Sampling | None = None
) -> list[Question]:
    """A question per test record; `ask` makes the prompt of a subject, its shots and the record."""
    questions = []
    for subject, its in records.items():
        shots = _shots(subject, its)
        for number, record in enumerate(of_split(its, "test")):
            question = Question(
                id=f"{subject}/{number}",
                subject=subject,
                prompt=ask(subject.replace("_", " "), shots, record),
                target=record["answer"],
                choices=choices,
                sampling=sampling,
                record=record,
            )
            questions.append(question)
    return questions


def _lines(question: str, choices: Sequence[str]) -> str:
    return "\n".join((question, *(f"{letter}. {choice}" for letter, choice in zip(LETTERS, choices, strict=True))))


def _standard_item(record: Record) -> str:
    return _lines(record["question"].strip(), record["choices"]) + "\nAnswer:"


def _standard_prompt(subject: str, shots: Sequence[Record], record: Record) -> Prompt:
    return TextPrompt(
        header=f"The following are multiple choice questions (with answers) about {subject}.\n\n",
        shots=tuple(f"{_standard_item(shot)} {shot['answer']}\n\n" for shot in shots),
        question=_standard_item(record),
        overflow="cut_left",
    )


def _card_item(record: Record) -> str:
    return _lines(record["question"], record["choices"]) + "\nAnswer:"


def _card_prompt(subject: str, shots: Sequence[Record], record: Record) -> Prompt:
    return TextPrompt(
        header=f"The following are multiple choice questions (with answers) about  {subject}.\n\n",  # two blanks: its own
        shots=tuple(f"{_card_item(shot)} {shot['answer']}\n\n" for shot in shots),
        question=_card_item(record),
        overflow="drop_shots",
        max_tokens=2048,
    )


def _chat_turn(subject: str, record: Record) -> str:
    asked = f"Here is a multiple choice question about {subject}. Reply with the letter of the right answer and nothing else."
    return f"{asked}\n\n{_lines(record['question'].strip(), record['choices'])}"


def _chat_prompt(subject: str, shots: Sequence[Record], record: Record) -> Prompt:
    return ChatPrompt(
        shots=tuple((_chat_turn(subject, shot), shot["answer"]) for shot in shots),
        question=_chat_turn(subject, record),
    )


def _mark_likeliest(question: Question, answer: Answer) -> Mark:
    """Of equally likely letters the first counts, as for numpy's argmax."""
    best = max(range(len(LETTERS)), key=answer.logprobs.__getitem__)
    others = [value for place, value in enumerate(answer.logprobs) if place != best]
    picked = LETTERS[best]
    return Mark(metrics={"acc": float(picked == question.target)}, picked=picked, margin=answer.logprobs[best] - max(others))


def _mark_beginning(question: Question, answer: Answer) -> Mark:
    said = answer.completions[0].strip()
    return Mark(metrics={"acc": float(said.startswith(question.target))}, picked=said)


RECIPES: Final[Mapping[ProtocolName, Recipe]] = {
    "standard": Recipe(
        name="mmlu/lm-eval-0.4.13",
        metric="acc",
        average="micro",
        ask=lambda records: _questions(records, _standard_prompt, choices=tuple(f" {letter}" for letter in LETTERS)),
        judge=one_by_one(_mark_likeliest),
        groups=GROUPS,
    ),
    "card": Recipe(
        name="mmlu/instruct-eval-49bbd2ce",
        metric="acc",
        average="micro",
        ask=lambda records: _questions(records, _card_prompt, sampling=Sampling(max_tokens=2)),
        judge=one_by_one(_mark_beginning),
        groups=GROUPS,
    ),
    "chat": Recipe(
        name="mmlu/chat-1",
        metric="acc",
        average="micro",
        ask=lambda records: _questions(records, _chat_prompt, choices=tuple(LETTERS)),
        judge=one_by_one(_mark_likeliest),
        groups=GROUPS,
    ),
}

TASKS: Final = (
    Task(
        name="mmlu",
        title="MMLU",
        licence="MIT",
        homepage="https://huggingface.co/datasets/cais/mmlu",
        files=BenchmarkFiles(
            repo="cais/mmlu",
            revision="c30699e8356da336a370243923dbaf21066bb9fe",
            patterns=("all/test-*.parquet", "all/dev-*.parquet"),
            layouts=(
                ("test/*_test.csv", "dev/*_dev.csv"),
                ("mmlu/test/*_test.csv", "mmlu/dev/*_dev.csv"),
                ("all/test-*.parquet", "all/dev-*.parquet"),
                ("*/test-*.parquet", "*/dev-*.parquet"),
            ),
        ),
        read=read,
        recipes=RECIPES,
    ),
)
