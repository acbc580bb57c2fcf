"""Verdicts of the sandbox, its limits and its refusals. `test_sandbox_attacks.py` has the attacks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from data_mix.errors import SandboxError
from data_mix_eval.sandbox import Limits, Program, Sandbox, open_sandbox
from data_mix_eval.sandbox.check import sandbox_check
from data_mix_eval.sandbox.room import open_place
from data_mix_eval.sandbox.rootless import run_as_nobody
from data_mix_eval.sandbox.users import is_root
from eval.attacks.problems import ADD, RIGHT, add, attacks, order, programs
from eval.attacks.surroundings import processes
from no_sandbox import WITHOUT_SANDBOX

LIMITS: Final = Limits(seconds=2.0)
HELPED: Final = Program(
    prompt='def double(x):\n    return 2 * x\n\n\ndef half(x):\n    """Undo double."""\n',
    completion="    return x // 2\n",
    test="def check(candidate):\n    assert candidate(double(3)) == 3\n    assert half(8) == 4\n",
    entry_point="half",
)


@pytest.fixture(scope="module", params=["bwrap", "landlock"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A sandbox of each kind that holds on this machine."""
    try:
        found = open_sandbox(request.param, LIMITS, slots=2)
    except SandboxError as error:
        pytest.skip(str(error))
    with found:
        yield found


def returning(expression: str, test: str) -> Program:
    """A function of x that returns this, and statements that test it as `f`."""
    return Program(
        prompt="def f(x):\n", completion=f"    return {expression}\n", test=f"def check(f):\n    {test}\n", entry_point="f"
    )


def test_right_code_passes_and_wrong_code_fails(sandbox: Sandbox) -> None:
    """Both verdicts tell right from wrong, in the order of the programs, whatever runs at once."""
    verdicts = sandbox.run([add(RIGHT), add("    return a\n")] * 4)
    assert [(each.strict, each.compat, each.outcome) for each in verdicts] == [
        (True, True, "passed"),
        (False, False, "failed"),
    ] * 4


def test_a_test_may_use_what_the_prompt_defines(sandbox: Sandbox) -> None:
    """Helpers of the prompt and the function's own name are there for the test."""
    [verdict] = sandbox.run([HELPED])
    assert verdict.strict, verdict.reason
    assert verdict.compat


@pytest.mark.parametrize(
    ("expression", "test"),
    [
        ("{1: [x, (2.5, None)], 'a': {x}}", "assert f(1) == {1: [1, (2.5, None)], 'a': {1}}"),
        ("x ** 900", "assert f(10 ** 9) == 10 ** 8100"),
        ("__import__('collections').Counter(x)", "assert f('aab') == {'a': 2, 'b': 1}"),
        ("__import__('collections').namedtuple('P', 'a b')(x, 1)", "assert f(0) == (0, 1)"),
        ("complex(x, -0.0)", "assert f(1) == 1"),
        ("x[::-1]", "assert f(b'ab') == b'ba' and f('\\ud800a') == 'a\\ud800'"),
        ("-x", "assert f(float('inf')) == float('-inf') and f(float('nan')) != 0"),
        ("int('no')", "try: f(1)\n    except ValueError: return\n    raise AssertionError"),
    ],
)
def test_plain_data_and_exceptions_cross_unchanged(sandbox: Sandbox, expression: str, test: str) -> None:
    """Numbers of any size, nested containers, subclasses of plain types, bytes, lone surrogates, Python's own exceptions."""
    [verdict] = sandbox.run([returning(expression, test)])
    assert verdict.strict, verdict.reason
    assert verdict.compat, verdict.reason


def test_gaming_is_seen_as_suspicious(sandbox: Sandbox) -> None:
    """What is equal to everything, or writes the verdict itself, passes where it can reach its judge and nowhere else."""
    equal, forged = add(attacks("gaming")["equal to all"]), add(attacks("gaming")["verdict, then exit"])
    verdicts = sandbox.run([equal, forged, order(attacks("gaming_order")["list equal to all"]), add(RIGHT)])
    assert [(each.strict, each.is_suspicious) for each in verdicts] == [(False, True)] * 3 + [(True, False)]


def test_arguments_are_copies(sandbox: Sandbox) -> None:
    """What code does to its arguments, the test does not see."""
    [verdict] = sandbox.run([returning("x.clear() or []", "values = [1]; f(values); assert values == []")])
    assert (verdict.strict, verdict.compat) == (False, True)


def test_what_never_ends_is_ended(sandbox: Sandbox) -> None:
    """A run is over within a second after its limit, and the next program passes."""
    begun = time.monotonic()
    [verdict] = sandbox.run([add("    while True: pass\n")])
    assert verdict.outcome == "timed_out"
    assert verdict.seconds < LIMITS.seconds + 1
    assert time.monotonic() - begun < 2 * (LIMITS.seconds + 1)
    assert sandbox.run([add(RIGHT)])[0].strict


def test_a_test_without_a_call_passes_nobody(sandbox: Sandbox) -> None:
    """A test that asks nothing is no proof."""
    [verdict] = sandbox.run([returning("x", "pass")])
    assert (verdict.strict, verdict.reason) == (False, "the test made no call")


def test_a_broken_problem_is_an_error(sandbox: Sandbox) -> None:
    """Where the problem itself cannot run, the verdict says that it is not the code's fault."""
    [verdict] = sandbox.run(
        [Program(prompt="import nothing_of_this_name\n" + ADD, completion=RIGHT, test="", entry_point="add")]
    )
    assert verdict.outcome == "error"
    assert "nothing_of_this_name" in verdict.reason


def test_words_of_code_are_one_short_line(sandbox: Sandbox) -> None:
    """A reason holds no line break, no control character, and not much of what the code says."""
    [verdict] = sandbox.run([add("    raise ValueError('\\x1b[31m\\n' + 'much ' * 1000)\n")])
    assert verdict.reason.isprintable()
    assert verdict.reason.startswith("ValueError: ")
    assert len(verdict.reason) < 300


def test_nothing_is_left_open(sandbox: Sandbox) -> None:
    """However many programs run, there are as many descriptors and processes as before."""
    sandbox.run([add(RIGHT)])
    before = len(os.listdir("/proc/self/fd")), processes()  # noqa: PTH208 - counted, not read
    sandbox.run([add(RIGHT), add("    import os; os._exit(0)\n")] * 10)
    assert (len(os.listdir("/proc/self/fd")), processes()) == before  # noqa: PTH208


def test_a_closed_sandbox_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its processes and its folder are gone."""
    before = processes()
    with open_sandbox(limits=LIMITS, slots=1) as sandbox:
        folder = sandbox.folder
        assert folder.exists()
        assert processes() - before
    assert not folder.exists()
    assert not processes() - before


def test_a_killed_sandbox_leaves_no_process() -> None:
    """After kill -9 of who asked, in the middle of a run, what it started ends; the folder goes when the next one opens."""
    script = (
        "from data_mix_eval.sandbox import *; from eval.attacks.problems import add; sandbox = open_sandbox(slots=1);"
        "print(sandbox.folder, flush=True); sandbox.run([add('    while True: pass\\n')])"
    )
    before = processes()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    with subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout
        folder = Path(asking.stdout.readline().strip())
        time.sleep(0.3)
        asking.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while any_of(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any_of(folder)
    assert not processes() - before
    with open_sandbox(limits=LIMITS, slots=1):
        assert not folder.exists()


def any_of(folder: Path) -> bool:
    """Whether a process runs out of this room."""
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if str(folder).encode() in each.read_bytes():
                return True
    return False


def test_no_bubblewrap_is_a_clear_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names what is missing and the command that installs it."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SandboxError, match="apt-get install bubblewrap"):
        open_sandbox("bwrap")


@pytest.fixture
def fake_bubblewrap(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A program that stands first on the PATH as bwrap, where every user can run it; each test writes its own."""
    with tempfile.TemporaryDirectory(dir=open_place()) as folder:
        program = Path(folder, "bwrap")
        program.touch()
        for each in (program, program.parent):
            each.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        yield program


def test_bubblewrap_that_cannot_start_is_a_clear_refusal(fake_bubblewrap: Path) -> None:
    """Its own words are in the error."""
    fake_bubblewrap.write_text("#!/bin/sh\necho no permission to create a new namespace >&2\nexit 1\n")
    with pytest.raises(SandboxError, match="no permission to create a new namespace"):
        open_sandbox("bwrap")


def test_a_bubblewrap_that_does_nothing_is_found_out(fake_bubblewrap: Path) -> None:
    """Where files outside can be read after all, the self-test refuses to run code."""
    fake_bubblewrap.write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do\n  shift\ndone\nshift\nexec "$@"\n')
    with pytest.raises(SandboxError, match="these do not hold: files outside cannot be read"):
        open_sandbox("bwrap")


WITHOUT_LANDLOCK: Final = f"{WITHOUT_SANDBOX}\nfrom data_mix_eval.sandbox import open_sandbox\nopen_sandbox()\n"


def test_code_is_refused_where_nothing_holds() -> None:
    """On a kernel without Landlock and a machine without bubblewrap, the error says both, and what to do."""
    ended = subprocess.run([sys.executable, "-c", WITHOUT_LANDLOCK], capture_output=True, text=True, check=False)
    last = ended.stderr.strip().splitlines()[-1]
    assert "SandboxError: code written by a model is not run" in last
    assert "bwrap: bubblewrap is not installed" in last
    assert "landlock: this kernel has no Landlock" in last
    assert "datamix sandbox-check" in last


@pytest.mark.skipif(not is_root(), reason="only root can be short of what root can do")
@pytest.mark.parametrize(
    ("short_of_it", "error"),
    [
        (["setpriv", "--bounding-set=-setuid,-kill"], "this root lacks the capabilities KILL, SETUID"),
        (["unshare", "--map-root-user"], "the sandbox needs 2 unused user ids and 0 can be had in this container"),
    ],
)
def test_a_root_without_other_users_is_a_clear_refusal(short_of_it: list[str], error: str) -> None:
    """In a container whose root may not become another, or knows no other, the error says so."""
    if subprocess.run([*short_of_it, "true"], check=False, capture_output=True).returncode:
        pytest.skip(f"needs {short_of_it[0]}, which does not work here")
    script = "from data_mix_eval.sandbox import open_sandbox; open_sandbox('landlock', slots=1)"
    ended = subprocess.run([*short_of_it, sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "SandboxError: code written by a model is not run" in ended.stderr
    assert error in ended.stderr


ROOTLESS: Final = """
import json, os, sys
from data_mix_eval.sandbox import Program, open_sandbox
program = json.loads(sys.argv[2])
with open_sandbox(sys.argv[1], slots=1) as sandbox:
    [verdict] = sandbox.run([Program(**program)])
print(json.dumps([sandbox.is_rootless, verdict.strict, verdict.compat]))
"""


@pytest.mark.skipif(not is_root(), reason="for who is not root, every other test here is this one")
@pytest.mark.parametrize("back_end", ["bwrap", "landlock"])
def test_who_is_not_root_has_a_sandbox_too(back_end: str) -> None:
    """Both back ends work for a user who is not root."""
    if back_end == "bwrap" and not shutil.which("bwrap"):
        pytest.skip("needs bubblewrap: apt-get install bubblewrap")
    ended = run_as_nobody("-c", ROOTLESS, back_end, json.dumps(vars(HELPED)))
    assert json.loads(ended.stdout) == [True, True, True], ended.stderr


def test_the_check_prints_every_property(capsys: pytest.CaptureFixture[str]) -> None:
    """`datamix sandbox-check` tells for each back end what holds, and ends with 0 where code can be run."""
    assert sandbox_check([]) == 0
    printed = capsys.readouterr().out
    assert "files outside cannot be read" in printed
    assert "landlock rootless" in printed
    assert "code of a model can be run" in printed


def test_every_attack_is_a_program() -> None:
    """The attacks are more than sixty, and no two of them the same."""
    found = programs({"OUTSIDE": "outside"})
    assert len({each.completion for each in found.values()}) == len(found) > 60
