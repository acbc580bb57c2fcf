"""What holds for the repository as a whole: nothing stands alone that belongs together, and no text promises what is not."""

from __future__ import annotations

import ast
import contextlib
import io
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points
from itertools import chain
from pathlib import Path
from typing import Any, Final

import pytest
import typer

from commands import Shell
from data_mix.cli import app
from data_mix.config import load, settings_models
from data_mix.mix import resolve_mix
from data_mix.source import Source, SourceOptions, sources
from data_mix_eval.benchmark_files import find_files
from data_mix_eval.task import tasks

ROOT: Final = Path(__file__).parent.parent
DATA_MIX: Final = ROOT / "packages/data_mix/src/data_mix"
EVAL: Final = ROOT / "packages/eval/src/data_mix_eval"
MODULES: Final = sorted(path.stem for path in DATA_MIX.glob("sources/*.py") if path.stem != "__init__")
BENCHMARKS: Final = sorted(path.stem for path in EVAL.glob("tasks/*.py") if path.stem != "__init__")
TEXTS: Final = (
    "*.md",
    "*.toml",
    "*.txt",
    "Makefile",
    ".ci/*",
    *(f"{top}/**/*.*" for top in ("packages", "tests", "benchmarks", "docs", "data_cards")),
)
PAGES: Final = sorted(
    path for pattern in ("*.md", "docs/*.md", "benchmarks/*.md", "data_cards/*.md") for path in ROOT.glob(pattern)
)

OF_ONE_MACHINE: Final = re.compile(
    r"(?<![\w.*])/(?:home|root|work|opt|mnt|Users|tmp)/|pypi\.org|pythonhosted\.org|npmjs\.org|deb\.debian\.org"
)
SECOND_SENTENCE: Final = re.compile(r"[.!?]\s+[A-Z]")


def source_of(module: str) -> Source:
    """The source that a module of `data_mix.sources` holds."""
    return next(source for source in sources().values() if source.read.__module__ == f"data_mix.sources.{module}")


def card_of(module: str) -> str:
    """The text of a source's card."""
    return (ROOT / f"data_cards/{module}.md").read_text(encoding="utf8")


def all_tests() -> Iterator[tuple[str, ast.FunctionDef]]:
    """(where, syntax tree) of every test."""
    for path in sorted(ROOT.glob("tests/**/test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def fences(page: Path) -> list[str]:
    """What stands in each fence of code on a page."""
    return re.findall(r"^```\w*\n(.*?)^```", page.read_text(encoding="utf8"), flags=re.DOTALL | re.MULTILINE)


def tree_paths() -> Iterator[Path]:
    """The paths in the README's tree: indented names, two blanks before the remark."""
    tree = re.search(
        r"^## The tree\n+```\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf8"), re.DOTALL | re.MULTILINE
    )
    folders = {-1: ROOT}
    for line in tree.group(1).splitlines() if tree else []:
        indent = len(line) - len(line.lstrip())
        above = folders[max(depth for depth in folders if depth < indent)]
        names = re.split(r" {2,}", line.strip())[0].split()
        folders = {depth: path for depth, path in folders.items() if depth < indent} | {indent: above / names[0]}
        yield from (above / name for name in names)


def commands(page: Path, program: str) -> list[list[str]]:
    """The calls of a program that a page shows, as words after its name."""
    lines = [line.removeprefix("$ ").removeprefix(".venv/bin/") for fence in fences(page) for line in fence.splitlines()]
    return [line.partition(" #")[0].split()[1:] for line in lines if line.startswith(f"{program} ")]


def is_known(verb: str, *words: str) -> bool:
    """Whether the command is there, with each option among the words; a key of the configuration is one too."""
    own = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    options = {name for param in own[verb].params for name in param.opts} if verb in own else said_options(verb)
    keys = {f"--{key}" for model in settings_models().values() for key in model.model_fields}
    known = options | keys | {"--configs"}
    return (verb in own or bool(options)) and known.issuperset(word.partition(".")[0] for word in words if word.startswith("-"))


def said_options(verb: str) -> set[str]:
    """The options that the command of another distribution names in its help; empty where there is no such command."""
    found = entry_points(group="data_mix.commands")
    with contextlib.redirect_stdout(io.StringIO()) as said:
        if verb in found.names:
            found[verb].load()(["--help"])
    return set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", said.getvalue()))


def requirements(project: dict[str, Any]) -> set[str]:
    """The names of what a distribution asks for, its extras included."""
    lines = [*project.get("dependencies", []), *chain(*project.get("optional-dependencies", {}).values())]
    return {normal(re.split(r"[^\w.-]", line)[0]) for line in lines}


def normal(name: str) -> str:
    """A distribution's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pyprojects() -> dict[str, Any]:
    """The `[project]` table of every distribution, by its name."""
    tables = [tomllib.loads(path.read_text(encoding="utf8"))["project"] for path in ROOT.glob("packages/*/pyproject.toml")]
    return {table["name"]: table for table in tables}


@pytest.mark.parametrize("module", MODULES)
def test_every_source_has_all_that_belongs_to_it(module: str) -> None:
    """A source comes with a card, a raw sample in upstream's layout, what the sample becomes, and tests."""
    assert (ROOT / f"data_cards/{module}.md").is_file()
    assert any(path.is_file() for path in (DATA_MIX / f"samples/{module}").rglob("*"))
    assert list(ROOT.glob(f"tests/data_mix/golden/{module}*"))
    assert (ROOT / f"tests/data_mix/sources/test_{module}.py").is_file()


@pytest.mark.parametrize("module", MODULES)
def test_a_card_says_what_the_source_says(module: str) -> None:
    """A card holds the licence and homepage of its source, one record, and every option that the source adds."""
    source, card = source_of(module), card_of(module)
    added = source.options.model_fields.keys() - SourceOptions.model_fields.keys()
    wanted = [source.licence, source.homepage, "## Record", "## What becomes of it", *(f"`{name}`" for name in added)]
    missing = [text for text in wanted if text not in card]
    assert not missing, missing


def test_every_card_is_of_a_source_or_a_benchmark() -> None:
    """No card is left behind by a source or a benchmark that is gone."""
    assert sorted(path.stem for path in ROOT.glob("data_cards/*.md")) == sorted([*MODULES, *BENCHMARKS])


@pytest.mark.parametrize("module", BENCHMARKS)
def test_every_benchmark_has_all_that_belongs_to_it(module: str) -> None:
    """A benchmark comes with a card that says where it is, what of it is pinned and one record, a sample, and tests."""
    card = card_of(module)
    for task in (task for task in tasks().values() if task.read.__module__ == f"data_mix_eval.tasks.{module}"):
        wanted = [task.licence, task.homepage, task.files.revision, *task.files.patterns, f"`{task.name}`", "## Record"]
        assert [text for text in wanted if text not in card] == []
        assert all(path.is_relative_to(EVAL / "samples") for path in find_files(task, samples=True).paths)
    assert (ROOT / f"tests/eval/tasks/test_{module}.py").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_that_a_page_shows_exist(page: Path) -> None:
    """Every `datamix` command, each of its options, and every `make` target that a page shows is there."""
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf8"), flags=re.MULTILINE)
    unknown = [words for words in commands(page, "make") if words[0] not in targets]
    unknown += [words for words in commands(page, "datamix") if not is_known(*words)]
    assert not unknown, unknown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    """A link to a file of the repository names one that is there."""
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_tree_in_the_readme_is_the_tree() -> None:
    """Every path of the README's tree exists, and every module and package of the distributions stands in it."""
    shown = set(tree_paths())
    modules = {path for path in ROOT.glob("packages/*/src/*/*.py") if path.name != "__init__.py"}
    packages = {path.parent for path in ROOT.glob("packages/*/src/*/*/__init__.py")}
    assert not [str(path) for path in shown if not path.exists()]
    assert not sorted(path.name for path in (modules | packages) - shown)


def test_the_readme_shows_what_quickstart_prints(tmp_path: Path) -> None:
    """The two commands on the README's first screen, run, print every line that it shows."""
    first = fences(ROOT / "README.md")[0].splitlines()
    shell = Shell(cwd=tmp_path, home=tmp_path / "home")
    outputs = [shell.ok(*shlex.split(line)[1:]) for line in first if line.startswith(".venv/bin/datamix")]
    printed = {line.rstrip() for output in outputs for line in output.splitlines()}
    assert len(outputs) == 2
    assert [line for line in first if not line.startswith(("$", ".venv", "…")) and line not in printed] == []


def test_the_mix_in_the_readme_is_understood(tmp_path: Path) -> None:
    """The section that the README gives as an example of a mix of one's own resolves to its four entries."""
    example = next(fence for fence in fences(ROOT / "README.md") if fence.startswith("my-mix:"))
    (tmp_path / "mine.yaml").write_text(example, encoding="utf8")
    (tmp_path / "chats.jsonl.gz").touch()
    mix = resolve_mix(load(["my-mix"], config_dir=tmp_path))
    assert [entry.source.name for entry in mix.entries] == ["dolly15k", "gsm8k", "conversations", "hub"]


@pytest.mark.slow
def test_the_benchmark_runs(tmp_path: Path) -> None:
    """`bench_build.py` ends well on raw files made of the samples, and prints a line for each contestant."""
    (dolly,), (gsm8k,) = DATA_MIX.glob("samples/dolly15k/*.jsonl"), DATA_MIX.glob("samples/gsm8k/**/*.parquet")
    options = f"--rows 60 --rounds 1 --folder {tmp_path} --dolly {dolly} --gsm8k {gsm8k}".split()
    command = [sys.executable, str(ROOT / "benchmarks/bench_build.py"), *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [line[:5] for line in ended.stdout.splitlines()[3:]] == ["floor", "datam", "datas", "datas"]


def test_nothing_names_the_machine_it_was_written_on() -> None:
    """No file holds an absolute path of a machine, or the host of a package registry."""
    found = []
    for path in sorted(
        {path for pattern in TEXTS for path in ROOT.glob(pattern) if path.is_file() and "__pycache__" not in path.parts}
    ):
        text = path.read_bytes().decode("utf8", errors="replace")
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in OF_ONE_MACHINE.finditer(text)]
    assert not found, "\n".join(found)


def test_every_module_says_what_it_is() -> None:
    """A module opens with a docstring; only an empty `__init__.py` needs none."""
    texts = {
        path: path.read_text(encoding="utf8")
        for top in ("packages", "benchmarks", "tests")
        for path in ROOT.glob(f"{top}/**/*.py")
    }
    silent = [
        str(path.relative_to(ROOT)) for path, text in texts.items() if text.strip() and not ast.get_docstring(ast.parse(text))
    ]
    assert not silent, silent


def test_every_test_says_in_one_sentence_what_it_proves() -> None:
    """The docstring of a test is a single sentence with a full stop."""
    said = {where: (ast.get_docstring(node) or "").strip() for where, node in all_tests()}
    wrong = [where for where, text in said.items() if not text.endswith(".") or SECOND_SENTENCE.search(text)]
    assert not wrong, "\n".join(wrong)


def test_nothing_is_mocked() -> None:
    """No test patches code in place of using it."""
    mocking = [
        path.name
        for path in ROOT.glob("tests/**/*.py")
        if re.search(r"^\s*(from|import) unittest", path.read_text(), re.MULTILINE)
    ]
    assert not mocking, mocking


def test_the_constraints_pin_whatever_is_asked_for() -> None:
    """Every requirement of every distribution has its tested version in constraints.txt."""
    pinned = {normal(line.partition("==")[0]) for line in (ROOT / "constraints.txt").read_text(encoding="utf8").splitlines()}
    asked = set().union(*(requirements(project) for project in pyprojects().values()))
    assert asked - pinned - pyprojects().keys() == set()


def test_the_distributions_have_one_version_that_the_changelog_knows() -> None:
    """All distributions are released together, and the changelog tells of it."""
    versions = {table["version"] for table in pyprojects().values()}
    assert len(versions) == 1
    assert f"## {versions.pop()}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf8")
