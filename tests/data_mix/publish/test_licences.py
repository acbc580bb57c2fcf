"""Which licences stop a public repository."""

from __future__ import annotations

from typing import Any

import pytest

from data_mix.errors import PublishError
from data_mix.publish.licences import check_public, licence_stops


def manifest(source: str, said: str, **options: Any) -> dict[str, Any]:
    """The manifest of a mix of one entry."""
    about = {"source": source, "licence": said, "rows": {"kept": {"train": 1, "validation": 0}}}
    return {"mix": {"datasets": [{"mine": options}]}, "sources": {"mine": about}}


@pytest.mark.parametrize("licence", ["CC-BY-ND-4.0", "LicenseRef-unknown", "LicenseRef-private", "NOASSERTION"])
def test_what_must_not_be_passed_on_stops(licence: str) -> None:
    """No derivatives, unknown and private stop a mix, with the entry and what to do."""
    [sentence] = licence_stops(manifest("own", licence))
    assert sentence.startswith(f"mine ({licence}) ")
    assert "--without mine" in sentence
    with pytest.raises(PublishError, match="o/n must not be public: mine"):
        check_public([sentence], "o/n")


@pytest.mark.parametrize("licence", ["MIT", "CC-BY-NC-4.0", "CC-BY-SA-3.0", "LicenseRef-WMT19-research"])
def test_what_may_be_passed_on_does_not_stop(licence: str) -> None:
    """Licences that ask for something else let a mix pass."""
    assert licence_stops(manifest("own", licence)) == []


def test_a_declared_licence_counts_for_a_file_of_ones_own() -> None:
    """For one's own file, and a data set of the hub, what the mix says is the licence; for a source's data upstream's is."""
    assert licence_stops(manifest("conversations", "MIT", licence="MIT", input_file_path="mine.jsonl")) == []
    assert licence_stops(manifest("hub", "MIT", licence="MIT", repo="o/n")) == []
    [sentence] = licence_stops(manifest("ted_trans_{a}-{b}", "MIT", licence="MIT", input_file_path=None))
    assert "CC-BY-NC-ND-4.0" in sentence
    assert licence_stops(manifest("webgpt", "MIT", licence="MIT"))
