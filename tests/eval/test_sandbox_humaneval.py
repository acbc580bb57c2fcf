"""HumanEval through the sandbox: what its authors wrote passes, and with one thing changed it fails."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pytest

from data_mix.errors import SandboxError
from data_mix_eval.sandbox import Program, Sandbox, open_sandbox
from eval.mutants import mutants

Problem = dict[str, Any]

NOT_THE_FIRST: Final = {
    "HumanEval/10": 1,  # the first is of the test for the empty string, which no test asks
    "HumanEval/13": 1,  # the first never ends
    "HumanEval/40": 2,
    "HumanEval/116": 1,
    "HumanEval/129": 2,
    "HumanEval/147": 1,
}
"""Which mutant is taken where the first does the same as the original, for all that its test asks."""

OURS: Final = [
    {
        "task_id": "ours/0",
        "prompt": """from typing import List


def gaps(values: List[int]) -> List[int]:
    'What lies between neighbours.'
""",
        "canonical_solution": "    return [after - before for before, after in zip(values, values[1:])]\n",
        "test": "def check(candidate):\n    assert candidate([1, 4, 9]) == [3, 5]\n    assert candidate([]) == []\n",
        "entry_point": "gaps",
    },
    {
        "task_id": "ours/1",
        "prompt": """def mean(values):
    return sum(values) / len(values)


def spread(values):
    'The mean distance from the mean.'
""",
        "canonical_solution": "    return mean([abs(value - mean(values)) for value in values])\n",
        "test": "def check(candidate):\n    assert abs(candidate([1.0, 3.0]) - 1.0) < 1e-9\n    assert mean([2]) == 2\n",
        "entry_point": "spread",
    },
    {
        "task_id": "ours/2",
        "prompt": "def is_mirrored(text):\n    'Whether it reads the same backwards, letters only.'\n",
        "canonical_solution": """    letters = [each.lower() for each in text if each.isalpha()]
    return letters == letters[::-1]
""",
        "test": """def check(candidate):
    assert candidate('A man, a plan, a canal: Panama')
    assert not candidate('ab')
""",
        "entry_point": "is_mirrored",
    },
    {
        "task_id": "ours/3",
        "prompt": "def tally(words):\n    'How often each word comes, None for no words.'\n",
        "canonical_solution": """    if len(words) == 0:
        return None
    return {each: words.count(each) for each in words}
""",
        "test": """def check(candidate):
    assert candidate([]) is None
    assert candidate(['a', 'b', 'a']) == {'a': 2, 'b': 1}
    assert tally(['c']) == {'c': 1}
""",
        "entry_point": "tally",
    },
]


@pytest.fixture(scope="module", params=["bwrap", "landlock"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A sandbox of each kind that holds on this machine."""
    try:
        found = open_sandbox(request.param)
    except SandboxError as error:
        pytest.skip(str(error))
    with found:
        yield found


@pytest.fixture(scope="session")
def humaneval(shared: Path) -> list[Problem]:
    """The 164 problems."""
    with gzip.open(shared / "eval" / "HumanEval.jsonl.gz", "rt", encoding="utf8") as lines:
        return [json.loads(line) for line in lines]


def canonical(problem: Problem) -> Program:
    """The problem, completed by who wrote it."""
    return program(problem, problem["prompt"], problem["canonical_solution"])


def mutated(problem: Problem) -> Program:
    """The problem, completed wrongly; the mutant is a program of its own, so it stands as the completion."""
    right = problem["prompt"] + problem["canonical_solution"]
    place = NOT_THE_FIRST.get(problem["task_id"], 0)
    found = next(islice(mutants(right, problem["entry_point"]), place, None))
    head = problem["prompt"] + "    pass\n\n\n"  # the test's helpers are taken from here, the last definition counts
    return program(problem, head, found)


def program(problem: Problem, prompt: str, completion: str) -> Program:
    """A program of this problem."""
    return Program(prompt=prompt, completion=completion, test=problem["test"], entry_point=problem["entry_point"])


def wrong_verdicts(sandbox: Sandbox, problems: list[Problem]) -> dict[str, str]:
    """What is judged wrongly, by either verdict, of right and wrong code alike."""
    rights, wrongs = map(canonical, problems), map(mutated, problems)
    programs = [
        (f"{each['task_id']} {kind}", kind == "right", made)
        for kind, group in (("right", rights), ("wrong", wrongs))
        for each, made in zip(problems, group, strict=True)
    ]
    verdicts = sandbox.run([made for _, _, made in programs])
    return {
        name: f"strict {verdict.strict}, compat {verdict.compat}: {verdict.reason}"
        for (name, is_right, _), verdict in zip(programs, verdicts, strict=True)
        if not verdict.strict == verdict.compat == is_right
    }


def test_humaneval_is_judged_rightly(sandbox: Sandbox, humaneval: list[Problem]) -> None:
    """164 of 164 canonical solutions pass and 164 of 164 mutants fail, with code and test apart and together."""
    assert len(humaneval) == 164
    assert wrong_verdicts(sandbox, humaneval) == {}


def test_problems_of_ours_are_judged_rightly(sandbox: Sandbox) -> None:
    """The same holds of problems in HumanEval's layout that were written here."""
    assert wrong_verdicts(sandbox, OURS) == {}


def test_a_verdict_is_the_same_each_time(sandbox: Sandbox) -> None:
    """What code draws, and the order in which it walks a set, do not change between runs."""
    drawing = "    import random\n    return random.random(), list({'a', 'b', 'c', 'd', 'e'})\n"
    seen = "def check(candidate):\n    raise ValueError(candidate())\n"
    once = Program(prompt="def draw():\n", completion=drawing, test=seen, entry_point="draw")
    assert len({verdict.reason for verdict in sandbox.run([once] * 4)}) == 1
