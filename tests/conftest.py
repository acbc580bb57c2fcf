"""What all tests share: a hub on loopback, and the folder of real files where there is one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # before huggingface_hub reads it: else it asks its own hub for a list
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch reads it: workers that share cores wait for each other

from hub_server import HubServer

SHARED = Path(__file__).parent.parent.parent / "shared"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """An empty hub; $HF_ENDPOINT names it, and every cache is a folder of this test's own."""
    for name in ("HF_TOKEN", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_HUB_DOWNLOAD_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.setenv("DATAMIX_HOME", str(tmp_path / "home"))
    (tmp_path / "hub" / "datasets").mkdir(parents=True)
    with HubServer(tmp_path / "hub") as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real files beside the repository."""
    if not SHARED.is_dir():
        pytest.skip("needs real files in ../shared, beside the repository; there are none")
    return SHARED
