"""What the commands print: tables at any width, conversations, counts and remarks."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest

from data_mix.terminal import print_conversation, print_counts, print_json, print_remarks, print_table, progress

COLUMNS = ["name", "rows", "where"]
ROWS: list[list[object]] = [["joke", 377, "a page of jokes"], ["中文", 1234567, "ein Wort und noch eins und noch eins"]]

Printed = Callable[..., list[str]]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Printed:
    """Print to a terminal of so many columns, or to a pipe, and return the lines without their colours."""

    def show(command: Callable[..., None], *arguments: Any, width: int | None = None, **named: Any) -> list[str]:
        monkeypatch.setenv("TTY_COMPATIBLE", "1" if width else "0")
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", str(width or 20))
        command(*arguments, **named)
        return re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).splitlines()

    return show


def conversation(*messages: tuple[str, str, bool], **more: object) -> dict[str, Any]:
    """A row as it is read from a build."""
    turns = [{"role": role, "content": content, "train": train} for role, content, train in messages]
    return {"id": "joke/main:0", "lang": "en", "messages": turns, **more}


def source(*notices: str, licence: str = "MIT", **dropped: int) -> dict[str, Any]:
    """What a manifest says of a source of which 1,500 rows are kept."""
    kept = {"train": 1400, "validation": 100}
    rows = {"read": 1500 + sum(dropped.values()), "dropped": dropped, "kept": kept}
    return {"rows": rows, "notices": list(notices), "licence": licence}


def test_a_piped_table_is_never_cut_and_ends_no_line_with_blanks(printed: Printed) -> None:
    """Each row is one line, whatever the width, its numbers set to the right and nothing after its last word."""
    assert printed(print_table, COLUMNS, [*ROWS, ["in all", 1, ""]], numbers=["rows"]) == [
        "name         rows  where",
        "joke          377  a page of jokes",
        "中文    1,234,567  ein Wort und noch eins und noch eins",
        "in all          1",
    ]


def test_a_narrow_terminal_wraps_the_last_column_alone(printed: Printed) -> None:
    """The other columns stay whole, and the last one goes on below itself."""
    assert printed(print_table, COLUMNS, ROWS, numbers=["rows"], width=48) == [
        "name       rows  where",
        "joke        377  a page of jokes",
        "中文  1,234,567  ein Wort und noch eins und noch",
        "                 eins",
    ]


def test_a_very_narrow_terminal_has_the_last_column_below_the_row(printed: Printed) -> None:
    """Where too little room is left, the last cell follows on lines of its own, and an empty one on none."""
    assert printed(print_table, COLUMNS, [*ROWS, ["x", 1, ""]], numbers=["rows"], width=40) == [
        "name       rows",
        "  where",
        "joke        377",
        "  a page of jokes",
        "中文  1,234,567",
        "  ein Wort und noch eins und noch eins",
        "x             1",
    ]


def test_a_word_that_has_no_room_beside_the_others_is_below_them(printed: Printed) -> None:
    """A name of a file that would be broken goes below its row, whole, and so do all others."""
    name = "train-00000-of-00013.parquet"
    assert printed(print_table, COLUMNS, [["joke", 1, "x"], ["gsm8k", 2, name]], numbers=["rows"], width=40)[2:] == [
        "joke      1",
        "  x",
        "gsm8k     2",
        f"  {name}",
    ]


def test_a_word_wider_than_the_terminal_stays_whole(printed: Printed) -> None:
    """A long address can still be copied."""
    address = "https://example.org/" + "a" * 60
    assert printed(print_table, ["name", "where"], [["joke", address]], width=40)[-1] == f"  {address}"


def test_a_cell_is_text_not_markup(printed: Printed) -> None:
    """What looks like a style or an emoji of the library that prints is printed as it is."""
    assert printed(print_table, ["name"], [["[red]:smile:[/]"]])[1] == "[red]:smile:[/]"


def test_counts_have_a_sum_where_there_are_several_sources(printed: Printed) -> None:
    """Rows of all sources are added up, with the reasons of each; a single source is its own sum."""
    sources = {"joke": source(duplicate=2), "gsm8k": source()}
    assert [line.split()[:5] for line in printed(print_counts, sources)[1:]] == [
        ["joke", "1,502", "2", "1,400", "100"],
        ["gsm8k", "1,500", "0", "1,400", "100"],
        ["in", "all", "3,002", "2", "2,800"],
    ]
    assert len(printed(print_counts, {"joke": source()})) == 2


def test_remarks_are_the_notices_and_what_licences_forbid(printed: Printed) -> None:
    """Each notice and each restriction is a line that names its source."""
    assert printed(print_remarks, {"sources": {"a": source("odd"), "b": source(licence="CC-BY-NC-4.0")}}) == [
        "note: a: odd",
        "licence: b (CC-BY-NC-4.0) forbids commercial use",
    ]


def test_what_is_trained_on_has_a_bar_on_every_line(printed: Printed) -> None:
    """The lines of a trained turn, and they alone, are marked."""
    row = conversation(("user", "Why?\n\nSay.", False), ("assistant", "So.\nThus.", True))
    assert printed(print_conversation, row) == [
        "joke/main:0  [en]",
        "  user",
        "  Why?",
        "",
        "  Say.",
        "▌ assistant",
        "▌ So.",
        "▌ Thus.",
        "",
    ]


def test_a_long_line_is_cut_to_the_terminal_so_that_each_piece_has_its_bar(printed: Printed) -> None:
    """On a terminal no line of a trained turn is without a mark; a pipe gets the line whole."""
    row = conversation(("assistant", "one two three four five six seven", True))
    assert printed(print_conversation, row, width=20)[2:-1] == ["▌ one two three four", "▌ five six seven"]
    assert printed(print_conversation, row)[2:-1] == ["▌ one two three four five six seven"]


def test_a_dropped_row_says_why_and_may_lack_a_text(printed: Printed) -> None:
    """The reason stands beside the id, and a turn without content is an empty one."""
    row = conversation(("user", "Why?", False), drop="empty_turn")
    row["messages"].append({"role": "assistant", "content": None, "train": False})
    assert printed(print_conversation, row)[0] == "joke/main:0  [en]  dropped: empty_turn"


def test_a_conversation_cannot_steer_the_terminal(printed: Printed) -> None:
    """Control characters of a text or an id become visible signs."""
    row = conversation(("user", "\x1b[2J\x9b1m\rgone", False)) | {"id": "joke/\x07"}
    text = "\n".join(printed(print_conversation, row))
    assert "␛[2J�1m␍gone" in text
    assert "joke/␇" in text


def test_json_is_for_programs_whatever_the_terminal(printed: Printed) -> None:
    """What is printed parses to what was given, long lines and markup included."""
    data = {"a": "[red]" + "x" * 400, "b": ["中", None, 1.5]}
    assert json.loads("\n".join(printed(print_json, data, width=30))) == data


def test_json_is_valid_where_the_output_knows_no_unicode(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe of ASCII gets escapes of JSON in place of an error."""
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding="ascii"))
    print_json({"a": "é中"})
    assert json.loads(out.getvalue()) == {"a": "é中"}


def test_progress_is_shown_on_a_terminal_only(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are bars on standard error where that is a terminal, and nothing where it is none or is to be quiet."""
    seen = []
    for terminal, quiet in (("1", False), ("0", False), ("1", True)):
        monkeypatch.setenv("TTY_COMPATIBLE", terminal)
        with progress(quiet=quiet) as report:
            report("fetch", 1, 2)
            report("fetch", 2, 2)
        seen.append(capsys.readouterr())
    assert ["fetch" in each.err for each in seen] == [True, False, False]
    assert [each.out for each in seen] == ["", "", ""]
