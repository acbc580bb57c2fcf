"""What goes wrong while publishing is one line, and what was current stays current."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_mix.errors import OutputError, PublishError, UsageError
from data_mix.publish.remote import Remote
from hub_server import HubServer
from publishing import CANARY, REPO, contents, plan, send, small_build


def test_an_answer_that_is_lost_is_asked_for_again(hub: HubServer, tmp_path: Path) -> None:
    """Every call may fail twice, and the outcome is that of an undisturbed run."""
    for method, path in (
        ("GET", REPO),
        ("POST", "/api/repos/create"),
        ("POST", "/discussions"),
        ("POST", "/commit/refs/pr/1"),
        ("POST", "/status"),
        ("POST", "/merge"),
    ):
        hub.fail(path, method=method, status=503, times=2)
    build = small_build(tmp_path)
    send(build, tmp_path)
    assert contents(hub) == {path: file.sha256 for path, file in plan(build, tmp_path).files.items()}


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("POST", "/api/repos/create", 401, "does not know your token"),
        ("POST", "/api/repos/create", 403, "use a token that may write there"),
        ("POST", "/commit/refs/pr/1", 404, "has no such repository"),
        ("POST", "/discussions", 409, "something else is going on"),
        ("POST", "/commit/refs/pr/1", 412, "changed meanwhile"),
        ("POST", "/merge", 400, "refuses that"),
        ("GET", "/xet-write-token/refs/pr/1", 403, "the upload failed"),
        ("POST", "/merge", 429, "answers HTTP 429, 5 times in a row"),
        ("POST", "/commit/refs/pr/1", 500, "answers HTTP 500, 5 times in a row"),
    ],
)
def test_a_refusal_is_one_line_and_main_stays(
    hub: HubServer, tmp_path: Path, method: str, path: str, status: int, said: str
) -> None:
    """Whatever the hub refuses is said in one line, and what was current is current; the next run does the rest."""
    build = small_build(tmp_path)
    hub.storage.create(REPO, private=True) if "repos" not in path else None
    hub.fail(path, method=method, status=status, times=9)
    with pytest.raises(PublishError, match=said) as refused:
        send(build, tmp_path)
    assert str(status) in str(refused.value)
    assert CANARY not in str(refused.value)
    repo = hub.storage.find(REPO)
    assert repo is None or list(repo.files()) == [".gitattributes"]
    hub.faults.clear()
    send(build, tmp_path)
    assert "manifest.json" in contents(hub)


def test_a_wrong_token_is_one_line(hub: HubServer, tmp_path: Path) -> None:
    """A hub that does not know the token says so."""
    hub.token = "another"
    with pytest.raises(PublishError, match="does not know your token"):
        send(small_build(tmp_path), tmp_path)


def test_a_hub_that_cannot_be_reached_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: HubServer) -> None:
    """Nobody listens there: the network is to be checked."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(PublishError, match="ConnectError, 5 times in a row; check the network and HF_ENDPOINT"):
        send(small_build(tmp_path), tmp_path)


@pytest.mark.parametrize("repo", ["mix", "a/b/c", "owner/..", "owner/a b"])
def test_a_name_that_is_none_is_refused(repo: str) -> None:
    """A repository is ORG/NAME."""
    with pytest.raises(UsageError, match="wanted ORG/NAME"):
        Remote(repo, "dataset", CANARY)


def test_a_disk_that_is_full_while_converting_is_one_line(hub: HubServer, tmp_path: Path) -> None:
    """A place where no Parquet file can be written is an error that names it, and nothing is sent."""
    (tmp_path / "home2").write_bytes(b"a file in the way")
    with pytest.raises(OutputError, match="cannot write"):
        send(small_build(tmp_path), tmp_path / "home2")
    assert hub.requests == []
