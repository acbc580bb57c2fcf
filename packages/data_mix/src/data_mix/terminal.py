"""What the commands print: tables, conversations coloured by role, progress."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from data_mix.errors import OutputError
from data_mix.licence import warnings

_COLOURS: Final = {"system": "magenta", "user": "cyan", "assistant": "green"}
_TRAINED: Final = "▌"
"""Stands before every line that is trained on."""

_CONTROL_PICTURES: Final = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"},
    **dict.fromkeys((0x7F, *range(0x80, 0xA0)), 0xFFFD),
}
"""Control characters as visible signs: what a conversation holds must not steer the terminal."""


_GAP: Final = "  "
"""Between the columns of a table."""

_LEAST: Final = 24
"""Columns that the last column of a table must have for its texts to stand beside the others, not below them."""


def print_json(data: object) -> None:
    """Print plain data as JSON, for programs."""
    _print(Console(soft_wrap=True), json.dumps(data, ensure_ascii=not _writes_unicode(), indent=1))


def print_line(text: str, style: str = "") -> None:
    """Print one line of text as it is."""
    _print(Console(soft_wrap=True), text, style)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, numbers: Collection[str] = ()) -> None:
    """Print a table; the columns named in `numbers` are set to the right.

    On a terminal that is too narrow the last column alone is wrapped, or stands below its row. Piped output is never cut.
    """
    console = Console(soft_wrap=True)
    texts = [list(columns), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*texts, strict=True)]
    to_the_right, room = [column in numbers for column in columns], _room_for_last(console, widths)
    least = _longest_word(texts) if widths[-1] > room else None
    for place, row in enumerate(texts):
        *cells, last = map(_fill, row, widths, to_the_right)
        head = _GAP.join(cells)
        lines = [_GAP.join([*cells, last])] if least is None else _folded(head, last.rstrip(), room, least)
        for line in lines:
            _print(console, line.rstrip(), "" if place else "bold")


def _room_for_last(console: Console, widths: Sequence[int]) -> int:
    """Columns that a terminal leaves to the last column of a table; elsewhere it has what it needs."""
    return console.width - sum(width + len(_GAP) for width in widths[:-1]) if console.is_terminal else widths[-1]


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _fill(cell: str, width: int, to_the_right: bool) -> str:
    blanks = " " * (width - cell_len(cell))
    return blanks + cell if to_the_right else cell + blanks


def _longest_word(rows: Sequence[Sequence[str]]) -> int:
    """The width of the longest word in the last column."""
    return max((cell_len(word) for row in rows for word in row[-1].split()), default=0)


def _folded(head: str, last: str, room: int, least: int) -> list[str]:
    """A row as lines, its last cell wrapped beside the others, or below them where they leave it too little room."""
    before = cell_len(head) + len(_GAP)
    if room < max(least, _LEAST):
        return [head, *(f"{_GAP}{piece}" for piece in _wrapped(last, max(before + room - len(_GAP), 1)))]
    first, *others = _wrapped(last, room) or [""]
    return [f"{head}{_GAP}{first}", *(" " * before + piece for piece in others)]


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def _print(console: Console, text: str, style: str = "") -> None:
    """Print a text in one style; OutputError where it cannot be written."""
    try:
        console.print(Text(text, style))
    except OSError as error:
        _let_go_of_output()
        raise OutputError(f"cannot write to standard output: {error.strerror}; send it elsewhere") from error


def _let_go_of_output() -> None:
    """Send what is still to be written nowhere, or the interpreter would fail on it once more when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _writes_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")


def print_counts(sources: Mapping[str, Any]) -> None:
    """Print rows read, dropped by reason and kept of each source of a manifest, with the sum where there are several."""
    rows = [_count_row(name, source["rows"]) for name, source in sources.items()]
    total = ["in all", *(sum(int(row[place]) for row in rows) for place in range(1, 5)), ""]
    columns = ["source", "read", "dropped", "train", "validation", "why"]
    print_table(columns, [*rows, total] if len(rows) > 1 else rows, numbers=columns[1:5])


def _count_row(name: str, rows: Mapping[str, Any]) -> list[Any]:
    why = ", ".join(f"{reason} {count:,}" for reason, count in rows["dropped"].items())
    return [name, rows["read"], sum(rows["dropped"].values()), rows["kept"]["train"], rows["kept"]["validation"], why]


def print_remarks(manifest: Mapping[str, Any]) -> None:
    """Print the notices of a manifest, those of its sources and of mixing, and what its licences forbid."""
    sources = manifest["sources"]
    for name, source in sources.items():
        for notice in source["notices"]:
            print_line(f"note: {name}: {notice}", "dim")
    for notice in manifest.get("mixing", {}).get("notices", []):
        print_line(f"note: {notice}", "dim")
    for warning in warnings({name: source["licence"] for name, source in sources.items()}):
        print_line(f"licence: {warning}", "yellow")


def print_conversation(row: Mapping[str, Any]) -> None:
    """Print one conversation: a colour per role, a bar before every line that is trained on."""
    console = Console(soft_wrap=True)
    dropped = f"  dropped: {row['drop']}" if row.get("drop") else ""
    _print(console, f"{visible(row['id'])}  [{row['lang']}]{dropped}", "bold")
    for message in row["messages"]:
        _print_message(console, message)
    _print(console, "")


def _print_message(console: Console, message: Mapping[str, Any]) -> None:
    colour, mark = _COLOURS[message["role"]], _TRAINED if message["train"] else " "
    _print(console, f"{mark} {message['role']}", f"{colour} bold")
    for line in _lines(console, visible(message["content"] or "")):
        _print(console, f"{mark} {line}".rstrip(" "), colour if message["train"] else f"{colour} dim")


def _lines(console: Console, text: str) -> list[str]:
    """The lines of a text, cut to a terminal's width so that each can have its mark; elsewhere they stay whole."""
    if not console.is_terminal:
        return text.split("\n")
    return [
        piece.plain
        for line in text.split("\n")
        for piece in Text(line, tab_size=4).wrap(console, console.width - 2) or [Text()]
    ]


def visible(text: str) -> str:
    """The text with its control characters made visible."""
    return text.translate(_CONTROL_PICTURES)


@contextmanager
def progress(*, quiet: bool) -> Iterator[_Steps]:
    """Show the steps of a build while the block runs, on a terminal and where it is not to be quiet."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bars:
        yield _Steps(bars)


class _Steps:
    """A bar per step, made when the step is first heard of."""

    def __init__(self, bars: Progress) -> None:
        self._bars, self._steps = bars, dict[str, TaskID]()

    def __call__(self, step: str, done: int, total: int) -> None:
        """Show that `done` of `total` tasks of the step are done."""
        if step not in self._steps:
            self._steps[step] = self._bars.add_task(step, total=total)
        self._bars.update(self._steps[step], completed=done, total=total)
