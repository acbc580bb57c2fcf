"""Opens the sandbox, or refuses to."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Final, Literal, Self

from data_mix.errors import SandboxError
from data_mix_eval.sandbox import users
from data_mix_eval.sandbox.backends import BackEnd, expect_parts
from data_mix_eval.sandbox.program import BackEndName, Limits, Program, Verdict, cores
from data_mix_eval.sandbox.room import make_room
from data_mix_eval.sandbox.selftest import examine_slot
from data_mix_eval.sandbox.slot import Slot

BACK_ENDS: Final[tuple[BackEndName, ...]] = ("bwrap", "landlock")
"""In the order in which they are tried."""


@dataclass(frozen=True)
class Sandbox:
    """Places where programs run. A context manager; what it started ends with it."""

    back_end: BackEndName
    is_rootless: bool
    """Whether code runs as the user who asks, for want of others."""
    folder: Path
    """The room of its processes, gone when it closes."""
    slots: Sequence[Slot]
    _undoing: ExitStack
    _free: SimpleQueue[Slot] = field(default_factory=SimpleQueue)

    def __post_init__(self) -> None:
        for slot in self.slots:
            self._free.put(slot)

    def run(self, programs: Sequence[Program]) -> list[Verdict]:
        """Judge all programs, as many at once as there are slots; verdicts in the order of the programs."""
        with ThreadPoolExecutor(len(self.slots)) as pool:
            return list(pool.map(self._run, programs))

    def _run(self, program: Program) -> Verdict:
        slot = self._free.get()
        try:
            return slot.run(program)
        finally:
            self._free.put(slot)

    def close(self) -> None:
        """End every process of the sandbox and remove its folder."""
        self._undoing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()


def open_sandbox(
    back_end: Literal["auto", "bwrap", "landlock"] = "auto", limits: Limits | None = None, slots: int | None = None
) -> Sandbox:
    """A sandbox that was found to hold; `auto` takes the first back end that does, `slots` is by default one for each core.

    Raises SandboxError, with what is missing and what to do, where none holds: then no code of a model can be run.
    """
    refusals = []
    for name in BACK_ENDS if back_end == "auto" else (back_end,):
        try:
            return open_back_end(name, limits or Limits(), slots or cores())
        except SandboxError as error:
            refusals.append(f"{name}: {error}")
    raise SandboxError(
        f"code written by a model is not run, since nothing on this machine would hold it. {'; '.join(refusals)}. "
        "datamix sandbox-check tells what holds here"
    )


def open_back_end(name: BackEndName, limits: Limits, slots: int) -> Sandbox:
    """A sandbox of one kind; raises SandboxError where it does not hold."""
    with ExitStack() as undoing:
        sandbox = open_unexamined(name, limits, slots)
        undoing.enter_context(sandbox)
        findings = examine_slot(sandbox.slots[0], limits, as_your_user=sandbox.is_rootless)
        broken = [f"{each.what} ({each.detail})" for each in findings if each.is_needed and not each.holds]
        if broken:
            raise SandboxError("these do not hold: " + ", ".join(broken))
        undoing.pop_all()
    return sandbox


def open_unexamined(name: BackEndName, limits: Limits, slots: int) -> Sandbox:
    """A sandbox of one kind, whether it holds or not; raises SandboxError where it cannot be started."""
    expect_parts(name)
    is_root = users.is_root()
    with ExitStack() as undoing:
        room = make_room(undoing, for_others=is_root)
        own = users.claim(2 * slots, undoing) if is_root else []
        back_end = BackEnd(name=name, room=room, limits=limits)
        opened = []
        for place in range(slots):
            opened.append(Slot.start(back_end, own[2 * place : 2 * place + 2]))
            undoing.callback(opened[-1].close)
        for slot in opened:
            slot.expect_ready()
        return Sandbox(name, not is_root, room.folder, opened, undoing.pop_all())
