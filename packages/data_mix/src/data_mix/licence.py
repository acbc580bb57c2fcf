"""What the licences of the sources say of a mix: which forbid commerce or change, and which are not known."""

from __future__ import annotations

import re
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
    "OTHER": "unknown",
    "NOASSERTION": "unknown",
    "NONE": "unknown",
}
"""Words of an SPDX identifier, or of a LicenseRef of ours, and the restriction that each stands for."""

_NO_NAMES: Final = {"unknown", "other", "none"}
_HUB_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}")
_SPDX: Final = re.compile(
    r"mit|isc|cc0-1\.0|cc-by(?:-[a-z]{2}){0,2}-[0-9]\.[0-9]|(?:[al]?gpl|mpl|epl|afl|ecl|osl|ms)-[a-z0-9.]+"
)
_SPELLED: Final = {
    "apache-2.0": "Apache-2.0",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "cdla-permissive-2.0": "CDLA-Permissive-2.0",
    "odbl": "ODbL-1.0",
    "odc-by": "ODC-By-1.0",
    "pddl": "PDDL-1.0",
}

_WARNINGS: Final = {
    "non-commercial": "forbids commercial use",
    "research": "is for research only",
    "no-derivatives": "forbids changed copies, so the mix must not be passed on",
    "private": "is private, so the mix must not be passed on unless its owner says so; say licence: if it has another",
    "unknown": "has no known licence, so the mix must not be passed on; say licence: where it is your own file",
}


def from_hub(named: object) -> str:
    """The SPDX expression for what a hub README says under `license`: one of the hub's names, or a list of them."""
    names = [str(name).lower() for name in (named if isinstance(named, list) else [named])]
    known = [_spdx(name) for name in names if name not in _NO_NAMES and _HUB_NAME.fullmatch(name)]
    return " AND ".join(known) if known and len(known) == len(names) else UNKNOWN


def _spdx(name: str) -> str:
    """SPDX's spelling of a name of the hub's; what SPDX does not have is a LicenseRef."""
    return _SPELLED.get(name) or (name.upper() if _SPDX.fullmatch(name) else f"LicenseRef-{name}")


def restrictions(licence: str) -> list[str]:
    """The restrictions that the words of a licence (SPDX, or a LicenseRef) stand for."""
    words = re.split(r"[^A-Z0-9]+", licence.upper())
    return list(dict.fromkeys(restriction for mark, restriction in _MARKS.items() if mark in words))


def warnings(licences: Mapping[str, str]) -> list[str]:
    """A sentence for each restriction of each entry, from the licences by entry name."""
    return [f"{name} ({licence}) {_WARNINGS[found]}" for name, licence in licences.items() for found in restrictions(licence)]
