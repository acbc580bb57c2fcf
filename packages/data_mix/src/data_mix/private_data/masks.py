"""Placeholders: what is written in the place of private data.

`[email-3f2a91]` is the kind and 24 bits of a keyed hash (BLAKE2b) of the value, so that a value is given the same placeholder
wherever it stands in a build, in whatever order and by whatever worker, and a conversation that names it twice still
says so. No template has a control token of that form, and square brackets join nothing around them to one.

What the hash gives away. 24 bits are many to one: some 600 of all telephone numbers of ten digits share a placeholder, so
none can be found again by trying all of them. But whoever has a *short list* of people can tell with near certainty that
one of them is not in the data, or may well be. Against that only a key helps that the reader does not have: the option
`mask_key`. Without it the key is known to all, since a build must give the same bytes everywhere. Two values may share a
placeholder: of a thousand values, with a chance of 3 in 100.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

_BYTES: Final = 3
_KNOWN_KEY: Final = "data_mix"
"""The key where none is given."""


def placeholder(kind: str, value: str, key: str | None) -> str:
    """What stands for a value, in its one spelling, of a kind."""
    secret = blake2b((key or _KNOWN_KEY).encode()).digest()
    digest = blake2b(f"{kind}:{value}".encode(), key=secret, digest_size=_BYTES).hexdigest()
    return f"[{kind.replace('_', '-')}-{digest}]"


def mask_text(text: str, spans: Iterable[tuple[int, int, str]]) -> str:
    """The text with placeholders in the place of spans (first character, character behind the last, placeholder), in order."""
    pieces, done = [], 0
    for start, end, mask in spans:
        pieces += [text[done:start], mask]
        done = end
    return "".join([*pieces, text[done:]])
