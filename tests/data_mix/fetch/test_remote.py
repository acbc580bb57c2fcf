"""What a raw file is before it is fetched: on the hub, on the web, here, among the samples."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from data_mix.errors import DigestError, FetchError
from data_mix.source import RawFile
from fetching import LARGE, REPO, fetch_url, make_fetcher, resolve, url_of
from hub_server import HubServer


def test_a_glob_names_the_files_of_one_folder_in_order(hub: HubServer) -> None:
    """A star stays inside its folder, and files come sorted by path."""
    for path in ("zh/b-2.jsonl", "zh/b-1.jsonl", "zh/deep/b-3.jsonl", "deep/zh/b-4.jsonl", "b-5.jsonl"):
        hub.put(REPO, path, b"{}")
    found = make_fetcher().resolve(RawFile(repo=REPO, path="zh/b-*.jsonl"))
    assert [remote.path for remote in found] == ["zh/b-1.jsonl", "zh/b-2.jsonl"]


def test_a_name_with_the_signs_of_a_glob_is_found_as_it_is(hub: HubServer) -> None:
    """A file whose name has brackets is named by exactly that name."""
    hub.put(REPO, "a[1].jsonl", b"{}")
    assert resolve("a[1].jsonl").name == "a[1].jsonl"


def test_resolving_says_what_a_file_is_and_fetches_none_of_it(hub: HubServer) -> None:
    """Size, digest, commit and URL are known before a byte of the file is sent."""
    hub.put(REPO, "data/a.parquet", LARGE)
    remote = resolve("data/a.parquet", split="train")
    assert (remote.size, remote.sha256, remote.split) == (len(LARGE), hashlib.sha256(LARGE).hexdigest(), "train")
    assert remote.url == f"hf://datasets/{REPO}@{remote.commit}/data/a.parquet"
    assert (len(hub.requests), hub.sent(), remote.is_cached) == (1, 0, False)


def test_a_shown_remote_file_holds_neither_endpoint_nor_local_path(hub: HubServer, tmp_path: Path) -> None:
    """What may stand in a log or a manifest names no machine."""
    hub.put(REPO, "a.jsonl", b"{}")
    (tmp_path / "own.jsonl").write_bytes(b"{}")
    [own] = make_fetcher().resolve(RawFile(path=str(tmp_path / "own.jsonl")))
    assert hub.url not in repr(resolve("a.jsonl"))
    assert own.url == "own.jsonl"


def test_a_missing_file_names_its_nearest(hub: HubServer) -> None:
    """The error says which file the repository has that is named most alike."""
    hub.put(REPO, "train.parquet", b"")
    with pytest.raises(FetchError, match=r"owner/name@.* has no file 'trian.parquet'; nearest: train.parquet"):
        resolve("trian.parquet")


def test_a_file_that_upstream_has_changed_is_refused_before_it_is_fetched(hub: HubServer) -> None:
    """Where the hub's own digest is not the one that a source fixes, nothing is fetched."""
    hub.put(REPO, "a.parquet", LARGE)
    with pytest.raises(DigestError, match="wanted " + "0" * 64):
        resolve("a.parquet", sha256="0" * 64)
    assert hub.sent() == 0


def test_two_urls_that_differ_in_their_query_are_two_files(hub: HubServer) -> None:
    """What is left out of the shown URL still tells files apart."""
    hub.put(REPO, "a.txt", b"one")
    remotes = [make_fetcher().resolve(RawFile(path=url_of(hub, f"a.txt?id={number}")))[0] for number in (1, 2)]
    assert len({remote.key for remote in remotes}) == 2


def test_the_secrets_of_a_url_are_not_shown(hub: HubServer) -> None:
    """User, password and query are used, and stand in no field that may be shown, and in no error."""
    address = url_of(hub, "a.txt").replace("http://", "http://user:pass@") + "?token=secret"
    hub.put(REPO, "a.txt", LARGE)
    [remote] = make_fetcher().resolve(RawFile(path=address))
    assert remote.url == url_of(hub, "a.txt")
    hub.fail("a.txt", status=404)
    with pytest.raises(FetchError) as caught:
        fetch_url(address)
    assert not any(secret in f"{remote} {caught.value}" for secret in ("user", "pass@", "secret"))


@pytest.mark.parametrize(
    ("name", "what"), [("owm.jsonl", "nearest: own.jsonl"), ("", "is a folder"), ("x/y", "does not exist")]
)
def test_a_local_file_that_is_not_there_is_an_error(tmp_path: Path, name: str, what: str) -> None:
    """The error names the path and the nearest name beside it."""
    (tmp_path / "own.jsonl").write_bytes(b"")
    with pytest.raises(FetchError, match=what):
        make_fetcher().resolve(RawFile(path=str(tmp_path / name)))


def test_a_local_glob_names_its_files_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A glob works for one's own files too, from the working directory as from the root."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.jsonl", "a.jsonl", "c.txt"):
        Path(name).write_bytes(b"")
    for pattern in ("*.jsonl", str(tmp_path / "*.jsonl")):
        assert [remote.name for remote in make_fetcher().resolve(RawFile(path=pattern))] == ["a.jsonl", "b.jsonl"]


def test_samples_take_the_place_of_hub_and_web(hub: HubServer, tmp_path: Path) -> None:
    """With a folder of samples no request is made, and files are found by their path or base name."""
    (tmp_path / "samples" / "zh").mkdir(parents=True)
    for name in ("zh/train-0.parquet", "web.jsonl"):
        (tmp_path / "samples" / name).write_bytes(LARGE)
    fetcher = make_fetcher(samples=tmp_path / "samples")
    found = [*fetcher.resolve(RawFile(repo=REPO, path="zh/train-*.parquet", split="train"))]
    found += fetcher.resolve(RawFile(path="https://example.org/data/web.jsonl?x=1"))
    assert [remote.path for remote in found] == ["zh/train-0.parquet", "web.jsonl"]
    assert fetcher.fetch(found[0]).path.read_bytes() == LARGE
    assert fetcher.list_files(REPO, None) == ["web.jsonl", "zh/train-0.parquet"]
    assert not hub.requests
