"""Publishing and pulling by the commands, with stock clients on both sides, by the LFS route and by the Xet route.

Killed at whatever moment, a publication leaves main as it was or as it is to be; and the token is seen by nobody but the hub.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest

from commands import Shell, digests
from data_mix.shards import Build
from hub_faults import Request
from hub_server import HubServer
from publishing import CANARY, REPO, contents, plan, small_build
from training import Place, losses, make_place, train_here

pytestmark = pytest.mark.slow

ROUTES: Final = {"lfs": "1", "xet": "0"}
"""By the value of HF_HUB_DISABLE_XET."""
KILLS: Final = 10


@dataclass(frozen=True)
class Site:
    """Where commands are run: a place of their own, and the hub that they speak with."""

    folder: Path
    hub: HubServer
    route: str

    @property
    def shell(self) -> Shell:
        """Where to run commands."""
        variables = {"HF_TOKEN": CANARY, "HF_HUB_DISABLE_XET": ROUTES[self.route], "MARK": str(self.folder)}
        return Shell(cwd=self.folder, home=self.folder / "home", endpoint=self.hub.url, variables=variables)

    def run_code(self, code: str) -> str:
        """What a program prints that uses the stock clients."""
        command, environment = [sys.executable, "-c", code], self.shell.environment()
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture(params=ROUTES)
def site(request: pytest.FixtureRequest, hub: HubServer, tmp_path: Path) -> Site:
    """A hub that asks for the token, by each route."""
    hub.token = CANARY
    return Site(tmp_path, hub, request.param)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The shipped samples, built, with token shards and a small model beside them."""
    return make_place(tmp_path_factory.mktemp("samples"))


def read_build(folder: Path) -> dict[str, Any]:
    """The manifest of a folder."""
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return manifest


def test_a_build_goes_to_the_hub_and_comes_back(site: Site, samples: Place, tmp_path: Path) -> None:
    """Private as it is, and public without what forbids it: published, pulled, verified, loaded from the hub and the folder."""
    shell, without = site.shell, ("ted_trans_en-ja", "ted_trans_zh-ja", "ikala", "webgpt")
    said = shell.ok("publish", samples.build, "--repo", REPO)
    assert "private" in said
    assert "licence: ted_trans_en-ja (CC-BY-NC-ND-4.0) forbids changed copies" in said
    assert "nothing was sent" in shell.ok("publish", samples.build, "--repo", REPO)
    assert "must not be public: ted_trans_en-ja" in shell.refused("publish", samples.build, "--repo", "owner/open", "--public")
    left_out = [word for name in without for word in ("--without", name)]
    shell.ok("publish", samples.build, "--repo", "owner/open", "--public", *left_out)
    rows = {REPO: samples.build, "owner/open": tmp_path / "open"}
    shell.ok("pull", "owner/open", "-o", tmp_path / "open")
    shell.ok("pull", REPO, "-o", tmp_path / "pulled")
    same = digests(samples.build)
    assert digests(tmp_path / "pulled") == {name: digest for name, digest in same.items() if not name.startswith("tokens/")}
    for repo, folder in rows.items():
        shell.ok("verify", folder)
        kept: dict[str, int] = {}
        for part in read_build(folder)["parts"]:
            kept[part["split"]] = kept.get(part["split"], 0) + part["rows"]
        for place in (repo, folder):
            code = f"import datasets; d = datasets.load_dataset({str(place)!r}); print({{k: len(v) for k, v in d.items()}})"
            assert site.run_code(code) == str(kept)
    code = f"import datasets; d = datasets.load_dataset({REPO!r}, streaming=True); print(sum(1 for _ in d['train']))"
    assert int(site.run_code(code)) == sum(
        part["rows"] for part in read_build(samples.build)["parts"] if part["split"] == "train"
    )
    assert set(read_build(tmp_path / "open")["sources"]).isdisjoint(without)


def test_a_pulled_build_is_trained_on(site: Site, samples: Place, tmp_path: Path) -> None:
    """The trainer takes a pulled build for the one that was published: one step on it, from token shards of its own."""
    site.shell.ok("publish", samples.build, "--repo", REPO, "--format", "arrow")
    site.shell.ok("pull", REPO, "-o", tmp_path / "pulled")
    site.shell.ok("tokenize", tmp_path / "pulled", "--tokenizer", samples.model, "--quiet")
    short = {"max_steps": 1, "eval_steps": 1, "save_steps": 1, "data_path": tmp_path / "pulled"}
    train_here("--configs", "defaults", *samples.arguments(tmp_path / "trained", **short))
    assert len(losses(tmp_path / "trained")) == 1


def test_a_model_goes_to_the_hub_with_its_card(site: Site, samples: Place, tmp_path: Path) -> None:
    """A model without a card is refused; with one that names a licence it is published, and loaded by its name on the hub."""
    folder = shutil.copytree(samples.model, tmp_path / "model")
    assert "has no README.md" in site.shell.refused("publish", folder, "--repo", "owner/model")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A model\n")
    (folder / "checkpoint-2").mkdir()
    (folder / "checkpoint-2/optimizer.pt").write_bytes(b"state")
    assert "private" in site.shell.ok("publish", folder, "--repo", "owner/model")
    assert "nothing was sent" in site.shell.ok("publish", folder, "--repo", "owner/model")
    code = "import transformers as t; print(t.AutoModelForCausalLM.from_pretrained('owner/model').config.model_type)"
    assert site.run_code(code) == "gpt_neox"
    repo = site.hub.storage.find("owner/model", "models")
    assert repo is not None
    assert not [path for path in repo.files() if "checkpoint" in path or path.endswith(".pt")]


class Killer:
    """Kills a process when the hub hears its n-th request."""

    def __init__(self, at: int) -> None:
        self._left, self._lock = at, threading.Lock()
        self.process: subprocess.Popen[str] | None = None

    def __call__(self, _request: Request) -> None:
        """Hear of a request."""
        with self._lock:
            self._left -= 1
            if self._left == 0 and self.process:
                self.process.kill()


def old_and_new(tmp_path: Path) -> tuple[Build, Build]:
    """Two builds, the second to take the place of the first: a part is gone, another is new, others differ."""
    return small_build(tmp_path, out="old"), small_build(tmp_path, 60, out="new")


def planned(site: Site, build: Build, repo: str) -> dict[str, str]:
    """What is to stand in a repository."""
    return {path: file.sha256 for path, file in plan(build, site.folder / "plans", repo=repo).files.items()}


def test_killed_at_any_request_main_is_the_old_or_the_new(site: Site, tmp_path: Path) -> None:
    """Killed when the hub hears its n-th request, for ten n from the first to the last, and run again: never a mixture."""
    old, new = old_and_new(tmp_path)
    site.shell.ok("publish", old.path, "--repo", "owner/count")
    before = len(site.hub.requests)
    site.shell.ok("publish", new.path, "--repo", "owner/count")
    requests = len(site.hub.requests) - before
    assert requests > KILLS
    seen = set()
    for moment in range(KILLS):
        repo = f"owner/mix-{moment}"
        site.shell.ok("publish", old.path, "--repo", repo)
        site.hub.heard = killer = Killer(1 + moment * (requests - 1) // (KILLS - 1))
        killer.process = site.shell.start("publish", new.path, "--repo", repo)
        killer.process.communicate(timeout=120)
        site.hub.heard = lambda _: None
        time.sleep(0.1)  # what was heard is answered to nobody
        states = {"old": planned(site, old, repo), "new": planned(site, new, repo)}
        seen |= {name for name, state in states.items() if contents(site.hub, repo=repo) == state}
        assert contents(site.hub, repo=repo) in states.values()
        site.shell.ok("publish", new.path, "--repo", repo)
        check_moves(site, repo, [states["old"], states["new"]])
    assert seen == {"old", "new"}


def check_moves(site: Site, repo: str, states: list[dict[str, str]]) -> None:
    """Whatever main was since the first publication is one of these, in this order; it is tagged, and nothing is left open."""
    found = site.hub.storage[repo]
    was = [contents(site.hub, commit, repo) for ref, commit in found.moves if ref == "main"][1:]
    assert was == states
    assert found.tags[json.loads(found.files()["manifest.json"].local.read_bytes())["fingerprint"][:12]]
    assert {each.status for each in found.discussions} <= {"merged", "closed"}


def test_killed_at_random_moments_main_is_the_old_or_the_new(site: Site, tmp_path: Path) -> None:
    """Killed ten times in a row while one build takes another's place, and then the other way: the last run ends it."""
    builds, moments = old_and_new(tmp_path), random.Random(7)
    site.shell.ok("publish", builds[0].path, "--repo", REPO)
    states = [planned(site, build, REPO) for build in builds]
    for turn in range(KILLS):
        process = site.shell.start("publish", builds[(turn + 1) % 2].path, "--repo", REPO)
        time.sleep(moments.uniform(0.4, 1.6))
        process.kill()
        process.communicate()
        assert contents(site.hub) in states
    site.shell.ok("publish", builds[1].path, "--repo", REPO)
    assert contents(site.hub) == states[1]
    assert all(contents(site.hub, commit) in states for ref, commit in site.hub.storage[REPO].moves[3:] if ref == "main")


def test_a_pull_that_is_killed_goes_on(site: Site, tmp_path: Path) -> None:
    """Killed at ten requests of a pull, and run again, the folder is that of an undisturbed one, and before that not whole."""
    build = small_build(tmp_path)
    site.shell.ok("publish", build.path, "--repo", REPO)
    before = len(site.hub.requests)
    site.shell.ok("pull", REPO, "-o", tmp_path / "pulled")
    requests = len(site.hub.requests) - before
    for moment in range(KILLS):
        shell, out = replace(site.shell, home=tmp_path / f"home{moment}"), tmp_path / f"pulled{moment}"
        site.hub.heard = killer = Killer(1 + moment * (requests - 1) // (KILLS - 1))
        killer.process = shell.start("pull", REPO, "-o", out)
        killer.process.communicate(timeout=120)
        site.hub.heard = lambda _: None
        assert not (out / "manifest.json").exists() or digests(out) == digests(build.path)
        shell.ok("pull", REPO, "-o", out)
        assert digests(out) == digests(build.path)


def environments(mark: str) -> Iterator[tuple[bytes, bytes]]:
    """(command, environment) of the processes that carry a mark."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
            if mark.encode() in environment:
                yield (folder / "cmdline").read_bytes(), environment
        except OSError:
            continue


def watched(process: subprocess.Popen[str], mark: str) -> tuple[str, set[bytes]]:
    """What a process says, and the environments of the workers that it started."""
    found: set[bytes] = set()
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.extend(process.communicate()))
    reader.start()
    while reader.is_alive():
        found |= {environment for command, environment in environments(mark) if b"spawn_main" in command}
        time.sleep(0.01)
    assert process.returncode == 0, said
    return "".join(said), found


def test_the_token_is_seen_by_nobody(site: Site, tmp_path: Path) -> None:
    """A canary token is in no log, file, page or environment of a worker, however much huggingface_hub is asked to say."""
    build = small_build(tmp_path, 3000)
    shell = replace(site.shell, variables={**site.shell.variables, "HF_DEBUG": "1", "HF_HUB_VERBOSITY": "debug"})
    mark, said = f"MARK={site.folder}", ""
    for command in (["publish", build.path, "--repo", REPO], ["pull", REPO, "-o", tmp_path / "pulled"]):
        text, workers = watched(shell.start(*command, "--workers", 2), mark)
        assert workers
        assert not [each for each in workers if CANARY.encode() in each]
        said += text
    site.hub.token = "another"
    refused = shell.run("publish", build.path, "--repo", "owner/third")
    assert "does not know your token" in refused.stderr
    said += refused.stdout + refused.stderr
    assert CANARY not in said
    assert {each.token for each in site.hub.requests if each.token} == {f"Bearer {CANARY}"}
    files = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 20
    assert [str(path) for path in files if CANARY.encode() in path.read_bytes()] == []


def test_what_the_user_can_mend_is_one_line(site: Site, tmp_path: Path) -> None:
    """No token, no hub, no build, no such repository, a name that is none: each is a line that says what to do."""
    build, shell = small_build(tmp_path), site.shell
    nobody = replace(shell, variables={})
    assert "there is no token of the hub" in nobody.refused("publish", build.path, "--repo", REPO)
    assert "nothing was sent" in nobody.ok("publish", build.path, "--repo", REPO, "--dry-run")
    assert "does not exist" in shell.refused("publish", tmp_path / "nothing", "--repo", REPO)
    assert "is not there, or is private" in shell.refused("pull", "owner/nothing", "-o", tmp_path / "x")
    assert "HF_HUB_OFFLINE" in replace(shell, variables={**shell.variables, "HF_HUB_OFFLINE": "1"}).refused(
        "publish", build.path, "--repo", REPO
    )
    for words in (["publish", build.path, "--repo", "nobody"], ["pull", "nobody", "-o", "x"]):
        done = shell.run(*words)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr


def test_a_disk_that_is_full_while_converting_is_one_line(site: Site, tmp_path: Path) -> None:
    """Where the Parquet files do not fit, that is said, nothing is sent, and nothing is left."""
    build = small_build(tmp_path, 3000)
    limit = ["bash", "-c", 'ulimit -f 40; exec "$@"', "-"]
    done = site.shell.run_through(limit, "publish", build.path, "--repo", REPO, "--workers", 1)
    assert done.returncode == 1, done.stderr
    assert "limit on file sizes" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list((site.folder / "home/publish").glob("*.parquet"))
    assert not [each for each in site.hub.requests if each.method != "GET"]
    assert os.environ["HF_ENDPOINT"] == site.hub.url
