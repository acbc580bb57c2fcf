"""HumanEval: the prompt of each protocol, the code that is read out of a reply, marks from real runs, and wrong files."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_mix.errors import FormatError, SandboxError
from data_mix_eval.benchmark_files import SAMPLES, find_files
from data_mix_eval.question import Answer, ChatPrompt, Mark, Question, Sampling, TextPrompt
from data_mix_eval.sandbox import Program, Sandbox, Verdict, open_sandbox
from data_mix_eval.task import Judges, Records, find_task
from data_mix_eval.tasks.humaneval import INSTRUCTION, code_in, fix_indents

TASK: Final = find_task("humaneval")

PROBLEM: Final = {
    "task_id": "Sample/0",
    "prompt": 'def double(n):\n    """Return twice n."""\n',
    "entry_point": "double",
    "canonical_solution": "    return 2 * n\n",
    "test": "def check(candidate):\n    assert candidate(3) == 6\n",
}


class Recording:
    """Judges that keep the programs they are given and let each pass that holds the canonical solution."""

    def __init__(self) -> None:
        self.programs: list[Program] = []

    def run_code(self, programs: Sequence[Program]) -> list[Verdict]:
        """Judge by the text alone."""
        self.programs = list(programs)
        return [verdict("2 * n" in each.completion, "cheat" in each.completion) for each in programs]


class Running:
    """Judges that run programs in a sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def run_code(self, programs: Sequence[Program]) -> Sequence[Verdict]:
        """Run them."""
        return self._sandbox.run(programs)


@pytest.fixture(scope="module")
def running() -> Iterator[Judges]:
    """Judges over a real sandbox."""
    try:
        with open_sandbox() as sandbox:
            yield Running(sandbox)
    except SandboxError as error:
        pytest.skip(f"needs a sandbox: {error}")


def verdict(strict: bool, is_cheat: bool = False) -> Verdict:
    """A verdict of a run that ended at once."""
    reason = "" if strict else "AssertionError"
    return Verdict(
        strict=strict, compat=strict or is_cheat, outcome="passed" if strict else "failed", reason=reason, seconds=0.0
    )


def records(folder: Path) -> Records:
    """The benchmark in a folder, or of our samples."""
    return TASK.read(find_files(TASK, folder=folder).paths)


def written(folder: Path, *problems: dict[str, Any]) -> Path:
    """A folder that holds these problems."""
    (folder / "HumanEval.jsonl").write_text("".join(json.dumps(each) + "\n" for each in problems), encoding="utf8")
    return folder


def ask(its: Records, protocol: str = "standard") -> list[Question]:
    """The questions of a protocol."""
    return TASK.recipes[protocol].ask(its)  # type: ignore[index]


def judged(questions: Sequence[Question], judges: Judges, *said: str, protocol: str = "standard") -> list[Mark]:
    """The marks where every question is answered in these ways."""
    answers = [Answer(prompt_tokens=1, completions=said) for _ in questions]
    return TASK.recipes[protocol].judge(questions, answers, judges)  # type: ignore[index]


def assembled(tmp_path: Path, said: str, protocol: str = "standard") -> str:
    """The program that a completion of the problem becomes, without the tests."""
    judged(ask(records(written(tmp_path, PROBLEM)), protocol), judges := Recording(), said, protocol=protocol)
    [program] = judges.programs
    return program.prompt + program.completion


def test_the_standard_asks_with_the_bare_prompt(tmp_path: Path) -> None:
    """No word is added to the problem's prompt; the five stops and lengths are those of the paper and of lm-eval."""
    [question] = ask(records(written(tmp_path, PROBLEM)))
    assert question.prompt == TextPrompt(question=PROBLEM["prompt"], overflow="cut_left")
    stops = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
    assert question.sampling == Sampling(max_tokens=1024, stops=stops)


def test_every_prompt_is_that_of_the_file(shared: Path) -> None:
    """All 164 problems are asked byte for byte as they stand in the authors' file."""
    with gzip.open(shared / "eval/HumanEval.jsonl.gz", "rt", encoding="utf8") as file:
        prompts = [json.loads(line)["prompt"] for line in file]
    questions = ask(records(shared / "eval"))
    assert [each.prompt.text for each in questions if isinstance(each.prompt, TextPrompt)] == prompts
    assert len(prompts) == 164


def test_the_standard_is_that_of_lm_eval() -> None:
    """Stops, length and temperature are read out of lm-eval's own file."""
    lm_eval = pytest.importorskip("lm_eval", reason="needs lm-eval, the extra lm-eval of data-mix-eval")
    from lm_eval.tasks._yaml_loader import load_yaml

    theirs = load_yaml(Path(lm_eval.__file__).parent / "tasks/humaneval/humaneval.yaml", resolve_func=False)
    [question, *_] = ask(records(SAMPLES))
    assert question.sampling is not None
    wanted = {"until": list(question.sampling.stops), "max_gen_toks": question.sampling.max_tokens, "do_sample": False}
    assert (theirs["doc_to_text"], theirs["generation_kwargs"]) == ("{{prompt}}", wanted)


def test_the_card_asks_as_instruct_eval(tmp_path: Path) -> None:
    """An instruction line above the prompt, ten samples at temperature 0.6, no stops."""
    [question] = ask(records(written(tmp_path, PROBLEM)), "card")
    assert isinstance(question.prompt, TextPrompt)
    assert question.prompt.text == INSTRUCTION + PROBLEM["prompt"]
    assert question.prompt.text.startswith("Please complete the following Python code without providing any additional tasks ")
    assert question.sampling == Sampling(max_tokens=512, temperature=0.6, top_k=50, samples=10)


def test_the_chat_shows_the_function_in_a_block(tmp_path: Path) -> None:
    """The user's turn is a request and the prompt in a block of code."""
    [question] = ask(records(written(tmp_path, PROBLEM)), "chat")
    assert isinstance(question.prompt, ChatPrompt)
    assert question.prompt.question.endswith('\n\n```python\ndef double(n):\n    """Return twice n."""\n```')


def test_a_program_is_the_prompt_and_the_completion(tmp_path: Path) -> None:
    """Nothing is put between the two, nothing stripped."""
    assert assembled(tmp_path, "    return 2 * n\n\n") == PROBLEM["prompt"] + "    return 2 * n\n\n"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("    return 1\n\n\ndef other():\n    pass", "    return 1"),
        ("\n\n    return 1\n", "    return 1\n"),
        ("   return 1", "    return 1"),
        ("    if n:\n       return 1", "    if n:\n        return 1"),
        ("\treturn 1", "\treturn 1"),
        ("    a = 1\n \n    return a", "    a = 1\n  \n    return a"),
    ],
)
def test_the_card_takes_the_first_paragraph_with_even_indents(said: str, code: str, tmp_path: Path) -> None:
    """Odd indents are filled up first, then line breaks at the front go, and what follows a blank line."""
    assert assembled(tmp_path, said, "card") == PROBLEM["prompt"] + code


def test_indents_are_filled_up_as_instruct_eval_does() -> None:
    """Blanks alone count, to the next even number, in every line."""
    text = "   # three\nreturn []\n\n \n\t  tab"
    assert fix_indents(text) == "    # three\nreturn []\n\n  \n\t  tab"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("Here:\n```python\ndef double(n):\n    return 2 * n\n```\nDone.", "\ndef double(n):\n    return 2 * n"),
        ("```\n    return 2 * n\n```\n```python\nprint(1)\n```", "    return 2 * n"),
        ("```python\ndef double(n):\n    return 2 * n", "\ndef double(n):\n    return 2 * n"),
        ("    return 2 * n", "    return 2 * n"),
        ("def double(n):\n    return 2 * n", "\ndef double(n):\n    return 2 * n"),
        ("```py\ndef doubles(n):\n    pass\n```", "def doubles(n):\n    pass"),
        ("", ""),
    ],
)
def test_the_code_of_a_reply_is_its_first_block(said: str, code: str) -> None:
    """The first fenced block counts, closed or not, else the whole text; a whole function begins on its own line."""
    assert code_in(said, PROBLEM) == code


def test_pass_at_k_is_given_for_every_k(tmp_path: Path) -> None:
    """Of four samples of which one passes: a quarter, a half, three quarters, one; and the same beside it under compat."""
    questions = ask(records(written(tmp_path, PROBLEM)))
    [mark] = judged(questions, Recording(), "no", "cheat", "    return 2 * n", "no")
    assert mark.metrics == {
        "pass@1": 0.25,
        "pass@2": 0.5,
        "pass@3": 0.75,
        "pass@4": 1.0,
        "compat pass@1": 0.5,
        "compat pass@2": pytest.approx(5 / 6),
        "compat pass@3": 1.0,
        "compat pass@4": 1.0,
    }
    assert mark.verdicts == ("AssertionError", "AssertionError", "passed", "AssertionError")
    assert mark.picked == "    return 2 * n"
    assert mark.is_suspicious


def test_all_completions_are_run_at_once_and_come_back_in_order(tmp_path: Path) -> None:
    """Marks follow the questions, however many samples each has."""
    other = PROBLEM | {"task_id": "Sample/1"}
    questions = ask(records(written(tmp_path, PROBLEM, other)))
    answers = [
        Answer(prompt_tokens=1, completions=("no", "    return 2 * n")),
        Answer(prompt_tokens=1, completions=("no", "no", "no")),
    ]
    judges = Recording()
    marks = TASK.recipes["standard"].judge(questions, answers, judges)
    assert len(judges.programs) == 5
    assert [mark.metrics["pass@1"] for mark in marks] == [0.5, 0.0]


def test_the_samples_pass_and_their_mutants_fail(running: Judges) -> None:
    """In the sandbox every solution of our samples passes, strictly and not, and none that returns nothing does."""
    questions = ask(records(SAMPLES))
    for question in questions:
        [mark] = judged([question], running, question.record["canonical_solution"], "    return None\n")
        assert mark.metrics == {"pass@1": 0.5, "pass@2": 1.0, "compat pass@1": 0.5, "compat pass@2": 1.0}, question.id
        assert mark.verdicts[0] == "passed"
        assert not mark.is_suspicious


def test_a_whole_function_in_a_reply_passes(running: Judges) -> None:
    """A reply that writes the function anew, with its imports left to the prompt, is judged as one that goes on."""
    for question in ask(records(SAMPLES), "chat"):
        code = question.record["prompt"] + question.record["canonical_solution"]
        [mark] = judged([question], running, f"Gladly:\n\n```python\n{code}```\n\nIt works.", protocol="chat")
        assert mark.metrics["pass@1"] == 1.0, question.id


@pytest.mark.slow
def test_the_canonical_solutions_pass(shared: Path, running: Judges) -> None:
    """164 of 164 pass under `standard` and `chat`; the card's cut at the first blank line costs it 34 of them."""
    its = records(shared / "eval")
    passed = {}
    for protocol in TASK.recipes:
        questions = ask(its, protocol)
        block = "```python\n{}{}```" if protocol == "chat" else "{1}"
        said = [block.format(each.record["prompt"], each.record["canonical_solution"]) for each in questions]
        answers = [Answer(prompt_tokens=1, completions=(each,)) for each in said]
        marks = TASK.recipes[protocol].judge(questions, answers, running)
        passed[protocol] = sum(mark.metrics["pass@1"] for mark in marks)
    assert passed == {"standard": 164, "card": 130, "chat": 164}


def test_every_layout_gives_the_same_questions(tmp_path: Path) -> None:
    """Plain or gzip JSON Lines, named as a file or by its folder, and the hub's table are one benchmark."""
    its = records(SAMPLES)
    problems = [{name: each[name] for name in PROBLEM} for each in its["humaneval"]]
    (tmp_path / "openai_humaneval").mkdir()
    pq.write_table(pa.Table.from_pylist(problems), tmp_path / "openai_humaneval/test-00000-of-00001.parquet")
    wanted = ask(its)
    assert ask(records(tmp_path)) == wanted
    assert ask(records(written(tmp_path, *problems) / "HumanEval.jsonl")) == wanted
    assert ask(records(SAMPLES / "HumanEval.jsonl.gz")) == wanted


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (json.dumps({name: text for name, text in PROBLEM.items() if name != "test"}), r"HumanEval\.jsonl:2: has no 'test'"),
        (json.dumps(PROBLEM | {"prompt": 7}), r"HumanEval\.jsonl:2: prompt is 7, wanted a text"),
        (json.dumps(PROBLEM), r"HumanEval\.jsonl:2: task_id 'Sample/0' stands in line 1 already"),
        (
            json.dumps(PROBLEM | {"task_id": "b", "entry_point": "triple"}),
            r"HumanEval\.jsonl:2: the prompt does not define 'triple'",
        ),
        ("{", r"HumanEval\.jsonl:2: is no JSON"),
        ("[1]", r"HumanEval\.jsonl:2: is \[1\], wanted a JSON object"),
    ],
)
def test_a_wrong_problem_is_named_with_its_line(line: str, wanted: str, tmp_path: Path) -> None:
    """A missing field, another type, a problem that comes twice or broken JSON is an error that says where and what."""
    written(tmp_path, PROBLEM)
    with (tmp_path / "HumanEval.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(FormatError, match=wanted):
        records(tmp_path)


def test_a_file_that_breaks_off_is_named(tmp_path: Path) -> None:
    """Half a gzip file is an error of its own."""
    data = (SAMPLES / "HumanEval.jsonl.gz").read_bytes()
    (tmp_path / "HumanEval.jsonl.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(FormatError, match=r"HumanEval\.jsonl\.gz: cannot be read"):
        records(tmp_path)
