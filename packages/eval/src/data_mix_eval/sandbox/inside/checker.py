"""Runs the test of a problem against a function that lives in another process.

The test sees a proxy. What the function is called with is copied over, and what comes back is plain data, so the code of the
model cannot reach the test, its verdict or the values that it compares.
"""

from __future__ import annotations

import builtins
import secrets
import select
from dataclasses import dataclass
from typing import Any

from data_mix_eval.sandbox.inside.wire import Wire, WireError, decode, encode
from data_mix_eval.sandbox.inside.worker import PASSED, describe, name_and_text


class RaisedError(Exception):
    """The function raised something that is no exception of Python's own; says what."""


@dataclass
class Proxy:
    """Stands in for the function; called like it."""

    wire: Wire
    answered: int = 0
    broken: str = ""
    """How the other side broke the rules, if it did; a test that swallows exceptions cannot hide it."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Ask the other process; raises what it raised."""
        number = secrets.token_hex(8)
        self.expect_silence()
        self.wire.send({"id": number, "arguments": encode(arguments), "options": encode(options)})
        reply = self.receive()
        if reply.get("id") != number:
            raise self.breach("it answered a call that was not made")
        self.answered += 1
        if "raised" in reply:
            raise raised(str(reply["raised"]), str(reply.get("text", "")))
        return self.value(reply)

    def value(self, reply: dict[str, Any]) -> Any:
        """The answer in a reply."""
        try:
            return decode(reply.get("value", ()))
        except WireError as error:
            raise self.breach(str(error)) from None

    def receive(self) -> dict[str, Any]:
        """The next message of the other process."""
        try:
            reply = self.wire.receive()
        except WireError as error:
            raise self.breach(str(error)) from None
        if not isinstance(reply, dict):
            raise self.breach("it wrote something that is no message")
        return reply

    def expect_ready(self) -> None:
        """Wait until the function is defined."""
        reply = self.receive()
        if "failed" in reply:
            raise RaisedError(str(reply["failed"]))

    def expect_clean(self) -> None:
        """At the end: calls were answered, and no rule was broken, even if the test swallowed what that raised."""
        if self.broken or not self.answered:
            raise WireError(self.broken or "the test made no call")

    def expect_silence(self) -> None:
        """Between calls nothing is said."""
        if self.wire.unread or select.select([self.wire.source], [], [], 0)[0]:
            raise self.breach("it spoke without being asked, or its process has ended")

    def breach(self, what: str) -> WireError:
        """Note that the rules were broken, for good."""
        self.broken = self.broken or what
        return WireError(what)


def raised(name: str, text: str) -> Exception:
    """The exception as the test would have seen it, where it is one of Python's own."""
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, AssertionError):
        try:
            return kind(text)
        except TypeError:  # UnicodeError's kinds want five arguments
            pass
    return RaisedError(name_and_text(name, text))


def check(job: dict[str, Any], wire: Wire) -> dict[str, str]:
    """The verdict: outcome and reason."""
    proxy = Proxy(wire)
    try:
        namespace = prepare(job)
    except BaseException as error:  # the problem is at fault, whatever it throws
        return {"outcome": "error", "reason": f"the problem itself fails: {describe(error)}"}
    try:
        run_test(job, namespace, proxy)
    except (WireError, RaisedError) as error:
        return {"outcome": "failed", "reason": proxy.broken or str(error)}
    except BaseException as error:  # a test says no by any exception
        return {"outcome": "failed", "reason": proxy.broken or describe(error)}
    return {"outcome": PASSED, "reason": ""}


def run_test(job: dict[str, Any], namespace: dict[str, Any], proxy: Proxy) -> None:
    """Run the test; comes back only if it passes."""
    proxy.expect_ready()
    namespace[job["entry_point"]] = proxy  # some tests call the function by its name
    exec(compile(job["test"], "<test>", "exec"), namespace)
    namespace["check"](proxy)
    proxy.expect_clean()


def prepare(job: dict[str, Any]) -> dict[str, Any]:
    """What the prompt defines: helpers that a test may use."""
    namespace: dict[str, Any] = {}
    prompt = job["prompt"]
    try:
        code = compile(prompt, "<prompt>", "exec")
    except SyntaxError:  # a head without a body, where there is no docstring
        code = compile(f"{prompt}\n    pass\n", "<prompt>", "exec")
    exec(code, namespace)
    return namespace
