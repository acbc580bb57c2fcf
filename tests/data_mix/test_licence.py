"""What the licences of the sources say of a mix."""

import pytest

from data_mix.licence import (
    MixLicence,
    conditions,
    from_hub,
    hub_licences,
    licences_of,
    mix_licence,
    redistribution,
    restrictions,
    spdx_url,
    to_hub,
    warnings,
)


@pytest.mark.parametrize(
    ("licence", "found"),
    [
        ("MIT", []),
        ("Apache-2.0", []),
        ("CC-BY-SA-3.0", ["share-alike"]),
        ("GPL-3.0-only", ["share-alike"]),
        ("ODbL-1.0", ["share-alike"]),
        ("CC-BY-NC-SA-4.0", ["non-commercial", "share-alike"]),
        ("LicenseRef-fair-noncommercial-research-license", ["non-commercial", "research"]),
        ("", ["unknown"]),
        ("  | ", ["unknown"]),
        ("CC-BY-NC-4.0", ["non-commercial"]),
        ("CC-BY-NC-ND-4.0", ["non-commercial", "no-derivatives"]),
        ("CC-BY-ND-4.0", ["no-derivatives"]),
        ("LicenseRef-WMT19-research", ["research"]),
        ("LicenseRef-private", ["private"]),
        ("LicenseRef-unknown", ["unknown"]),
        ("NCSA", []),
        ("MIT AND (CC-BY-NC-4.0)", ["non-commercial"]),
        ("other", ["unknown"]),
        ("NOASSERTION", ["unknown"]),
    ],
)
def test_restrictions_are_read_off_the_identifier(licence: str, found: list[str]) -> None:
    """Non-commercial, no-derivatives, research-only, private and unknown licences are known by their words."""
    assert restrictions(licence) == found


@pytest.mark.parametrize(
    ("named", "licence"),
    [
        ("mit", "MIT"),
        ("apache-2.0", "Apache-2.0"),
        ("CC-BY-NC-SA-4.0", "CC-BY-NC-SA-4.0"),
        ("cc0-1.0", "CC0-1.0"),
        ("odc-by", "ODC-By-1.0"),
        ("llama3", "LicenseRef-llama3"),
        (["mit", "cc-by-nd-4.0"], "MIT AND CC-BY-ND-4.0"),
        (["mit", "other"], "LicenseRef-unknown"),
        ("a licence | of\nmy own", "LicenseRef-unknown"),
        (None, "LicenseRef-unknown"),
        ({"name": "mit"}, "LicenseRef-unknown"),
        ([], "LicenseRef-unknown"),
    ],
)
def test_names_of_the_hub_become_spdx(named: object, licence: str) -> None:
    """The hub's lower-case names are spelled as SPDX does, several are joined, and what is no name is unknown."""
    assert from_hub(named) == licence


def test_each_restriction_of_each_entry_is_one_sentence() -> None:
    """A warning names the entry and its licence, and a free licence gives none."""
    assert warnings({"a": "MIT", "b": "CC-BY-NC-4.0"}) == ["b (CC-BY-NC-4.0) forbids commercial use"]


@pytest.mark.parametrize(
    ("licences", "hub", "name"),
    [
        (["MIT"], "mit", None),
        (["MIT", "MIT", "CC0-1.0"], "mit", None),
        (["MIT", "Apache-2.0", "BSD-3-Clause"], "apache-2.0", None),
        (["Apache-2.0", "CC-BY-4.0", "ODC-By-1.0"], "odc-by", None),
        (["MIT", "CC-BY-SA-3.0", "Apache-2.0"], "cc-by-sa-3.0", None),
        (["CC-BY-4.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0"], "cc-by-nc-sa-4.0", None),
        (["CC-BY-NC-ND-4.0", "CC-BY-NC-4.0", "MIT"], "cc-by-nc-nd-4.0", None),
        (["CC-BY-SA-3.0", "CC-BY-SA-4.0"], "other", "mixed-sa"),
        (["CC-BY-SA-3.0", "CC-BY-NC-4.0"], "other", "mixed-nc-sa"),
        (["CC-BY-ND-4.0", "CC-BY-NC-4.0"], "other", "mixed-nc-nd"),
        (["GPL-3.0-only", "CC-BY-SA-4.0"], "other", "mixed-sa"),
        (["CC-BY-SA-3.0", "Apache-2.0", "LicenseRef-WMT19-research"], "other", "mixed-research-sa"),
        (["MIT", "LicenseRef-unknown"], "other", "mixed-unknown"),
        (["LicenseRef-unknown"], "unknown", None),
        (["LicenseRef-private"], "other", "private"),
        (["LicenseRef-WMT19-research"], "other", "wmt19-research"),
        (["LicenseRef-llama3"], "llama3", None),
        (["LicenseRef-llama3", "MIT"], "other", "mixed"),
        (["MIT AND CC-BY-4.0"], "cc-by-4.0", None),
        (["MIT OR GPL-3.0"], "other", "mit-or-gpl-3.0"),
        (["my own | licence\n---\n"], "other", "my-own-licence"),
        (["!"], "other", "unnamed"),
    ],
)
def test_the_licence_of_a_mix_is_the_one_that_asks_all_that_any_asks(licences: list[str], hub: str, name: str | None) -> None:
    """One of the mix's own where it covers the others, else `other` by a name of what is asked, whatever the order."""
    found = mix_licence(licences)
    assert (found.hub, found.name) == (hub, name)
    assert mix_licence(reversed(licences)) == found
    assert found.hub in hub_licences()


def test_a_licence_that_spdx_alone_has_is_linked() -> None:
    """The Hub has no identifier for it, so the card links its text."""
    found = mix_licence(["CC-BY-NC-SA-2.5"])
    link = "https://spdx.org/licenses/CC-BY-NC-SA-2.5.html"
    assert found == MixLicence(hub="other", name="cc-by-nc-sa-2.5", link=link, restrictions=("non-commercial", "share-alike"))


@pytest.mark.parametrize("name", sorted(hub_licences() - {"other", "unknown"}))
def test_a_licence_of_the_hub_is_found_again(name: str) -> None:
    """SPDX's spelling of each of its identifiers, or the LicenseRef for it, leads back to it."""
    assert to_hub(from_hub(name)) == name


def test_a_url_is_given_for_what_spdx_has_and_nothing_else() -> None:
    """A LicenseRef, a choice and a text of one's own have none."""
    assert spdx_url("Apache-2.0") == "https://spdx.org/licenses/Apache-2.0.html"
    assert spdx_url("ODbL-1.0") == "https://spdx.org/licenses/ODbL-1.0.html"
    others = ("LicenseRef-unknown", "LicenseRef-llama3", "MIT OR Apache-2.0", "a b", "")
    assert [spdx_url(licence) for licence in others] == [None] * 5


def test_what_stops_a_publication_names_the_entry_and_the_way_out() -> None:
    """No derivatives, private and unknown stop it, each with what to do; non-commercial, research and share-alike do not."""
    licences = {"a": "CC-BY-ND-4.0", "b": "LicenseRef-unknown", "c": "LicenseRef-private", "d": "CC-BY-NC-SA-4.0", "e": "MIT"}
    stops = redistribution(licences | {"f": "LicenseRef-WMT19-research"})
    assert [stop.split(" ")[0] for stop in stops] == ["a", "b", "c"]
    assert all(stop.endswith(f"leave it out with --without {stop[0]}") for stop in stops)
    assert redistribution({"c": "Apache-2.0"}) == [], "what is declared for one's own file counts"
    going = conditions(licences | {"f": "LicenseRef-WMT19-research"})
    assert [sentence.split(" ")[0] for sentence in going] == ["d", "d", "f"]


def test_an_entry_without_a_row_binds_nobody() -> None:
    """The licences of a mix are those of the rows that are in it."""
    rows = {"one": {"train": 1, "validation": 0}, "none": {"train": 0, "validation": 0}}
    sources = {name: {"licence": name, "rows": {"kept": kept}} for name, kept in rows.items()}
    assert licences_of({"sources": sources}) == {"one": "one"}
