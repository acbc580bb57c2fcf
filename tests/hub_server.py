"""A hub on a loopback port: the calls of the Hugging Face Hub with which stock clients read data sets, and faults on demand.

It serves a folder laid out as ROOT/datasets/OWNER/NAME/…. Every revision is answered with what stands in the folder; the
commit is made from the contents, unless a commit is asked for.

    python tests/hub_server.py ROOT --port 0        prints its URL and serves until it is stopped
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

from hub_files import HubFile, commit_of, entries, repository

BLOCK: Final = 1 << 16


@dataclass
class Fault:
    """What goes wrong with the next `times` requests whose path ends with `path`."""

    path: str
    times: int = 1
    method: str = "GET"
    status: int | None = None
    """Nothing but this status, `headers` and `body` is answered."""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: int | None = None
    """The body ends after so many bytes."""
    etag: str | None = None
    wrong: bool = False
    """The first byte of the body is another."""
    pause: float = 0.0
    """Seconds between two blocks of 64 KiB of the body."""
    without_range: bool = False
    """The whole file is sent where a range was asked for."""


@dataclass
class Request:
    """A request that the server has had."""

    method: str
    path: str
    range: str | None
    token: str | None
    sent: int = 0
    """Bytes of the body that went out."""


class HubServer(ThreadingHTTPServer):
    """The server; a context manager that runs it in a thread.

    `lfs_at` is the URL of another server of the same root, to which files outside git are redirected (as to a CDN).
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, root: Path, port: int = 0, lfs_at: str | None = None) -> None:
        super().__init__(("127.0.0.1", port), HubHandler)
        self.root, self.lfs_at, self.page = root, lfs_at, 1000
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

    def files(self, repo: str) -> dict[str, HubFile] | None:
        """The files of a repository; None where there is none of that name."""
        folder = self.root / "datasets" / repo
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


class HubHandler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server: HubServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    REPO: Final = r"(?P<repo>[\w.-]+(?:/[\w.-]+)?)"
    ROUTES: Final = (
        ("GET", re.compile(rf"/api/datasets/{REPO}"), "answer_info"),
        ("GET", re.compile(rf"/api/datasets/{REPO}/revision/(?P<revision>[^/]+)"), "answer_info"),
        ("GET", re.compile(rf"/api/datasets/{REPO}/tree/(?P<revision>[^/]+)(?:/(?P<path>.+))?"), "answer_tree"),
        ("POST", re.compile(rf"/api/datasets/{REPO}/paths-info/(?P<revision>[^/]+)"), "answer_paths"),
        ("GET", re.compile(rf"/api/datasets/{REPO}/refs"), "answer_refs"),
        ("GET", re.compile(rf"/datasets/{REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)"), "answer_file"),
    )

    def do_GET(self) -> None:
        """Answer a GET."""
        self._answer("GET")

    def do_HEAD(self) -> None:
        """Answer a HEAD: as a GET, without body."""
        self._answer("GET")

    def do_POST(self) -> None:
        """Answer a POST."""
        self._answer("POST")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing: the requests are in `HubServer.requests`."""

    def _answer(self, method: str) -> None:
        path = urlsplit(self.path).path
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.record = Request(self.command, unquote(path), self.headers.get("Range"), self.headers.get("Authorization"))
        self.server.requests.append(self.record)
        self.fault = self.server.take_fault(self.command, unquote(path))
        if self.fault and self.fault.status:
            self.send_head(self.fault.status, {"Content-Length": str(len(self.fault.body))} | self.fault.headers)
            self._send_block(self.fault.body)
            return
        for of, pattern, answer in self.ROUTES:
            if of == method and (match := pattern.fullmatch(path)):
                self._answer_repo(answer, {key: unquote(value) for key, value in match.groupdict().items() if value})
                return
        self.send_error_code(404, "EntryNotFound")

    def _answer_repo(self, answer: str, names: dict[str, str]) -> None:
        files = self.server.files(names["repo"])
        if files is None:
            self.send_error_code(401, "RepoNotFound")
            return
        revision = names.get("revision", "main")
        self.commit = revision if re.fullmatch("[0-9a-f]{40}", revision) else commit_of(files)
        getattr(self, answer)(files, names)

    def answer_info(self, files: dict[str, HubFile], names: dict[str, str]) -> None:
        """What a repository is, and its files; with `?blobs` their sizes and digests."""
        with_blobs = "blobs" in parse_qs(urlsplit(self.path).query)
        siblings = [file.sibling() if with_blobs else {"rfilename": file.path} for file in files.values()]
        about = {"private": False, "disabled": False, "gated": False, "downloads": 0, "likes": 0, "tags": []}
        self.send_json({"id": names["repo"], "sha": self.commit, "siblings": siblings} | about)

    def answer_tree(self, files: dict[str, HubFile], names: dict[str, str]) -> None:
        """The entries of a folder, with `?recursive` of all below it, in pages."""
        query = parse_qs(urlsplit(self.path).query)
        folder = names["path"] + "/" if "path" in names else ""
        found = list(entries(files, folder, recursive=query.get("recursive", ["false"])[0].lower() == "true"))
        if folder and not found:
            self.send_error_code(404, "EntryNotFound")
            return
        start = int(query.get("cursor", ["0"])[0])
        end = start + self.server.page
        page = f"{self.server.url}{urlsplit(self.path).path}?recursive={query.get('recursive', ['false'])[0]}&cursor={end}"
        self.send_json(found[start:end], {"Link": f'<{page}>; rel="next"'} if end < len(found) else {})

    def answer_paths(self, files: dict[str, HubFile], _names: dict[str, str]) -> None:
        """The entries of the paths in the form that is sent."""
        form = parse_qs(self.body.decode())
        wanted = set(form.get("paths", []))
        self.send_json([entry for entry in entries(files, "", recursive=True) if entry["path"] in wanted])

    def answer_refs(self, _files: dict[str, HubFile], _names: dict[str, str]) -> None:
        """The one branch there is."""
        self.send_json({"branches": [{"name": "main", "ref": "refs/heads/main", "targetCommit": self.commit}], "tags": []})

    def answer_file(self, files: dict[str, HubFile], names: dict[str, str]) -> None:
        """A file, or the range of it that is asked for; a redirection where another server keeps it."""
        file = files.get(names["path"])
        if file is None:
            self.send_error_code(404, "EntryNotFound", {"X-Repo-Commit": self.commit})
            return
        etag = self.fault.etag if self.fault and self.fault.etag else file.etag
        headers = {"X-Repo-Commit": self.commit, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        if file.is_lfs:
            headers |= {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(file.size)}
        headers |= self.fault.headers if self.fault else {}
        if file.is_lfs and self.server.lfs_at:
            location = f"{self.server.lfs_at}{quote(urlsplit(self.path).path)}?signature=of-the-hub"
            self.send_head(302, headers | {"Location": location, "Content-Length": "0"})
        else:
            self._send_file(file, headers)

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

    def send_json(self, value: Any, headers: dict[str, str] | None = None) -> None:
        """Answer with JSON."""
        body = json.dumps(value).encode()
        self.send_head(200, {"Content-Type": "application/json", "Content-Length": str(len(body))} | (headers or {}))
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
