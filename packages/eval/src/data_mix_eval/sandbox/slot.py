"""One place where programs run, one after the other: a keeper for the code, a keeper for the test."""

from __future__ import annotations

import fcntl
import json
import os
import select
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from io import FileIO
from typing import Any, Final, Self, get_args

from data_mix.errors import SandboxError
from data_mix_eval.sandbox.backends import BackEnd, KeeperPlan
from data_mix_eval.sandbox.program import Outcome, Program, Verdict
from data_mix_eval.sandbox.users import User

PATIENCE: Final = 60.0
"""Seconds within which a keeper starts, or does what it is asked, on a machine however busy."""
VERDICT_BYTES: Final = 1 << 16
REASON_LENGTH: Final = 200


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How one run ended."""

    outcome: Outcome
    reason: str
    seconds: float


@contextmanager
def refusing(control: socket.socket) -> Iterator[None]:
    """Turn what the system says against starting a program into a SandboxError."""
    try:
        yield
    except OSError as error:
        control.close()
        raise SandboxError(f"a process of the sandbox cannot be started: {error}") from None


class KeeperLink:
    """A keeper and the line to it."""

    def __init__(self, plan: KeeperPlan, environment: Mapping[str, str], users: Sequence[User]) -> None:
        self.control, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(PATIENCE)
        user = {} if plan.uid is None else {"user": plan.uid, "group": plan.uid, "extra_groups": []}
        with far, refusing(self.control):
            self.process = subprocess.Popen(
                [*plan.command, str(far.fileno()), json.dumps(plan.setting)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=dict(environment),
                pass_fds=[far.fileno(), *(user.claim.fileno() for user in users)],
                start_new_session=True,
                cwd="/",
                **user,  # type: ignore[call-overload]
            )

    def expect_done(self) -> None:
        """Wait for its answer; raises SandboxError, with its last words, where it has ended."""
        try:
            answer = self.control.recv(64)
        except (TimeoutError, ConnectionError):
            answer = b""
        if answer != b"done":
            self.process.kill()
            words = self.process.communicate()[1].decode(errors="replace").strip().splitlines()
            raise SandboxError(f"a process of the sandbox ended: {words[-1] if words else 'without a word'}")

    def begin(self, *files: FileIO) -> None:
        """Start a child that has these."""
        self._ask(b"begin", [file.fileno() for file in files])

    def end(self) -> None:
        """End its children; comes back when none is left."""
        self._ask(b"end", [])

    def _ask(self, request: bytes, descriptors: list[int]) -> None:
        with suppress(ConnectionError):  # what it died of is told below
            socket.send_fds(self.control, [request], descriptors)
        self.expect_done()

    def close(self) -> None:
        """Send it home: it ends its children and goes."""
        self.control.close()
        try:
            self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()


@dataclass(frozen=True)
class Slot:
    """Both keepers of one place."""

    workers: KeeperLink
    checkers: KeeperLink
    seconds: float

    @classmethod
    def start(cls, back_end: BackEnd, users: Sequence[User]) -> Self:
        """Start the keepers, as two users or, without users, as who we are; raises SandboxError where they cannot be."""
        worker, checker = [user.uid for user in users] or (None, None)
        environment = back_end.room.environment
        with ExitStack() as started:
            workers = KeeperLink(back_end.plan(worker), environment, users)
            started.callback(workers.close)
            checkers = KeeperLink(back_end.plan(checker), environment, users)
            started.pop_all()
        return cls(workers, checkers, back_end.limits.seconds)

    def expect_ready(self) -> None:
        """Wait until both keepers have started; raises SandboxError where they cannot."""
        self.workers.expect_done()
        self.checkers.expect_done()

    def close(self) -> None:
        """End both keepers and all that they started."""
        self.workers.close()
        self.checkers.close()

    def run(self, program: Program) -> Verdict:
        """Judge one program both ways."""
        strict, compat = self.run_split(program), self.run_whole(program)
        return Verdict(
            strict=strict.outcome == "passed",
            compat=compat.outcome == "passed",
            outcome=strict.outcome,
            reason=strict.reason,
            seconds=max(strict.seconds, compat.seconds),
        )

    def run_split(self, program: Program) -> Ending:
        """The code in one process, the test in another."""
        common = {"prompt": program.prompt, "entry_point": program.entry_point}
        with ExitStack() as ours:
            (calls, asks), (replies, answers), (verdicts, verdict) = pipe(ours), pipe(ours), pipe(ours)
            code = job(common | {"kind": "serve", "completion": program.completion}, ours)
            test = job(common | {"kind": "check", "test": program.test}, ours)
            begun = time.monotonic()
            self.workers.begin(code, answers, calls)
            self.checkers.begin(test, verdict, replies, asks)
            for each in (calls, asks, replies, answers, verdict):
                each.close()
            return self._await(verdicts, begun)

    def run_whole(self, program: Program) -> Ending:
        """Code and test in one process."""
        with ExitStack() as ours:
            verdicts, verdict = pipe(ours)
            begun = time.monotonic()
            self.workers.begin(job({"kind": "whole", **asdict(program)}, ours), verdict)
            verdict.close()
            return self._await(verdicts, begun)

    def probe(self, facts: Mapping[str, Any]) -> dict[str, str] | None:
        """What gets through of what must not, tried from where code runs; None where there was no answer."""
        with ExitStack() as ours:
            answers, answer = pipe(ours)
            self.workers.begin(job({"kind": "probe", **facts}, ours), answer)
            answer.close()
            line = read_line(answers, time.monotonic() + PATIENCE)
            self.workers.end()
        return json.loads(line) if line else None

    def _await(self, verdicts: FileIO, begun: float) -> Ending:
        line = read_line(verdicts, begun + self.seconds)
        self.workers.end()
        self.checkers.end()
        seconds = time.monotonic() - begun
        if line is None:
            return Ending(outcome="timed_out", reason=f"not done after {self.seconds:g} s", seconds=seconds)
        outcome, reason = read_verdict(line)
        return Ending(outcome=outcome, reason=reason, seconds=seconds)


def pipe(ours: ExitStack) -> tuple[FileIO, FileIO]:
    """Both ends of a pipe, the reading one first."""
    reads, writes = os.pipe()
    return ours.enter_context(FileIO(reads, "r")), ours.enter_context(FileIO(writes, "w"))


def job(content: Mapping[str, Any], ours: ExitStack) -> FileIO:
    """A file in memory that nobody can change any more."""
    file = ours.enter_context(FileIO(os.memfd_create("job", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), "w"))
    rest = memoryview(json.dumps(content).encode())
    while rest:
        rest = rest[file.write(rest) :]
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
    return file


def read_line(source: FileIO, deadline: float) -> bytes | None:
    """The first line, or what there was of it at the end; None where the time is over first."""
    poll = select.poll()
    poll.register(source, select.POLLIN)
    line = b""
    while b"\n" not in line and len(line) < VERDICT_BYTES:
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            return None
        part = source.read(VERDICT_BYTES)
        if not part:
            break
        line += part
    return line.partition(b"\n")[0]


def read_verdict(line: bytes) -> tuple[Outcome, str]:
    """Outcome and reason; in a run of code and test together the code may have written anything."""
    try:
        message = json.loads(line)
        outcome, reason = message["outcome"], message["reason"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return "failed", "its process ended without a verdict"
    if outcome not in get_args(Outcome):
        return "failed", "its verdict is none"
    return outcome, " ".join("".join(each if each.isprintable() else " " for each in str(reason)[:REASON_LENGTH]).split())
