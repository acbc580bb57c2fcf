"""Publishing as the tests do it: in this process, to the hub of a test, with a token that must never be seen."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from building import build_mix, entry, mix_of, pairs, write
from data_mix.publish.build_plan import BuildOptions, Plan, plan_build
from data_mix.publish.published import Layout
from data_mix.publish.remote import Remote
from data_mix.publish.sending import Outcome, publish
from data_mix.shards import Build
from hub_server import HubServer

CANARY: Final = "hf_CANARY0123456789abcdefghij"
REPO: Final = "owner/mix"


def small_build(folder: Path, rows: int = 20, *, out: str = "out", **licences: str) -> Build:
    """A build of the entries `one` and `two`, in several record batches each; an entry's licence may be given."""
    names = {"one": rows, "two": 8}
    files = {name: write(folder / f"raw-{out}/{name}.jsonl", pairs(count, name)) for name, count in names.items()}
    entries = [entry(name, files[name], val_split=0.2, licence=licences.get(name)) for name in names]
    return build_mix(folder, mix_of(*entries), out=out)


def plan(
    build: Build,
    home: Path,
    *,
    repo: str = REPO,
    layout: Layout = "parquet",
    without: Collection[str] = (),
    report: bool = False,
) -> Plan:
    """What is sent of a build."""
    return plan_build(build.path, home, BuildOptions(repo=repo, layout=layout, without=without, with_report=report))


def send(
    build: Build, home: Path, *, public: bool = False, dry_run: bool = False, token: str = CANARY, **options: Any
) -> Outcome:
    """Publish a build."""
    planned = plan(build, home, **options)
    return publish(planned, Remote(planned.repo, "dataset", token, backoff=0), public=public, dry_run=dry_run)


def writes(hub: HubServer) -> list[str]:
    """The requests so far that may have changed something on the hub."""
    reading = ("/paths-info/", "/validate-yaml", "/preupload/")
    return [
        f"{each.method} {each.path}"
        for each in hub.requests
        if each.method not in {"GET", "HEAD"} and not any(word in each.path for word in reading)
    ]


def contents(hub: HubServer, revision: str = "main", repo: str = REPO) -> dict[str, str]:
    """SHA-256 by path of the files of a revision, but for the one that the hub puts there."""
    return {path: file.sha256 for path, file in hub.storage[repo].files(revision).items() if path != ".gitattributes"}


def manifest_of(hub: HubServer, repo: str = REPO) -> dict[str, Any]:
    """The manifest of what is published."""
    found: dict[str, Any] = json.loads(hub.storage[repo].files()["manifest.json"].local.read_bytes())
    return found
