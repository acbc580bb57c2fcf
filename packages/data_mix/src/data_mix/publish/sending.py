"""publish: look, ask, send to a pull request, compare, merge.

The branch main moves once, by the merge of a pull request whose every file was compared with what was to be sent; so whatever
ends a run, main is the old revision or the new one. Two runs at once cannot mix either: both would change `manifest.json` (of a
model, its weights), which git does not merge.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from data_mix.errors import FormatError, PublishError
from data_mix.publish.build_plan import Plan
from data_mix.publish.files import PlannedFile, RemoteFile, differing
from data_mix.publish.licences import check_public
from data_mix.publish.model_plan import belongs_to_a_model
from data_mix.publish.published import read_published
from data_mix.publish.remote import MAIN, TITLE, Remote, State, paths_in
from data_mix.schema import SPLITS
from data_mix.shards import MANIFEST

_OTHERS: Final = re.compile(r"\.gitattributes|README\.md|LICEN[CS]E[^/]*")
"""What may stand in a repository in which nothing was published yet."""

_FOLDERS: Final = ("data", *SPLITS)
"""Folders of a repository that hold data files, and nothing else."""

IsStale = Callable[[str], bool]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a publication came to."""

    commit: str | None
    """The revision that holds it; None: nothing was done, for that was only asked."""
    is_private: bool
    exists: bool
    sent: tuple[PlannedFile, ...]
    removed: tuple[str, ...]


def publish(plan: Plan, remote: Remote, *, public: bool, workers: int = 1, dry_run: bool = False) -> Outcome:
    """Have the repository hold what is planned, and nothing else that was published there before.

    Raises PublishError where a licence, the visibility or the hub forbids it; main is then what it was.
    """
    if public:
        check_public(plan.stops, plan.repo)
    state = remote.look()
    if state is not None:
        _check_visibility(plan.repo, state, public=public)
    elif dry_run:
        return Outcome(commit=None, is_private=not public, exists=False, sent=tuple(plan.files.values()), removed=())
    else:
        state = _create(plan, remote, public=public)
    there = remote.tree(state.commit)
    is_stale = _staleness(plan, remote, state, there)
    sent = tuple(differing(plan.files, there))
    removed = tuple(path for path in there if path not in plan.files and is_stale(path))
    if dry_run:
        return Outcome(commit=None, is_private=state.private, exists=True, sent=sent, removed=removed)
    commit = _send(plan, remote, state, is_stale, workers) if sent or removed else state.commit
    remote.tag(plan.label, commit)
    plan.remove_files()
    return Outcome(commit=commit, is_private=state.private, exists=True, sent=sent, removed=removed)


def _create(plan: Plan, remote: Remote, *, public: bool) -> State:
    """Create the repository, and read back what it became: a hub may have its own mind about who sees it."""
    remote.create(private=not public)
    state = remote.look()
    if state is None:
        raise PublishError(f"{plan.repo}: was created, and is not to be seen; check the token's rights, and run again")
    _check_visibility(plan.repo, state, public=public)
    return state


def _check_visibility(repo: str, state: State, *, public: bool) -> None:
    if state.private == (not public):
        return
    if public:
        raise PublishError(f"{repo}: is private, and --public was given; make it public in its settings, or leave --public out")
    raise PublishError(
        f"{repo}: is public, and --public was not given; nothing was sent. Make it private in its settings, choose another "
        "repository, or give --public"
    )


def _staleness(plan: Plan, remote: Remote, state: State, there: Mapping[str, RemoteFile]) -> IsStale:
    """Which files of the repository are of an earlier publication; PublishError where it holds what no publication left."""
    if plan.kind == "model":
        return belongs_to_a_model
    if MANIFEST not in there:
        foreign = [path for path in there if not _OTHERS.fullmatch(path)]
        if foreign:
            raise PublishError(f"{plan.repo}: holds files that no datamix published ({foreign[0]}); choose another repository")
        return lambda _path: False
    try:
        before = read_published(remote.read(MANIFEST, state.commit), plan.repo)
    except FormatError as error:
        raise PublishError(f"{error}; or choose another repository") from error
    listed = {*before.files, *(file.path for file in before.data)}
    in_folders = paths_in(_FOLDERS)
    return lambda path: path in listed or in_folders(path)


def _send(plan: Plan, remote: Remote, state: State, is_stale: IsStale, workers: int) -> str:
    """Send to a pull request, compare, merge; the commit of main that holds it."""
    plan.make_files(workers)
    num = remote.pull_request(f"{TITLE} {plan.label} on {state.commit[:12]}")
    remote.bring(num, plan.files, is_stale, f"Publish {plan.label}")
    base = remote.tree(state.commit)
    kept = {path: file for path, file in base.items() if path not in plan.files and not is_stale(path)}
    try:
        _compare(plan, kept, remote.tree(f"refs/pr/{num}"), f"pull request {num}")
    except PublishError:
        remote.close(num)  # the next run begins a new one
        raise
    now = remote.look()
    if now is None or now.private != state.private:
        raise PublishError(
            f"{plan.repo}: became {'public' if state.private else 'private'} meanwhile; nothing was made current"
        )
    remote.merge(num, lambda: _is_there(plan, kept, remote.tree(MAIN)))
    merged = remote.look() or state
    _compare(plan, kept, remote.tree(merged.commit), "main")
    return merged.commit


def _is_there(plan: Plan, kept: Mapping[str, RemoteFile], found: Mapping[str, RemoteFile]) -> bool:
    return not differing(plan.files, found) and found.keys() == plan.files.keys() | kept.keys()


def _compare(plan: Plan, kept: Mapping[str, RemoteFile], found: Mapping[str, RemoteFile], where: str) -> None:
    """Raise PublishError where what the hub holds is not what was to be sent, beside what stood there before."""
    wrong = [file.path for file in differing(plan.files, found)]
    wrong += [path for path, file in kept.items() if found.get(path) != file]
    wrong += [path for path in found if path not in plan.files and path not in kept]
    if wrong:
        raise PublishError(f"{plan.repo}: {where} holds another {wrong[0]} than was sent; see what changed it, and run again")
