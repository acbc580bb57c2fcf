"""Transfers: cut, gone on with, changed on their way, and the disk they end on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import Final

import pytest

from data_mix.errors import FetchError, OutputError
from data_mix.fetch.transfer import Wanted, download
from data_mix.fetch.web import Web
from data_mix.home import datamix_home
from data_mix.source import RawFile
from fetching import LARGE, REPO, bodies, fetch, fetch_url, leave_part, make_fetcher, stored, url_of
from hub_server import HubServer

FETCH_IN_PROCESS: Final = """
from data_mix.errors import DataMixError
from data_mix.fetch import Fetcher
from data_mix.home import datamix_home
from data_mix.source import RawFile
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
fetcher = Fetcher(home=datamix_home(), backoff=0.001)
[remote] = fetcher.resolve(RawFile(repo="owner/name", path="a.parquet"))
try:
    fetcher.fetch(remote)
except DataMixError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def test_a_cut_body_is_gone_on_with(hub: HubServer) -> None:
    """After a cut only the rest is asked for, and every byte is sent once."""
    hub.put(REPO, "a.parquet", LARGE)
    hub.fail("a.parquet", times=2, cut=100_000)
    assert fetch("a.parquet") == LARGE
    assert bodies(hub) == [None, "bytes=100000-511999", "bytes=200000-511999"]
    assert hub.sent() == len(LARGE)


def test_a_body_that_is_cut_again_and_again_arrives(hub: HubServer) -> None:
    """As long as each try brings some bytes, no number of cuts is too many."""
    hub.put(REPO, "a.parquet", LARGE)
    hub.fail("a.parquet", times=9, cut=50_000)
    assert fetch("a.parquet") == LARGE
    assert (len(bodies(hub)), hub.sent()) == (10, len(LARGE))


def test_a_cut_after_a_redirection_is_gone_on_with(hub: HubServer) -> None:
    """Each try starts at the hub again, for a store's address may have run out; that its ETags are its own does not matter."""
    hub.put(REPO, "a.parquet", LARGE)
    with HubServer(hub.root) as store:
        hub.lfs_at = store.url
        store.fail("a.parquet", cut=100_000, etag="the-store's-own")
        assert fetch("a.parquet") == LARGE
        assert (store.sent(), hub.sent()) == (len(LARGE), 0)


def test_a_cut_url_is_gone_on_with(hub: HubServer) -> None:
    """After a cut only the rest is asked for."""
    hub.put(REPO, "a.txt", LARGE)
    fetcher = make_fetcher()
    [remote] = fetcher.resolve(RawFile(path=url_of(hub, "a.txt")))
    hub.fail("a.txt", cut=100_000)
    assert fetcher.fetch(remote).path.read_bytes() == LARGE
    assert hub.sent() == 1 + len(LARGE)


def test_a_file_that_changes_between_two_parts_is_fetched_anew(hub: HubServer) -> None:
    """Parts of two versions are never joined."""
    hub.put(REPO, "a.parquet", LARGE)
    hub.fail("a.parquet", cut=100_000)
    hub.fail("a.parquet", etag="other", wrong=True)
    assert fetch("a.parquet") == LARGE
    assert bodies(hub) == [None, "bytes=100000-511999", None]


def test_a_server_that_forgets_ranges_sends_the_whole_again(hub: HubServer) -> None:
    """A whole file in answer to a range takes the place of what came before."""
    hub.put(REPO, "a.parquet", LARGE)
    hub.fail("a.parquet", cut=100_000)
    hub.fail("a.parquet", without_range=True)
    assert fetch("a.parquet") == LARGE
    assert bodies(hub) == [None, "bytes=100000-511999"]


def test_a_wrong_range_is_not_joined(hub: HubServer) -> None:
    """A part that starts elsewhere than asked is thrown away."""
    hub.put(REPO, "a.parquet", LARGE)
    hub.fail("a.parquet", cut=100_000)
    hub.fail("a.parquet", headers={"Content-Range": "bytes 7-511999/512000"})
    assert fetch("a.parquet") == LARGE
    assert bodies(hub) == [None, "bytes=100000-511999", None]


def test_a_transfer_that_keeps_failing_ends_and_the_next_run_goes_on(hub: HubServer) -> None:
    """After six failures without progress there is an error, and the next run asks only for what is missing."""
    hub.put(REPO, "a.parquet", LARGE)
    hub.fail("a.parquet", cut=100_000)
    hub.fail("a.parquet", times=5, status=503)
    with pytest.raises(FetchError, match=r"a.parquet: HTTP 503, 6 times in a row; check the network"):
        fetch("a.parquet")
    assert not stored()
    assert fetch("a.parquet") == LARGE
    assert hub.sent() == len(LARGE)


def test_a_file_that_keeps_changing_is_an_error(hub: HubServer) -> None:
    """An ETag that is never the one that was resolved ends in an error, not in a file."""
    hub.put(REPO, "a.parquet", LARGE)
    hub.fail("a.parquet", times=99, etag="other")
    with pytest.raises(FetchError, match="changed while it was fetched"):
        fetch("a.parquet")
    assert not stored()


def test_a_file_that_comes_compressed_is_refused(hub: HubServer) -> None:
    """Bytes that a server changed on their way are not taken for the file."""
    hub.put(REPO, "a.txt", LARGE)
    hub.fail("a.txt", headers={"Content-Encoding": "gzip"})
    with pytest.raises(FetchError, match="compressed on its way"):
        fetch("a.txt")


def test_a_file_larger_than_the_disk_is_refused_before_it_is_fetched(hub: HubServer) -> None:
    """Where there is no space for a file, none of it is fetched."""
    siblings = [{"rfilename": "a.parquet", "size": 10**15, "blobId": "0" * 40}]
    hub.fail("/revision/main", status=200, body=json.dumps({"sha": "0" * 40, "siblings": siblings}).encode())
    with pytest.raises(OutputError, match=r"needs 1,000,000,000,000,000 bytes"):
        fetch("a.parquet")
    assert hub.sent() == 0


def test_a_disk_that_is_full_halfway_is_an_error_and_nothing_looks_whole(hub: HubServer) -> None:
    """A write that the system refuses ends in one line, and the next run ends well."""
    hub.put(REPO, "a.parquet", LARGE)
    command = [sys.executable, "-c", FETCH_IN_PROCESS, "100000"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.stderr.startswith("OutputError: cannot write")
    assert (ended.returncode, ended.stderr.count("\n"), stored()) == (1, 1, [])
    assert fetch("a.parquet") == LARGE


@pytest.mark.slow
def test_a_killed_download_goes_on(hub: HubServer) -> None:
    """After SIGKILL in the middle, the next run asks only for what is missing and ends with the right bytes."""
    hub.put(REPO, "a.parquet", LARGE * 8)
    hub.fail("a.parquet", pause=0.02)
    with subprocess.Popen([sys.executable, "-c", FETCH_IN_PROCESS, str(1 << 40)]) as process:
        while not any(path.stat().st_size > 1_000_000 for path in (datamix_home() / "files").rglob("*.partial")):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert fetch("a.parquet") == LARGE * 8
    assert int((bodies(hub)[1] or "").removeprefix("bytes=").split("-")[0]) > 1_000_000


def test_an_empty_file_is_a_file(hub: HubServer) -> None:
    """A file without bytes is fetched as any other, from the hub and from the web."""
    hub.put(REPO, "a.txt", b"")
    assert (fetch("a.txt"), fetch_url(url_of(hub, "a.txt"))) == (b"", b"")


def test_a_part_that_is_too_long_is_thrown_away(hub: HubServer) -> None:
    """What an earlier run left is gone on with only where it can be a part of the file."""
    leave_part(hub, "a.parquet", cut=1000).write_bytes(LARGE * 2)
    hub.requests.clear()
    assert fetch("a.parquet") == LARGE
    assert bodies(hub) == [None]


def test_a_file_without_an_etag_is_never_joined_from_parts(hub: HubServer) -> None:
    """Where a server gives nothing to tell versions apart by, a cut file is fetched from its start."""
    hub.put(REPO, "a.txt", LARGE)
    partial = datamix_home() / "a.partial"
    hub.fail("a.txt", cut=1000)
    download(Web(backoff=0.001), Wanted(url=url_of(hub, "a.txt"), name="a.txt", etag=None, end=len(LARGE)), partial)
    assert partial.read_bytes() == LARGE
    assert bodies(hub) == [None, None]
