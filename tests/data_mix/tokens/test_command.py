"""`datamix tokenize`, `datamix build --tokenizer` and `datamix verify`, as their users run them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import Shell, digests
from data_mix.tokens import Tokenizer
from sample_tokenizers import save

SAMPLES = ("build", "--configs", "datasets", "--samples", "--workers", 1)


def shell_in(folder: Path) -> Shell:
    """A place to run commands from."""
    return Shell(cwd=folder, home=folder / "home")


def test_it_says_what_it_wrote_and_then_that_nothing_changed(
    sample_build: Path, tokenizers: dict[str, Path], tmp_path: Path
) -> None:
    """Rows, tokens and trained tokens per split, and the shards' place."""
    command = ("tokenize", sample_build, "--tokenizer", tokenizers["bytes"])
    first, second = (shell_in(tmp_path).ok(*command).splitlines() for _ in range(2))
    assert first[0].split() == ["split", "rows", "tokens", "trained"]
    assert [line.split()[:2] for line in first[1:3]] == [["train", "162"], ["validation", "25"]]
    assert first[3].endswith(".json: written")
    assert second == [*first[:3], first[3].replace("written", "nothing had changed")]


def test_json_is_the_manifest(sample_build: Path, tokenizers: dict[str, Path], tmp_path: Path) -> None:
    """Programs get the manifest and its place."""
    text = shell_in(tmp_path).ok("tokenize", sample_build, "--tokenizer", tokenizers["bytes"], "--workers", 1, "--json")
    said = json.loads(text)
    assert json.loads(Path(said.pop("path")).read_text()) == {key: said[key] for key in said if key != "was_there"}


def test_verify_checks_token_shards_as_well(sample_build: Path, tokenizers: dict[str, Path], tmp_path: Path) -> None:
    """A build with token shards beside it is as it was built, until a bit of a shard changes."""
    shell = shell_in(tmp_path)
    shell.ok("tokenize", sample_build, "--tokenizer", tokenizers["bytes"], "--quiet")
    assert shell.ok("verify", sample_build).strip().endswith("every file is as it was built")
    (shard,) = (sample_build / "tokens").glob("*.train.arrow")
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    done = shell.run("verify", sample_build)
    assert done.returncode == 1
    assert done.stdout.startswith(f"{shard}: its SHA-256 is not ")
    assert len(done.stdout.splitlines()) == 1


def test_a_build_with_a_tokenizer_is_a_build_and_its_token_shards(
    sample_build: Path, tokenizers: dict[str, Path], tmp_path: Path
) -> None:
    """One command writes the same bytes as `build` and `tokenize` do, and says what both say."""
    shell, tokenizer = shell_in(tmp_path), ("--tokenizer", tokenizers["bytes"])
    apart = shell.ok(*SAMPLES, "-o", "apart").splitlines() + shell.ok("tokenize", "apart", *tokenizer).splitlines()
    at_once = shell.ok(*SAMPLES, "-o", "at-once", *tokenizer).splitlines()
    assert at_once == [line.replace("apart", "at-once") for line in apart]
    assert digests(tmp_path / "at-once") == digests(tmp_path / "apart")
    assert len(list((tmp_path / "at-once" / "tokens").iterdir())) == 3
    again = shell.ok(*SAMPLES, "-o", "at-once", *tokenizer).splitlines()
    assert [line.rpartition(": ")[2] for line in again if line.startswith("at-once")] == ["nothing had changed"] * 2


def test_a_build_with_a_tokenizer_says_both_manifests_as_json(tokenizers: dict[str, Path], tmp_path: Path) -> None:
    """Programs get the build's manifest, and under `tokens` that of the token shards with their place."""
    command = (*SAMPLES, "-o", "out", "--tokenizer", tokenizers["bytes"], "--json")
    first, second = (json.loads(shell_in(tmp_path).ok(*command)) for _ in range(2))
    assert [(each["was_there"], each["tokens"]["was_there"]) for each in (first, second)] == [(False, False), (True, True)]
    assert first["tokens"]["build"] == first["fingerprint"]
    assert (tmp_path / first["tokens"]["path"]).is_file()
    assert "tokens" not in json.loads(shell_in(tmp_path).ok(*SAMPLES, "-o", "out", "--json"))


def test_a_quiet_build_with_a_tokenizer_says_nothing(tokenizers: dict[str, Path], tmp_path: Path) -> None:
    """`--quiet` prints errors only."""
    done = shell_in(tmp_path).run(*SAMPLES, "-o", "out", "--tokenizer", tokenizers["bytes"], "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_tokenizer_that_does_not_fit_is_refused_before_anything_is_built(tokenizers: dict[str, Path], tmp_path: Path) -> None:
    """One line that names both eos and the option that mends it; neither folder nor cache is touched."""
    command = (*SAMPLES, "-o", "out", "--tokenizer", tokenizers["bloom"])
    line = shell_in(tmp_path).refused(*command)
    assert "its eos is '</s>', that of the build's template is '<|endoftext|>'" in line
    assert "build again with --template.eos '</s>'" in line
    assert list(tmp_path.iterdir()) == []
    assert "written" in shell_in(tmp_path).ok(*command, "--template.eos", "</s>")


@pytest.mark.parametrize("gap", [1, 100])
def test_a_tokenizer_with_a_gap_in_its_ids_is_refused_before_anything_is_built(
    gap: int, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    """Where new tokens could not follow the last id, a user's tokenizer would give others than the shards have."""
    token = tokenizer.added_tokens[0] | {"id": max(tokenizer.vocabulary.values()) + 1 + gap, "content": "<|far|>"}
    folder = save(tmp_path / "gap", tokenizer.data | {"added_tokens": [*tokenizer.added_tokens, token]}, "<|endoftext|>")
    line = shell_in(tmp_path).refused(*SAMPLES, "-o", "out", "--tokenizer", folder)
    assert "gap" in line
    assert not (tmp_path / "out").exists()


def test_a_changed_mix_leaves_no_token_shards_of_the_earlier_one(tokenizers: dict[str, Path], tmp_path: Path) -> None:
    """Building again with another seed, what stands below tokens/ is of the new rows alone."""
    command, names = (*SAMPLES, "-o", "out", "--tokenizer", tokenizers["bytes"], "--quiet"), []
    for seed in (1, 2):
        shell_in(tmp_path).ok(*command, "--data_seed", seed)
        names.append(sorted(path.name for path in (tmp_path / "out/tokens").iterdir()))
    assert len(names[0]) == len(names[1]) == 3
    assert set(names[0]).isdisjoint(names[1])
    assert "every file is as it was built" in shell_in(tmp_path).ok("verify", "out")


def test_a_folder_that_is_no_build_is_refused(tokenizers: dict[str, Path], tmp_path: Path) -> None:
    """One line, with the command that makes a build."""
    line = shell_in(tmp_path).refused("tokenize", "nothing", "--tokenizer", tokenizers["bytes"])
    assert "nothing: does not exist; make it with datamix build" in line


def test_a_tokenizer_of_another_eos_is_refused(sample_build: Path, tokenizers: dict[str, Path], tmp_path: Path) -> None:
    """One line, and nothing is written."""
    line = shell_in(tmp_path).refused("tokenize", sample_build, "--tokenizer", tokenizers["bloom"])
    assert "its eos is '</s>', that of the build's template is '<|endoftext|>'" in line
    assert not (sample_build / "tokens").exists()


def test_a_name_that_the_hub_does_not_give_is_refused(sample_build: Path, tmp_path: Path) -> None:
    """Neither file nor folder, and no hub to ask: one line that says so."""
    line = shell_in(tmp_path).refused("tokenize", sample_build, "--tokenizer", "own/tokenizer")
    assert "own/tokenizer: is neither a file nor a folder, and the hub does not give it" in line


def test_a_tokenizer_that_the_hub_s_cache_holds_is_read_from_there(
    sample_build: Path, tokenizers: dict[str, Path], tmp_path: Path
) -> None:
    """OWNER/NAME is a repository of the hub, and kept where huggingface_hub keeps it."""
    shell, commit = shell_in(tmp_path), "a" * 40
    cache = shell.home / "hf" / "hub" / "models--own--tokenizer"
    for path in tokenizers["bytes"].iterdir():
        copy = cache / "snapshots" / commit / path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(commit)
    assert "written" in shell.ok("tokenize", sample_build, "--tokenizer", "own/tokenizer")
