"""The page and its queries over HTTP, for this machine alone.

    GET /             the page
    GET /api/figures  lengths and turns, measured once
    GET /api/rows     a page of rows: source, lang, split, min, max, q, after (see `queries`)
    GET /api/row      one row whole, by its id

It listens on a loopback address and answers only requests that name it as their host, so that no page of the web can read
through a name that resolves here (DNS rebinding). Nothing of a request is ever taken for the path of a file.
"""

from __future__ import annotations

import ipaddress
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, urlsplit

from data_mix.errors import DataMixError, FormatError, OutputError, UsageError
from data_mix.report.figures import measured_figures
from data_mix.report.page import policy, served_page
from data_mix.serve.places import Places
from data_mix.serve.queries import page, parse_query
from data_mix.shards import Build

LOCAL: Final = "127.0.0.1"
_SELF: Final = "'self'"

_MOST: Final = 2_000_000
"""Characters of a message of a row that is asked for alone."""
_ADDRESS: Final = 8_192
"""Characters of an address; longer ones are refused."""

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


class Served:
    """What is served: the page, and the rows of one build."""

    def __init__(self, build: Build) -> None:
        self.places = Places(build)
        self._measuring = Lock()
        self.policy = f"{policy(_SELF)}; frame-ancestors 'none'"

    def home(self, _given: Mapping[str, str]) -> bytes:
        """The page."""
        self.places.check()
        return served_page(self.places.build)

    def figures(self, _given: Mapping[str, str]) -> dict[str, Any]:
        """Lengths and turns."""
        self.places.check()
        with self._measuring:  # whoever asks meanwhile waits for the one answer
            return self._figures

    @cached_property
    def _figures(self) -> dict[str, Any]:
        return measured_figures(self.places.build)

    def rows(self, given: Mapping[str, str]) -> dict[str, Any]:
        """A page of rows."""
        return page(self.places, parse_query(given))

    def row(self, given: Mapping[str, str]) -> dict[str, Any]:
        """One row; null where the build has none of this id."""
        self.places.check()
        return {"row": self.places.find(given.get("id", ""), _MOST)}

    @property
    def routes(self) -> dict[str, Callable[[Mapping[str, str]], Any]]:
        """By the path of the address, exactly."""
        return {"/": self.home, "/api/figures": self.figures, "/api/rows": self.rows, "/api/row": self.row}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    served: Served

    @property
    def names(self) -> set[str]:
        """What a request may call this server."""
        hosts = {LOCAL, "localhost", str(self.server_address[0])}
        return {f"{host}:{self.server_port}" for host in hosts} | (hosts if self.server_port == 80 else set())

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that goes away is no error; a bug keeps its traceback."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "datamix"
    sys_version = ""
    timeout = 60
    _KINDS: ClassVar = {bytes: "text/html; charset=utf-8", dict: "application/json"}

    def do_GET(self) -> None:
        """Answer, or say what is wrong with the request."""
        if self.headers.get("Host", "").lower() not in self.server.names:
            self._answer(HTTPStatus.FORBIDDEN, {"error": "this server answers only to its own address on this machine"})
            return
        address = urlsplit(self.path)
        route = self.server.served.routes.get(address.path)
        if route is None or len(self.path) > _ADDRESS:
            self._answer(HTTPStatus.NOT_FOUND, {"error": "there is nothing at this address"})
            return
        try:
            self._answer(HTTPStatus.OK, route(dict(parse_qsl(address.query, keep_blank_values=True))))
        except FormatError as error:
            self._answer(HTTPStatus.CONFLICT, {"error": str(error)})
        except DataMixError as error:
            self._answer(HTTPStatus.BAD_REQUEST, {"error": str(error)})

    def _answer(self, status: HTTPStatus, body: bytes | dict[str, Any]) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=True).encode()
        self.send_response(status)
        kind = {"Content-Type": self._KINDS[type(body)], "Content-Length": str(len(data))}
        for name, value in (kind | _HEADERS | {"Content-Security-Policy": self.server.served.policy}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing of requests."""


@contextmanager
def serving(build: Build, host: str = LOCAL, port: int = 0) -> Iterator[tuple[str, ThreadingHTTPServer]]:
    """A server of the build, bound but not yet running, and its address; it is closed when the block ends.

    Port 0 takes a free one. Raises UsageError where the host is not this machine alone, OutputError where the port is taken.
    """
    address, served = _loopback(host), Served(build)
    try:
        server = _Server((address, port), _Handler)
    except OSError as error:
        raise OutputError(f"cannot listen on {host}:{port} ({error.strerror}); choose another with --port") from error
    server.served = served
    try:
        yield f"http://{address}:{server.server_port}/", server
    finally:
        server.server_close()


def _loopback(host: str) -> str:
    """The address of a host that only this machine reaches."""
    try:
        address = ipaddress.IPv4Address(LOCAL if host == "localhost" else host)
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise UsageError(
            f"--host {host}: is not this machine's own; wanted 127.0.0.1, for a build is served to this machine alone"
        )
    return str(address)
