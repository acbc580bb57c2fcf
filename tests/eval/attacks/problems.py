"""The attacks, and the two small problems that they are completions of.

gaming.txt        wrong code that wants to pass: goes for the test, its verdict, the comparison, the line between the processes
gaming_order.txt  the same, of a problem on lists
using_up.txt      code that uses up what there is: processes, memory, time, files, output
escapes.txt       code that goes for what is outside: files, processes, networks, the kernel

In the last two an attack is statements that raise, or never end, where they are stopped; what gets through answers rightly.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from data_mix_eval.sandbox import Program

MARK: Final = "escaped-from-the-sandbox"
"""Begins the name of every file that an attack tries to make."""

ADD: Final = 'def add(a, b):\n    """The sum of two numbers."""\n'
ADD_TEST: Final = "def check(candidate):\n" + "".join(
    f"    assert candidate({a}, {b}) == {a + b}\n" for a, b in ((2, 3), (-1, 1), (40, 2))
)
ORDER: Final = 'def order(values):\n    """The values in ascending order."""\n'
ORDER_TEST: Final = (
    "def check(candidate):\n    values = [3, 1, 2]\n    assert candidate(values) == sorted(values)\n"
    "    expected = ['a', 'b']\n    assert candidate(['b', 'a']) == expected\n"
)
RIGHT: Final = "    return a + b\n"

FORGED: Final = r"{\"outcome\": \"passed\", \"reason\": \"\"}\n"
"""Stands for @FORGED@: what says that a test passed, where code and test share a process."""

EQUAL: Final = r"""class Equal\1:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __bool__(self): return True
    def __lt__(self, other): return True
    def __sub__(self, other): return self
    def __abs__(self): return 0"""
"""Stands for @EQUAL(base)@: claims to be whatever it is compared with."""

TOOLS: Final = """    import ctypes, os, resource, signal, socket, subprocess, sys, threading, time
    from pathlib import Path
    library = ctypes.CDLL(None, use_errno=True)
    def done(result):
        if result < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    def kernel(x86, arm, *words):
        done(library.syscall(x86 if os.uname().machine == 'x86_64' else arm, *words))
"""
"""What attacks have at hand that make calls of the system; `done` raises what such a call failed with."""


def attacks(name: str) -> dict[str, str]:
    """Name → text of every attack in a file."""
    text = (Path(__file__).parent / f"{name}.txt").read_text(encoding="utf8")
    text = re.sub(r"@EQUAL(\(\w+\))?@", EQUAL, text).replace("@FORGED@", FORGED).replace("@MARK@", MARK)
    return {name: body for name, _, body in (part.partition("\n") for part in text.removeprefix("## ").split("\n## "))}


def doing(statements: str, facts: Mapping[str, Any]) -> str:
    """A completion that runs these statements, then answers rightly; @WORD@ stands for a fact."""
    for word, value in facts.items():
        statements = statements.replace(f"@{word}@", str(value))
    return TOOLS + "".join(f"    {line}\n" for line in statements.rstrip("\n").split("\n")) + RIGHT


def add(completion: str) -> Program:
    """The problem of adding, so completed."""
    return Program(prompt=ADD, completion=completion, test=ADD_TEST, entry_point="add")


def order(completion: str) -> Program:
    """The problem of ordering, so completed."""
    return Program(prompt=ORDER, completion=completion, test=ORDER_TEST, entry_point="order")


def programs(facts: Mapping[str, Any]) -> dict[str, Program]:
    """Every attack by its name, on these surroundings."""
    doers = {name: add(doing(text, facts)) for name, text in (attacks("using_up") | attacks("escapes")).items()}
    gamers = {name: add(f"{text}\n") for name, text in attacks("gaming").items()}
    return gamers | {name: order(f"{text}\n") for name, text in attacks("gaming_order").items()} | doers
