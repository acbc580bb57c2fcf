"""MMLU: the prompts of each protocol byte for byte, how answers are marked, and files that are wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_mix.errors import FormatError
from data_mix_eval.benchmark_files import SAMPLES, find_files
from data_mix_eval.question import Answer, ChatPrompt, Question, TextPrompt
from data_mix_eval.task import Records, find_task
from data_mix_eval.tasks.mmlu import GROUPS, LETTERS
from lm_eval_tasks import PeerTask, digest

TASK: Final = find_task("mmlu")
GOLDEN: Final = Path(__file__).parent / "golden" / "prompts.json"
"""Digests of lm-eval 0.4.13's prompts on our samples; test_the_prompts_are_those_of_lm_eval makes sure that they are."""

FIVE: Final = ("anatomy", "college_physics", "high_school_european_history", "professional_accounting", "us_foreign_policy")

ROW: Final = "Which is a tree?,oak,moss,fern,rose,A\n"


def records(folder: Path) -> Records:
    """The benchmark in a folder, or of our samples."""
    return TASK.read(find_files(TASK, folder=folder).paths)


def written(folder: Path, test: str = ROW, dev: str = ROW * 5) -> Path:
    """A folder that holds one subject."""
    for split, text in (("test", test), ("dev", dev)):
        (path := folder / split / f"botany_{split}.csv").parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf8", newline="")
    return folder


def ask(its: Records, protocol: str = "standard") -> list[Question]:
    """The questions of a protocol."""
    return TASK.recipes[protocol].ask(its)  # type: ignore[index]


def of_subject(questions: Sequence[Question], subject: str) -> list[str]:
    """The prompts of a subject's questions."""
    return [
        question.prompt.text
        for question in questions
        if question.subject == subject and isinstance(question.prompt, TextPrompt)
    ]


def marks(question: Question, protocol: str = "standard", **said: Any) -> tuple[float, str]:
    """(accuracy, what was picked) of an answer."""
    [mark] = TASK.recipes[protocol].judge([question], [Answer(prompt_tokens=1, **said)], None)  # type: ignore[index, arg-type]
    return mark.metrics["acc"], mark.picked


def peer(its: Sequence[Mapping[str, Any]], subject: str, folder: Path) -> PeerTask:
    """lm-eval's task of a subject over the same records."""
    splits = {
        split: [
            {"question": each["question"], "choices": each["choices"], "answer": LETTERS.index(each["answer"])}
            for each in its
            if each["split"] == split
        ]
        for split in ("test", "dev")
    }
    return PeerTask(f"mmlu/default/mmlu_{subject}.yaml", folder, splits)


@pytest.mark.parametrize("subject", ["astronomy", "high_school_geography", "marketing", "philosophy"])
def test_the_prompts_are_those_of_lm_eval(subject: str, tmp_path: Path) -> None:
    """On our samples every five-shot prompt is lm-eval's, byte for byte, and so are the golden digests."""
    its = records(SAMPLES)
    theirs = peer(its[subject], subject, tmp_path).prompts(shots=5)
    assert of_subject(ask(its), subject) == theirs
    assert digest(theirs) == json.loads(GOLDEN.read_text())["mmlu"][subject]


def test_the_prompts_are_the_golden_ones() -> None:
    """The prompts on our samples have not moved by a byte from what lm-eval made of them."""
    questions = ask(records(SAMPLES))
    golden = json.loads(GOLDEN.read_text())["mmlu"]
    assert {subject: digest(of_subject(questions, subject)) for subject in golden} == golden


@pytest.mark.parametrize("subject", FIVE)
def test_the_prompts_are_those_of_lm_eval_on_real_questions(subject: str, shared: Path, tmp_path: Path) -> None:
    """On the real benchmark every prompt of these subjects has the hash that lm-eval logs."""
    its = records(shared / "eval")
    theirs = peer(its[subject], subject, tmp_path).prompts(shots=5)
    assert len(theirs) >= 100
    assert of_subject(ask(its), subject) == theirs


@pytest.mark.slow
def test_all_prompts_are_those_of_lm_eval(shared: Path, tmp_path: Path) -> None:
    """The same of all 14,042 questions."""
    its = records(shared / "eval")
    questions = ask(its)
    assert len(questions) == 14_042
    for subject in its:
        assert digest(of_subject(questions, subject)) == digest(peer(its[subject], subject, tmp_path / subject).prompts(5)), (
            subject
        )


def test_what_is_scored_is_what_lm_eval_scores(tmp_path: Path) -> None:
    """The four continuations of a prompt are lm-eval's."""
    its = records(SAMPLES)
    theirs = peer(its["marketing"], "marketing", tmp_path)
    [ours, *_] = [question for question in ask(its) if question.subject == "marketing"]
    assert isinstance(ours.prompt, TextPrompt)
    assert [(ours.prompt.text, choice) for choice in ours.choices] == theirs.continuations(ours.prompt.text)


def test_the_header_and_the_shots_are_shared() -> None:
    """All questions of a subject begin with the same text, so that a model reads it once."""
    for subject in ("astronomy", "philosophy"):
        prompts = [question.prompt for question in ask(records(SAMPLES)) if question.subject == subject]
        assert len({prompt.shared for prompt in prompts if isinstance(prompt, TextPrompt)}) == 1
        assert all(isinstance(prompt, TextPrompt) and len(prompt.shots) == 5 for prompt in prompts)


def test_the_card_asks_as_instruct_eval(tmp_path: Path) -> None:
    """Two blanks after "about", nothing stripped from a question, and shots that are dropped whole."""
    folder = written(tmp_path, test='" Which is a moss? ",a,b,c,d,C\n', dev=ROW * 5)
    [question] = ask(records(folder), "card")
    shot = "Which is a tree?\nA. oak\nB. moss\nC. fern\nD. rose\nAnswer: A\n\n"
    assert question.prompt == TextPrompt(
        header="The following are multiple choice questions (with answers) about  botany.\n\n",
        shots=(shot,) * 5,
        question=" Which is a moss? \nA. a\nB. b\nC. c\nD. d\nAnswer:",
        overflow="drop_shots",
        max_tokens=2048,
    )
    assert question.sampling is not None
    assert (question.sampling.max_tokens, question.sampling.temperature, question.sampling.stops) == (2, 0.0, ())


def test_the_standard_strips_the_question_and_not_the_choices(tmp_path: Path) -> None:
    """As lm-eval: blanks around a question go, those around a choice stay."""
    [question] = ask(records(written(tmp_path, test='"  Which? ", a ,b,c,d,C\n')))
    assert isinstance(question.prompt, TextPrompt)
    assert question.prompt.question == "Which?\nA.  a \nB. b\nC. c\nD. d\nAnswer:"


def test_the_chat_asks_in_turns_and_scores_the_bare_letter() -> None:
    """Five shots are five turns answered by a letter, and the letters are scored where the assistant begins."""
    question = ask(records(SAMPLES), "chat")[0]
    assert isinstance(question.prompt, ChatPrompt)
    assert [answer for _, answer in question.prompt.shots] == ["C", "A", "D", "B", "B"]
    assert question.choices == ("A", "B", "C", "D")
    assert question.prompt.question.splitlines()[:4] == [
        "Here is a multiple choice question about astronomy. Reply with the letter of the right answer and nothing else.",
        "",
        "A telescope with a wider mirror is built mainly in order to",
        "A. collect more light",
    ]
    assert question.prompt.question.splitlines()[-1].startswith("D. ")


def test_the_likeliest_letter_is_picked_and_the_first_wins_a_tie(tmp_path: Path) -> None:
    """The decision is numpy's argmax, and the margin is the distance to the next letter."""
    [question] = ask(records(written(tmp_path)))
    assert marks(question, logprobs=(-1.0, -2.0, -3.0, -4.0)) == (1.0, "A")
    assert marks(question, logprobs=(-2.0, -1.0, -1.0, -4.0)) == (0.0, "B")
    assert marks(question, logprobs=(-1.0, -1.0, -1.0, -1.0)) == (1.0, "A")
    [mark] = TASK.recipes["standard"].judge([question], [Answer(prompt_tokens=1, logprobs=(-3.0, -1.5, -1.0, -4.0))], None)  # type: ignore[arg-type]
    assert mark.margin == 0.5


@pytest.mark.parametrize(
    ("said", "is_right"), [(" A", True), ("A.", True), ("\nA", True), (" An", True), (" a", False), (" B", False), ("", False)]
)
def test_the_card_compares_beginnings(said: str, is_right: bool, tmp_path: Path) -> None:
    """An answer counts as soon as it begins with the letter, even as the beginning of another word."""
    [question] = ask(records(written(tmp_path)), "card")
    assert marks(question, "card", completions=(said,)) == (float(is_right), said.strip())


def test_every_subject_of_the_benchmark_has_a_group(shared: Path) -> None:
    """The groups hold the 57 subjects, and no other."""
    assert set(GROUPS) == set(records(shared / "eval"))
    assert {group: list(GROUPS.values()).count(group) for group in GROUPS.values()} == {
        "stem": 19,
        "other": 13,
        "social_sciences": 12,
        "humanities": 13,
    }


def test_parquet_and_csv_give_the_same_questions(tmp_path: Path) -> None:
    """The hub's layout, one table of all subjects per split, is the same benchmark."""
    its = records(SAMPLES)
    for split in ("test", "dev"):
        rows = [
            {
                "question": each["question"],
                "subject": subject,
                "choices": each["choices"],
                "answer": LETTERS.index(each["answer"]),
            }
            for subject, inside in its.items()
            for each in inside
            if each["split"] == split
        ]
        (path := tmp_path / "all" / f"{split}-00000-of-00001.parquet").parent.mkdir(exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), path)
    assert ask(records(tmp_path)) == ask(its)


@pytest.mark.parametrize(
    ("test", "wanted"),
    [
        (ROW + "Which?,a,b,c,A\n", r"botany_test\.csv:2: has 5 columns, wanted 6"),
        (ROW + '"two\nlines",a,b,c,d,A\nWhich?,a,b,c,d,E\n', r"botany_test\.csv:4: the answer is 'E', wanted A, B, C or D"),
        ("question,A,B,C,D,answer\n" + ROW, r"botany_test\.csv:1: the answer is 'answer'.*no header"),
        (ROW + "Which?,a,b,c,d,a\n", r"botany_test\.csv:2: the answer is 'a'"),
        (ROW + 'Which?,"a" b,b,c,d,A\n', r"botany_test\.csv:2: is no CSV"),
        ("", r"botany_test\.csv: is empty"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(test: str, wanted: str, tmp_path: Path) -> None:
    """A missing column, a wrong letter, a header, broken quotes or an empty file is an error that says where and what."""
    with pytest.raises(FormatError, match=wanted):
        records(written(tmp_path, test))


def test_a_file_that_is_not_utf_8_is_named_with_its_line(tmp_path: Path) -> None:
    """The line of the first wrong byte is said."""
    written(tmp_path)
    (tmp_path / "test" / "botany_test.csv").write_bytes(ROW.encode() + "Größe?,a,b,c,d,A\n".encode("latin1"))
    with pytest.raises(FormatError, match=r"botany_test\.csv:2: byte 0xf6 is not UTF-8"):
        records(tmp_path)


@pytest.mark.parametrize(("dev", "count"), [(ROW * 4, 4), (None, 0)])
def test_a_subject_without_its_shots_is_named(dev: str | None, count: int, tmp_path: Path) -> None:
    """Five shots are wanted; fewer would be another protocol."""
    written(tmp_path, dev=dev or ROW)
    if dev is None:
        (tmp_path / "dev" / "botany_dev.csv").unlink()
    with pytest.raises(FormatError, match=f"subject 'botany' has {count} records in dev, wanted 5"):
        ask(records(tmp_path))


def test_a_subject_in_two_files_is_an_error(tmp_path: Path) -> None:
    """Records of one subject and split come from one file."""
    written(tmp_path / "one")
    written(tmp_path / "two")
    paths = sorted(tmp_path.rglob("*.csv"))
    with pytest.raises(FormatError, match=r"holds \w+ of 'botany', which .* holds already"):
        TASK.read(paths)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"answer": 4}, r"parquet:1: the answer is '4', wanted A, B, C or D"),
        ({"choices": ["a", "b"]}, r"parquet:1: choices are \['a', 'b'\], wanted four texts"),
        ({"question": None}, r"parquet:1: question is null, wanted a text"),
    ],
)
def test_a_wrong_row_of_a_table_is_named(change: dict[str, Any], wanted: str, tmp_path: Path) -> None:
    """What is wrong in Parquet is said with the row."""
    row = {"question": "Which?", "subject": "botany", "choices": list("abcd"), "answer": 0} | change
    (tmp_path / "all").mkdir()
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "all" / "test-00000-of-00001.parquet")
    with pytest.raises(FormatError, match=wanted):
        records(tmp_path)


def test_a_table_without_a_column_is_named(tmp_path: Path) -> None:
    """A missing column is said with those that are there."""
    (tmp_path / "all").mkdir()
    pq.write_table(pa.table({"question": ["Which?"], "answer": [0]}), tmp_path / "all" / "test-00000-of-00001.parquet")
    with pytest.raises(FormatError, match=r"has no column 'subject', only question, answer"):
        records(tmp_path)
