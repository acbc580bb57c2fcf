"""What a reply in words gives as its answer, and whether that is the right one."""

from __future__ import annotations

import re
from typing import Final

_SAID: Final = re.compile(r"[Tt]he answer is (.*)")
_SAID_IN_CHAT: Final = re.compile(r"the (?:correct |right |final )?answer is:?\**\s*(?=(\S[^\n]*))", re.IGNORECASE)
_OPTION: Final = re.compile(r"\((?P<a>[A-Z])\)|(?P<b>[A-Z])(?=[).:]|$)")
_WRAPPING: Final = " \t*`\"'$"


def _trimmed(answer: str) -> str:
    """An answer without blanks around it and without the full stop that ends its sentence."""
    return answer.strip().removesuffix(".").rstrip()


def answer_in(text: str) -> str:
    """What a chain of thought gives as its answer: the rest of the line after the first "the answer is"; empty if nothing."""
    said = _SAID.search(text)
    return _trimmed(said[1]) if said else ""


def answer_in_chat(text: str) -> str:
    """What a reply gives as its answer: after the last "the answer is", else its last line, without quotes and bold type."""
    said = [found[1] for found in _SAID_IN_CHAT.finditer(text)] or text.strip().splitlines() or [""]
    return said[-1].strip(_WRAPPING).removesuffix(".").strip(_WRAPPING)


def is_same_in_chat(said: str, target: str) -> bool:
    """Whether a reply's answer means the target: the letter of an option however it is written, else the same words."""
    if re.fullmatch(r"\([A-Z]\)", target):
        option = _OPTION.match(said)
        return bool(option) and target[1] in option.groups()  # type: ignore[union-attr]
    return said.casefold() == target.casefold()
