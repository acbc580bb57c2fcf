"""Tokenizers and builds that the tests of token shards share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from commands import Shell
from data_mix.tokens import Tokenizer, load_tokenizer
from sample_tokenizers import byte_level, sentencepiece


@pytest.fixture(scope="session")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of a tokenizer of each family."""
    folder = tmp_path_factory.mktemp("tokenizers")
    return {
        "bytes": byte_level(folder / "bytes"),
        "bloom": byte_level(folder / "bloom", eos="</s>"),
        "llama": sentencepiece(folder / "llama"),
        "llama-first": sentencepiece(folder / "llama-first", scheme="first"),
    }


@pytest.fixture(scope="session")
def tokenizer(tokenizers: dict[str, Path]) -> Tokenizer:
    """A byte-level tokenizer whose eos is `<|endoftext|>`."""
    return load_tokenizer(tokenizers["bytes"])


@pytest.fixture(scope="session")
def sample_shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A place where the shipped samples can be built."""
    folder = tmp_path_factory.mktemp("samples")
    return Shell(cwd=folder, home=folder / "home")


@pytest.fixture(scope="session")
def sample_builds(sample_shell: Shell) -> dict[tuple[str, str], Path]:
    """The shipped samples, built with each template and each eos."""
    builds = {}
    for name in ("openassistant", "chatml", "llama3"):
        for place, eos in enumerate(("<|endoftext|>", "</s>")):
            out = sample_shell.cwd / f"{name}-{place}"
            template = ("--template.name", name, "--template.eos", eos)
            sample_shell.build(out, "--configs", "datasets", "--samples", "--workers", 1, *template)
            builds[name, eos] = out
    return builds


@pytest.fixture
def sample_build(sample_builds: dict[tuple[str, str], Path], tmp_path: Path) -> Path:
    """The shipped samples, built with the default template, in a folder of the test's own."""
    return shutil.copytree(sample_builds["openassistant", "<|endoftext|>"], tmp_path / "build", dirs_exist_ok=True)
