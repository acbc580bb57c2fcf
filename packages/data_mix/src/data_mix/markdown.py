"""Markdown that holds texts of others: nothing in them becomes markup, HTML or the end of what they stand in."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

from data_mix.terminal import visible

_URL: Final = re.compile(r"https?://[^\s<>|]+")
_MARKUP: Final = re.compile(r"([\\`*_\[\]<>|#&~])")
_UNSEEN: Final = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028, 0x2029, 0x85), 0xFFFD)
"""What turns the direction of the text around it, and line ends that not everybody takes for one."""


def plain(text: object) -> str:
    """A text on one line, to be shown as it is."""
    return _MARKUP.sub(r"\\\1", _on_one_line(str(text)))


def link(text: str) -> str:
    """A URL as a link to itself; any other text as it is."""
    return f"<{text}>" if _URL.fullmatch(text) else plain(text)


def code(text: str) -> str:
    """A text on one line in a code span, between more backticks than it has in a row; a bar is set for a cell of a table."""
    line = _on_one_line(text).replace("|", "\\|")
    fence = "`" * (_longest_run(line) + 1)
    blank = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{blank}{line}{blank}{fence}"


def fenced(text: str, language: str = "") -> str:
    """A text in a block of its own, between more backticks than it has in a row, its control characters made visible."""
    shown = _shown(text).rstrip()
    fence = "`" * max(3, _longest_run(shown) + 1)
    return f"{fence}{language}\n{shown}\n{fence}"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Collection[str] = ()) -> str:
    """A table of cells that are Markdown; the columns named in `numbers` are set to the right."""
    rules = ["---:" if column in numbers else "---" for column in columns]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, rules, *rows))


def _shown(text: str) -> str:
    return visible(text).translate(_UNSEEN)


def _on_one_line(text: str) -> str:
    return _shown(" ".join(text.split()))


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
