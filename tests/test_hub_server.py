"""The hub of the tests: stock clients read from it, and it counts and fails as it is told."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import GatedRepoError, RemoteEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

from hub_server import HubServer

REPO: Final = "owner/name"
ROWS: Final = b'{"text": "one"}\n{"text": "two"}\n'


def api(hub: HubServer) -> HfApi:
    """The stock client."""
    return HfApi(endpoint=hub.url)


def get(hub: HubServer, path: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers of a file, as any client would have them."""
    request = urllib.request.Request(f"{hub.url}/datasets/{REPO}/resolve/main/{path}", headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, b"", dict(error.headers)


def run(hub: HubServer, program: str) -> str:
    """What a program prints that uses the stock clients in a process of its own."""
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    return ended.stdout.strip()


def test_the_stock_client_downloads_a_repository(hub: HubServer) -> None:
    """`snapshot_download` brings every file, small and large, byte for byte."""
    hub.put(REPO, "README.md", b"# A card")
    hub.put(REPO, "deep/er/data.parquet", bytes(100_000))
    program = f"import huggingface_hub as h; print(h.snapshot_download('{REPO}', repo_type='dataset'))"
    folder = Path(run(hub, program))
    assert (folder / "README.md").read_bytes() == b"# A card"
    assert (folder / "deep/er/data.parquet").read_bytes() == bytes(100_000)


@pytest.mark.parametrize("streaming", [False, True])
def test_datasets_loads_a_repository(hub: HubServer, streaming: bool) -> None:
    """`load_dataset` finds the files of both splits, whole and streamed."""
    hub.put(REPO, "data/train.jsonl", ROWS)
    hub.put(REPO, "data/test.jsonl", ROWS * 2)
    load = f"datasets.load_dataset('{REPO}', streaming={streaming})"
    program = f"import datasets; print({{name: [row['text'] for row in rows] for name, rows in {load}.items()}})"
    assert run(hub, program) == str({"train": ["one", "two"], "test": ["one", "two"] * 2})


def test_a_listing_says_what_a_file_is(hub: HubServer) -> None:
    """Size, git's name and, of a large file, the SHA-256 stand in the answer about a repository, its tree and its paths."""
    hub.put(REPO, "a.txt", b"what is up, doc?")
    hub.put(REPO, "b/c.parquet", b"0123")
    siblings = api(hub).dataset_info(REPO, files_metadata=True).siblings or []
    digest = hashlib.sha256(b"0123").hexdigest()
    assert [(file.rfilename, file.size) for file in siblings] == [("a.txt", 16), ("b/c.parquet", 4)]
    assert siblings[0].blob_id == "bd9dbf5aae1a3862dd1526723246b20206e5fc37"
    assert siblings[1].lfs
    assert siblings[1].lfs.sha256 == digest
    [entry] = api(hub).get_paths_info(REPO, ["b/c.parquet"], repo_type="dataset")
    assert entry in list(api(hub).list_repo_tree(REPO, recursive=True, repo_type="dataset"))


@pytest.mark.parametrize(
    ("folder", "recursive", "paths"),
    [
        ("", False, ["a.txt", "b"]),
        ("", True, ["a.txt", "b", "b/c", "b/c/d.txt"]),
        ("b", False, ["b/c"]),
        ("b/c", True, ["b/c/d.txt"]),
    ],
)
def test_a_tree_has_folders_and_pages(hub: HubServer, folder: str, recursive: bool, paths: list[str]) -> None:
    """A folder is listed once, alone or with all below it, over as many pages as it takes."""
    hub.page = 1
    for path in ("a.txt", "b/c/d.txt"):
        hub.put(REPO, path, b"")
    found = api(hub).list_repo_tree(REPO, folder or None, recursive=recursive, repo_type="dataset")
    assert [entry.path for entry in found] == paths


def test_the_commit_is_made_of_the_contents(hub: HubServer) -> None:
    """Equal contents are one commit, other contents another; a commit that is asked for is answered."""
    commits = []
    for data in (b"one", b"two", b"one"):
        hub.put(REPO, "a.txt", data)
        commits.append(api(hub).dataset_info(REPO).sha)
    assert commits[0] == commits[2] != commits[1]
    assert api(hub).dataset_info(REPO, revision="f" * 40).sha == "f" * 40


@pytest.mark.parametrize(
    ("asked", "status", "body"),
    [
        ("bytes=2-4", 206, b"234"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-2", 206, b"89"),
        ("bytes=8-99", 206, b"89"),
        ("bytes=10-", 416, b""),
        ("bytes=x", 200, b"0123456789"),
    ],
)
def test_a_range_is_sent_alone(hub: HubServer, asked: str, status: int, body: bytes) -> None:
    """A range is answered as the standard says, and counted by the bytes that went out."""
    hub.put(REPO, "a.txt", b"0123456789")
    assert get(hub, "a.txt", Range=asked)[:2] == (status, body)
    assert (hub.sent("a.txt"), hub.requests[0].range) == (len(body), asked)


def test_a_range_of_another_version_is_sent_whole(hub: HubServer) -> None:
    """If-Range with the right ETag gets the range, with another one the file."""
    hub.put(REPO, "a.txt", b"0123456789")
    etag = get(hub, "a.txt")[2]["ETag"]
    assert get(hub, "a.txt", Range="bytes=5-", **{"If-Range": etag})[1] == b"56789"
    assert get(hub, "a.txt", Range="bytes=5-", **{"If-Range": '"other"'})[1] == b"0123456789"


def test_refusals_are_the_hubs(hub: HubServer, tmp_path: Path) -> None:
    """The stock client understands each refusal, and a HEAD has no body that would break the connection."""
    hub.put(REPO, "a.txt", b"")
    with pytest.raises(RepositoryNotFoundError):
        api(hub).dataset_info("no/body")
    with pytest.raises(RemoteEntryNotFoundError):
        api(hub).hf_hub_download(REPO, "b.txt", repo_type="dataset", cache_dir=tmp_path)
    for code, error in (("GatedRepo", GatedRepoError), ("RevisionNotFound", RevisionNotFoundError)):
        hub.fail("/revision/x", status=403, headers={"X-Error-Code": code})
        with pytest.raises(error):
            api(hub).dataset_info(REPO, revision="x")


def test_faults_come_in_order_and_pass(hub: HubServer) -> None:
    """Each fault meets as many requests as it is told, then the next, then none."""
    hub.put(REPO, "a.txt", b"0123456789")
    hub.fail("a.txt", status=503, times=2)
    hub.fail("a.txt", wrong=True)
    assert [get(hub, "a.txt")[:2] for _ in range(4)] == [(503, b""), (503, b""), (200, b"1123456789"), (200, b"0123456789")]


def test_a_redirected_file_comes_from_the_other_server(hub: HubServer) -> None:
    """A large file's address is the store's, its ETag the hub's."""
    hub.put(REPO, "a.parquet", b"0123456789")
    with HubServer(hub.root) as store:
        hub.lfs_at = store.url
        assert get(hub, "a.parquet")[1] == b"0123456789"
        assert (hub.sent(), store.sent()) == (0, 10)


def test_the_server_runs_as_a_command(tmp_path: Path) -> None:
    """It prints its address and serves what stands in the folder."""
    file = tmp_path / "datasets" / REPO / "a.txt"
    file.parent.mkdir(parents=True)
    file.write_bytes(ROWS)
    command = [sys.executable, str(Path(__file__).parent / "hub_server.py"), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        url = server.stdout.readline().strip() if server.stdout else ""
        with urllib.request.urlopen(f"{url}/datasets/{REPO}/resolve/main/a.txt") as answer:
            assert answer.read() == ROWS
        server.terminate()
