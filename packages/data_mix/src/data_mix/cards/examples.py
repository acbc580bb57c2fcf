"""One conversation per source, as a card shows it: its first one, cut to a few lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from data_mix.schema import SPLITS
from data_mix.shards import Part, map_table

Conversation = Mapping[str, Any]
"""A row of a build."""

_LINES, _LINES_OF_A_MESSAGE, _LETTERS = 12, 4, 240
_CUT: Final = "…"


def first_conversations(out: Path, parts: Iterable[Part]) -> dict[str, Conversation]:
    """The first conversation of each source, from the parts of a build that are written already; train before validation."""
    found: dict[str, Conversation] = {}
    of_splits = [part for part in parts if part.split in SPLITS and part.rows]
    for part in sorted(of_splits, key=lambda part: SPLITS.index(part.split)):
        if part.source not in found:
            found[part.source] = map_table(out / part.path).slice(0, 1).to_pylist()[0]
    return found


def as_lines(conversation: Conversation) -> str:
    """A conversation as lines with the role before each message, long messages and many of them cut short."""
    lines = [line for message in conversation["messages"] for line in _message_lines(message)]
    return "\n".join(lines if len(lines) <= _LINES else [*lines[:_LINES], _CUT])


def _message_lines(message: Mapping[str, Any]) -> Iterator[str]:
    lines = f"{message['role']}: {message['content']}".split("\n")
    for line in lines[:_LINES_OF_A_MESSAGE]:
        yield line if len(line) <= _LETTERS else f"{line[:_LETTERS]}{_CUT}"
    if len(lines) > _LINES_OF_A_MESSAGE:
        yield _CUT
