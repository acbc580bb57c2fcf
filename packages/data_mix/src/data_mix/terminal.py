"""What the commands print: tables, conversations coloured by role, progress."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

_COLOURS: Final = {"system": "magenta", "user": "cyan", "assistant": "green"}
_TRAINED: Final = "▌"
"""Stands before every line that is trained on."""

_CONTROL_PICTURES: Final = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"},
    **dict.fromkeys((0x7F, *range(0x80, 0xA0)), 0xFFFD),
}
"""Control characters as visible signs: what a conversation holds must not steer the terminal."""


WIDE: Final = 240
"""Columns of a table that is not printed to a terminal."""


def print_json(data: object) -> None:
    """Print plain data as JSON, for programs."""
    Console(soft_wrap=True, highlight=False, markup=False, emoji=False).print(json.dumps(data, ensure_ascii=False, indent=1))


def print_line(text: str, style: str = "") -> None:
    """Print one line of text as it is."""
    Console(soft_wrap=True).print(Text(text, style=style))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, numbers: Sequence[str] = ()) -> None:
    """Print a table; the columns named in `numbers` are set to the right. Piped output is never cut."""
    console = _wide_console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in row))
    console.print(table)


def _wide_console() -> Console:
    """As wide as the terminal; where there is none, wide enough for everything."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDE)


def print_counts(manifest: Mapping[str, Any]) -> None:
    """Print rows read, dropped by reason and kept of each source, with the sum."""
    rows = [_count_row(name, source["rows"]) for name, source in manifest["sources"].items()]
    total = ["in all", *(sum(int(row[place]) for row in rows) for place in range(1, 5)), ""]
    print_table(
        ["source", "read", "dropped", "train", "validation", "why"],
        [*rows, total],
        numbers=["read", "dropped", "train", "validation"],
    )


def _count_row(name: str, rows: Mapping[str, Any]) -> list[Any]:
    why = ", ".join(f"{reason} {count:,}" for reason, count in rows["dropped"].items())
    return [name, rows["read"], sum(rows["dropped"].values()), rows["kept"]["train"], rows["kept"]["validation"], why]


def print_remarks(manifest: Mapping[str, Any]) -> None:
    """Print the notices of the sources and the warnings of their licences."""
    for name, source in manifest["sources"].items():
        for notice in source["notices"]:
            print_line(f"note: {name}: {notice}", "dim")
    for warning in manifest["licence_warnings"]:
        print_line(f"licence: {warning}", "yellow")


def print_conversation(row: Mapping[str, Any]) -> None:
    """Print one conversation: a colour per role, a bar before every line that is trained on."""
    console = Console(soft_wrap=True)
    console.print(
        Text(f"{visible(row['id'])}  [{row['lang']}]" + (f"  dropped: {row['drop']}" if row.get("drop") else ""), "bold")
    )
    for message in row["messages"]:
        colour, mark = _COLOURS[message["role"]], _TRAINED if message["train"] else " "
        console.print(Text(f"{mark} {message['role']}", f"{colour} bold"))
        for line in _lines(console, visible(message["content"] or "")):
            console.print(Text(f"{mark} {line}", colour if message["train"] else f"{colour} dim"))
    console.print()


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
