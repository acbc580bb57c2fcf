"""BIG-Bench Hard: the prompts of each protocol byte for byte, how a reply is read, and files that are wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_mix.errors import FormatError
from data_mix_eval.benchmark_files import SAMPLES, find_files
from data_mix_eval.question import Answer, ChatPrompt, Question, Sampling, TextPrompt
from data_mix_eval.task import Records, find_task
from lm_eval_tasks import PeerTask, digest

BBH: Final = find_task("bbh")
DIRECT: Final = find_task("bbh_direct")
GOLDEN: Final = Path(__file__).parent / "golden" / "prompts.json"
"""Digests of lm-eval 0.4.13's direct prompts for real records; made sure of by test_the_direct_prompts_are_those_of_lm_eval."""

PROMPT: Final = """A canary.
-----
Sort it.

Q: b a
A: Let's think step by step.
First a, then b. So the answer is a b.

Q: d c
A: Let's think step by step.
First c. So the answer is c d.

Q: f e
A: Let's think step by step. In one line. So the answer is e f."""


def records(folder: Path) -> Records:
    """The benchmark in a folder, or of our samples."""
    return BBH.read(find_files(BBH, folder=folder).paths)


def ask(its: Records, protocol: str = "standard", task: str = "bbh") -> list[Question]:
    """The questions of a protocol."""
    return find_task(task).recipes[protocol].ask(its)  # type: ignore[index]


def texts(questions: Sequence[Question], subject: str) -> list[str]:
    """The prompts of a subject."""
    return [each.prompt.text for each in questions if each.subject == subject and isinstance(each.prompt, TextPrompt)]


def accuracy(target: str, said: str, protocol: str = "standard", task: str = "bbh") -> float:
    """The mark of a reply."""
    question = Question(id="x/0", subject="x", prompt=ChatPrompt(question="?"), target=target)
    answer = Answer(prompt_tokens=1, completions=(said,))
    [mark] = find_task(task).recipes[protocol].judge([question], [answer], None)  # type: ignore[index, arg-type]
    return mark.metrics["acc"]


def written(folder: Path, examples: str | None = None, prompt: str | None = PROMPT) -> Path:
    """A folder that holds one kind."""
    five = [{"input": f"{letter} a", "target": f"a {letter}"} for letter in "uvwxy"]
    for name, text in (
        ("bbh/sorting.json", examples or json.dumps({"examples": five})),
        ("bbh-cot-prompts/sorting.txt", prompt),
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        if text is not None:
            (folder / name).write_text(text, encoding="utf8")
    return folder


def direct_peer(its: Records, kind: str, folder: Path) -> PeerTask:
    """lm-eval's direct task of a kind over the same records."""
    test = [{"input": each["input"], "target": each["target"]} for each in its[kind] if each["split"] == "test"]
    return PeerTask(f"bbh/fewshot/{kind}.yaml", folder, {"test": test})


def test_a_prompt_is_the_prompt_file_and_the_question() -> None:
    """Of our samples: all of the file below its rule, a blank line, the question, and the words that ask for steps."""
    its = records(SAMPLES)
    for kind in its:
        file = (SAMPLES / "bbh-cot-prompts" / f"{kind}.txt").read_text(encoding="utf8").partition("-----\n")[2]
        asked = [each["input"] for each in its[kind] if each["split"] == "test"]
        assert texts(ask(its), kind) == [f"{file}\n\nQ: {each}\nA: Let's think step by step." for each in asked]


def test_the_prompts_are_those_that_the_authors_recorded(shared: Path) -> None:
    """Of the real benchmark the same, for all 6,511 examples; the recorded prompts end without a line break."""
    its = records(shared / "eval")
    questions = ask(its)
    assert len(questions) == 6_511
    for kind in its:
        file = (shared / "eval/bbh-cot-prompts" / f"{kind}.txt").read_text(encoding="utf8").partition("-----\n")[2]
        found = texts(questions, kind)
        assert all(text.startswith(f"{file}\n\nQ: ") and text.endswith("\nA: Let's think step by step.") for text in found)
    first = texts(questions, "dyck_languages")[0]
    asked = "Q: Complete the rest of the sequence, making sure that the parentheses are closed properly. Input: [ ["
    assert first.endswith(f"So the answer is }} ] >.\n\n{asked}\nA: Let's think step by step.")


@pytest.mark.parametrize("kind", ["snarks", "sports_understanding"])
def test_the_direct_prompts_are_those_of_lm_eval(kind: str, shared: Path, tmp_path: Path) -> None:
    """The direct shots are made of the prompt file, and yet every prompt is lm-eval's, byte for byte."""
    its = records(shared / "eval")
    theirs = direct_peer(its, kind, tmp_path).prompts(shots=3)
    assert texts(ask(its, task="bbh_direct"), kind) == theirs
    assert digest(theirs) == json.loads(GOLDEN.read_text())["bbh_direct"][kind]


@pytest.mark.slow
def test_all_direct_prompts_are_those_of_lm_eval(shared: Path, tmp_path: Path) -> None:
    """The same of all 27 kinds."""
    its = records(shared / "eval")
    questions = ask(its, task="bbh_direct")
    for kind in its:
        assert texts(questions, kind) == direct_peer(its, kind, tmp_path / kind).prompts(shots=3), kind


def test_the_direct_prompts_are_the_golden_ones(shared: Path) -> None:
    """The direct prompts have not moved by a byte from what lm-eval made of the same records."""
    questions = ask(records(shared / "eval"), task="bbh_direct")
    golden = json.loads(GOLDEN.read_text())["bbh_direct"]
    assert {kind: digest(texts(questions, kind)) for kind in golden} == golden


@pytest.mark.parametrize("kind", ["reasoning_about_colored_objects", "snarks"])
def test_direct_answers_get_the_marks_of_lm_eval(kind: str, shared: Path, tmp_path: Path) -> None:
    """For the same completions `exact_match` is lm-eval's, item by item; `acc` forgives the blank before an answer."""
    its = records(shared / "eval")
    questions = [question for question in ask(its, task="bbh_direct") if question.subject == kind]
    said = [f"{' ' * (place % 3 == 0)}{each.target}{'.' * (place % 5 == 0)}" for place, each in enumerate(questions)]
    answers = [Answer(prompt_tokens=1, completions=(each,)) for each in said]
    ours = DIRECT.recipes["standard"].judge(questions, answers, None)  # type: ignore[arg-type]
    assert [mark.metrics["exact_match"] for mark in ours] == direct_peer(its, kind, tmp_path).scores(said)
    assert [mark.metrics["acc"] for mark in ours] == [float(place % 5 != 0) for place in range(len(said))]


def test_direct_answers_stop_where_lm_eval_stops() -> None:
    """The stops and the length are lm-eval's, the bare Q among them."""
    [question, *_] = ask(records(SAMPLES), task="bbh_direct")
    assert question.sampling == Sampling(max_tokens=256, stops=("</s>", "Q", "\n\n"))


def test_a_capital_q_does_not_end_a_chain_of_thought() -> None:
    """An answer ends at a blank line or at another question, so that option (Q) can be reached."""
    [question, *_] = ask(records(SAMPLES))
    assert question.sampling == Sampling(max_tokens=1024, stops=("\n\n", "\nQ:"))


@pytest.mark.parametrize(
    ("said", "target", "is_right"),
    [
        ("So the answer is (Q).", "(Q)", True),
        ("So the answer is Q.", "(Q)", False),
        ("So the answer is false.", "False", False),
        ("So the answer is 12.", "1", False),
        ("So the answer is ] >", "] >", True),
    ],
)
def test_a_chain_of_thought_must_end_in_the_label_itself(said: str, target: str, is_right: bool) -> None:
    """The comparison is exact: neither beginnings nor another case count."""
    assert accuracy(target, said) == float(is_right)


def test_the_card_asks_as_instruct_eval(tmp_path: Path) -> None:
    """The first three examples are the shots and are not asked; no description, no steps; 32 tokens, the likeliest."""
    questions = ask(records(written(tmp_path)), "card")
    assert [question.id for question in questions] == ["sorting/3", "sorting/4"]
    assert questions[0].prompt == TextPrompt(
        shots=("u a\nAnswer: a u\n\n", "v a\nAnswer: a v\n\n", "w a\nAnswer: a w\n\n"),
        question="x a\nAnswer:",
        overflow="drop_shots",
        max_tokens=2048,
    )
    assert questions[0].sampling == Sampling(max_tokens=32)
    assert BBH.recipes["card"].average == "macro"


def test_the_card_scores_all_but_three_of_each_kind(shared: Path) -> None:
    """6,511 less three for each of 27 kinds."""
    assert len(ask(records(shared / "eval"), "card")) == 6_511 - 81


@pytest.mark.parametrize(
    ("said", "target", "is_right"), [(" 12\n\nQ", "1", True), (" Not", "No", True), ("no", "No", False), ("", "No", False)]
)
def test_the_card_compares_beginnings(said: str, target: str, is_right: bool) -> None:
    """An answer that merely begins with the label counts, as for instruct-eval."""
    assert accuracy(target, said, "card") == float(is_right)


def test_the_chat_shows_its_shots_as_turns(tmp_path: Path) -> None:
    """Each shot is asked as the question is, and answered with steps, or directly."""
    steps, direct = (ask(records(written(tmp_path)), "chat", task)[0].prompt for task in ("bbh", "bbh_direct"))
    assert isinstance(steps, ChatPrompt)
    assert isinstance(direct, ChatPrompt)
    assert steps.shots[0][0].startswith("Sort it.\n\nb a\n\nThink step by step")
    assert [answer for _, answer in steps.shots][::2] == [
        "First a, then b. So the answer is a b.",
        "In one line. So the answer is e f.",
    ]
    assert [answer for _, answer in direct.shots] == ["a b", "c d", "e f"]
    assert direct.question == "Sort it.\n\nu a\n\nReply with the answer and nothing else."


def test_the_hub_layout_gives_the_same_examples(tmp_path: Path) -> None:
    """A folder with a Parquet file per kind is read as the authors' JSON is."""
    written(tmp_path)
    rows = json.loads((tmp_path / "bbh/sorting.json").read_text())["examples"]
    (tmp_path / "hub/sorting").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "hub/sorting/test-00000-of-00001.parquet")
    assert ask(records(tmp_path / "hub"), "card") == ask(records(tmp_path), "card")


@pytest.mark.parametrize(
    ("examples", "wanted"),
    [
        ('{"examples": []}', r"sorting\.json: has no list of examples"),
        ('{"rows": [1]}', r"sorting\.json: has no list of examples"),
        (
            '{"examples": [{"input": "a", "target": "b"}, {"input": "a"}]}',
            r"sorting\.json: example 1 has target None, wanted a text",
        ),
        ('{"examples": [{"input": 3, "target": "b"}]}', r"sorting\.json: example 0 has input 3, wanted a text"),
        ('{"examples": [\n7]}', r"sorting\.json: example 0 is 7, wanted an object"),
        ('{"examples":\n [}', r"sorting\.json:2: is no JSON"),
        ("[]", r"sorting\.json.*wanted a JSON object"),
        (" ", r"sorting\.json: is empty"),
    ],
)
def test_a_wrong_file_of_examples_is_named(examples: str, wanted: str, tmp_path: Path) -> None:
    """A missing field, another type, broken JSON or an empty file is an error that says where and what."""
    with pytest.raises(FormatError, match=wanted):
        records(written(tmp_path, examples))


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        (PROMPT.replace("So the answer is c d.", "c d."), r"sorting\.txt:9: wanted Q: "),
        (PROMPT.replace("Q: d c\nA: Let's think step by step.", "Q: d c\nA: Let us think."), r"sorting\.txt:9: wanted Q: "),
        (PROMPT.partition("\n\nQ: f")[0], r"sorting\.txt: holds 2 worked examples, wanted 3"),
        (PROMPT.replace("\n", "\r\n"), r"sorting\.txt: holds 0 worked examples, wanted 3"),
    ],
)
def test_a_wrong_prompt_file_is_named(prompt: str, wanted: str, tmp_path: Path) -> None:
    """A shot without its words, or another number of shots, is an error with file and line."""
    with pytest.raises(FormatError, match=wanted):
        records(written(tmp_path, prompt=prompt))


def test_a_kind_without_shots_is_named_where_they_are_needed(tmp_path: Path) -> None:
    """The card needs no prompt file; the standard says which one is missing."""
    its = records(written(tmp_path, prompt=None))
    assert len(ask(its, "card")) == 2
    with pytest.raises(FormatError, match=r"bbh: 'sorting' has no worked examples, wanted a file sorting\.txt"):
        ask(its)


def test_a_kind_with_too_few_examples_is_named(tmp_path: Path) -> None:
    """Where the shots take all examples nothing is left to ask."""
    three = json.dumps({"examples": [{"input": "a", "target": "b"}] * 3})
    with pytest.raises(FormatError, match="'sorting' has 3 examples, wanted more than 3"):
        ask(records(written(tmp_path, three)), "card")


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    """Only files of the layouts are read."""
    (path := tmp_path / "sorting.csv").write_text("a,b\n")
    with pytest.raises(FormatError, match=r"sorting\.csv: is none of \.json, \.parquet, \.txt"):
        records(path)
