"""Tokenizers and builds that the tests of templates and token shards share."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commands import Shell
from data_mix.tokens import Tokenizer, load_tokenizer
from sample_tokenizers import byte_level, save, sentencepiece

Data = dict[str, Any]


def changed(folder: Path, change: Callable[[Data], Data]) -> Path:
    """A tokenizer's folder with another tokenizer.json."""
    eos = load_tokenizer(folder).eos
    return save(folder, change(json.loads((folder / "tokenizer.json").read_text(encoding="utf8"))), eos)


def _as_neox(data: Data) -> Data:
    """GPT-NeoX's: texts are brought into NFC first, and there are added tokens for runs of blanks."""
    return data | {"normalizer": {"type": "NFC"}}


def _as_gpt2(data: Data) -> Data:
    """GPT-2's: eos is the only added token, and its text is normalized like any other."""
    return data | {"added_tokens": [data["added_tokens"][0] | {"normalized": True}]}


def _as_bloom(data: Data) -> Data:
    """Bloom's: words are cut by an expression of its own, which gigatoken does not know."""
    words = {"type": "Split", "pattern": {"Regex": r" ?[^(\s|[.,!?…。，、।۔،])]+"}, "behavior": "Isolated", "invert": False}
    letters = data["pre_tokenizer"] | {"use_regex": False}
    return data | {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [words, letters]}}


@pytest.fixture(scope="session")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of a tokenizer of each family."""
    folder = tmp_path_factory.mktemp("tokenizers")
    return {
        "bytes": byte_level(folder / "bytes"),
        "neox": changed(byte_level(folder / "neox"), _as_neox),
        "gpt2": changed(byte_level(folder / "gpt2"), _as_gpt2),
        "bloom": byte_level(folder / "bloom", eos="</s>"),
        "bloom-split": changed(byte_level(folder / "bloom-split", eos="</s>"), _as_bloom),
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
