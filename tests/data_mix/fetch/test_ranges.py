"""Ranges: of a Parquet file only the footer and the row groups that are wanted go over the network."""

from __future__ import annotations

import hashlib
import io
import os
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_mix.errors import FetchError, RawFileError
from data_mix.fetch.digests import Span
from data_mix.fetch.ranges import TAIL, RangedFile, RangeFolder, open_parquet, row_group_span
from data_mix.home import datamix_home
from data_mix.source import LocalFile, RawFile
from fetching import LARGE, REPO, bodies, fetch, make_fetcher, resolve
from hub_server import HubServer

ROWS: Final = pa.table(
    {
        "text": [f"row {number} of many" * (number % 7) for number in range(1000)],
        "nested": [[{"role": "user", "content": str(number)}] * (number % 3) for number in range(1000)],
        "word": ["few", "different", "words", None] * 250,
    }
)
FILE: Final = "data/train.parquet"


def parquet(**options: Any) -> bytes:
    """`ROWS` as a Parquet file of ten row groups."""
    buffer = io.BytesIO()
    pq.write_table(ROWS, buffer, row_group_size=100, **options)
    return buffer.getvalue()


def footer_bytes(data: bytes) -> int:
    """Bytes of the footer and its tail, as the tail says."""
    return int.from_bytes(data[-TAIL:-4], "little") + TAIL


def span_of(data: bytes, index: int) -> Span:
    """Where a row group lies."""
    return row_group_span(pq.read_metadata(io.BytesIO(data)), index)


def fetch_group(index: int, path: str = FILE) -> LocalFile:
    """A row group, as a fetcher of its own brings it."""
    fetcher = make_fetcher()
    return fetcher.fetch_row_group(resolve(path, fetcher, split="train"), index)


def read(local: LocalFile) -> pa.Table:
    """The rows of a fetched row group."""
    return open_parquet(local).read_row_group(local.row_group)


def test_the_rows_of_row_groups_cost_the_footer_alone(hub: HubServer) -> None:
    """Exactly the last eight bytes and the footer are sent, and only once."""
    data = parquet()
    hub.put(REPO, FILE, data)
    for _ in range(2):
        assert make_fetcher().row_groups(resolve(FILE)) == [100] * 10
    assert hub.sent() == footer_bytes(data)
    assert bodies(hub)[0] == f"bytes={len(data) - TAIL}-{len(data) - 1}"


def test_a_row_group_is_one_request_for_its_bytes_alone(hub: HubServer) -> None:
    """Of the file the footer and the row group are sent, and its rows are those of the whole file."""
    data = parquet()
    hub.put(REPO, FILE, data)
    local, (start, end) = fetch_group(3), span_of(data, 3)
    assert read(local) == ROWS.slice(300, 100)
    assert bodies(hub)[2:] == [f"bytes={start}-{end - 1}"]
    assert hub.sent() == footer_bytes(data) + end - start
    assert local.sha256 == hashlib.sha256(data[start:end]).hexdigest()
    assert (local.name, local.stem, local.split, local.row_group) == ("train.parquet", "train", "train", 3)


def test_a_row_group_is_fetched_once(hub: HubServer) -> None:
    """A later build that draws more row groups is sent only those that are new."""
    data = parquet()
    hub.put(REPO, FILE, data)
    first = fetch_group(1)
    hub.requests.clear()
    assert fetch_group(1) == first
    assert hub.sent() == 0
    fetch_group(2)
    assert hub.sent() == span_of(data, 2).end - span_of(data, 2).start


def test_a_pinned_row_group_that_is_kept_needs_no_request(hub: HubServer) -> None:
    """Footer and row group are kept by the content of the file, its list by the commit."""
    hub.put(REPO, FILE, parquet())
    remote = resolve(FILE)
    make_fetcher().fetch_row_group(remote, 1)
    hub.requests.clear()
    make_fetcher().fetch_row_group(resolve(FILE, revision=remote.commit), 1)
    assert not hub.requests


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "none", "use_dictionary": False},
        {"compression": "zstd", "use_dictionary": ["word"]},
        {"compression": "gzip", "data_page_version": "2.0", "data_page_size": 100},
        {"write_page_index": True, "write_page_checksum": True, "dictionary_pagesize_limit": 10},
    ],
    ids=str,
)
def test_a_row_group_is_complete_however_it_was_written(hub: HubServer, options: dict[str, Any]) -> None:
    """Whatever pages, dictionaries and indexes a writer makes, the fetched bytes suffice to read all columns."""
    hub.put(REPO, FILE, parquet(**options))
    for index in (0, 9):
        assert read(fetch_group(index)) == ROWS.slice(index * 100, 100)


def test_a_row_group_of_a_local_file_is_the_same(hub: HubServer, tmp_path: Path) -> None:
    """A local file gives the same rows under the same digest as the hub's, and is not copied."""
    hub.put(REPO, FILE, parquet())
    (tmp_path / "train.parquet").write_bytes(parquet())
    fetcher = make_fetcher()
    [remote] = fetcher.resolve(RawFile(path=str(tmp_path / "train.parquet"), split="train"))
    local = fetcher.fetch_row_group(remote, 4)
    assert fetcher.row_groups(remote) == [100] * 10
    assert read(local) == read(fetch_group(4))
    assert (local.sha256, local.path) == (fetch_group(4).sha256, tmp_path / "train.parquet")


def test_a_row_group_of_a_sample_needs_no_network(hub: HubServer, tmp_path: Path) -> None:
    """With a folder of samples the ranges are read there."""
    (tmp_path / "samples" / "data").mkdir(parents=True)
    (tmp_path / "samples" / FILE).write_bytes(parquet())
    fetcher = make_fetcher(samples=tmp_path / "samples")
    assert read(fetcher.fetch_row_group(resolve(FILE, fetcher), 4)) == ROWS.slice(400, 100)
    assert not hub.requests


def test_a_whole_file_that_is_kept_serves_its_row_groups(hub: HubServer) -> None:
    """After a build without a cap, one with a cap fetches nothing."""
    hub.put(REPO, FILE, parquet())
    fetch(FILE)
    sent = hub.sent()
    assert read(fetch_group(5)) == ROWS.slice(500, 100)
    assert hub.sent() == sent


def test_a_cut_row_group_is_gone_on_with(hub: HubServer) -> None:
    """After a cut only the rest of the row group is asked for."""
    data = parquet()
    hub.put(REPO, FILE, data)
    make_fetcher().row_groups(resolve(FILE))
    hub.fail(FILE, cut=50)
    assert read(fetch_group(3)) == ROWS.slice(300, 100)
    start, end = span_of(data, 3)
    assert bodies(hub)[-1] == f"bytes={start + 50}-{end - 1}"
    assert hub.sent() == footer_bytes(data) + end - start


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_busy_server_is_asked_for_a_row_group_again(hub: HubServer, status: int) -> None:
    """What passes for a whole file passes for a range."""
    hub.put(REPO, FILE, parquet())
    hub.fail(FILE, times=2, status=status)
    assert read(fetch_group(3)) == ROWS.slice(300, 100)


def test_row_groups_of_two_versions_are_never_joined(hub: HubServer) -> None:
    """A file whose ETag is not the one that was resolved is an error, and nothing of it is kept."""
    hub.put(REPO, FILE, parquet())
    remote = resolve(FILE)
    make_fetcher().row_groups(remote)
    hub.fail(FILE, times=99, etag="other")
    with pytest.raises(FetchError, match="changed while it was fetched"):
        make_fetcher().fetch_row_group(remote, 3)
    assert len(RangeFolder(datamix_home() / "ranges" / remote.key).stored()) == 2


def test_a_server_without_ranges_is_an_error_that_fetches_nothing(hub: HubServer) -> None:
    """A whole file in answer to a range is not read; the error says what to do without ranges."""
    hub.put(REPO, FILE, parquet() + LARGE * 4)
    hub.fail(FILE, times=99, without_range=True)
    with pytest.raises(FetchError, match="sends no ranges; set no cap"):
        make_fetcher().row_groups(resolve(FILE))
    assert len(bodies(hub)) == 1


def test_a_refused_row_group_says_what_to_do(hub: HubServer) -> None:
    """A gated file is refused as a whole one is."""
    hub.put(REPO, FILE, parquet())
    hub.fail(FILE, times=9, status=403, headers={"X-Error-Code": "GatedRepo"})
    with pytest.raises(FetchError, match=r"train\.parquet is gated; accept its terms"):
        fetch_group(0)


def test_a_range_goes_to_the_store_without_the_token(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store of large files on another host is asked for the range and never sees the token."""
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    hub.put(REPO, FILE, parquet())
    with HubServer(hub.root) as store:
        hub.lfs_at = store.url
        assert read(fetch_group(3)) == ROWS.slice(300, 100)
        assert {request.token for request in store.requests} == {None}
        assert (len(store.requests), hub.sent()) == (3, 0)


def test_a_damaged_range_is_fetched_again(hub: HubServer) -> None:
    """A kept range whose bytes are not those of its name is not believed."""
    hub.put(REPO, FILE, parquet())
    for stored in RangeFolder(fetch_group(3).path).stored():
        stored.path.write_bytes(b"damaged")
    assert read(fetch_group(3)) == ROWS.slice(300, 100)


def test_a_row_group_that_was_not_fetched_cannot_be_read(hub: HubServer) -> None:
    """Reading beyond what is there is an error that names the file and the byte, not silence."""
    hub.put(REPO, FILE, parquet())
    local = fetch_group(3)
    with pytest.raises(FetchError, match=r"train\.parquet: byte \d+ was not fetched"):
        open_parquet(local).read_row_group(4)


@pytest.mark.parametrize(
    "data", [b"", b"PAR1PAR1", LARGE, b"PAR1" + bytes(100) + b"\xff\xff\xff\x7fPAR1", b"PAR1" + bytes(99) + b"\x20\0\0\0PAR1"]
)
def test_what_is_no_parquet_is_an_error(hub: HubServer, tmp_path: Path, data: bytes) -> None:
    """A truncated file and one of another format are refused alike, from the hub and from here."""
    hub.put(REPO, FILE, data)
    (tmp_path / "own.parquet").write_bytes(data)
    [own] = make_fetcher().resolve(RawFile(path=str(tmp_path / "own.parquet")))
    for remote in (resolve(FILE), own):
        with pytest.raises(RawFileError, match=r"parquet: .*check|parquet: .*Parquet"):
            make_fetcher().row_groups(remote)


def test_a_whole_file_is_opened_too(tmp_path: Path) -> None:
    """A reader opens a whole file and a part of one in the same way, and a broken one is an error."""
    path = tmp_path / "own.parquet"
    path.write_bytes(parquet())
    local = LocalFile(name="own.parquet", path=path, sha256="")
    assert open_parquet(local).read() == ROWS
    path.write_bytes(parquet()[:-100])
    with pytest.raises(RawFileError, match=r"^own\.parquet: is truncated or no Parquet file"):
        open_parquet(local)


@given(
    data=st.binary(min_size=1, max_size=300),
    cuts=st.sets(st.integers(0, 300)),
    reads=st.lists(st.tuples(*[st.integers(0, 320)] * 2)),
)
def test_ranges_side_by_side_read_as_one_file(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, cuts: set[int], reads: list[tuple[int, int]]
) -> None:
    """However a file is cut into ranges, any read gives the same bytes as the file itself."""
    folder, whole = RangeFolder(tmp_path_factory.mktemp("ranges")), io.BytesIO(data)
    places = sorted({0, len(data)} | {cut for cut in cuts if cut < len(data)})
    for span in map(Span._make, pairwise(places)):
        folder.place(span, hashlib.sha256(data).hexdigest()).write_bytes(data[span.start : span.end])
    ranged = RangedFile(folder.path, "x")
    for start, size in reads:
        assert (ranged.seek(start), ranged.read(size)) == (whole.seek(start), whole.read(size))


def test_a_real_row_group_costs_its_bytes_and_the_footer(hub: HubServer, shared: Path) -> None:
    """Of the thirteen files of wmt19 zh-en one row group of one file is fetched, and no other byte."""
    hub.root = shared / "hub"
    fetcher = make_fetcher()
    remotes = fetcher.resolve(RawFile(repo="wmt/wmt19", path="zh-en/train-*.parquet"))
    local = fetcher.fetch_row_group(remotes[7], 2)
    data = (hub.root / "datasets/wmt/wmt19" / remotes[7].path).read_bytes()
    assert len(remotes) == 13
    assert read(local) == pq.ParquetFile(io.BytesIO(data)).read_row_group(2)
    assert hub.sent() == footer_bytes(data) + span_of(data, 2).end - span_of(data, 2).start


def test_a_path_that_is_not_utf8_is_opened_too(tmp_path: Path) -> None:
    """Folders may have any name that the system allows."""
    path = tmp_path / os.fsdecode(b"\xff.parquet")
    path.write_bytes(parquet())
    [own] = make_fetcher().resolve(RawFile(path=str(path)))
    assert make_fetcher().row_groups(own) == [100] * 10
    assert open_parquet(LocalFile(name="own.parquet", path=path, sha256="")).read() == ROWS
