"""Requests: refusals, retries, redirections, and who is shown the token."""

from __future__ import annotations

import logging
import time

import pytest

from data_mix.errors import FetchError
from fetching import LARGE, REPO, TOKEN, bodies, fetch, fetch_url, resolve, url_of
from hub_server import HubServer


@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (401, "", "log in"),
        (401, "RepoNotFound", "check its name"),
        (403, "", "forbidden"),
        (403, "GatedRepo", "accept its terms"),
        (404, "RevisionNotFound", "check `revision`"),
        (404, "", "check its name"),
        (410, "", "gone"),
        (418, "", "refused"),
    ],
)
def test_a_refusal_says_what_to_do(hub: HubServer, status: int, code: str, advice: str) -> None:
    """A refusal is an error at once, that names the repository and the next step."""
    hub.fail("/revision/main", times=9, status=status, headers={"X-Error-Code": code})
    with pytest.raises(FetchError, match=rf"^owner/name@main .*{advice}.*\(HTTP {status}\)$"):
        resolve("a.jsonl")
    assert len(hub.requests) == 1


def test_a_refused_file_is_named(hub: HubServer) -> None:
    """Where a repository is open and its files are gated, the error names the file."""
    hub.put(REPO, "a.parquet", LARGE)
    hub.fail("a.parquet", status=403, headers={"X-Error-Code": "GatedRepo"})
    with pytest.raises(FetchError, match=r"^hf://datasets/owner/name@\w+/a\.parquet is gated"):
        fetch("a.parquet")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_busy_server_is_asked_again(hub: HubServer, status: int) -> None:
    """HTTP 408, 429 and 5xx are tried again, for a listing as for a file."""
    hub.put(REPO, "a.parquet", LARGE)
    hub.fail("/revision/main", times=2, status=status)
    hub.fail("a.parquet", times=2, status=status)
    assert fetch("a.parquet") == LARGE


def test_a_silent_server_is_given_up(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection without a byte for $HF_HUB_DOWNLOAD_TIMEOUT seconds counts as cut."""
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "0.2")
    hub.put(REPO, "a.parquet", LARGE)
    hub.fail("a.parquet", pause=5)
    assert fetch("a.parquet") == LARGE
    assert bodies(hub)[1] == "bytes=65536-511999"


def test_a_server_is_asked_again_when_it_wants_to_be(hub: HubServer) -> None:
    """Retry-After is waited for."""
    hub.put(REPO, "a.parquet", LARGE)
    hub.fail("a.parquet", status=429, headers={"Retry-After": "1"})
    start = time.monotonic()
    assert fetch("a.parquet") == LARGE
    assert time.monotonic() - start >= 1


@pytest.mark.parametrize("header", [{"Retry-After": "9000"}, {"RateLimit": '"api";r=0;t=9000'}])
def test_a_server_that_wants_hours_is_not_waited_for(hub: HubServer, header: dict[str, str]) -> None:
    """A wait of more than five minutes is an error that says how long."""
    hub.fail("/revision/main", status=429, headers=header)
    with pytest.raises(FetchError, match="wants to be asked again in 9000 s"):
        resolve("a.jsonl")


def test_nobody_at_the_endpoint_is_an_error(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection ends in one line that says what to check."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(FetchError, match=r"^owner/name@main: .*check the network"):
        resolve("a.jsonl")


def test_the_token_goes_to_the_hub_and_not_to_where_it_redirects(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A store of large files on another host never sees the token, and no log shows it."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.put(REPO, "a.parquet", LARGE)
    with HubServer(hub.root) as store:
        hub.lfs_at = store.url
        assert fetch("a.parquet") == LARGE
        assert [request.token for request in store.requests] == [None]
    assert {request.token for request in hub.requests} == {f"Bearer {TOKEN}"}
    assert TOKEN not in caplog.text


def test_errors_hold_no_secrets(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the token nor a store's signed address is in what a user may paste elsewhere."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.put(REPO, "a.parquet", LARGE)
    with HubServer(hub.root) as store:
        hub.lfs_at = store.url
        store.fail("a.parquet", status=403)
        with pytest.raises(FetchError) as caught:
            fetch("a.parquet")
    assert TOKEN not in str(caught.value)
    assert "signature" not in str(caught.value)


def test_the_token_is_not_sent_to_another_server(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL that is not the hub's is asked for without the hub's token."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.put(REPO, "a.txt", LARGE)
    with HubServer(hub.root) as other:
        assert fetch_url(f"{other.url}/datasets/{REPO}/resolve/main/a.txt") == LARGE
        assert {request.token for request in other.requests} == {None}


def test_a_url_that_leads_nowhere_is_refused(hub: HubServer) -> None:
    """A circle of redirections, another scheme and an address that is none are errors, not loops."""
    hub.fail("circle.txt", times=99, status=302, headers={"Location": url_of(hub, "circle.txt")})
    hub.fail("ftp.txt", status=302, headers={"Location": "ftp://127.0.0.1/x"})
    hub.fail("broken.txt", status=302, headers={"Location": "http://["})
    for url in (
        url_of(hub, "circle.txt"),
        url_of(hub, "ftp.txt"),
        url_of(hub, "broken.txt"),
        "http://[",
        "http://127.0.0.1:99999999/x",
    ):
        with pytest.raises(FetchError, match="check the URL"):
            fetch_url(url)
