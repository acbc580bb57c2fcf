"""What users of `datamix eval` get wrong: each is one clear line, and nothing of theirs is touched."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from commands import digests
from data_mix.errors import DataMixError
from data_mix.files import hold
from data_mix_eval.benchmark_files import SAMPLES
from data_mix_eval.cli import main
from no_sandbox import WITHOUT_SANDBOX
from scored import make_checkpoint, shell

Refused = Callable[..., str]


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained model, which tests copy."""
    return make_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture
def checkpoint(untouched: Path, tmp_path: Path) -> Path:
    """A model of this test's own."""
    return shutil.copytree(untouched, tmp_path / "model")


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """The line that a command ends with, on the samples unless it is told otherwise; it makes no results."""
    monkeypatch.setenv("DATAMIX_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def refused(*arguments: object) -> str:
        with pytest.raises(DataMixError) as caught:
            main([*map(str, arguments)])
        assert not list(tmp_path.glob("out/results.json"))
        return str(caught.value)

    return refused


def mmlu(checkpoint: Path) -> list[object]:
    """The words that score MMLU's samples."""
    return [checkpoint, "--task", "mmlu", "--samples", "-o", "out"]


def test_no_checkpoint(refused: Refused) -> None:
    """Without a checkpoint there is nothing to score, and the usage is said."""
    assert "found no checkpoint, wanted the folder of a model, before --task: Usage: datamix eval CHECKPOINT" in refused(
        "--samples"
    )


def test_a_folder_that_is_not_there(tmp_path: Path, refused: Refused) -> None:
    """A path that is no folder is named, and none is made."""
    assert "./nope: is no folder" in refused("./nope", "--task", "mmlu", "--samples")
    (tmp_path / "file").touch()
    assert "is no folder" in refused(tmp_path / "file", "--task", "mmlu", "--samples")
    assert not (tmp_path / "nope").exists()


def test_a_checkpoint_without_tokenizer(checkpoint: Path, refused: Refused) -> None:
    """A model without its tokenizer says which file is missing."""
    (checkpoint / "tokenizer.json").unlink()
    assert "holds no tokenizer, wanted tokenizer.json" in refused(*mmlu(checkpoint))


def break_weights(checkpoint: Path) -> None:
    """Make the embeddings no numbers."""
    weights = load_file(checkpoint / "model.safetensors")
    name = next(name for name in weights if "embed" in name)
    save_file(weights | {name: weights[name] * float("nan")}, checkpoint / "model.safetensors", {"format": "pt"})


def test_a_rank_says_what_it_alone_has_met(checkpoint: Path, tmp_path: Path) -> None:
    """An error in a rank's own share of the answers is said by that rank; one that all meet by the first alone."""
    place = shell(tmp_path)
    second = replace(place, variables=place.variables | {"RANK": "1", "WORLD_SIZE": "2"})
    break_weights(checkpoint)
    ended = second.run("eval", *mmlu(checkpoint))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert re.fullmatch(r"datamix: rank 1: \w+/\d+: the log-probability of choice .* is nan.*\n", ended.stderr)
    (checkpoint / "config.json").unlink()
    ended = second.run("eval", *mmlu(checkpoint))
    assert (ended.returncode, ended.stderr) == (1, "")


def test_a_model_that_gives_no_numbers(checkpoint: Path, tmp_path: Path, refused: Refused) -> None:
    """Weights that are no numbers end the run at the first batch; nothing of it is kept."""
    break_weights(checkpoint)
    line = refused(*mmlu(checkpoint))
    assert "no number" in line or "NaN" in line or "nan" in line
    assert not list((tmp_path / "home/eval").rglob("*.jsonl"))


def test_a_task_that_is_not_known(checkpoint: Path, refused: Refused) -> None:
    """An unknown benchmark is an error that names those there are."""
    line = refused(checkpoint, "--task", "mmul", "--samples")
    assert "task 'mmul' is not known, wanted one of bbh, bbh_direct, humaneval, mmlu" in line


def test_a_protocol_that_is_not_known(checkpoint: Path, refused: Refused) -> None:
    """An unknown protocol is an error that names the three."""
    assert "wanted 'standard', 'card' or 'chat'" in refused(*mmlu(checkpoint), "--protocol", "cards")


def test_an_option_that_is_misspelt(checkpoint: Path, refused: Refused) -> None:
    """A misspelt option is not taken for a key in silence."""
    assert "nearest: --protocol" in refused(*mmlu(checkpoint), "--protokol", "card")


def test_no_network(checkpoint: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the benchmark cannot be fetched the line says so, before the model is opened."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    line = refused(checkpoint, "--task", "mmlu", "-o", "out")
    assert "cais/mmlu" in line
    assert "offline" in line.lower()


def test_benchmark_files_that_are_not_there(checkpoint: Path, tmp_path: Path, refused: Refused) -> None:
    """A folder without the benchmark's files says which were wanted."""
    line = refused(checkpoint, "--task", "mmlu", "--benchmark-path", tmp_path / "home", "-o", "out")
    assert "does not exist, wanted the files of mmlu" in line


def test_a_benchmark_file_without_a_column(checkpoint: Path, tmp_path: Path, refused: Refused) -> None:
    """A row with a column too few is named by file and line."""
    shutil.copytree(SAMPLES, tmp_path / "files")
    path = sorted((tmp_path / "files").glob("mmlu/test/*.csv"))[0]
    first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([first.rpartition(",")[0], *rest]))
    assert f"{path.name}:1" in refused(checkpoint, "--task", "mmlu", "--benchmark-path", tmp_path / "files", "-o", "out")


def test_two_runs_into_one_folder(checkpoint: Path, tmp_path: Path, refused: Refused) -> None:
    """A folder that another run is writing is left to it."""
    (tmp_path / "out").mkdir()
    held = hold(tmp_path / "out")
    assert held is not None
    assert "out: another run is writing there; wait for it, or name another folder with -o" in refused(*mmlu(checkpoint))


def test_results_of_something_else(checkpoint: Path, tmp_path: Path, refused: Refused) -> None:
    """Results of another protocol, a part, or another model are not overwritten, and stay as they are."""
    main([*map(str, mmlu(checkpoint))])
    (tmp_path / "out").rename(tmp_path / "kept")
    before = digests(tmp_path / "kept")
    other = make_checkpoint(tmp_path / "other", seed=1)
    for change in (["--protocol", "card"], ["--limit", "1"], ["--seed", "3"]):
        assert "holds results of something else" in refused(*mmlu(checkpoint)[:-1], "kept", *change)
    assert "holds results of something else (model" in refused(*mmlu(other)[:-1], "kept")
    assert digests(tmp_path / "kept") == before


def test_a_folder_that_cannot_be_written(checkpoint: Path, tmp_path: Path, refused: Refused) -> None:
    """A file in the way of the results is one line."""
    (tmp_path / "out").touch()
    assert "cannot write out: a file of that name is in the way" in refused(*mmlu(checkpoint))


def test_a_base_model_by_another_protocol(checkpoint: Path, refused: Refused) -> None:
    """Results of a base model under another protocol, or of another part, never stand in the same table."""
    main([*map(str, mmlu(checkpoint)[:-1]), "card", "--protocol", "card"])
    main([*map(str, mmlu(checkpoint)[:-1]), "part", "--limit", "1"])
    assert "was scored by protocol card, wanted standard" in refused(*mmlu(checkpoint), "--base-model", "card")
    assert "mmlu has subset at most 1 of each subject" in refused(*mmlu(checkpoint), "--base-model", "part")


def test_runs_that_do_not_compare(checkpoint: Path, tmp_path: Path, refused: Refused) -> None:
    """Two protocols, two benchmarks, or a folder without results do not compare."""
    main([*map(str, mmlu(checkpoint)[:-1]), "card", "--protocol", "card"])
    main([*map(str, mmlu(checkpoint)[:-1]), "standard"])
    (tmp_path / "empty").mkdir()
    assert "by protocol card, standard by standard" in refused("--compare", "card", "standard")
    assert "empty: holds no results.json" in refused("--compare", "standard", "empty")
    results = json.loads((tmp_path / "standard/results.json").read_text())
    shutil.copytree(tmp_path / "standard", tmp_path / "renamed")
    (tmp_path / "renamed/results.json").write_text(json.dumps(results | {"tasks": {"other": results["tasks"]["mmlu"]}}))
    assert "have no task in common" in refused("--compare", "standard", "renamed")


COMMAND = f"{WITHOUT_SANDBOX}\nfrom data_mix.cli import main\nmain()\n"


def test_no_sandbox_on_the_machine(checkpoint: Path, tmp_path: Path) -> None:
    """Where nothing would hold code HumanEval is refused in one line before its first question; MMLU needs none."""
    environment = shell(tmp_path).environment()

    def run(task: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", COMMAND, "eval", str(checkpoint), "--task", task, "--samples", "-o", "out"]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300)

    ended = run("humaneval")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("datamix: code written by a model is not run")
    assert (ended.returncode, list((tmp_path / "home/eval").glob("*/humaneval*"))) == (1, [])
    assert run("mmlu").returncode == 0


def test_an_error_is_one_line(checkpoint: Path, tmp_path: Path) -> None:
    """The command says what is wrong in one line without a traceback."""
    (checkpoint / "tokenizer.json").unlink()
    assert "holds no tokenizer" in shell(tmp_path).refused("eval", *mmlu(checkpoint))
