"""What a hub of the tests remembers of a request, and what it may be told to do wrong."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Fault:
    """What goes wrong with the next `times` requests whose path ends with `path`."""

    path: str
    times: int = 1
    method: str = "GET"
    status: int | None = None
    """Nothing but this status, `headers` and `body` is answered."""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: int | None = None
    """The body ends after so many bytes."""
    etag: str | None = None
    wrong: bool = False
    """The first byte of the body is another."""
    pause: float = 0.0
    """Seconds between two blocks of 64 KiB of the body."""
    without_range: bool = False
    """The whole file is sent where a range was asked for."""


@dataclass
class Request:
    """A request that the server has had."""

    method: str
    path: str
    range: str | None
    token: str | None
    sent: int = 0
    """Bytes of the body that went out."""
