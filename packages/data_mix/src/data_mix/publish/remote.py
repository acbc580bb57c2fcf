"""The calls of the hub by which a repository is written, each repeated while that may help, and an error in one line where not.

Every call first looks at what is there, so that to repeat one does no harm: an answer may be lost after the hub has acted.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx2
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, RepoFile
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, RepositoryNotFoundError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from data_mix.errors import PublishError, UsageError
from data_mix.fetch.web import endpoint
from data_mix.publish.files import PlannedFile, RemoteFile, differing
from data_mix.publish.token import TokenMask

T = TypeVar("T")

TITLE: Final = "datamix publish"
"""How the titles of our pull requests begin."""
MAIN: Final = "main"

_TRANSIENT: Final = {408, 425, 429, 500, 502, 503, 504}
_REFUSALS: Final = {
    401: "does not know your token; log in with `hf auth login` or set HF_TOKEN",
    403: "does not let you do that; use a token that may write there, or another repository",
    404: "has no such repository, or hides it from you; check its name, and log in with an account that may write there",
    409: "says that something else is going on there; run again in a moment",
    412: "says that the repository changed meanwhile; run again",
}


@dataclass(frozen=True)
class State:
    """What a repository is at a moment."""

    private: bool
    commit: str


class Remote:
    """A repository, for one publication. `backoff` is the wait before the second try of a call, in seconds."""

    def __init__(self, repo: str, kind: str, token: str | None, *, backoff: float = 1.0, tries: int = 5) -> None:
        try:
            validate_repo_id(repo)
        except HFValidationError as error:
            raise UsageError(f"--repo {repo!r} is no name of a repository, wanted ORG/NAME") from error
        if repo.count("/") != 1:
            raise UsageError(f"--repo {repo!r} is no name of a repository, wanted ORG/NAME")
        self.repo, self.kind, self._backoff, self._tries = repo, kind, backoff, tries
        self._api = HfApi(endpoint=endpoint(), token=token or False)
        self._mask = TokenMask(token).mask
        self._about: dict[str, Any] = {"repo_id": repo, "repo_type": kind}

    def look(self) -> State | None:
        """What the repository is; None where there is none that this token may see."""

        def ask() -> State | None:
            try:
                found: Any = self._api.repo_info(**self._about)
            except RepositoryNotFoundError:
                return None
            return State(private=bool(found.private), commit=str(found.sha))

        return self._call(ask)

    def create(self, *, private: bool) -> None:
        """Create the repository where there is none."""
        self._call(lambda: self._api.create_repo(self.repo, repo_type=self.kind, private=private, exist_ok=True))

    def tree(self, revision: str) -> dict[str, RemoteFile]:
        """The files of a revision, by their path."""

        def ask() -> dict[str, RemoteFile]:
            found = self._api.list_repo_tree(recursive=True, revision=revision, **self._about)
            return {each.path: _as_file(each) for each in found if isinstance(each, RepoFile)}

        return self._call(ask)

    def read(self, path: str, revision: str) -> bytes:
        """The bytes of a small file."""

        def ask() -> bytes:
            with tempfile.TemporaryDirectory() as folder:
                local = self._api.hf_hub_download(filename=path, revision=revision, local_dir=folder, **self._about)
                return Path(local).read_bytes()

        return self._call(ask)

    def pull_request(self, title: str) -> int:
        """The number of the open pull request of that title: one that an ended run left, else a new one; others of ours go."""

        def find_or_open() -> int:
            found = self._api.get_repo_discussions(discussion_type="pull_request", **self._about)
            ours = [each for each in found if each.status in {"open", "draft"} and each.title.startswith(f"{TITLE} ")]
            same = [each.num for each in ours if each.title == title]
            for each in ours:
                if each.num not in same[:1]:
                    self._api.change_discussion_status(discussion_num=each.num, new_status="closed", **self._about)
            return same[0] if same else self._api.create_pull_request(title=title, **self._about).num

        return self._call(find_or_open)

    def bring(self, num: int, planned: Mapping[str, PlannedFile], stale: Callable[[str], bool], message: str) -> None:
        """Send to a pull request what it lacks, and take from it what is stale, in one commit."""
        ref = f"refs/pr/{num}"

        def send() -> None:
            there = self.tree(ref)
            gone = [path for path in there if path not in planned and stale(path)]
            operations: list[Any] = [CommitOperationDelete(path, is_folder=False) for path in gone]
            operations += [_addition(file) for file in differing(planned, there)]
            if operations:
                self._api.create_commit(operations=operations, commit_message=message, revision=ref, **self._about)

        self._call(send)

    def merge(self, num: int, is_done: Callable[[], bool]) -> None:
        """Make the pull request main; nothing where another run was first, and the same stands there."""

        def merge() -> None:
            if is_done():
                return
            pull = self._api.get_discussion_details(discussion_num=num, **self._about)
            if pull.status == "draft":  # as those are that a program opened
                self._api.change_discussion_status(discussion_num=num, new_status="open", **self._about)
            self._api.merge_pull_request(discussion_num=num, **self._about)

        self._call(merge)

    def close(self, num: int) -> None:
        """Close a pull request."""
        self._call(lambda: self._api.change_discussion_status(discussion_num=num, new_status="closed", **self._about))

    def tag(self, name: str, commit: str) -> bool:
        """Name a commit; return whether that name was new."""

        def name_it() -> bool:
            if name in {each.name for each in self._api.list_repo_refs(**self._about).tags}:
                return False
            self._api.create_tag(tag=name, revision=commit, exist_ok=True, **self._about)
            return True

        return self._call(name_it)

    def _call(self, step: Callable[[], T]) -> T:
        """Do a step, again while the hub is busy or cannot be reached; PublishError where it refuses, or goes on so."""
        for failures in range(1, self._tries + 1):
            try:
                return step()
            except (HfHubHTTPError, httpx2.HTTPError, OfflineModeIsEnabled, RuntimeError, ValueError, OSError) as raised:
                error = _cause(raised)
                if error is None:
                    raise
                if not _is_transient(error) or failures == self._tries:
                    raise PublishError(self._mask(f"{self.repo}: {_sentence(error, failures)}")) from raised
                time.sleep(self._backoff * 2 ** (failures - 1))
        raise AssertionError("the last try returns or raises")


def _as_file(found: RepoFile) -> RemoteFile:
    return (
        RemoteFile(found.lfs.size, found.blob_id, found.lfs.sha256)
        if found.lfs
        else RemoteFile(found.size, found.blob_id, None)
    )


def _addition(file: PlannedFile) -> CommitOperationAdd:
    return CommitOperationAdd(file.path, file.data if isinstance(file.data, bytes) else str(file.data))


def _cause(raised: BaseException) -> BaseException | None:
    """What of the network, the hub or the Xet route is behind an error; None: it is none of theirs.

    hf_xet, which has tried again by itself, raises Python's own errors, without the number that one of the system's has.
    """
    error: BaseException | None = raised
    while error is not None:
        if isinstance(error, (HfHubHTTPError, httpx2.HTTPError, OfflineModeIsEnabled)):
            return error
        error = error.__cause__
    is_of_xet = isinstance(raised, (RuntimeError, ConnectionError, TimeoutError, PermissionError, FileNotFoundError))
    return raised if is_of_xet and raised.__cause__ is None and getattr(raised, "errno", None) is None else None


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in _TRANSIENT
    return isinstance(error, (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError))


def _sentence(error: BaseException, failures: int) -> str:
    """What went wrong, and what to do. The token may stand in what httpx says of a header: that is left out."""
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set; unset it, to publish"
    if not isinstance(error, HfHubHTTPError):
        what = type(error).__name__ if isinstance(error, httpx2.HTTPError) else f"the upload failed ({error})"
        times = f", {failures} times in a row" if failures > 1 else ""
        return f"{what}{times}; check the network and HF_ENDPOINT, and run again: what was sent is not sent again"
    status = error.response.status_code
    if status in _TRANSIENT:
        return f"the hub answers HTTP {status}, {failures} times in a row; run again later: what was sent is not sent again"
    said = f" ({error.server_message})" if error.server_message else ""
    refusal = _REFUSALS.get(status, "refuses that; see what it says, and run again")
    return f"the hub {refusal} (HTTP {status}){said if status not in {401, 404} else ''}"


def paths_in(folders: Sequence[str]) -> Callable[[str], bool]:
    """Whether a path lies in one of the folders."""
    return lambda path: path.startswith(tuple(f"{folder}/" for folder in folders))
