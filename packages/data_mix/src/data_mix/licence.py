"""What the licences of the sources say of a mix: what each asks or forbids, whether it may be passed on, and under which.

Licences are SPDX expressions (https://spdx.org/licenses), or a LicenseRef of ours; the Hub has identifiers of its own for some
(`vocabulary/hub_licences.txt`). Restrictions are read off the words of an identifier, nobody's text is interpreted.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

UNKNOWN: Final = "LicenseRef-unknown"
"""The licence of a source that names none."""

OTHER: Final = "other"
"""The Hub's identifier for a licence that it has none for."""

_MARKS: Final = {
    "NC": "non-commercial",
    "NONCOMMERCIAL": "non-commercial",
    "RESEARCH": "research",
    "AMLR": "research",
    "ND": "no-derivatives",
    "PRIVATE": "private",
    "UNKNOWN": "unknown",
    "OTHER": "unknown",
    "NOASSERTION": "unknown",
    "NONE": "unknown",
    **dict.fromkeys(("SA", "GPL", "AGPL", "LGPL", "GFDL", "ODBL", "SHARING", "EUPL", "OSL"), "share-alike"),
}
"""Words of an SPDX identifier, or of a LicenseRef of ours, and the restriction that each stands for."""

_NO_NAMES: Final = {"unknown", "other", "none"}
_HUB_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}")
_SPDX: Final = re.compile(
    r"mit|isc|cc0-1\.0|cc-by(?:-[a-z]{2}){0,2}-[0-9]\.[0-9]|(?:[al]?gpl|mpl|epl|afl|ecl|osl|ms)-[a-z0-9.]+(?:-only|-or-later)?"
)
_SPELLED: Final = {
    "apache-2.0": "Apache-2.0",
    "artistic-2.0": "Artistic-2.0",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "bsd-3-clause-clear": "BSD-3-Clause-Clear",
    "bsl-1.0": "BSL-1.0",
    "c-uda": "C-UDA-1.0",
    "cdla-permissive-1.0": "CDLA-Permissive-1.0",
    "cdla-permissive-2.0": "CDLA-Permissive-2.0",
    "cdla-sharing-1.0": "CDLA-Sharing-1.0",
    "etalab-2.0": "etalab-2.0",
    "eupl-1.1": "EUPL-1.1",
    "eupl-1.2": "EUPL-1.2",
    "ncsa": "NCSA",
    "odbl": "ODbL-1.0",
    "odc-by": "ODC-By-1.0",
    "ofl-1.1": "OFL-1.1",
    "pddl": "PDDL-1.0",
    "postgresql": "PostgreSQL",
    "unlicense": "Unlicense",
    "wtfpl": "WTFPL",
    "zlib": "Zlib",
}
"""The Hub's names and SPDX's, where they differ by more than the case."""

_WARNINGS: Final = {
    "non-commercial": "forbids commercial use",
    "research": "is for research only",
    "share-alike": "asks that what is made of it be passed on under the same licence only",
    "no-derivatives": "forbids changed copies, so the mix must not be passed on",
    "private": "is private, so the mix must not be passed on unless its owner says so; say licence: if it has another",
    "unknown": "has no known licence, so the mix must not be passed on; say licence: where it is your own file",
}
_STOPS: Final = ("no-derivatives", "private", "unknown")
"""The restrictions that forbid to pass a mix on; the others go with it."""

_SHORT: Final = {"non-commercial": "nc", "no-derivatives": "nd", "share-alike": "sa"}

_LENIENT: Final = (
    re.compile(r"cc0-1\.0|pddl|unlicense|wtfpl"),
    re.compile(r"mit|isc|bsd.*|zlib|ncsa|bsl-1\.0|postgresql|cdla-permissive-.*"),
    re.compile(r"apache-2\.0|afl-3\.0|artistic-2\.0|etalab-2\.0"),
    re.compile(r"odc-by|cc-by-.*"),
)
"""Licences of the Hub that may stand beside others, from those that ask nothing to those that ask to be named, and more."""


@dataclass(frozen=True, kw_only=True)
class MixLicence:
    """The licence of a mix as the front matter of a card says it."""

    hub: str
    """An identifier of the Hub; `other` where it has none, or where no licence of the mix has all that the others ask."""
    name: str | None = None
    """What to call it where `hub` is `other`."""
    link: str | None = None
    """Its text, where that is known and the Hub has no identifier for it."""
    restrictions: tuple[str, ...] = ()
    """All that the licences of the mix ask or forbid."""


def from_hub(named: object) -> str:
    """The SPDX expression for what a hub README says under `license`: one of the hub's names, or a list of them."""
    names = [str(name).lower() for name in (named if isinstance(named, list) else [named])]
    known = [_spdx(name) for name in names if name not in _NO_NAMES and _HUB_NAME.fullmatch(name)]
    return " AND ".join(known) if known and len(known) == len(names) else UNKNOWN


def _spdx(name: str) -> str:
    """SPDX's spelling of a name of the hub's; what SPDX does not have is a LicenseRef."""
    return _SPELLED.get(name) or (name.upper() if _SPDX.fullmatch(name) else f"LicenseRef-{name}")


def to_hub(licence: str) -> str | None:
    """The Hub's identifier of a licence; None where it has none."""
    spelled = {spdx.lower(): name for name, spdx in _SPELLED.items()}
    name = licence.lower().removeprefix("licenseref-").removesuffix("-only").removesuffix("-or-later")
    name = spelled.get(name, name)
    return name if name in hub_licences() else None


def spdx_url(licence: str) -> str | None:
    """Where SPDX describes a licence; None where SPDX does not have it."""
    name = _spdx(to_hub(licence) or licence.lower())
    written = licence if _SPDX.fullmatch(licence.lower()) else name
    return None if written.startswith("LicenseRef-") else f"https://spdx.org/licenses/{written}.html"


@cache
def hub_licences() -> frozenset[str]:
    """The identifiers that a card on the Hub may name as its licence."""
    lines = files("data_mix").joinpath("vocabulary/hub_licences.txt").read_text(encoding="utf8").splitlines()
    return frozenset(name for line in lines if not line.startswith("#") for name in line.split())


def restrictions(licence: str) -> list[str]:
    """The restrictions that the words of a licence (SPDX, or a LicenseRef) stand for; no word at all is an unknown one."""
    words = [word for word in re.split(r"[^A-Z0-9]+", licence.upper()) if word]
    found = [restriction for mark, restriction in _MARKS.items() if mark in words]
    return list(dict.fromkeys(found if words else ["unknown"]))


def warnings(licences: Mapping[str, str]) -> list[str]:
    """A sentence for each restriction of each entry, from the licences by entry name."""
    return [f"{name} ({licence}) {_WARNINGS[found]}" for name, licence in licences.items() for found in restrictions(licence)]


def redistribution(licences: Mapping[str, str]) -> list[str]:
    """Why a mix must not be passed on to everybody: a sentence for each entry and reason; empty where it may be.

    A licence that forbids changed copies stops it, and so do a private one and one that is not known. What `licence:` declares
    of a file of one's own counts like any other.
    """
    return [
        f"{sentence}{'; or' if ';' in sentence else ';'} leave it out with --without {name}"
        for name, licence in licences.items()
        for sentence in _sentences(name, licence, _STOPS)
    ]


def conditions(licences: Mapping[str, str]) -> list[str]:
    """What binds those who are given a mix: a sentence for each entry that forbids commerce, is for research or share-alike."""
    going = [restriction for restriction in _WARNINGS if restriction not in _STOPS]
    return [sentence for name, licence in licences.items() for sentence in _sentences(name, licence, going)]


def _sentences(name: str, licence: str, wanted: Collection[str]) -> list[str]:
    return [f"{name} ({licence}) {_WARNINGS[found]}" for found in restrictions(licence) if found in wanted]


def licences_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """The licences by entry of a manifest, of the entries that have a row in the build."""
    sources = manifest["sources"].items()
    return {name: source["licence"] for name, source in sources if sum(source["rows"]["kept"].values())}


def mix_licence(licences: Iterable[str]) -> MixLicence:
    """The licence of a mix of rows under these licences.

    It is the most restrictive of them where that one has every restriction that any of them has, and where no share-alike
    licence stands beside another. Otherwise it is `other`, named by the restrictions; each source keeps its own licence.
    """
    terms = sorted({term for licence in licences for term in _terms(licence)})
    asked = [restriction for restriction in _WARNINGS if any(restriction in restrictions(term) for term in terms)]
    found = terms[0] if len(terms) == 1 else _covering(terms, asked)
    hub = to_hub(found) if found else None
    if hub and hub != OTHER:
        return MixLicence(hub=hub, restrictions=tuple(asked))
    name = _slug(found) if found else "-".join(["mixed", *(_SHORT.get(restriction, restriction) for restriction in asked)])
    return MixLicence(hub=OTHER, name=name, link=spdx_url(found) if found else None, restrictions=tuple(asked))


def _terms(licence: str) -> list[str]:
    """The licences that an expression joins with AND; a choice (OR) is kept whole."""
    return [licence] if " OR " in licence else [term.strip(" ()") for term in licence.split(" AND ")]


def _covering(terms: Collection[str], asked: Collection[str]) -> str | None:
    """Of licences that may stand beside one another the one that asks all that the others ask; None where there is none."""
    lenience = {term: _strictness(term) for term in terms}
    alike = [term for term in terms if "share-alike" in restrictions(term)]
    if not terms or None in lenience.values() or len(alike) > 1:
        return None
    all_asked = [term for term in terms if set(asked) == set(restrictions(term))]
    return max(all_asked, key=lambda term: (lenience[term] or 0, term), default=None)


def _strictness(term: str) -> int | None:
    """How much a licence asks that may stand beside others; None for one that has terms of its own."""
    name = to_hub(term) or ""
    return next((place for place, names in enumerate(_LENIENT) if names.fullmatch(name)), None)


def _slug(licence: str) -> str:
    """A name for a licence that the Hub does not have."""
    name = re.sub(r"[^a-z0-9.]+", "-", licence.lower().removeprefix("licenseref-"))[:60].strip("-.")
    return name or "unnamed"
