"""What the licences of the sources say of a mix: which forbid commerce or change, and which are not known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

UNKNOWN: Final = "LicenseRef-unknown"
"""The licence of a source that names none."""

_MARKS: Final = {
    "NC": "non-commercial",
    "RESEARCH": "research",
    "ND": "no-derivatives",
    "PRIVATE": "private",
    "UNKNOWN": "unknown",
}
"""Words of an SPDX identifier, or of a LicenseRef of ours, and the restriction that each stands for."""

_WARNINGS: Final = {
    "non-commercial": "forbids commercial use",
    "research": "is for research only",
    "no-derivatives": "forbids changed copies, so the mix must not be passed on",
    "private": "is private, so the mix must not be passed on unless its owner says so; say licence: if it has another",
    "unknown": "has no known licence, so the mix must not be passed on; say licence: where it is your own file",
}


def restrictions(licence: str) -> list[str]:
    """The restrictions that the words of a licence (SPDX, or a LicenseRef) stand for."""
    words = licence.upper().split("-")
    return [restriction for mark, restriction in _MARKS.items() if mark in words]


def warnings(licences: Mapping[str, str]) -> list[str]:
    """A sentence for each restriction of each entry, from the licences by entry name."""
    return [f"{name} ({licence}) {_WARNINGS[found]}" for name, licence in licences.items() for found in restrictions(licence)]
