"""A hub on a loopback port: the calls of the Hugging Face Hub by which stock clients read and write, and faults on demand.

It serves a folder laid out as ROOT/datasets/OWNER/NAME/…. Every revision of such a repository is answered with what stands in
the folder; the commit is made from the contents, unless a commit is asked for. Repositories that are created over HTTP
(`hub_storage`) have commits of their own, and can be written to (`hub_writing`).

    python tests/hub_server.py ROOT --port 0        prints its URL and serves until it is stopped
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote, unquote, urlsplit

from hub_faults import Fault, Request
from hub_files import HubFile, commit_of, repository
from hub_reading import Reading
from hub_storage import RefusedError, Repository, Storage
from hub_writing import API, GLOBAL, NAME, OF_A_REPOSITORY, Writing, route
from hub_xet import xet_hash

BLOCK: Final = 1 << 16


class HubServer(ThreadingHTTPServer):
    """The server; a context manager that runs it in a thread.

    `lfs_at` is the URL of another server of the same root, to which files outside git are redirected (as to a CDN). With
    `token`, what is written must bring it, and what is private is hidden from others.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, root: Path, port: int = 0, lfs_at: str | None = None) -> None:
        super().__init__(("127.0.0.1", port), HubHandler)
        self.root, self.lfs_at, self.page, self.cas = root, lfs_at, 1000, root / "cas"
        self.storage, self.token = Storage(root), ""
        self.ignored: set[str] = set()  # paths that a .gitignore keeps out
        self.heard: Callable[[Request], None] = lambda _: None  # told of each request before it is answered
        self.ignores_private = False  # a repository that is created is public, whatever was asked for
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """What HF_ENDPOINT must be."""
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        self.server_close()

    def files(self, repo: str, kind: str = "datasets") -> dict[str, HubFile] | None:
        """The files of a repository that is a folder; None where there is none of that name."""
        folder = self.root / kind / repo
        return repository(folder) if folder.is_dir() else None

    def put(self, repo: str, path: str, data: bytes) -> None:
        """Put a file into a repository, which makes a new commit of it."""
        (local := self.root / "datasets" / repo / path).parent.mkdir(parents=True, exist_ok=True)
        local.write_bytes(data)

    def fail(self, path: str, **what: Any) -> None:
        """Let the next requests whose path ends with `path` go wrong; see `Fault` for how."""
        self.faults.append(Fault(path, **what))

    def take_fault(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets, counted down."""
        with self._lock:
            met = [each for each in self.faults if each.times > 0 and each.method == method and path.endswith(each.path)]
            for fault in met[:1]:
                fault.times -= 1
            return met[0] if met else None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that has gone away, as a killed one does."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def sent(self, path: str = "") -> int:
        """Bytes of files (not of listings) sent so far for paths that end with `path`."""
        return sum(request.sent for request in self.requests if "/resolve/" in request.path and request.path.endswith(path))


class HubHandler(Reading, Writing, BaseHTTPRequestHandler):
    """Answers one connection."""

    server: HubServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    READING: Final = (
        route("GET", rf"{API}(?:/revision/(?P<revision>[^/]+))?", "answer_info"),
        route("GET", rf"{API}/tree/(?P<revision>[^/]+)(?:/(?P<path>.+))?", "answer_tree"),
        route("POST", rf"{API}/paths-info/(?P<revision>[^/]+)", "answer_paths"),
        route("GET", rf"{API}/refs", "answer_refs"),
        route("GET", rf"/(?:(?P<kind>datasets)/)?{NAME}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "answer_file"),
    )

    def do_GET(self) -> None:
        """Answer a GET."""
        self._answer("GET")

    def do_HEAD(self) -> None:
        """Answer a HEAD: as a GET, without body."""
        self._answer("GET")

    def do_POST(self) -> None:
        """Answer a call that writes, or asks for more than a path says."""
        self._answer(self.command)

    do_PUT = do_DELETE = do_POST  # noqa: N815 - the names are the base class's

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing: the requests are in `HubServer.requests`."""

    def _answer(self, method: str) -> None:
        path = urlsplit(self.path).path
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.record = Request(self.command, unquote(path), self.headers.get("Range"), self.headers.get("Authorization"))
        self.server.requests.append(self.record)
        self.server.heard(self.record)
        self.fault = self.server.take_fault(self.command, unquote(path))
        if self.fault and self.fault.status:
            self.send_head(self.fault.status, {"Content-Length": str(len(self.fault.body))} | self.fault.headers)
            self._send_block(self.fault.body)
            return
        try:
            with self.server.storage.lock if method in {"POST", "DELETE"} else nullcontext():
                self._route(method, path)
        except RefusedError as refusal:
            code = {} if " " in refusal.message else {"X-Error-Code": refusal.message}
            self.send_json({"error": refusal.message}, {"X-Error-Message": refusal.message} | code, status=refusal.status)

    def _route(self, method: str, path: str) -> None:
        for routes, find in ((GLOBAL, self._no_one), (OF_A_REPOSITORY, self._repository), (self.READING, self._files_of)):
            for of, pattern, answer in routes:
                if of == method and (match := pattern.fullmatch(path)):
                    names = {key: unquote(value) for key, value in match.groupdict().items() if value}
                    names["kind"] = names.get("kind", "models")
                    getattr(self, answer)(*find(names), names)
                    return
        raise RefusedError(404, "EntryNotFound")

    @property
    def _is_known(self) -> bool:
        return self.record.token == f"Bearer {self.server.token}" or not self.server.token

    def _no_one(self, _names: dict[str, str]) -> tuple[()]:
        if not (self._is_known or self.command == "PUT"):  # what a signed URL takes needs no token
            raise RefusedError(401, "Invalid credentials in Authorization header")
        return ()

    def _repository(self, names: dict[str, str]) -> tuple[Repository]:
        """The repository to write to."""
        self._no_one(names)
        found = self.server.storage.find(names["repo"], names["kind"])
        if found is None:
            raise RefusedError(404, "RepoNotFound")
        return (found,)

    def _files_of(self, names: dict[str, str]) -> tuple[dict[str, HubFile]]:
        """The files to read."""
        revision, folder = names.get("revision", "main"), self.server.files(names["repo"], names["kind"])
        self.repo = self.server.storage.find(names["repo"], names["kind"])
        if self.repo and (self._is_known or not self.repo.private):
            commit = self.repo.resolve(revision)
            if commit is None:
                raise RefusedError(404, "RevisionNotFound")
            self.commit = commit
            return (self.repo.commits[commit],)
        if folder is None:
            raise RefusedError(401, "RepoNotFound")
        self.commit = revision if re.fullmatch("[0-9a-f]{40}", revision) else commit_of(folder)
        return (folder,)

    def answer_file(self, files: dict[str, HubFile], names: dict[str, str]) -> None:
        """A file, or the range of it that is asked for; a redirection where another server keeps it."""
        file = files.get(names["path"])
        if file is None:
            self.send_error_code(404, "EntryNotFound", {"X-Repo-Commit": self.commit})
            return
        etag = self.fault.etag if self.fault and self.fault.etag else file.etag
        headers = {"X-Repo-Commit": self.commit, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        if file.is_lfs:
            headers |= {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(file.size)} | self._xet(file, names)
        headers |= self.fault.headers if self.fault else {}
        if file.is_lfs and self.server.lfs_at:
            location = f"{self.server.lfs_at}{quote(urlsplit(self.path).path)}?signature=of-the-hub"
            self.send_head(302, headers | {"Location": location, "Content-Length": "0"})
        else:
            self._send_file(file, headers)

    def _xet(self, file: HubFile, names: dict[str, str]) -> dict[str, str]:
        """How a file is had by the Xet route, where it came by it."""
        name = xet_hash(self.server.cas, file.sha256)
        at = f"{self.server.url}/api/{names['kind']}/{names['repo']}/xet-read-token/{self.commit}"
        return {"X-Xet-Hash": name, "X-Xet-Refresh-Route": at} if name else {}

    def _send_file(self, file: HubFile, headers: dict[str, str]) -> None:
        start, end, status = self._range(file.size, headers["ETag"])
        if status == 416:
            self.send_error_code(416, "", {"Content-Range": f"bytes */{file.size}"})
            return
        if status == 206:
            headers = {"Content-Range": f"bytes {start}-{end - 1}/{file.size}"} | headers
        self.send_head(status, headers | {"Content-Length": str(end - start)})
        if self.command == "GET":
            self._send_body(file.local, start, end)

    def _range(self, size: int, etag: str) -> tuple[int, int, int]:
        """The first byte, the byte after the last, and the status."""
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if not asked or self.headers.get("If-Range", etag) != etag or (self.fault and self.fault.without_range):
            return 0, size, 200
        first, last = asked.groups()
        start, end = (int(first), min(int(last or size) + bool(last), size)) if first else (max(size - int(last), 0), size)
        return (start, end, 206) if start < end else (0, 0, 416)

    def _send_body(self, path: Path, start: int, end: int) -> None:
        fault = self.fault or Fault("")
        stop = end if fault.cut is None else min(end, start + fault.cut)
        with path.open("rb") as file:
            file.seek(start)
            while (place := file.tell()) < stop:
                block = file.read(min(BLOCK, stop - place))
                self._send_block(bytes([block[0] ^ 1]) + block[1:] if fault.wrong and place == start else block)
                time.sleep(fault.pause)
        self.close_connection = self.close_connection or stop < end

    def _send_block(self, block: bytes) -> None:
        self.record.sent += len(block)  # before it goes out, so that a client that has it finds it counted
        try:
            self.wfile.write(block)
            self.wfile.flush()
        except OSError:  # the client has gone away
            self.close_connection = True

    def send_json(self, value: Any, headers: dict[str, str] | None = None, status: int = 200) -> None:
        """Answer with JSON."""
        body = json.dumps(value).encode()
        self.send_head(status, {"Content-Type": "application/json", "Content-Length": str(len(body))} | (headers or {}))
        if self.command != "HEAD":
            self._send_block(body)

    def send_error_code(self, status: int, code: str, headers: dict[str, str] | None = None) -> None:
        """Answer with an error, as the hub names it."""
        named = {"X-Error-Code": code, "X-Error-Message": code} if code else {}
        self.send_head(status, {"Content-Length": "0"} | named | (headers or {}))

    def send_head(self, status: int, headers: dict[str, str]) -> None:
        """Send the status line and the headers."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()


def main() -> None:
    """Serve a folder until stopped."""
    parser = argparse.ArgumentParser(description="Serve a folder ROOT/datasets/OWNER/NAME/… as a Hugging Face Hub on loopback.")
    parser.add_argument("root", type=Path)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    server = HubServer(**vars(parser.parse_args()))
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
