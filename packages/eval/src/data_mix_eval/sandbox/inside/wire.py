"""What crosses between processes: one JSON line per message, values with their types, nothing that runs.

Only plain data can be said. A subclass is sent as its base, by methods of the base; anything else arrives as `Opaque`. So an
answer that is equal to everything, or finds out when it is compared, does not get across.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

CHUNK: Final = 1 << 16


class WireError(Exception):
    """The other side said something that is no message, or nothing more."""


class Opaque:
    """A value that is no plain data: equal to nothing, different from nothing, neither true nor false."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __eq__(self, _: object) -> bool:
        return False

    def __ne__(self, _: object) -> bool:
        return False

    def __bool__(self) -> bool:
        raise TypeError(f"a value of type {self.kind} is neither true nor false here")


def encode(value: Any) -> Any:
    """A value as JSON can hold it, with its type."""
    if value is None or isinstance(value, bool):
        return value
    for base, (tag, encoder) in ENCODERS.items():
        if isinstance(value, base):
            return [tag, encoder(value)]
    return ["opaque", type(value).__name__[:80]]


def _encode_dict(value: dict[Any, Any]) -> list[list[Any]]:
    return [[encode(key), encode(item)] for key, item in dict.items(value)]


def _parts(value: complex) -> list[str]:
    return [float.hex(value.real), float.hex(value.imag)]


def _encode_each(iterate: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    return lambda value: [encode(item) for item in iterate(value)]


ENCODERS: Final[dict[type, tuple[str, Callable[[Any], Any]]]] = {
    int: ("int", lambda value: int.__format__(value, "x")),  # hexadecimal, which has no limit of digits
    float: ("float", float.hex),
    complex: ("complex", lambda value: _parts(complex.__pos__(value))),
    str: ("str", str.__str__),
    bytes: ("bytes", bytes.hex),
    bytearray: ("bytearray", bytearray.hex),
    list: ("list", _encode_each(list.__iter__)),
    tuple: ("tuple", _encode_each(tuple.__iter__)),
    set: ("set", _encode_each(set.__iter__)),
    frozenset: ("frozenset", _encode_each(frozenset.__iter__)),
    dict: ("dict", _encode_dict),
}


def decode(message: Any) -> Any:
    """The plain value; raises WireError for what `encode` never says."""
    if message is None or isinstance(message, bool):
        return message
    try:
        tag, content = message
        return DECODERS[tag](content)
    except (TypeError, ValueError, LookupError, OverflowError, AttributeError, RecursionError) as error:
        raise WireError("an answer is not in the form that was agreed on") from error


def _decode_each(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda content: make([decode(item) for item in content])


DECODERS: Final[dict[str, Callable[[Any], Any]]] = {
    "int": lambda content: int(content, 16),
    "float": float.fromhex,
    "complex": lambda content: complex(float.fromhex(content[0]), float.fromhex(content[1])),
    "str": lambda content: str.__add__(content, ""),
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "list": _decode_each(list),
    "tuple": _decode_each(tuple),
    "set": _decode_each(set),
    "frozenset": _decode_each(frozenset),
    "dict": lambda content: {decode(key): decode(item) for key, item in content},
    "opaque": lambda content: Opaque(str.__add__(content, "")),
}


@dataclass
class Wire:
    """One side of a conversation over two pipes."""

    source: int
    sink: int
    limit: int
    """The longest line that is read, in bytes."""
    unread: bytes = b""

    def send(self, message: Any) -> None:
        """Write one line; raises WireError where nobody is left to read it."""
        rest = memoryview(json.dumps(message).encode() + b"\n")
        try:
            while rest:
                rest = rest[os.write(self.sink, rest) :]
        except BrokenPipeError:
            raise WireError("its process has ended") from None

    def receive(self) -> Any:
        """Wait for one line; raises WireError for the end, a line that is too long, one that is not JSON."""
        line = self._line()
        try:
            return json.loads(line)
        except (ValueError, RecursionError):
            raise WireError("it wrote something that is no message") from None

    def _line(self) -> bytes:
        piece, end, self.unread = self.unread.partition(b"\n")
        pieces, length = [piece], len(piece)
        while not end:
            part = os.read(self.source, CHUNK)
            if not part:
                raise WireError("its process has ended")
            piece, end, self.unread = part.partition(b"\n")
            pieces.append(piece)
            length += len(piece)
            if length > self.limit:
                raise WireError(f"it wrote more than {self.limit} bytes at once")
        return b"".join(pieces)
