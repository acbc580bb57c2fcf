"""What the Hub takes for a language and for a size.

https://github.com/huggingface/hub-docs/blob/main/datasetcard.md says what the front matter of a card may hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from data_mix.language import base
from data_mix.schema import UNKNOWN_LANGUAGE

SIZES: Final = (
    *("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M"),
    *("100M<n<1B", "1B<n<10B", "10B<n<100B", "100B<n<1T", "n>1T"),
)
"""The Hub's size categories, by rows."""


def size_category(rows: int) -> str:
    """The category of so many rows."""
    return next((name for place, name in enumerate(SIZES[:-1]) if rows < 1_000 * 10**place), SIZES[-1])


@cache
def language_codes() -> frozenset[str]:
    """The codes of languages that the Hub knows: the shortest of ISO 639-1 and 639-3."""
    lines = files("data_mix").joinpath("vocabulary/languages.txt").read_text(encoding="utf8").splitlines()
    return frozenset(code for line in lines if not line.startswith("#") for code in line.split())


def languages_of(manifest: Mapping[str, Any]) -> list[str]:
    """The languages of the kept rows as the Hub has them, sorted: no region or script, no unknown one."""
    tags = {base(tag) for source in manifest["sources"].values() for tag in source["languages"]}
    return sorted((tags - {UNKNOWN_LANGUAGE}) & language_codes())
