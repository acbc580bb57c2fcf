"""The calls of the hub that write: repositories, uploads by both routes, commits, pull requests, branches and tags."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

from hub_files import HubFile
from hub_storage import Discussion, Files, RefusedError, Repository, changed
from hub_xet import read_file, xet_hash

if TYPE_CHECKING:
    from hub_server import HubServer

    Names = dict[str, str]

NAME: Final = r"(?P<repo>[\w.-]+/[\w.-]+)"
API: Final = rf"/api/(?P<kind>datasets|models)/{NAME}"
REVISION: Final = r"(?P<revision>[^/]+)"
DATE: Final = "2026-01-02T03:04:05.000Z"


def route(method: str, pattern: str, answer: str) -> tuple[str, re.Pattern[str], str]:
    """A call, and the method that answers it."""
    return method, re.compile(pattern), answer


GLOBAL: Final = (
    route("POST", "/api/repos/create", "answer_create"),
    route("GET", "/api/whoami-v2", "answer_whoami"),
    route("POST", "/api/validate-yaml", "answer_yaml"),
    route("PUT", "/lfs/(?P<oid>[0-9a-f]{64})", "answer_put"),
)
OF_A_REPOSITORY: Final = (
    route("POST", rf"{API}/preupload/{REVISION}", "answer_preupload"),
    route("POST", rf"/(?:(?P<kind>datasets)/)?{NAME}\.git/info/lfs/objects/batch", "answer_batch"),
    route("POST", rf"/(?:(?P<kind>datasets)/)?{NAME}\.git/info/lfs/verify", "answer_verify"),
    route("GET", rf"{API}/xet-(?:read|write)-token/{REVISION}", "answer_xet"),
    route("POST", rf"{API}/commit/{REVISION}", "answer_commit"),
    route("GET", rf"{API}/discussions", "answer_discussions"),
    route("POST", rf"{API}/discussions", "answer_open"),
    route("GET", rf"{API}/discussions/(?P<num>\d+)", "answer_discussion"),
    route("POST", rf"{API}/discussions/(?P<num>\d+)/status", "answer_status"),
    route("POST", rf"{API}/discussions/(?P<num>\d+)/merge", "answer_merge"),
    route("POST", rf"{API}/branch/(?P<name>[^/]+)", "answer_branch"),
    route("POST", rf"{API}/tag/{REVISION}", "answer_tag"),
    route("DELETE", rf"{API}/(?P<what>branch|tag)/(?P<name>[^/]+)", "answer_delete"),
)


class Writing:
    """The answers, mixed into the handler."""

    server: HubServer
    body: bytes
    path: str
    headers: Any
    send_json: Callable[..., None]

    def answer_create(self, _names: Names) -> None:
        """Create a repository; 409 where there is one of that name."""
        asked = json.loads(self.body)
        kind, name = f"{asked.get('type', 'model')}s", f"{asked['organization']}/{asked['name']}"
        url = f"{self.server.url}/{'datasets/' if kind == 'datasets' else ''}{name}"
        if self.server.storage.find(name, kind) or (self.server.root / kind / name).is_dir():
            self.send_json({"url": url, "error": "You already created this repo"}, status=409)
            return
        private = asked.get("visibility", "public") == "private" and not self.server.ignores_private
        self.server.storage.create(name, private=private, kind=kind)
        self.send_json({"url": url})

    def answer_whoami(self, _names: Names) -> None:
        """Who the token belongs to."""
        self.send_json({"name": "tester", "type": "user", "orgs": [], "auth": {"type": "access_token"}})

    def answer_yaml(self, _names: Names) -> None:
        """Every card will do that opens with front matter."""
        fine = json.loads(self.body)["content"].startswith("---\n")
        self.send_json(
            {"errors": [] if fine else [{"message": "no front matter"}], "warnings": []}, status=200 if fine else 400
        )

    def answer_put(self, names: Names) -> None:
        """Keep a large file."""
        if self.server.storage.blobs.put(self.body) != names["oid"]:
            raise RefusedError(400, "other bytes than were announced")
        self.send_json({})

    def answer_preupload(self, repo: Repository, names: Names) -> None:
        """How each file is to be sent, and what the revision has under its path."""
        files = self._files(repo, names)
        answers = [self._mode(each, files.get(each["path"])) for each in json.loads(self.body)["files"]]
        self.send_json({"files": answers})

    def _mode(self, asked: dict[str, Any], there: HubFile | None) -> dict[str, Any]:
        is_lfs = HubFile(asked["path"], Path(asked["path"]), asked["size"], "", "").is_lfs
        mode, known = "lfs" if is_lfs else "regular", {"oid": there.etag} if there else {}
        return {"path": asked["path"], "uploadMode": mode, "shouldIgnore": asked["path"] in self.server.ignored} | known

    def answer_batch(self, repo: Repository, _names: Names) -> None:
        """Where each large file is to be put; nowhere, where it is known already."""
        objects = json.loads(self.body)["objects"]
        at = f"{self.server.url}/{repo.kind}/{repo.name}.git/info/lfs/verify".replace("/models/", "/")
        for each in objects:
            if not self.server.storage.blobs.path(each["oid"]).is_file():
                href = f"{self.server.lfs_at or self.server.url}/lfs/{each['oid']}"
                each["actions"] = {"upload": {"href": href}, "verify": {"href": at}}
        self.send_json({"transfer": "basic", "objects": objects})

    def answer_verify(self, _repo: Repository, _names: Names) -> None:
        """Whether a large file has come."""
        if not self.server.storage.blobs.path(json.loads(self.body)["oid"]).is_file():
            raise RefusedError(404, "no such object")
        self.send_json({})

    def answer_xet(self, _repo: Repository, _names: Names) -> None:
        """Where the Xet route writes and reads: a folder."""
        at = {"casUrl": f"local://{self.server.cas}", "accessToken": "of-xet", "exp": 9_999_999_999}
        self.server.cas.mkdir(parents=True, exist_ok=True)
        headers = {"X-Xet-Cas-Url": at["casUrl"], "X-Xet-Access-Token": at["accessToken"]}
        self.send_json(at, headers | {"X-Xet-Token-Expiration": str(at["exp"])})

    def answer_commit(self, repo: Repository, names: Names) -> None:
        """Make a commit on a branch; 412 where the branch is not at the commit that is named."""
        lines = [json.loads(line) for line in self.body.splitlines()]
        header = next(line["value"] for line in lines if line["key"] == "header")
        ref = names["revision"]
        if header.get("parentCommit") not in {None, repo.refs.get(ref)}:
            raise RefusedError(412, "A commit has happened since. Please refresh and try again.")
        gone, folders = ([v["path"] for v in self._values(lines, key)] for key in ("deletedFile", "deletedFolder"))
        added = {v["path"]: self._added(v) for key in ("file", "lfsFile") for v in self._values(lines, key)}
        sha = repo.commit(ref, changed(self._files(repo, names), gone, folders, added))
        self.send_json({"commitUrl": f"{self.server.url}/{repo.kind}/{repo.name}/commit/{sha}", "commitOid": sha})

    def _values(self, lines: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
        return [line["value"] for line in lines if line["key"] == key]

    def _added(self, value: dict[str, Any]) -> HubFile:
        blobs = self.server.storage.blobs
        if "content" in value:
            return blobs.file(value["path"], blobs.put(base64.b64decode(value["content"])))
        if not blobs.path(value["oid"]).is_file():
            name = xet_hash(self.server.cas, value["oid"])
            if name is None:
                raise RefusedError(400, f"{value['path']} was not uploaded")
            blobs.put(read_file(self.server.cas, name, value["size"]))
        return blobs.file(value["path"], value["oid"])

    def answer_discussions(self, repo: Repository, _names: Names) -> None:
        """The pull requests, newest first."""
        asked = parse_qs(urlsplit(self.path).query).get("status", ["all"])[0]
        states = {"open": {"open", "draft"}, "closed": {"closed", "merged"}}.get(asked)
        found = [each for each in reversed(repo.discussions) if states is None or each.status in states]
        self.send_json({"count": len(found), "start": 0, "discussions": [self._about(repo, each) for each in found]})

    def _about(self, repo: Repository, each: Discussion) -> dict[str, Any]:
        about = {"num": each.num, "title": each.title, "status": each.status, "createdAt": DATE, "isPullRequest": True}
        return about | {"author": {"name": "tester"}, "repo": {"name": repo.name, "type": repo.kind[:-1]}}

    def answer_open(self, repo: Repository, _names: Names) -> None:
        """Open a pull request."""
        self.send_json({"num": repo.open_discussion(json.loads(self.body)["title"]).num})

    def answer_discussion(self, repo: Repository, names: Names) -> None:
        """One pull request."""
        each = repo.discussion(int(names["num"]))
        changes = {"base": "refs/heads/main", "mergeCommitId": each.merge_commit}
        self.send_json(self._about(repo, each) | {"events": [], "filesWithConflicts": [], "diff": "", "changes": changes})

    def answer_status(self, repo: Repository, names: Names) -> None:
        """Open or close a pull request."""
        each = repo.discussion(int(names["num"]))
        each.status = json.loads(self.body)["status"]
        event = {"id": "1", "type": "status-change", "createdAt": DATE, "author": {"name": "tester"}}
        self.send_json({"newStatus": event | {"data": {"status": each.status}}})

    def answer_merge(self, repo: Repository, names: Names) -> None:
        """Merge a pull request."""
        repo.merge(int(names["num"]))
        self.send_json({})

    def answer_branch(self, repo: Repository, names: Names) -> None:
        """Make a branch."""
        if names["name"] in repo.refs:
            raise RefusedError(409, "there is a branch of that name")
        start = repo.resolve(json.loads(self.body or b"{}").get("startingPoint", "main"))
        repo.move(names["name"], start or repo.refs["main"])
        self.send_json({})

    def answer_tag(self, repo: Repository, names: Names) -> None:
        """Name a commit."""
        tag, commit = json.loads(self.body)["tag"], repo.resolve(names["revision"])
        if tag in repo.tags or commit is None:
            raise RefusedError(409 if commit else 404, "there is a tag of that name, or no such revision")
        repo.tags[tag] = commit
        self.send_json({})

    def answer_delete(self, repo: Repository, names: Names) -> None:
        """Take a branch or a tag away."""
        names_of_commits = repo.refs if names["what"] == "branch" else repo.tags
        if names_of_commits.pop(names["name"], None) is None:
            raise RefusedError(404, "there is none of that name")
        self.send_json({})

    def _files(self, repo: Repository, names: Names) -> Files:
        commit = repo.resolve(names["revision"])
        if commit is None:
            raise RefusedError(404, "RevisionNotFound")
        return repo.commits[commit]
