"""The command line as its users meet it: help, mistakes, exit codes, what goes where."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from commands import Shell, section

SAMPLES = ("--configs", "one", "--samples")
COMMANDS = (
    *("sources", "plan", "build", "tokenize", "inspect", "report", "serve", "diff", "verify", "check-card"),
    *("publish", "pull", "schema"),
)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A place with a mix of one source, built."""
    folder = tmp_path_factory.mktemp("cli")
    section(folder, "one: {datasets: [joke]}\ntwo: {datasets: [ted_trans_en-ja, ted_trans_zh-ja]}\n")
    shell = Shell(cwd=folder, home=folder / "home")
    shell.build(folder / "out", *SAMPLES)
    return shell


def on_a_terminal(shell: Shell, columns: int, *arguments: str) -> list[str]:
    """The lines that a command prints on a terminal of so many columns, without their colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in shell.environment().items() if name != "COLUMNS"} | {"TERM": "xterm"}
    command = [sys.executable, "-m", "data_mix", *arguments]
    with subprocess.Popen(command, cwd=shell.cwd, env=environment, stdin=theirs, stdout=theirs, stderr=theirs):
        os.close(theirs)
        shown = read_to_the_end(ours)
    return re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", shown).splitlines()


def read_to_the_end(terminal: int) -> str:
    """Everything that is written to a terminal until its last writer is gone."""
    pieces = []
    with suppress(OSError), os.fdopen(terminal, "rb", buffering=0) as file:  # the system calls the end of it an error
        while piece := file.read(65536):
            pieces.append(piece)
    return b"".join(pieces).decode()


def test_help_names_every_command_on_a_whole_line(shell: Shell) -> None:
    """Each command stands in the help with what it does, in a line that is not cut off."""
    shown = shell.ok("--help").partition("Commands:")[2].strip().splitlines()
    assert [line.split()[0] for line in shown[: len(COMMANDS)]] == list(COMMANDS)
    assert [line for line in shown if not line.endswith(".") or line.endswith("..")] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(shell: Shell, command: str) -> None:
    """`--help` ends well and has a sentence for every option and argument."""
    shown = shell.ok(command, "--help")
    assert re.search(rf"^Usage: .* {command} ", shown)
    assert re.findall(r"^  -\S+(?: [A-Z<]\S*)?$(?!\n {8})", shown, re.MULTILINE) == []


@pytest.mark.parametrize("command", ["plan", "build"])
def test_help_says_how_sections_and_keys_are_given(shell: Shell, command: str) -> None:
    """What Typer does not know of the command line stands in its help all the same."""
    shown = shell.ok(command, "--help")
    assert f"{command} --configs SECTION… [--KEY VALUE…] [OPTIONS]" in shown
    assert "datamix schema" in shown


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("build", "found no --configs, wanted the sections of a mix, e.g. --configs datasets"),
        ("build --configs", "found no name after --configs"),
        ("build one", "found 'one', which belongs to no option"),
        ("build --configs one -x", "found '-x', which belongs to no option"),
        ("build --configs one --sampels", "--sampels: unknown key 'sampels', of no installed package; nearest: --samples"),
        ("plan --config one", "nearest: --configs"),
        ("build --configs one --max_trainset 3", "unknown key 'max_trainset'"),
    ],
)
def test_a_word_that_belongs_nowhere_is_a_usage_error(shell: Shell, line: str, said: str) -> None:
    """One line that names the word and what was likely meant, and exit code 2."""
    done = shell.run(*line.split())
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert said in done.stderr


@pytest.mark.parametrize("line", ["", "biuld", "verify", "build --workers 0", "inspect out --rows -1"])
def test_what_typer_refuses_ends_with_2(shell: Shell, line: str) -> None:
    """A missing command or value, an unknown command and a number out of range are usage errors."""
    done = shell.run(*line.split())
    assert done.returncode == 2
    assert "Usage: " in done.stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("build --configs oen", "unknown section 'oen'; nearest: one; there are: "),
        ("build --configs one --data_seed x", '--data_seed: found "x", wanted a whole number'),
        ("build --configs one --samples --without joker", "--without joker: the mix has no such entry; nearest: joke"),
        ("build --configs one --samples --config-dir nowhere", "found no folder 'nowhere'"),
        ("build --configs one --samples -o configs", "holds files that are no build's (mix.yaml)"),
        ("build --configs one --samples -o configs/mix.yaml", "cannot write configs/mix.yaml"),
        ("inspect nowhere", "nowhere: does not exist; make it with datamix build"),
        ("inspect configs/mix.yaml", "configs/mix.yaml: "),
        ("verify configs", "configs: holds no manifest.json"),
        ("verify out/manifest.json", "out/manifest.json: "),
        ("inspect out --source jok", "source 'jok' is not in this build; it has joke"),
        ("inspect out --split dropped", "build with --keep-dropped"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_1(shell: Shell, line: str, said: str) -> None:
    """A mistake is said in one line on standard error, without a traceback."""
    assert said in shell.refused(*line.split())


def test_quiet_says_nothing_of_a_shadowed_section_either(shell: Shell, tmp_path: Path) -> None:
    """`--quiet` prints errors only; without it a section that shadows a built-in one is said."""
    section(tmp_path, "datasets: [joke]\n")
    elsewhere = Shell(cwd=tmp_path, home=shell.home)
    build = ("build", "--configs", "datasets", "--samples", "-o", "out")
    assert elsewhere.run(*build, "-q").stderr == ""
    assert "section 'datasets' of configs/mix.yaml:1 shadows" in elsewhere.run(*build).stderr


def test_sources_as_json_has_lists_and_numbers(shell: Shell) -> None:
    """A program gets every language and every row count as such, where the table is short."""
    rows = {row["name"]: row for row in json.loads(shell.ok("sources", "--json"))}
    assert rows["gsm8k"]["languages"] == ["en"]
    assert len(rows["oasst_export"]["languages"]) > 30
    assert rows["conversations"]["rows"] is None
    assert "(35)" in shell.ok("sources")


def test_a_plan_counts_a_file_that_two_entries_share_once(shell: Shell) -> None:
    """The sum is what the raw files hold together, not what the entries read."""
    rows = json.loads(shell.ok("plan", "--configs", "two", "--samples", "--json"))["files"]
    assert [row["entry"] for row in rows] == ["ted_trans_en-ja", "ted_trans_zh-ja"]
    total = shell.ok("plan", "--configs", "two", "--samples").splitlines()[-1]
    assert total.split() == ["in", "all", f"{rows[0]['bytes']:,}", "0"]


def test_build_as_json_says_where_it_is_and_whether_it_was_there(shell: Shell, tmp_path: Path) -> None:
    """The manifest is printed with the folder, and standard output holds nothing else."""
    said = [json.loads(shell.ok("build", *SAMPLES, "-o", tmp_path / "out", "--json")) for _ in range(2)]
    assert [(each["out"], each["was_there"]) for each in said] == [
        (str(tmp_path / "out"), False),
        (str(tmp_path / "out"), True),
    ]
    assert list(said[0]["sources"]) == ["joke"]


def test_verify_as_json_lists_the_problems(shell: Shell, tmp_path: Path) -> None:
    """Each problem is a text of a list, and the exit code says that there are some."""
    shell.build(tmp_path / "out", *SAMPLES)
    assert json.loads(shell.ok("verify", tmp_path / "out", "--json")) == {"problems": []}
    (tmp_path / "out/README.md").unlink()
    done = shell.run("verify", tmp_path / "out", "--json")
    assert (done.returncode, len(json.loads(done.stdout)["problems"])) == (1, 1)


def test_inspect_of_one_source_speaks_of_no_other(tmp_path: Path) -> None:
    """`--source` leaves out the counts, the remarks and the conversations of all others."""
    section(tmp_path, "mine: {datasets: [joke, webgpt]}")
    shell = Shell(cwd=tmp_path, home=tmp_path / "home")
    shell.build(tmp_path / "out", "--configs", "mine", "--samples")
    assert "webgpt" in shell.ok("inspect", "out")
    assert "webgpt" not in shell.ok("inspect", "out", "--source", "joke")


@pytest.mark.parametrize(
    ("columns", "line"),
    [(80, "plan --configs datasets --samples"), (60, "build --configs datasets --samples -o nine"), (80, "sources")],
)
def test_no_table_is_wider_than_the_terminal(shell: Shell, columns: int, line: str) -> None:
    """A row may take two lines, but none that the terminal would break."""
    shown = [row for row in on_a_terminal(shell, columns, *line.split()) if not row.startswith(("note:", "licence:"))]
    assert shown
    assert [row for row in shown if len(row) > columns] == []


def test_progress_leaves_nothing_on_the_terminal(shell: Shell, tmp_path: Path) -> None:
    """A build on a terminal shows its steps, and ends with the same lines that a pipe gets."""
    shown = on_a_terminal(shell, 120, "build", *SAMPLES, "-o", str(tmp_path / "out"))
    assert any(line.startswith("fetch") for line in shown)
    assert shown[-1] == f"{tmp_path / 'out'}: built"


def test_standard_output_that_is_full_is_one_line(shell: Shell) -> None:
    """A table that cannot be written is an error that the user can mend."""
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "data_mix", "inspect", "out"]
        done = subprocess.run(
            command, cwd=shell.cwd, env=shell.environment(), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr.splitlines()[0].startswith("datamix: cannot write to standard output: No space left")
    assert "Traceback" not in done.stderr


def test_a_reader_that_leaves_early_is_no_error_worth_a_word(shell: Shell) -> None:
    """`datamix … | head -1` prints no traceback."""
    with shell.start("schema") as process:
        assert process.stdout and process.stderr  # noqa: PT018, for the types
        process.stdout.close()
        assert process.stderr.read() == ""


def test_an_output_that_knows_ascii_only_gets_escapes(shell: Shell) -> None:
    """What the terminal cannot show is no reason to fail."""
    poor = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    shown = Shell(cwd=shell.cwd, home=shell.home, variables=poor).ok("inspect", "out")
    assert "\\u258c assistant" in shown


@pytest.mark.parametrize("gone", ["HOME", "TERM"])
def test_a_variable_that_is_not_there_is_not_missed(shell: Shell, tmp_path: Path, gone: str) -> None:
    """Without a home folder or a terminal's name a build ends well."""
    environment = {name: value for name, value in shell.environment().items() if name != gone}
    command = [sys.executable, "-m", "data_mix", "build", *SAMPLES, "-o", str(tmp_path / "out")]
    subprocess.run(command, cwd=shell.cwd, env=environment, capture_output=True, check=True)


def test_ctrl_c_is_one_line_and_130_and_the_build_goes_on_later(tmp_path: Path) -> None:
    """A build that is interrupted leaves nothing that looks whole, says so in a line, and can be run again."""
    lines = (json.dumps({"prompt": f"What is {number}?", "response": f"{number}."}) for number in range(300_000))
    (tmp_path / "chats.jsonl").write_text("\n".join(lines))
    section(tmp_path, f"big:\n  datasets:\n    - chats: {{type: conversations, input_file_path: {tmp_path}/chats.jsonl}}\n")
    shell = Shell(cwd=tmp_path, home=tmp_path / "home")
    with shell.start("build", "--configs", "big", "-o", "out") as process:
        wait_for(tmp_path / "home/staged")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "datamix: interrupted; run again, a build goes on from here\n")
    assert not (tmp_path / "out/manifest.json").exists()


def wait_for(path: Path, seconds: float = 60) -> None:
    """Wait until something stands there."""
    end = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("words", "offered"), [(["datamix", "bu"], "build"), (["datamix", "build", "--keep"], "--keep-dropped")]
)
def test_the_shell_completes_commands_and_options(shell: Shell, words: Sequence[str], offered: str) -> None:
    """What `--show-completion` sets up offers the rest of a word."""
    asked = {"_DATAMIX_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    command = [str(Path(sys.executable).parent / "datamix")]
    done = subprocess.run(command, env=shell.environment() | asked, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [offered]


def test_completion_can_be_shown_for_the_shell_to_read(shell: Shell) -> None:
    """`--show-completion bash` prints what bash is to source."""
    assert "COMPREPLY" in shell.ok("--show-completion", "bash")


def test_commands_of_other_distributions_parse_their_own_arguments(shell: Shell) -> None:
    """`train` and `eval` join with their help, their settings and their exit codes."""
    assert "learning_rate" in shell.ok("train", "--help")
    assert "eval_protocol" in shell.ok("eval", "--show")
    assert "name a build folder with --data_path" in shell.refused("train", "--configs", "redpajama-3b")
    assert "nearest: --deepspeed" in shell.run("train", "--deepsped").stderr
