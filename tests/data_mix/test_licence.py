"""What the licences of the sources say of a mix."""

import pytest

from data_mix.licence import restrictions, warnings


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
    ],
)
def test_restrictions_are_read_off_the_identifier(licence: str, found: list[str]) -> None:
    """Non-commercial, no-derivatives, research-only, private and unknown licences are known by their words."""
    assert restrictions(licence) == found


def test_each_restriction_of_each_entry_is_one_sentence() -> None:
    """A warning names the entry and its licence, and a free licence gives none."""
    assert warnings({"a": "MIT", "b": "CC-BY-NC-4.0"}) == ["b (CC-BY-NC-4.0) forbids commercial use"]
