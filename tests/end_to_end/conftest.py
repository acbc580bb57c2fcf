"""What the tests of the reference mix share."""

from __future__ import annotations

from pathlib import Path

import pytest

from reference_card import DATASETS


@pytest.fixture(scope="session")
def card(shared: Path) -> str:
    """The card's section with the user's own files where they lie beside the repository; webgpt's is one of them."""
    local = shared / "local"
    webgpt = f"- webgpt:\n      input_file_path: {local}/webgpt/comparisons.jsonl\n"
    return DATASETS.replace("input_file_path: ", f"input_file_path: {local}/").replace("- webgpt\n", webgpt)
