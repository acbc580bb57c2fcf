"""The server as browsers and others meet it: for this machine alone, and only what it is meant to give."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from data_mix.errors import OutputError, UsageError
from data_mix.serve import serving
from data_mix.shards import MANIFEST, Build
from looking_at import make_build, plain


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """A small build."""
    return make_build(tmp_path / "out", {("train", "one"): plain(60), ("validation", "one"): plain(4)})


@pytest.fixture
def port(build: Build) -> Iterator[int]:
    """The port of a server of it."""
    with serving(build) as (address, server):
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield urlsplit(address).port or 0
        server.shutdown()
        thread.join()


def ask(port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return found


def data(port: int, path: str) -> Any:
    """The data of an answer that must be well."""
    status, _, body = ask(port, path)
    assert status == 200, body
    return json.loads(body)


def test_rows_come_page_by_page(port: int) -> None:
    """The cursor of an answer leads to the next page."""
    first = data(port, "/api/rows?source=one&lang=en")
    second = data(port, f"/api/rows?source=one&lang=en&after={first['next']}")
    assert [row["id"] for row in second["rows"]][:1] == ["one/25"]


def test_the_page_asks_its_own_server_alone(port: int) -> None:
    """The page comes with a policy that allows its own scripts and its own server, and none to frame it."""
    status, headers, body = ask(port, "/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "connect-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert body.startswith(b"<!doctype html>")


def test_lengths_and_turns_are_measured_on_demand(port: int) -> None:
    """The figures that need every row come by an address of their own."""
    assert data(port, "/api/figures")["all"]["rows"] == 64


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "127.0.0.1:1"])
def test_another_host_is_refused(port: int, host: str) -> None:
    """A request that calls this machine by another name reads nothing."""
    assert ask(port, "/api/rows", Host=host)[0] == 403


def test_localhost_is_this_machine(port: int) -> None:
    """The usual name is as good as the address."""
    assert ask(port, "/", Host=f"localhost:{port}")[0] == 200


@pytest.mark.parametrize(
    "path", ["/manifest.json", "/../manifest.json", "/%2e%2e/etc/passwd", "/api", "/train/one-00000.arrow"]
)
def test_no_path_of_a_request_is_a_file(port: int, path: str) -> None:
    """There is nothing but the page and its queries."""
    assert ask(port, path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_nothing_but_get_is_answered(port: int, method: str) -> None:
    """No method changes anything, for there is only one that reads."""
    assert ask(port, "/api/rows", method)[0] == 501


def test_a_wrong_parameter_is_said(port: int) -> None:
    """A query that is not understood is answered with a line that says why."""
    status, _, body = ask(port, "/api/rows?min=few")
    assert (status, json.loads(body)["error"]) == (400, "parameter min is 'few', wanted a whole number")


def test_an_address_without_end_is_refused(port: int) -> None:
    """A query of ten thousand characters is not looked at."""
    assert ask(port, f"/api/rows?q={'a' * 10_000}")[0] == 404


def test_a_build_that_is_made_anew_is_said(port: int, build: Build) -> None:
    """Without its manifest the folder is being built again, and the reader is told."""
    (build.path / MANIFEST).unlink()
    for path in ("/", "/api/rows", "/api/row?id=one/1", "/api/figures"):
        status, _, body = ask(port, path)
        assert status == 409
        assert "open it anew once it is whole" in json.loads(body)["error"]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "example.org", "::"])
def test_only_this_machine_s_own_addresses_are_taken(build: Build, host: str) -> None:
    """A build is never served to a network."""
    with pytest.raises(UsageError, match="is not this machine's own"), serving(build, host):
        pass


def test_a_port_that_is_taken_is_said(build: Build, port: int) -> None:
    """Another server on the port is one clear line."""
    with pytest.raises(OutputError, match="choose another with --port"), serving(build, port=port):
        pass
