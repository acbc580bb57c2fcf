"""The calls of the hub that tell of a repository: what it is, its files, its branches and tags."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from hub_files import HubFile, entries
from hub_storage import Repository

if TYPE_CHECKING:
    from hub_server import HubServer


class Reading:
    """The answers, mixed into the handler."""

    server: HubServer
    body: bytes
    path: str
    commit: str
    repo: Repository | None
    send_json: Callable[..., None]
    send_error_code: Callable[..., None]

    def answer_info(self, files: dict[str, HubFile], names: dict[str, str]) -> None:
        """What a repository is, and its files; with `?blobs` their sizes and digests."""
        with_blobs = "blobs" in parse_qs(urlsplit(self.path).query)
        siblings = [file.sibling() if with_blobs else {"rfilename": file.path} for file in files.values()]
        about = {
            "private": bool(self.repo and self.repo.private),
            "disabled": False,
            "gated": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
        }
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
        """Branches and tags."""
        refs, tags = (self.repo.refs, self.repo.tags) if self.repo else ({"main": self.commit}, {})
        branches = [(name, f"refs/heads/{name}", commit) for name, commit in refs.items() if not name.startswith("refs/")]
        named = {"branches": branches, "tags": [(name, f"refs/tags/{name}", commit) for name, commit in tags.items()]}
        keys = ("name", "ref", "targetCommit")
        self.send_json(
            {key: [dict(zip(keys, each, strict=True)) for each in of] for key, of in named.items()} | {"converts": []}
        )
