"""Markdown that holds texts of others: nothing in them becomes markup."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_URL: Final = re.compile(r"https?://[^\s<>|]+")
_MARKUP: Final = re.compile(r"([\\`*_\[\]<>|#&~])")


def plain(text: object) -> str:
    """A text on one line, to be shown as it is."""
    return _MARKUP.sub(r"\\\1", " ".join(str(text).split()))


def link(text: str) -> str:
    """A URL as a link to itself; any other text as it is."""
    return f"<{text}>" if _URL.fullmatch(text) else plain(text)


def code(text: str) -> str:
    """A text on one line in a code span, between more backticks than it has in a row."""
    line = " ".join(text.split())
    fence = "`" * (_longest_run(line) + 1)
    blank = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{blank}{line}{blank}{fence}"


def fenced(text: str, language: str = "") -> str:
    """A text in a block of its own, between more backticks than it has in a row."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: int, names: int | None = None) -> str:
    """A table of cells that are Markdown; `numbers` columns after the first `names` ones (else the last ones) are set right."""
    first = len(columns) - numbers if names is None else names
    rules = ["---:" if first <= place < first + numbers else "---" for place in range(len(columns))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, rules, *rows))


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
