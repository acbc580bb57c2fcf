"""The hub of the tests can be written to by stock clients, and keeps what they wrote as revisions."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

from hub_server import HubServer

REPO = "owner/name"


@pytest.fixture
def api(hub: HubServer) -> HfApi:
    """The stock client, and a private repository that it has created."""
    hub.token = "hf_of_the_tests"
    client = HfApi(endpoint=hub.url, token=hub.token)
    client.create_repo(REPO, repo_type="dataset", private=True)
    return client


def texts(hub: HubServer, revision: str = "main") -> dict[str, bytes]:
    """The files of a revision, but for the one that the hub puts there."""
    files = hub.storage[REPO].files(revision).items()
    return {path: file.local.read_bytes() for path, file in files if path != ".gitattributes"}


def commit(
    api: HfApi, text: bytes, path: str = "a.txt", *, revision: str | None = None, parent_commit: str | None = None
) -> str:
    """Commit a file; the commit's name."""
    made = api.create_commit(
        REPO,
        [CommitOperationAdd(path, text)],
        commit_message="x",
        repo_type="dataset",
        revision=revision,
        parent_commit=parent_commit,
    )
    return str(made.oid)


@pytest.mark.parametrize("kind", ["dataset", "model"])
def test_a_folder_is_uploaded_and_downloaded(hub: HubServer, api: HfApi, tmp_path: Path, kind: str) -> None:
    """`upload_folder` and `snapshot_download` bring small and large files there and back, in each kind of repository."""
    (tmp_path / "up/deep").mkdir(parents=True)
    (tmp_path / "up/README.md").write_bytes(b"---\n---\n# A card")
    (tmp_path / "up/deep/large.bin").write_bytes(bytes(range(256)) * 400)
    api.create_repo("owner/other", repo_type=kind)
    api.upload_folder(repo_id="owner/other", folder_path=tmp_path / "up", repo_type=kind)
    down = Path(api.snapshot_download("owner/other", repo_type=kind, cache_dir=tmp_path / "cache"))
    for path in ("README.md", "deep/large.bin"):
        assert (down / path).read_bytes() == (tmp_path / "up" / path).read_bytes()


def test_revisions_stay(hub: HubServer, api: HfApi) -> None:
    """A commit is what it was after later ones; a branch and a tag name one; a file that was deleted is gone from then on."""
    first = commit(api, b"one")
    api.create_tag(REPO, tag="v1", repo_type="dataset")
    api.create_branch(REPO, branch="side", repo_type="dataset")
    commit(api, b"two")
    api.create_commit(REPO, [CommitOperationDelete("a.txt")], commit_message="x", repo_type="dataset")
    assert [texts(hub, revision) for revision in (first, "v1", "side", "main")] == [*[{"a.txt": b"one"}] * 3, {}]
    refs = api.list_repo_refs(REPO, repo_type="dataset")
    assert ([each.name for each in refs.branches], [each.name for each in refs.tags]) == (["main", "side"], ["v1"])
    with pytest.raises(RevisionNotFoundError):
        api.dataset_info(REPO, revision="v2")


def test_a_commit_on_another_parent_is_refused(api: HfApi) -> None:
    """Where main has moved since, a commit that names its parent is answered with 412."""
    first = commit(api, b"one")
    commit(api, b"two", parent_commit=first)
    with pytest.raises(HfHubHTTPError, match="412"):
        commit(api, b"three", parent_commit=first)


def test_a_pull_request_is_merged_as_git_merges(hub: HubServer, api: HfApi) -> None:
    """A draft is not merged, an open one is; one that changes what main has changed meanwhile is a conflict."""
    one, two = (api.create_pull_request(REPO, f"number {n}", repo_type="dataset") for n in (1, 2))
    for number, pull in enumerate((one, two)):
        commit(api, b"pulled %d" % number, revision=str(pull.git_reference))
    commit(api, b"meanwhile", path="b.txt")
    with pytest.raises(HfHubHTTPError, match="draft"):
        api.merge_pull_request(REPO, one.num, repo_type="dataset")
    for pull in (one, two):
        api.change_discussion_status(REPO, pull.num, "open", repo_type="dataset")
    api.merge_pull_request(REPO, one.num, repo_type="dataset")
    assert texts(hub) == {"a.txt": b"pulled 0", "b.txt": b"meanwhile"}
    with pytest.raises(HfHubHTTPError, match="merge conflict"):
        api.merge_pull_request(REPO, two.num, repo_type="dataset")
    found = api.get_repo_discussions(REPO, repo_type="dataset", discussion_status="open")
    assert [each.num for each in found] == [two.num]


def test_a_private_repository_is_hidden(hub: HubServer, api: HfApi) -> None:
    """Without the token it is not there, with it it is; what is written needs the token everywhere."""
    assert api.dataset_info(REPO).private
    nobody = HfApi(endpoint=hub.url, token=False)
    with pytest.raises(RepositoryNotFoundError):
        nobody.dataset_info(REPO)
    with pytest.raises(HfHubHTTPError, match="401"):
        nobody.create_repo("owner/mine", repo_type="dataset")
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_repo(REPO, repo_type="dataset")
    api.create_repo(REPO, repo_type="dataset", exist_ok=True)
