"""Publishing to a hub: what is sent, to whom it is shown, and what is current at any time."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from data_mix.cards import check_card
from data_mix.errors import FormatError, PublishError
from data_mix.publish.published import Layout
from data_mix.publish.remote import Remote
from data_mix.publish.sending import publish
from data_mix.report import write_report
from hub_server import HubServer
from publishing import CANARY, REPO, contents, manifest_of, plan, send, small_build, writes


def test_a_build_is_published_in_private_and_tagged(hub: HubServer, tmp_path: Path) -> None:
    """The repository is private, holds what was planned and no more, and the fingerprint names its revision."""
    build = small_build(tmp_path)
    outcome = send(build, tmp_path)
    repo = hub.storage[REPO]
    assert repo.private
    assert outcome.commit == repo.refs["main"] == repo.tags[build.manifest["fingerprint"][:12]]
    assert contents(hub) == {path: file.sha256 for path, file in plan(build, tmp_path).files.items()}
    assert sorted(contents(hub)) == [
        "README.md",
        "croissant.json",
        *(f"data/{split}/{name}-00000.parquet" for split in ("train", "validation") for name in ("one", "two")),
        "manifest.json",
    ]


@pytest.mark.parametrize("layout", ["parquet", "arrow"])
def test_the_cards_say_what_is_there(hub: HubServer, tmp_path: Path, layout: Layout) -> None:
    """Of a downloaded copy, README.md and croissant.json pass the check of cards."""
    send(small_build(tmp_path), tmp_path, layout=layout)
    api = HfApi(endpoint=hub.url, token=False)
    folder = Path(api.snapshot_download(REPO, repo_type="dataset", local_dir=tmp_path / "snapshot"))
    assert check_card(folder) == []


def test_main_moves_once(hub: HubServer, tmp_path: Path) -> None:
    """All is sent to a pull request; main goes from what it was to the whole of it in one step."""
    send(small_build(tmp_path), tmp_path)
    repo = hub.storage[REPO]
    assert [ref for ref, _ in repo.moves] == ["main", "refs/pr/1", "refs/pr/1", "main"]
    assert [each.status for each in repo.discussions] == ["merged"]


def test_the_same_again_sends_nothing(hub: HubServer, tmp_path: Path) -> None:
    """A second run, and a dry one, write nothing and say so."""
    build = small_build(tmp_path)
    first = send(build, tmp_path)
    before = writes(hub)
    for dry_run in (False, True):
        again = send(build, tmp_path, dry_run=dry_run)
        assert (again.sent, again.removed) == ((), ())
        assert again.commit == (None if dry_run else first.commit)
    assert writes(hub) == before


def test_a_dry_run_writes_nothing(hub: HubServer, tmp_path: Path) -> None:
    """Without a token and a repository it lists every file with its bytes, and no call writes."""
    outcome = send(small_build(tmp_path), tmp_path, dry_run=True, token="")
    assert (outcome.commit, outcome.is_private, outcome.exists) == (None, True, False)
    assert len(outcome.sent) == 7
    assert all(file.size > 0 for file in outcome.sent)
    assert writes(hub) == []
    assert hub.storage.find(REPO) is None


def test_another_build_takes_the_place_of_the_first(hub: HubServer, tmp_path: Path) -> None:
    """Files of the earlier publication go, others that stand there stay, and the earlier revision is still there by its tag."""
    first, second = small_build(tmp_path), small_build(tmp_path, 30, out="second")
    send(first, tmp_path)
    repo = hub.storage[REPO]
    blobs = hub.storage.blobs
    repo.commit("main", repo.files() | {name: blobs.file(name, blobs.put(b"x")) for name in ("LICENSE", "data/left.parquet")})
    outcome = send(second, tmp_path, layout="arrow")
    wanted = {path: file.sha256 for path, file in plan(second, tmp_path, layout="arrow").files.items()}
    assert {path: sha256 for path, sha256 in contents(hub).items() if path != "LICENSE"} == wanted
    assert "LICENSE" in contents(hub)
    assert "data/left.parquet" in outcome.removed
    old = contents(hub, first.manifest["fingerprint"][:12])
    assert old == {path: file.sha256 for path, file in plan(first, tmp_path).files.items()}


@pytest.mark.parametrize(("private", "public"), [(False, False), (True, True)])
def test_a_visibility_is_never_changed(hub: HubServer, tmp_path: Path, private: bool, public: bool) -> None:
    """A public repository without --public, and a private one with it, are refused before anything is sent."""
    hub.storage.create(REPO, private=private)
    with pytest.raises(PublishError, match="is private, and --public" if private else "is public, and --public was not"):
        send(small_build(tmp_path), tmp_path, public=public)
    assert writes(hub) == []


def test_the_visibility_is_read_back(hub: HubServer, tmp_path: Path) -> None:
    """A hub that makes a public repository where a private one was asked for is sent no byte of it."""
    hub.ignores_private = True
    with pytest.raises(PublishError, match="is public, and --public was not given; nothing was sent"):
        send(small_build(tmp_path), tmp_path)
    assert writes(hub) == ["POST /api/repos/create"]


def test_a_licence_stops_a_public_repository(hub: HubServer, tmp_path: Path) -> None:
    """The source is named and nothing is asked of the hub; without that source, or in private, it goes."""
    build = small_build(tmp_path, two="CC-BY-ND-4.0")
    with pytest.raises(PublishError, match=r"must not be public: two \(CC-BY-ND-4\.0\)"):
        send(build, tmp_path, public=True)
    assert hub.requests == []
    send(build, tmp_path, public=True, without=["two"])
    assert not hub.storage[REPO].private
    assert not [path for path in contents(hub) if "two" in path]
    assert "two" not in manifest_of(hub)["sources"]
    assert "two" not in hub.storage[REPO].files()["README.md"].local.read_text()
    send(build, tmp_path, repo="owner/private")
    assert hub.storage["owner/private"].private


def test_a_folder_that_is_not_whole_is_refused(hub: HubServer, tmp_path: Path) -> None:
    """A changed byte, a missing part or a missing manifest is an error before the hub is asked anything."""
    build = small_build(tmp_path)
    part = build.path / build.parts[0].path
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    with pytest.raises(FormatError, match="nothing was sent"):
        send(build, tmp_path)
    for path in (part, build.path / "manifest.json"):
        path.unlink()
        with pytest.raises(FormatError):
            send(build, tmp_path)
    assert hub.requests == []


def test_a_report_goes_only_when_asked_for(hub: HubServer, tmp_path: Path) -> None:
    """It is sent with --with-report, not with --without beside it, and not where it is not the build's."""
    build = small_build(tmp_path)
    with pytest.raises(PublishError, match=r"has no report\.html that belongs to the build"):
        plan(build, tmp_path, report=True)
    (build.path / "report.html").write_bytes(b"<!doctype html>")
    send(build, tmp_path)
    assert "report.html" not in contents(hub)
    build.manifest["files"]["report.html"] = "4c1a2ba7d8b0e3f6"
    with pytest.raises(FormatError):
        (build.path / "manifest.json").write_text(json.dumps(build.manifest))
        plan(build, tmp_path, report=True)
    with pytest.raises(PublishError, match="shows conversations of every source"):
        plan(small_build(tmp_path, out="other"), tmp_path, report=True, without=["two"])


def test_the_report_that_the_build_would_have_is_sent(hub: HubServer, tmp_path: Path) -> None:
    """What `datamix report` wrote goes with --with-report; a report that was changed, or is of another build, does not."""
    build = small_build(tmp_path)
    path = write_report(build)
    assert plan(build, tmp_path, report=True).files["report.html"].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(PublishError, match=r"has no report\.html that belongs to the build"):
        plan(build, tmp_path, report=True)


def test_a_repository_of_other_things_is_refused(hub: HubServer, tmp_path: Path) -> None:
    """Where files stand that no publication left, nothing is sent; a card and a licence are no such files."""
    hub.storage.create(REPO, private=True, files={"data.csv": b"a,b\n"})
    with pytest.raises(PublishError, match=r"holds files that no datamix published \(data\.csv\)"):
        send(small_build(tmp_path), tmp_path)
    assert writes(hub) == []
    hub.storage.create("owner/fresh", private=True, files={"README.md": b"# mine\n", "LICENSE": b"MIT"})
    send(small_build(tmp_path), tmp_path, repo="owner/fresh")
    assert "LICENSE" in contents(hub, repo="owner/fresh")


def test_what_an_ended_run_left_is_gone_on_with_or_closed(hub: HubServer, tmp_path: Path) -> None:
    """A pull request of the same build on the same main is used; others of ours are closed, those of people stay open."""
    build = small_build(tmp_path)
    repo = hub.storage.create(REPO, private=True)
    base = repo.refs["main"][:12]
    names = [
        f"datamix publish {'0' * 12} on {base}",
        f"datamix publish {build.manifest['fingerprint'][:12]} on {base}",
        "A typo",
    ]
    for name in names:
        repo.open_discussion(name)
    send(build, tmp_path)
    assert [each.status for each in repo.discussions] == ["closed", "merged", "draft"]


def test_a_file_that_came_otherwise_is_never_made_current(hub: HubServer, tmp_path: Path) -> None:
    """Where the pull request holds another file than was sent, or one too many, main stays what it was; it is closed."""
    build = small_build(tmp_path)
    hub.ignored.add("data/train/one-00000.parquet")
    with pytest.raises(PublishError, match=r"pull request 1 holds another data/train/one-00000\.parquet than was sent"):
        send(build, tmp_path)
    repo, blobs = hub.storage[REPO], hub.storage.blobs
    assert list(repo.files()) == [".gitattributes"]
    hub.ignored.clear()
    left = repo.open_discussion(f"datamix publish {build.manifest['fingerprint'][:12]} on {repo.refs['main'][:12]}")
    repo.commit(left.ref, repo.files(left.ref) | {"evil.py": blobs.file("evil.py", blobs.put(b"import os"))})
    with pytest.raises(PublishError, match=r"pull request 2 holds another evil\.py than was sent"):
        send(build, tmp_path)
    assert list(repo.files()) == [".gitattributes"]
    send(build, tmp_path)
    assert [each.status for each in repo.discussions] == ["closed", "closed", "merged"]


def test_another_run_that_was_first_is_no_error(hub: HubServer, tmp_path: Path) -> None:
    """Where the same stands on main when it is to be merged, that is as good as merged by this run."""
    build = small_build(tmp_path)
    planned = plan(build, tmp_path)
    remote = Remote(REPO, "dataset", CANARY, backoff=0)
    publish(planned, remote, public=False)
    remote.merge(1, lambda: True)
    with pytest.raises(PublishError, match="this pull request is merged"):
        remote.merge(1, lambda: False)


def test_two_builds_at_once_do_not_mix(hub: HubServer, tmp_path: Path) -> None:
    """Of two pull requests on the same main one is merged; the other is refused, for both changed the manifest."""
    one, two = small_build(tmp_path), small_build(tmp_path, 30, out="second")
    repo = hub.storage.create(REPO, private=True)
    remote = Remote(REPO, "dataset", CANARY, backoff=0)
    numbers = []
    for build in (one, two):
        planned = plan(build, tmp_path)
        planned.make_files(1)
        numbers.append(repo.open_discussion(planned.label).num)
        remote.bring(numbers[-1], planned.files, lambda _: False, "x")
    remote.merge(numbers[0], lambda: False)
    whole = contents(hub)
    with pytest.raises(PublishError, match="merge conflict"):
        remote.merge(numbers[1], lambda: False)
    assert contents(hub) == whole


def test_the_store_of_large_files_is_sent_no_token(hub: HubServer, tmp_path: Path) -> None:
    """Requests to another host than the hub's bring no token, wherever the hub sends them."""
    with HubServer(hub.root) as store:
        hub.lfs_at = store.url
        send(small_build(tmp_path), tmp_path)
        assert {each.token for each in hub.requests} == {f"Bearer {CANARY}"}
        assert {each.token for each in store.requests} <= {None}
