"""`datamix tokenize`, as its users run it."""

from __future__ import annotations

import json
from pathlib import Path

from commands import Shell


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


def test_verify_does_not_mind_token_shards(sample_build: Path, tokenizers: dict[str, Path], tmp_path: Path) -> None:
    """A build with token shards beside it is as it was built."""
    shell = shell_in(tmp_path)
    shell.ok("tokenize", sample_build, "--tokenizer", tokenizers["bytes"], "--quiet")
    assert shell.ok("verify", sample_build).strip().endswith("every file is as it was built")


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
