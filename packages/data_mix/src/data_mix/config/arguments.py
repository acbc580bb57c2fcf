"""The command line's part of the configuration: argv → sections, overrides and flags.

    --configs defaults redpajama-3b datasets --num_train_epochs 2 --deepspeed

Typer cannot take a variable number of values, nor any key as an option; this parser can. It knows no keys: whether a key
exists, and what type its value has, is for the models to say.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Final

from data_mix.errors import UsageError

_NUMBER: Final = re.compile(r"-\.?\d")


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """A command line, taken apart."""

    sections: tuple[str, ...] = ()
    """The names after `--configs`, in order."""
    overrides: Mapping[str, str] = field(default_factory=dict)
    """The text after each `--KEY`; the last one where a key comes twice."""
    flags: frozenset[str] = frozenset()
    """The flags of the command that were given."""
    config_dir: Path | None = None
    local_rank: int | None = None
    """What a launcher adds."""


def parse_arguments(argv: Sequence[str], flags: Collection[str] = ()) -> Arguments:
    """Take a command line apart; `flags` names the options that take no value, without their dashes.

    `--KEY` alone means true and `--no-KEY` false. Raises UsageError for a word that belongs to no option.
    """
    sections: list[str] = []
    given: dict[str, str] = {}
    for key, values in _options(argv, flags):
        if key == "configs":
            sections += _sections(values)
        else:
            given |= _override(key, values, flags)
    on = frozenset(name for name in flags if given.pop(name, "false") == "true")
    config_dir, rank = given.pop("config-dir", None), given.pop("local_rank", given.pop("local-rank", None))
    return Arguments(
        sections=tuple(sections),
        overrides=given,
        flags=on,
        config_dir=None if config_dir is None else Path(config_dir),
        local_rank=None if rank is None else _rank(rank),
    )


def _options(argv: Sequence[str], flags: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    """Each option with the words after it that are its values."""
    place = 0
    while place < len(argv):
        word = argv[place]
        if not word.startswith("--") or word == "--":
            raise UsageError(f"found {word!r}, which belongs to no option; wanted --configs SECTION… or --KEY VALUE")
        key, equals, value = word[2:].partition("=")
        following = [] if equals or key in flags else list(takewhile(_is_value, argv[place + 1 :]))
        values = following if key == "configs" else following[:1]
        yield key, [value] if equals else values
        place += 1 + len(values)


def _is_value(word: str) -> bool:
    return not word.startswith("-") or _NUMBER.match(word) is not None


def _sections(values: Sequence[str]) -> list[str]:
    """The names of `--configs a b` and of `--configs a,b`."""
    names = [name for value in values for name in value.split(",") if name]
    if not names:
        raise UsageError("found no name after --configs, wanted one section or more, e.g. --configs defaults datasets")
    return names


def _override(key: str, values: Sequence[str], flags: Collection[str]) -> dict[str, str]:
    """A key with its text; the key alone is true, and false after `no-`."""
    if not values and key.startswith("no-"):
        return {key.removeprefix("no-"): "false"}
    if key in flags and values not in ([], ["true"], ["false"]):
        raise UsageError(f"found --{key}={values[0]}, wanted --{key} alone: it is a flag")
    if values and not _is_unicode(values[0]):
        raise UsageError(f"found bytes that are not UTF-8 after --{key}")
    return {key: values[0] if values else "true"}


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _rank(text: str) -> int:
    if re.fullmatch(r"-?\d+", text) is None:
        raise UsageError(f"found --local_rank {text}, wanted a whole number")
    return int(text)
