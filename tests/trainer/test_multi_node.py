"""The commands of docs/multi-node.md, as the page shows them: two nodes on this machine come to what one node comes to.

The page's names of nodes become this machine's, eight processes of a node one, its sections a small run; every other word of a
command is the page's. Slurm is not here: two programs stand in for `scontrol` and `srun`, for the job's script to run as it is.
What takes ssh and pdsh cannot be run on one machine alone.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from training import ROOT, Place, free_port, losses

PAGE: Final = ROOT / "docs/multi-node.md"
SECTIONS: Final = "--configs defaults redpajama-3b datasets"
KEYS: Final[dict[str, object]] = {
    "max_steps": 4,
    "save_steps": 2,
    "eval_steps": 2,
    "gradient_accumulation_steps": 2,
    "lr_scheduler_type": "constant",  # the same for a run that is cut short
}
SCONTROL: Final = """#!/bin/bash
[ "$1 $2 $3" = "show hostnames two-nodes" ] && printf '%s\\n' 127.0.0.1 node-b
"""
SRUN: Final = """#!/bin/bash
for node in 0 1; do SLURM_NODEID=$node "$@" & done
wait -n && wait -n
"""


def fences(kind: str = "") -> list[str]:
    """The blocks of code on the page."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE.read_text(encoding="utf8"), re.MULTILINE | re.DOTALL)


def commands(opening: str) -> list[str]:
    """The commands of the page that open with these words."""
    lines = "\n".join(fences()).replace("\\\n", " ").splitlines()
    return [" ".join(line.split()) for line in lines if line.startswith(opening)]


def small(text: str, place: Place, out: Path, port: int) -> str:
    """A command of the page for a run of four steps by a process on each of two nodes of this machine."""
    assert SECTIONS in text
    changes = {SECTIONS: shlex.join(place.arguments(out, **KEYS)), "node-a": "127.0.0.1", "29500": str(port)}
    for shown, here in {
        **changes,
        "--nproc_per_node 8": "--nproc_per_node 1",
        "OMP_NUM_THREADS=4": "OMP_NUM_THREADS=1",
    }.items():
        text = text.replace(shown, here)
    return text


def together(place: Place, nodes: Sequence[str], folder: Path) -> list[subprocess.CompletedProcess[str]]:
    """Run a command on each node, all at once, in the folder of the trainer's script."""
    path = f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"

    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", command],
            cwd=ROOT / "packages/trainer",
            env=place.shell().environment() | {"PATH": path},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    with ThreadPoolExecutor(len(nodes)) as pool:
        return list(pool.map(run, nodes))


def assert_ended_well(done: Sequence[subprocess.CompletedProcess[str]]) -> None:
    """No node may have failed."""
    assert [each.returncode for each in done] == [0] * len(done), "\n".join(each.stderr[-3000:] for each in done)


@pytest.fixture(scope="module")
def alone(place: Place, tmp_path_factory: pytest.TempPathFactory) -> dict[int, float]:
    """The losses of two processes of one node."""
    out = tmp_path_factory.mktemp("alone") / "out"
    launcher = ["deepspeed", "--num_accelerators", "2", "--master_port", str(free_port()), "trainer_sft.py"]
    assert_ended_well([place.launch(launcher, *place.arguments(out, **KEYS), "--deepspeed")])
    return losses(out)


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    """The page's file of nodes, with a process on each."""
    (text,) = [fence for fence in fences() if "slots=8" in fence]
    (tmp_path / "hosts").write_text(text.replace("slots=8", "slots=1"))
    return tmp_path / "hosts"


@pytest.mark.slow
def test_two_nodes_by_deepspeed_without_ssh(place: Place, alone: dict[int, float], out: Path, hosts: Path) -> None:
    """DeepSpeed's launcher on every node trains as one node does, digit by digit."""
    port, shown = free_port(), commands("deepspeed --hostfile hosts --no_ssh")
    assert [re.findall(r"--node_rank (\d)", command) for command in shown] == [["0"], ["1"]]
    nodes = [small(command, place, out, port).replace("--hostfile hosts", f"--hostfile {hosts}") for command in shown]
    assert_ended_well(together(place, nodes, out.parent))
    assert losses(out) == alone
    assert sorted(path.name for path in (out / "base").glob("packs-*")) == ["packs-00000.jsonl", "packs-00001.jsonl"]


@pytest.mark.slow
def test_two_nodes_by_torchrun(place: Place, alone: dict[int, float], out: Path) -> None:
    """The module as torchrun starts it trains as the script by DeepSpeed's launcher does, digit by digit."""
    (shown,) = commands("torchrun")
    first = small(shown, place, out, free_port())
    assert_ended_well(together(place, [first, first.replace("--node_rank 0", "--node_rank 1")], out.parent))
    assert losses(out) == alone


@pytest.mark.slow
def test_two_nodes_by_the_script_for_slurm(place: Place, alone: dict[int, float], out: Path, tmp_path: Path) -> None:
    """The job's script finds its first node and gives each its number; submitted again, it goes on."""
    for name, text in (("scontrol", SCONTROL), ("srun", SRUN)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (shown,) = fences("bash")
    variables = "export SLURM_JOB_NODELIST=two-nodes SLURM_NNODES=2\n"
    for steps in (2, 4):
        script = variables + small(shown, place, out, free_port()).replace("--max_steps 4", f"--max_steps {steps}")
        assert_ended_well(together(place, [script], tmp_path))
    assert losses(out) == alone


def test_the_script_for_slurm_is_one(tmp_path: Path) -> None:
    """Bash reads it to its end, and what Slurm reads stands before the first command."""
    (script,) = fences("bash")
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    lines = script.splitlines()
    assert lines[0] == "#!/bin/bash"
    options = [place for place, line in enumerate(lines) if line.startswith("#SBATCH --")]
    assert options == list(range(1, len(options) + 1))


def test_every_node_shares_a_command(tmp_path: Path) -> None:
    """What the page starts on several nodes differs in nothing but the node's number."""
    first, second = commands("deepspeed --hostfile hosts --no_ssh")
    assert second == first.replace("--node_rank 0", "--node_rank 1")
