"""Tokenizers and a checkpoint that the tests of models share."""

from __future__ import annotations

from pathlib import Path

import pytest

from asking import save_chat_tokenizer, save_checkpoint
from sample_tokenizers import byte_level, sentencepiece


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("DATAMIX_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="session")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer of the SentencePiece family, which puts its first token before each text."""
    return sentencepiece(tmp_path_factory.mktemp("pieces"))


@pytest.fixture(scope="session")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level tokenizer with the control tokens and the chat template of `openassistant`."""
    return save_chat_tokenizer(tmp_path_factory.mktemp("chat"), byte_level(tmp_path_factory.mktemp("bytes")))


@pytest.fixture(scope="session")
def checkpoint(chat: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Llama with that tokenizer."""
    return save_checkpoint(tmp_path_factory.mktemp("checkpoint"), chat)
