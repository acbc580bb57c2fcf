"""Listings: what a hub is asked, what is kept of its answers, and what is used offline."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from huggingface_hub import hf_hub_download

from data_mix.errors import FetchError
from data_mix.home import datamix_home
from data_mix.source import RawFile
from fetching import LARGE, REPO, fetch, fetch_url, make_fetcher, resolve, url_of
from hub_server import HubServer


def test_a_branch_is_asked_for_once_by_all_threads(hub: HubServer) -> None:
    """One fetcher makes one request per repository, however many files are named at a time."""
    for number in range(8):
        hub.put(REPO, f"{number}.jsonl", b"{}")
    fetcher = make_fetcher()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: resolve(f"{number}.jsonl", fetcher), range(8)))
    assert len(hub.requests) == 1


def test_a_branch_that_moved_is_seen_by_the_next_fetcher(hub: HubServer) -> None:
    """Without a pinned revision a build takes what the branch holds today."""
    hub.put(REPO, "a.jsonl", b"old")
    assert fetch("a.jsonl") == b"old"
    hub.put(REPO, "a.jsonl", b"new")
    assert fetch("a.jsonl") == b"new"


def test_a_pinned_file_that_is_kept_needs_no_request(hub: HubServer) -> None:
    """The second build from a pinned commit does not ask the hub anything."""
    hub.put(REPO, "a.jsonl", b"{}")
    commit = resolve("a.jsonl").commit
    fetch("a.jsonl", revision=commit)
    hub.requests.clear()
    assert fetch("a.jsonl", revision=commit) == b"{}"
    assert resolve("a.jsonl", revision=commit).is_cached
    assert not hub.requests


def test_a_long_list_of_files_is_read_page_by_page(hub: HubServer) -> None:
    """A repository of more files than a hub lists in one answer is listed whole."""
    for number in range(1001):
        hub.put(REPO, f"{number:04}.txt", b"")
    hub.page = 400
    assert len(make_fetcher().list_files(REPO, None)) == 1001
    assert len(hub.requests) == 1 + 3


def test_a_damaged_list_is_asked_for_again(hub: HubServer) -> None:
    """What is kept of a commit and cannot be read counts as not kept."""
    hub.put(REPO, "a.jsonl", b"{}")
    commit = resolve("a.jsonl").commit
    for kept in (datamix_home() / "hub").rglob("*.json"):
        kept.write_bytes(b"[[")
    assert resolve("a.jsonl", revision=commit).size == 2


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"<html>", "not JSON"),
        (b"[]", "no hub's list"),
        (b'{"sha": "%s", "siblings": ["a"]}' % (b"0" * 40), "no hub's list"),
        (b'{"sha": "%s", "siblings": [{"rfilename": "a", "size": "x"}]}' % (b"0" * 40), "no hub's list"),
        (b'{"sha": null, "siblings": []}', "40 hexadecimal"),
        (b'{"sha": "../../x", "siblings": []}', "40 hexadecimal"),
        (b'{"sha": "%s", "siblings": [{"rfilename": "../x", "size": 1}]}' % (b"0" * 40), "inside the repository"),
    ],
)
def test_an_answer_that_is_no_hubs_is_refused(hub: HubServer, body: bytes, what: str) -> None:
    """What a server says is held against what a hub may say, and never becomes a path."""
    hub.fail("/revision/main", status=200, body=body)
    with pytest.raises(FetchError, match=what):
        resolve("a.jsonl")


@pytest.mark.parametrize("repo", ["../x/y", "a/b/c", "", "a b"])
def test_a_repository_of_an_impossible_name_is_refused(hub: HubServer, repo: str) -> None:
    """A name that no hub knows is an error without a request, and never becomes a path."""
    with pytest.raises(FetchError, match=r"wanted owner/name|does not exist|is a folder"):
        make_fetcher().resolve(RawFile(repo=repo, path="nothing.jsonl"))
    assert not hub.requests


def test_offline_uses_what_is_kept(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With HF_HUB_OFFLINE a branch means what it last meant, and no request is made."""
    hub.put(REPO, "a.parquet", LARGE)
    hub.put(REPO, "b.txt", LARGE)
    assert (fetch("a.parquet"), fetch_url(url_of(hub, "b.txt"))) == (LARGE, LARGE)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.requests.clear()
    assert (fetch("a.parquet"), fetch_url(url_of(hub, "b.txt"))) == (LARGE, LARGE)
    assert not hub.requests


def test_offline_says_what_is_missing(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository, a file or a URL that is not kept is an error that names the setting."""
    hub.put(REPO, "a.parquet", LARGE)
    remote = resolve("a.parquet")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for attempt in (lambda: make_fetcher().fetch(remote), lambda: fetch_url("http://127.0.0.1:9/x")):
        with pytest.raises(FetchError, match="not cached, and HF_HUB_OFFLINE is set"):
            attempt()
    with pytest.raises(FetchError, match="other/name@main is not cached"):
        make_fetcher().list_files("other/name", None)


def test_offline_uses_what_huggingface_hub_downloaded(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository that only the cache of huggingface_hub holds can be built from without network."""
    hub.put(REPO, "data/a.parquet", LARGE)
    hf_hub_download(REPO, "data/a.parquet", repo_type="dataset", cache_dir=tmp_path / "hf" / "hub", endpoint=hub.url)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    remote = resolve("data/*.parquet")
    assert remote.sha256 == hashlib.sha256(LARGE).hexdigest()
    assert fetch("data/a.parquet") == LARGE
