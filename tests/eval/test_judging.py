"""Verdicts of code: each program is run once, whoever asks for it again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from data_mix.errors import SandboxError
from data_mix_eval.judging import CodeJudges
from data_mix_eval.sandbox import Program, open_sandbox
from scored import say_nothing

RIGHT: Final = Program(
    prompt="def add(a, b):\n",
    completion="    return a + b\n",
    test="def check(candidate):\n    assert candidate(1, 2) == 3\n",
    entry_point="add",
)
WRONG: Final = replace(RIGHT, completion="    return a - b\n")
ENDLESS: Final = replace(RIGHT, completion="    while True: pass\n")


@pytest.fixture
def judges(tmp_path: Path) -> CodeJudges:
    """Judges over a sandbox that holds."""
    try:
        open_sandbox(slots=1).close()
    except SandboxError as error:
        pytest.skip(f"needs a machine on which code can be held: {error}")
    return CodeJudges(tmp_path, lambda done, total: say_nothing("code", done, total))


def verdicts_file(home: Path) -> Path:
    """Where verdicts are kept."""
    return home / "eval/verdicts/00000.jsonl"


def test_verdicts_stand_in_the_order_of_the_programs(judges: CodeJudges, tmp_path: Path) -> None:
    """A program that comes twice is run once, and its verdict stands in both places."""
    with judges:
        verdicts = judges.run_code([WRONG, RIGHT, WRONG])
    assert [verdict.strict for verdict in verdicts] == [False, True, False]
    assert verdicts[0] == verdicts[2]
    assert len(verdicts_file(tmp_path).read_text().splitlines()) == 2


def test_what_is_known_is_not_run_again(judges: CodeJudges, tmp_path: Path) -> None:
    """Another process finds the same verdicts, to the last digit of their seconds, without a sandbox."""
    with judges:
        first = judges.run_code([RIGHT, WRONG])
    with CodeJudges(tmp_path, lambda done, total: say_nothing("code", done, total)) as again:
        assert again.run_code([WRONG, RIGHT]) == first[::-1]
        assert again._sandbox is None


def test_a_program_that_ran_out_of_time_is_tried_again(judges: CodeJudges, tmp_path: Path) -> None:
    """Time is the machine's and not the program's, so that such a verdict is not kept."""
    with judges:
        (verdict,) = judges.run_code([ENDLESS])
    assert (verdict.outcome, verdicts_file(tmp_path).exists()) == ("timed_out", False)


def test_no_code_needs_no_sandbox(judges: CodeJudges) -> None:
    """Where nothing is run, nothing is opened."""
    with judges:
        assert judges.run_code([]) == []
        assert judges._sandbox is None


def test_a_run_beside_the_test_that_took_all_its_time_is_tried_again(judges: CodeJudges, tmp_path: Path) -> None:
    """That a program never ended where code and test share a process is the machine's word, too."""
    shared_loop = replace(RIGHT, completion="    while 'check' in globals(): pass\n    return a + b\n")
    with judges:
        (verdict,) = judges.run_code([shared_loop])
    assert (verdict.strict, verdict.compat, verdicts_file(tmp_path).exists()) == (True, False, False)
