"""Pulling a published build."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pytest
from huggingface_hub import HfApi

from commands import digests
from data_mix.errors import FetchError, FormatError, OutputError, UsageError
from data_mix.publish.published import Layout
from data_mix.publish.pulling import pull, split_place
from data_mix.shards import open_build, verify
from hub_server import HubServer
from publishing import REPO, manifest_of, send, small_build


@pytest.fixture(autouse=True)
def _own_home(hub: HubServer) -> None:
    """Every test has a hub, and a cache of its own."""


@pytest.mark.parametrize("layout", ["parquet", "arrow"])
def test_what_is_pulled_is_what_was_built(hub: HubServer, tmp_path: Path, layout: Layout) -> None:
    """Every file of the build folder comes back byte for byte, manifest and card included."""
    build = small_build(tmp_path, 200)
    send(build, tmp_path, layout=layout)
    pulled = pull(REPO, tmp_path / "pulled", tmp_path / "home", workers=2)
    assert digests(tmp_path / "pulled") == digests(build.path)
    assert verify(tmp_path / "pulled") == []
    assert not pulled.was_there


def test_a_build_that_was_published_in_arrow_is_one_as_it_stands(hub: HubServer, tmp_path: Path) -> None:
    """Downloaded by the stock client, such a repository is a build folder that verifies."""
    send(small_build(tmp_path), tmp_path, layout="arrow")
    api = HfApi(endpoint=hub.url, token=False)
    folder = Path(api.snapshot_download(REPO, repo_type="dataset", local_dir=tmp_path / "snapshot"))
    assert verify(open_build(folder).path) == []


def test_datasets_loads_what_was_pulled(hub: HubServer, tmp_path: Path) -> None:
    """`load_dataset` takes the pulled folder as it takes the build's."""
    build = small_build(tmp_path)
    send(build, tmp_path)
    pull(REPO, tmp_path / "pulled", tmp_path / "home")
    rows = datasets.load_dataset(str(tmp_path / "pulled"), cache_dir=str(tmp_path / "cache"))
    assert sum(map(len, rows.values())) == 28


def test_the_same_again_fetches_nothing(hub: HubServer, tmp_path: Path) -> None:
    """A folder that holds the build is left as it is."""
    send(small_build(tmp_path), tmp_path)
    pull(REPO, tmp_path / "pulled", tmp_path / "home")
    sent = hub.sent(".parquet")
    assert pull(REPO, tmp_path / "pulled", tmp_path / "home2").was_there
    assert hub.sent(".parquet") == sent


def test_a_revision_is_pulled_by_its_tag(hub: HubServer, tmp_path: Path) -> None:
    """An earlier publication can be had by its tag or commit; it takes the place of the later one in a folder."""
    first, second = small_build(tmp_path), small_build(tmp_path, 30, out="second")
    commit = send(first, tmp_path).commit
    send(second, tmp_path)
    pull(REPO, tmp_path / "pulled", tmp_path / "home")
    assert digests(tmp_path / "pulled") == digests(second.path)
    for revision in (first.manifest["fingerprint"][:12], commit):
        pull(f"{REPO}@{revision}", tmp_path / "pulled", tmp_path / "home")
        assert digests(tmp_path / "pulled") == digests(first.path)


def test_what_was_left_out_is_not_pulled(hub: HubServer, tmp_path: Path) -> None:
    """A build without an entry verifies, and says what it lacks."""
    send(small_build(tmp_path), tmp_path, without=["two"])
    build = pull(REPO, tmp_path / "pulled", tmp_path / "home").build
    assert verify(build.path) == []
    assert list(build.manifest["sources"]) == ["one"]
    assert build.manifest["left_out"] == ["two"]


def test_a_pull_that_was_ended_goes_on(hub: HubServer, tmp_path: Path) -> None:
    """What was fetched is not fetched again, and a part that stands whole is not written again."""
    send(small_build(tmp_path), tmp_path)
    hub.fail("two-00000.parquet", status=404, times=9)
    with pytest.raises(FetchError, match="two-00000"):
        pull(REPO, tmp_path / "pulled", tmp_path / "home")
    assert not (tmp_path / "pulled/manifest.json").exists()
    hub.faults.clear()
    pull(REPO, tmp_path / "pulled", tmp_path / "home")
    assert len([each for each in hub.requests if each.path.endswith("train/one-00000.parquet")]) == 1
    part, manifest = tmp_path / "pulled/train/one-00000.arrow", tmp_path / "pulled/manifest.json"
    before = part.stat().st_ino
    manifest.unlink()
    (tmp_path / "pulled/train/two-00000.arrow").write_bytes(b"half")
    pull(REPO, tmp_path / "pulled", tmp_path / "home")
    assert part.stat().st_ino == before
    assert verify(tmp_path / "pulled") == []


def test_another_build_in_the_folder_is_replaced(hub: HubServer, tmp_path: Path) -> None:
    """A build that stands in the folder gives way, part by part that the new one lacks; files of nobody's are refused."""
    send(small_build(tmp_path), tmp_path, without=["two"])
    other = small_build(tmp_path, 50, out="other")
    pull(REPO, other.path, tmp_path / "home")
    assert verify(other.path) == []
    assert not list(other.path.rglob("two-*"))
    (tmp_path / "own").mkdir()
    (tmp_path / "own/thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds files that are no build's"):
        pull(REPO, tmp_path / "own", tmp_path / "home")


def test_what_was_changed_on_the_hub_is_refused(hub: HubServer, tmp_path: Path) -> None:
    """A data file with other bytes than the manifest fixes is an error, and no manifest is written."""
    send(small_build(tmp_path), tmp_path)
    repo, blobs = hub.storage[REPO], hub.storage.blobs
    path = "data/train/one-00000.parquet"
    repo.commit("main", repo.files() | {path: blobs.file(path, blobs.put(b"PAR1 other"))})
    with pytest.raises(FetchError, match="sha256"):
        pull(REPO, tmp_path / "pulled", tmp_path / "home")
    assert not (tmp_path / "pulled").exists()


def test_a_repository_of_something_else_is_refused(hub: HubServer, tmp_path: Path) -> None:
    """No manifest, one of another kind, a newer one, and one that leads out of the folder are each an error in one line."""
    send(small_build(tmp_path), tmp_path)
    manifest = manifest_of(hub)
    newer, outside = manifest | {"version": 99}, json.loads(json.dumps(manifest).replace("train/one", "../one"))
    cases = {"is not of a published build": {"format": "x"}, "was published with format version 99": newer}
    cases |= {"lists files that are not those of its parts": outside, "is damaged": manifest | {"published": {}}}
    for place, (said, found) in enumerate(cases.items()):
        hub.storage.create(f"o/n{place}", private=False, files={"manifest.json": json.dumps(found).encode()})
        with pytest.raises(FormatError, match=said):
            pull(f"o/n{place}", tmp_path / "pulled", tmp_path / "home")
    hub.storage.create("o/none", private=False)
    with pytest.raises(FormatError, match=r"holds no manifest\.json"):
        pull("o/none", tmp_path / "pulled", tmp_path / "home")
    assert not (tmp_path / "pulled").exists()


def test_a_repository_or_revision_that_is_not_there_is_an_error(hub: HubServer, tmp_path: Path) -> None:
    """The hub's refusal is one line."""
    hub.storage.create("o/n", private=False)
    for place in ("no/body", "o/n@nowhere"):
        with pytest.raises(FetchError):
            pull(place, tmp_path / "pulled", tmp_path / "home")


@pytest.mark.parametrize("place", ["name", "a/b/c", "a/b@"])
def test_a_place_that_is_none_is_refused(place: str) -> None:
    """A place is ORG/NAME or ORG/NAME@REVISION."""
    with pytest.raises(UsageError, match="wanted ORG/NAME"):
        split_place(place)
