"""What the tests of fetching share: a fetcher that does not wait, and the shortest way to a file of one repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from data_mix.errors import FetchError
from data_mix.fetch import Fetcher, RemoteFile
from data_mix.home import datamix_home
from data_mix.source import RawFile
from hub_server import HubServer

REPO: Final = "owner/name"
LARGE: Final = bytes(range(256)) * 2000
"""Half a megabyte."""
TOKEN: Final = "hf_" + "canary" * 6


def make_fetcher(**options: Any) -> Fetcher:
    """A fetcher that does not wait between its tries."""
    return Fetcher(home=datamix_home(), backoff=0.001, **options)


def resolve(path: str, fetcher: Fetcher | None = None, **names: Any) -> RemoteFile:
    """The one file that a path in the repository names."""
    [remote] = (fetcher or make_fetcher()).resolve(RawFile(repo=REPO, path=path, **names))
    return remote


def fetch(path: str, **names: Any) -> bytes:
    """The bytes of a file of the repository, as a fetcher of its own brings them."""
    fetcher = make_fetcher()
    return fetcher.fetch(resolve(path, fetcher, **names)).path.read_bytes()


def fetch_url(url: str, **names: Any) -> bytes:
    """The bytes of a file of the web."""
    fetcher = make_fetcher()
    [remote] = fetcher.resolve(RawFile(path=url, **names))
    return fetcher.fetch(remote).path.read_bytes()


def leave_part(hub: HubServer, path: str, cut: int) -> Path:
    """The part that is left of a fetch that ended after `cut` bytes, with the hub well again."""
    hub.put(REPO, path, LARGE)
    hub.fail(path, cut=cut)
    hub.fail(path, times=5, status=503)
    with pytest.raises(FetchError):
        fetch(path)
    [partial] = (datamix_home() / "files").rglob("*.partial")
    return partial


def stored() -> list[Path]:
    """All files that are believed to be whole raw files."""
    return [path for path in (datamix_home() / "files").glob("*/*") if path.suffix != ".partial"]


def bodies(hub: HubServer) -> list[str | None]:
    """The ranges of the requests for files so far, None for a whole one."""
    return [request.range for request in hub.requests if "/resolve/" in request.path]


def url_of(hub: HubServer, path: str) -> str:
    """The address of a file, as a server of the web would have one."""
    return f"{hub.url}/datasets/{REPO}/resolve/main/{path}"
