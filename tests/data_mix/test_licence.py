"""What the licences of the sources say of a mix."""

import pytest

from data_mix.licence import from_hub, restrictions, warnings


@pytest.mark.parametrize(
    ("licence", "found"),
    [
        ("MIT", []),
        ("Apache-2.0", []),
        ("CC-BY-SA-3.0", []),
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
