"""Language tags (BCP-47): reading, writing and matching them.

`pt` finds `pt-BR`, `uk` finds `uk-UA`, `zh` finds `zh-CN` and `zh-TW`; a longer tag finds itself and what is longer still.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

from data_mix.errors import ConfigError
from data_mix.schema import UNKNOWN_LANGUAGE

# fmt: off
LANGUAGES: Final = (
    "bg", "ca", "cs", "da", "de", "en", "es", "fr", "hr", "hu", "it", "nl", "pl",
    "pt", "ro", "ru", "sl", "sr", "sv", "uk", "zh", "ja", "th", "ko", "zh-TW",
)
# fmt: on
"""The languages of the reference mix, and traditional Chinese, in the canonical spelling."""

CONFUSABLE: Final = (frozenset({"hr", "sr", "bs"}), frozenset({"da", "no", "nb", "nn"}), frozenset({"ca", "es"}))
"""Languages so alike that a guess at one is no proof against another."""

_TAG: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
_SCRIPT, _REGION = 4, 2


def is_tag(text: str) -> bool:
    """Whether the text has the form of a language tag (`pt`, `pt-BR`, `zh_tw`); nobody asks whether such a language exists."""
    return _TAG.fullmatch(text.replace("_", "-")) is not None


def normalise_tag(tag: str) -> str:
    """The tag in BCP-47's canonical case: `ZH_tw` → `zh-TW`, `sr-latn-rs` → `sr-Latn-RS`. What is no tag gives `und`."""
    if not is_tag(tag):
        return UNKNOWN_LANGUAGE
    first, *rest = tag.replace("_", "-").split("-")
    return "-".join([first.lower(), *(_canonical(part) for part in rest)])


def _canonical(part: str) -> str:
    """A subtag after the first: Script, REGION or variant."""
    if len(part) == _SCRIPT and part.isalpha():
        return part.title()
    return part.upper() if len(part) == _REGION else part.lower()


def base(tag: str) -> str:
    """The language alone: `pt` of `pt-BR`."""
    return normalise_tag(tag).split("-", 1)[0]


def matches(tag: str, wanted: Collection[str]) -> bool:
    """Whether one of the wanted tags is the tag or a beginning of it, whole subtags compared, case and `_` ignored."""
    parts = tag.lower().replace("_", "-").split("-")
    return any(parts[: len(want)] == want for want in (w.lower().replace("_", "-").split("-") for w in wanted))


def confusable(tag: str) -> frozenset[str]:
    """The languages that a text in this one is easily taken for, itself among them, regions left aside."""
    language = base(tag)
    return frozenset({language}).union(*(group for group in CONFUSABLE if language in group))


def parse_languages(value: str | Iterable[str]) -> tuple[str, ...]:
    """The tags of a list, or of a string with commas, in canonical case, each once, in the order given.

    Raises ConfigError on what is no tag.
    """
    names = [name.strip() for name in (value.split(",") if isinstance(value, str) else value)]
    for name in names:
        if not is_tag(name):
            raise ConfigError(f"{name!r} is no language tag; write tags like en or pt-BR, separated by commas")
    return tuple(dict.fromkeys(normalise_tag(name) for name in names))
