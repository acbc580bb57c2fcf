"""What the licences of the sources say of a mix: which forbid commerce or change, and which are not known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

UNKNOWN: Final = "LicenseRef-unknown"
"""The licence of a source that names none."""

_WARNINGS: Final = {
    "non-commercial": "forbids commercial use",
    "no-derivatives": "forbids changed copies, so the mix must not be passed on",
    "unknown": "has no known licence, so the mix must not be passed on; say licence: where it is your own file",
}


def restrictions(licence: str) -> list[str]:
    """Which of `non-commercial`, `no-derivatives`, `unknown` hold for an SPDX identifier or a LicenseRef."""
    parts = licence.upper().split("-")
    found = [name for mark, name in (("NC", "non-commercial"), ("ND", "no-derivatives")) if mark in parts]
    return [*found, "unknown"] if licence.upper() == UNKNOWN.upper() else found


def warnings(licences: Mapping[str, str]) -> list[str]:
    """A sentence for each restriction of each entry, from the licences by entry name."""
    return [f"{name} ({licence}) {_WARNINGS[found]}" for name, licence in licences.items() for found in restrictions(licence)]
