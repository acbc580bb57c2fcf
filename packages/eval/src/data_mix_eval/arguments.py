"""The words of `datamix eval`, taken apart: a checkpoint, short names of keys, options with several values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Final

from data_mix.config import Arguments, parse_arguments
from data_mix.errors import UsageError

FLAGS: Final = ("help", "json", "lm-eval-files", "samples", "show")
KEYS: Final[Mapping[str, str]] = {
    "task": "eval_tasks",
    "protocol": "eval_protocol",
    "engine": "eval_engine",
    "dtype": "eval_dtype",
    "max-length": "eval_max_length",
    "batch-size": "eval_batch_size",
    "seed": "eval_seed",
    "completions": "eval_completions",
    "temperature": "eval_temperature",
    "top-p": "eval_top_p",
    "limit": "eval_limit",
    "subset": "eval_subset",
    "benchmark-path": "eval_benchmark_path",
}
"""Options that are keys of the settings."""

_PATHS: Final[Mapping[str, int]] = {"out": 1, "base-model": 1, "export-prompts": 1, "compare": 2}
"""Options of the command alone, and how many values each takes."""
OPTIONS: Final = (*FLAGS, *KEYS, *_PATHS, "configs", "config-dir")


@dataclass(frozen=True, kw_only=True)
class EvalArguments:
    """What was typed."""

    checkpoint: str | None
    out: Path | None
    base_model: str | None
    export_prompts: Path | None
    compare: tuple[Path, Path] | None
    common: Arguments
    """Sections, keys and flags."""


def read_arguments(argv: Sequence[str]) -> EvalArguments:
    """Take a command line apart. Raises UsageError for a word that belongs to no option, or an option without its values."""
    free: list[str] = []
    own: dict[str, list[str]] = {}
    rest: list[str] = []
    place = 0
    while place < len(argv):
        word = "--out" if argv[place] == "-o" else argv[place]
        name, equals, value = word.removeprefix("--").partition("=")
        after = [value] if equals else [*takewhile(lambda each: not each.startswith("-"), argv[place + 1 :])]
        values = after[: _count(name)] if word.startswith("--") else []
        if not word.startswith("-"):
            free.append(word)
        elif name in _PATHS:
            own[name] = _enough(name, values)
        else:
            rest += _passed_on(name, word, values)
        place += 1 + (0 if equals else len(values))
    compare = own.get("compare")
    return EvalArguments(
        checkpoint=_only(free),
        out=_path(own.get("out")),
        base_model=own.get("base-model", [None])[0],
        export_prompts=_path(own.get("export-prompts")),
        compare=None if compare is None else (Path(compare[0]), Path(compare[1])),
        common=parse_arguments(rest, flags=FLAGS),
    )


def _count(name: str) -> int | None:
    """How many values an option takes at most; None: any number."""
    if name in FLAGS or name.startswith("no-"):
        return 0
    return None if name in {"task", "configs"} else _PATHS.get(name, 1)


def _enough(name: str, values: list[str]) -> list[str]:
    if len(values) < _PATHS[name]:
        wanted = "two folders of results" if name == "compare" else "a value"
        raise UsageError(f"found {len(values)} values after --{name}, wanted {wanted}")
    return values


def _passed_on(name: str, word: str, values: Sequence[str]) -> list[str]:
    """An option in the words of the common parser."""
    if name not in KEYS:
        return [word] if "=" in word else [word, *values]
    if not values:
        raise UsageError(f"found nothing after --{name}, wanted a value")
    return [f"--{KEYS[name]}", ",".join(values)]


def _only(free: Sequence[str]) -> str | None:
    if len(free) > 1:
        raise UsageError(f"found {' '.join(free)!r}, wanted one checkpoint, and options after it")
    return free[0] if free else None


def _path(values: Sequence[str] | None) -> Path | None:
    return None if values is None else Path(values[0])
