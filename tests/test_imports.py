"""Which way the modules lean: read from the syntax tree, so that nothing has to be imported to know it.

The layers of data_mix are drawn below, the lowest first. A module imports only from the layers under its own.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parent.parent

LAYERS: Final = (
    # the ground
    ("arrays", "compiled", "errors", "hashing", "home", "licence", "memory", "runs", "schema", "write_behind"),
    ("engine", "files", "findings", "measure", "slices", "source", "stage", "template", "terminal"),
    ("language.tags", "language.langid_walk", "markdown"),
    ("language",),
    ("language.detect",),
    ("language.frames", "language.prose"),
    # how entries are weighed against each other
    ("mixing.candidates", "mixing.settings"),
    ("mixing.taking",),
    ("mixing.drawing",),
    ("mixing.summary",),
    ("mixing",),
    # configuration, and what a mix may say
    ("config.arguments", "config.nodes"),
    ("config.sections", "config.validation"),
    ("config.config",),
    ("config",),
    ("decontamination.settings", "near_duplicates.settings"),
    ("mix_settings",),
    ("mix",),
    # raw files, wherever they are
    ("fetch.digests", "fetch.web"),
    ("fetch.hub", "fetch.ranges", "fetch.repo_files", "fetch.transfer"),
    ("fetch.remote",),
    ("fetch.fetcher",),
    ("fetch",),
    # the records in them
    ("records.compressed", "records.json_record"),
    ("records.archive", "records.record_frame"),
    ("records.csv_rows", "records.json_chunk", "records.parquet_rows", "records.required"),
    ("records.readers",),
    ("records",),
    # items of benchmarks in conversations
    ("decontamination.audit", "decontamination.tables", "decontamination.words"),
    ("decontamination.items", "decontamination.matching"),
    ("decontamination.layer",),
    ("decontamination.index",),
    ("decontamination.finding",),
    ("decontamination",),
    # what single sources and stages stand on
    ("private_data.checksums", "private_data.control_tokens", "private_data.masks", "private_data.patterns"),
    ("private_data.addresses", "private_data.detection", "private_data.numbers", "private_data.secrets"),
    ("private_data.kinds",),
    ("private_data",),
    ("citations", "conversation_file", "subtitles.transcript", "subtitles.wit3", "translation", "trees"),
    ("subtitles.alignment", "oasst_record"),
    ("sources.*", "stages.*"),
    # near-duplicates
    ("near_duplicates.alphabet", "near_duplicates.audit", "near_duplicates.bands"),
    ("near_duplicates.sketches",),
    ("near_duplicates.search",),
    ("near_duplicates",),
    # the build folder
    ("selection", "shards"),
    ("cards.card_file", "cards.examples", "cards.quality", "cards.recipe", "cards.source_cards", "cards.vocabulary"),
    ("cards.croissant", "cards.folder", "cards.front_matter"),
    ("cards.croissant_check", "cards.readme"),
    ("cards.pages", "cards.validation"),
    ("cards",),
    ("comparison", "inspection"),
    # token shards
    ("tokens.tokenizer",),
    ("tokens.encode", "tokens.token_shards"),
    ("tokens.layout", "tokens.leftovers", "tokens.proof"),
    ("tokens.rows",),
    ("tokens.parts",),
    ("tokens.tokenizing",),
    ("tokens.opening",),
    ("tokens",),
    # a build
    ("measures.*",),
    ("steps.journal", "steps.output", "steps.plan", "steps.proof"),
    ("steps.asking", "steps.rates", "steps.staging"),
    ("steps.measuring", "steps.writing"),
    ("steps.deciding", "steps.forecast"),
    ("steps.audit", "steps.manifest"),
    ("build",),
    # looking at a build
    ("report.audit", "report.conversation", "report.lengths"),
    ("report.figures", "report.sample"),
    ("report.page",),
    ("report",),
    ("serve.places",),
    ("serve.queries",),
    ("serve.server",),
    ("serve",),
    # publishing it
    ("publish.content", "publish.files", "publish.leaving_out", "publish.licences", "publish.published", "publish.token"),
    ("publish.cards", "publish.parquet", "publish.remote"),
    ("publish.build_plan", "publish.pulling"),
    ("publish.model_plan",),
    ("publish.sending",),
    ("publish",),
    # packs
    ("packing.conversations", "packing.order"),
    ("packing.cutting", "packing.fitting"),
    ("packing.index",),
    ("packing",),
    # the command
    ("cli.options",),
    ("cli.cards", "cli.comparing", "cli.looking", "cli.making", "cli.publishing", "cli.reporting"),
    ("cli.program",),
    ("cli",),
    ("__main__",),
)
"""Modules of data_mix, in upward order; those of one layer do not import each other. A package stands above its modules."""

OPEN_TO_OTHERS: Final = {
    "data_mix_trainer": {
        "errors",
        "config",
        "schema",
        "template",
        "shards",
        "tokens",
        "packing",
        "mix",
        "mix_settings",
        "files",
        "home",
        "arrays",
    },
    "data_mix_eval": {
        "errors",
        "config",
        "schema",
        "template",
        "shards",
        "tokens",
        "packing",
        "fetch",
        "source",
        "files",
        "home",
        "hashing",
        "licence",
        "terminal",
    },
}
"""What the other distributions may import of data_mix."""

HEAVY: Final = ("torch", "transformers", "datasets", "polars")


def modules() -> dict[str, Path]:
    """Every module of the workspace by its full name, packages themselves left out."""
    files = {path: path.relative_to(source) for source in ROOT.glob("packages/*/src") for path in source.rglob("*.py")}
    return {".".join(file.with_suffix("").parts): path for path, file in files.items() if file.name != "__init__.py"}


def imports(path: Path) -> Iterator[str]:
    """The full names that a file imports of our distributions, wherever in it the import stands."""
    known = modules()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("data_mix"))
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("data_mix")):
            base = "." * node.level + (node.module or "")
            inner = [f"{base}.{name.name}" for name in node.names]
            yield from [name for name in inner if name in known] or [base]


def layer(name: str) -> int | None:
    """The place in `LAYERS` of a module of data_mix, named without the package."""
    return next((place for place, names in enumerate(LAYERS) if any(fnmatchcase(name, each) for each in names)), None)


def is_above(one: str, other: str) -> bool:
    """Whether `one` stands in a higher layer than `other`."""
    mine, its = layer(one), layer(other)
    return mine is not None and its is not None and mine > its


def edges(package: str) -> Iterator[tuple[str, str]]:
    """(module, what it imports of our distributions), of all modules of a package."""
    for name, path in sorted(modules().items()):
        if name.split(".")[0] == package:
            yield from ((name, other) for other in imports(path))


def test_every_module_of_data_mix_has_a_layer() -> None:
    """A new module must be given its place in the order before it can land."""
    own = [name.removeprefix("data_mix.") for name in modules() if name.startswith("data_mix.")]
    homeless = [name for name in own if layer(name) is None]
    assert not homeless, f"give these a place in LAYERS: {homeless}"


def test_data_mix_imports_downwards_only() -> None:
    """No module of data_mix imports one of its own layer or above, so there is no cycle either."""
    pairs = [(one.removeprefix("data_mix."), other.removeprefix("data_mix.")) for one, other in edges("data_mix")]
    wrong = [f"{one} imports {other}" for one, other in pairs if not is_above(one, other)]
    assert not wrong, "\n".join(wrong)


def test_sources_and_stages_are_found_and_never_named() -> None:
    """No module imports a source or a stage, so that one more edits nothing."""
    wrong = [
        f"{one} imports {other}"
        for one, other in edges("data_mix")
        if other.startswith(("data_mix.sources.", "data_mix.stages."))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", OPEN_TO_OTHERS)
def test_the_others_import_the_lower_layer_of_data_mix_and_not_each_other(package: str) -> None:
    """Trainer and eval meet data_mix in the modules that are open to them, and each other not at all."""
    allowed = {f"data_mix.{name}" for name in OPEN_TO_OTHERS[package]}
    foreign = [(name, other) for name, other in edges(package) if other.split(".")[0] != package]
    wrong = [f"{name} imports {other}" for name, other in foreign if other not in allowed]
    assert not wrong, "\n".join(wrong)


def test_the_reading_sees_every_form_of_import(tmp_path: Path) -> None:
    """An import is found in a function, behind TYPE_CHECKING, of a module or of a name, absolute or relative."""
    lines = ["import data_mix.errors", "from data_mix import schema", "from data_mix.source import Source, SOURCE"]
    lines += ["from . import mix", "def f():", "    from data_mix.build import build", "import polars"]
    (tmp_path / "module.py").write_text("\n".join(lines))
    found = {"data_mix.errors", "data_mix.schema", "data_mix.source", ".", "data_mix.build"}
    assert set(imports(tmp_path / "module.py")) == found


@pytest.mark.parametrize("arguments", [["--help"], ["build", "--help"]], ids=" ".join)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    """Printing help loads neither torch, transformers, datasets nor polars."""
    start = "from data_mix.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", start, *arguments], capture_output=True, text=True, check=True
    )
    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in ended.stderr.splitlines()}
    assert "data_mix" in loaded
    assert loaded.isdisjoint(HEAVY)
