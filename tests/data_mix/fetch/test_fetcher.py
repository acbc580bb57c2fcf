"""Fetching: what is fetched once, kept, verified, and believed later."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from huggingface_hub import hf_hub_download

from data_mix.errors import DigestError, OutputError, RawFileError
from data_mix.source import RawFile
from fetching import LARGE, REPO, bodies, fetch, fetch_url, leave_part, make_fetcher, resolve, stored, url_of
from hub_server import HubServer


def test_a_file_is_fetched_once(hub: HubServer) -> None:
    """The second build is sent no byte of the file, and is told the same."""
    hub.put(REPO, "a.parquet", LARGE)
    first = make_fetcher().fetch(resolve("a.parquet", split="train"))
    second = make_fetcher().fetch(resolve("a.parquet", split="train"))
    assert first == second
    assert (first.name, first.sha256, first.split) == ("a.parquet", hashlib.sha256(LARGE).hexdigest(), "train")
    assert first.path.read_bytes() == LARGE
    assert (bodies(hub), hub.sent()) == ([None], len(LARGE))


def test_the_same_file_of_another_commit_is_not_fetched_again(hub: HubServer) -> None:
    """What is kept is kept by its content."""
    hub.put(REPO, "a.parquet", LARGE)
    fetch("a.parquet")
    hub.put(REPO, "other.txt", b"a new commit")
    assert fetch("a.parquet") == LARGE
    assert hub.sent() == len(LARGE)


def test_threads_fetch_a_file_once(hub: HubServer) -> None:
    """Fetchers that want one file at one time fetch it once."""
    hub.put(REPO, "a.parquet", LARGE)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(fetch, ["a.parquet"] * 4)) == {LARGE}
    assert hub.sent() == len(LARGE)


def test_progress_is_told(hub: HubServer) -> None:
    """The hook hears of a name, growing bytes and their sum."""
    heard: list[tuple[str, int, int]] = []
    hub.put(REPO, "a.parquet", LARGE)
    remote = resolve("a.parquet")
    make_fetcher(notify=lambda *what: heard.append(what)).fetch(remote)
    assert heard[-1] == (remote.url, len(LARGE), len(LARGE))
    assert heard == sorted(heard)


def test_a_file_in_the_cache_of_huggingface_hub_is_used_where_it_is(hub: HubServer, tmp_path: Path) -> None:
    """What another command downloaded is neither fetched nor stored again."""
    hub.put(REPO, "a.parquet", LARGE)
    cache = tmp_path / "hf" / "hub"
    theirs = hf_hub_download(REPO, "a.parquet", repo_type="dataset", cache_dir=cache, endpoint=hub.url)
    remote = resolve("a.parquet")
    assert remote.is_cached
    assert make_fetcher().fetch(remote).path == Path(theirs)
    assert hub.sent() == len(LARGE)


def test_a_damaged_file_in_the_cache_of_huggingface_hub_is_not_believed(hub: HubServer, tmp_path: Path) -> None:
    """Their file is verified as ours is, and fetched where it is not the hub's."""
    hub.put(REPO, "a.parquet", LARGE)
    cache = tmp_path / "hf" / "hub"
    Path(hf_hub_download(REPO, "a.parquet", repo_type="dataset", cache_dir=cache, endpoint=hub.url)).write_bytes(LARGE[::-1])
    assert fetch("a.parquet") == LARGE


def test_a_damaged_file_is_fetched_again(hub: HubServer) -> None:
    """A kept file that changed since is not believed."""
    hub.put(REPO, "a.parquet", LARGE)
    fetch("a.parquet")
    stored()[0].write_bytes(LARGE[::-1])
    assert fetch("a.parquet") == LARGE


def test_rehash_finds_a_change_that_left_no_trace(hub: HubServer) -> None:
    """A bit that flipped on the disk is found when every file is read again."""
    hub.put(REPO, "a.txt", LARGE)
    remote, path = resolve("a.txt"), make_fetcher().fetch(resolve("a.txt")).path
    stat = path.stat()
    path.write_bytes(LARGE[::-1])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert make_fetcher().fetch(remote).path.read_bytes() == LARGE[::-1]
    assert make_fetcher(rehash=True).fetch(remote).path.read_bytes() == LARGE


@pytest.mark.parametrize("name", ["a.parquet", "small.txt"])
def test_wrong_bytes_are_not_kept(hub: HubServer, name: str) -> None:
    """A large file is held against its SHA-256, a small one against git's name of it."""
    hub.put(REPO, name, LARGE)
    hub.fail(name, wrong=True)
    with pytest.raises(DigestError, match=f"{name}.*run again"):
        fetch(name)
    assert not stored()
    assert fetch(name) == LARGE


def test_a_damaged_part_of_an_earlier_run_is_thrown_away(hub: HubServer) -> None:
    """Where the joined file is wrong, it is fetched from its start before it is called wrong."""
    leave_part(hub, "a.parquet", cut=100_000).write_bytes(bytes(100_000))
    assert fetch("a.parquet") == LARGE


def test_a_home_that_cannot_be_written_is_an_error(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache below a file is refused as output, not as a bug."""
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("DATAMIX_HOME", str(tmp_path / "file" / "home"))
    hub.put(REPO, "a.parquet", LARGE)
    with pytest.raises(OutputError, match="cannot write"):
        fetch("a.parquet")


def test_a_url_is_fetched_once_and_gone_on_with(hub: HubServer) -> None:
    """A file of the web is resumed and kept as a hub's is; of a kept one a single byte is asked for, to see its ETag."""
    hub.put(REPO, "a%20b.txt", b"")
    hub.put(REPO, "comparisons.txt", LARGE)
    hub.fail("comparisons.txt", times=0)
    assert fetch_url(url_of(hub, "comparisons.txt")) == LARGE
    hub.requests.clear()
    assert fetch_url(url_of(hub, "comparisons.txt")) == LARGE
    assert hub.sent() == 1


def test_a_url_whose_digest_is_fixed_needs_no_request_once_it_is_kept(hub: HubServer) -> None:
    """What upstream fixes need not be asked for again."""
    hub.put(REPO, "a.txt", LARGE)
    digest = hashlib.sha256(LARGE).hexdigest()
    fetch_url(url_of(hub, "a.txt"), sha256=digest)
    hub.requests.clear()
    assert fetch_url(url_of(hub, "a.txt"), sha256=digest) == LARGE
    assert not hub.requests


def test_a_url_with_wrong_bytes_is_refused(hub: HubServer) -> None:
    """The digest that a source fixes holds for a file of the web."""
    hub.put(REPO, "a.txt", LARGE)
    with pytest.raises(DigestError, match="wanted " + "0" * 64):
        fetch_url(url_of(hub, "a.txt"), sha256="0" * 64)
    assert not stored()


def test_a_url_that_changed_is_another_file(hub: HubServer) -> None:
    """The old bytes are not taken for the new ones."""
    hub.put(REPO, "a.txt", b"old")
    assert fetch_url(url_of(hub, "a.txt")) == b"old"
    hub.put(REPO, "a.txt", b"new")
    assert fetch_url(url_of(hub, "a.txt")) == b"new"


def test_a_local_file_is_taken_as_it_is(hub: HubServer, tmp_path: Path) -> None:
    """A file of one's own is verified where it lies, and not copied."""
    (tmp_path / "own.jsonl").write_bytes(LARGE)
    [remote] = make_fetcher().resolve(RawFile(path=str(tmp_path / "own.jsonl")))
    local = make_fetcher().fetch(remote)
    assert (local.path, local.sha256) == (tmp_path / "own.jsonl", hashlib.sha256(LARGE).hexdigest())
    assert (remote.is_cached, stored(), hub.requests) == (True, [], [])


def test_the_digest_of_a_local_file_is_remembered_until_it_changes(hub: HubServer, tmp_path: Path) -> None:
    """A file is read again when its size or time changed, or when that is asked for."""
    path = tmp_path / "own.jsonl"
    path.write_bytes(b"one")
    [remote] = make_fetcher().resolve(RawFile(path=str(path)))
    digests = [make_fetcher().fetch(remote).sha256]
    stat = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    digests += [make_fetcher().fetch(remote).sha256, make_fetcher(rehash=True).fetch(remote).sha256]
    path.write_bytes(b"three")
    digests.append(make_fetcher().fetch(remote).sha256)
    assert digests == [hashlib.sha256(data).hexdigest() for data in (b"one", b"one", b"two", b"three")]


def test_a_local_file_with_other_bytes_than_fixed_is_refused_and_left_alone(hub: HubServer, tmp_path: Path) -> None:
    """A user's own file is never removed."""
    (tmp_path / "own.jsonl").write_bytes(LARGE)
    [remote] = make_fetcher().resolve(RawFile(path=str(tmp_path / "own.jsonl"), sha256="0" * 64))
    with pytest.raises(DigestError, match=r"^own\.jsonl: has sha256"):
        make_fetcher().fetch(remote)
    assert (tmp_path / "own.jsonl").exists()


def test_a_small_text_is_read(hub: HubServer) -> None:
    """A source may read a repository's card, and learns where there is none."""
    hub.put(REPO, "README.md", "# Gödel".encode())
    assert make_fetcher().read_text(REPO, None, "README.md") == "# Gödel"
    assert make_fetcher().read_text(REPO, None, "nothing.md") is None


@pytest.mark.parametrize(("data", "what"), [(b"\xff", "byte 0 is not UTF-8"), (bytes(10_000_001), "10,000,001 bytes")])
def test_what_is_no_small_text_is_not_read(hub: HubServer, data: bytes, what: str) -> None:
    """A binary or large file is an error, and a large one is not even fetched."""
    hub.put(REPO, "README.md", data)
    with pytest.raises(RawFileError, match=what):
        make_fetcher().read_text(REPO, None, "README.md")


def test_real_files_come_through_a_hub_unchanged(hub: HubServer, shared: Path) -> None:
    """Every file of a real repository is fetched byte for byte."""
    hub.root = shared / "hub"
    fetcher = make_fetcher()
    found = fetcher.resolve(RawFile(repo="openai/gsm8k", path="main/*.parquet"))
    for remote in found:
        assert fetcher.fetch(remote).path.read_bytes() == (hub.root / "datasets/openai/gsm8k" / remote.path).read_bytes()
    assert len(found) == 2
