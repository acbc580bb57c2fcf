"""The hub's token is shown nowhere."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_mix.publish.token import TokenMask, token_in_hand
from publishing import CANARY


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the root logger writes."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A token in the environment."""
    monkeypatch.setenv("HF_TOKEN", CANARY)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    return CANARY


def test_a_token_is_in_hand_and_in_no_child(token: str) -> None:
    """While it is in hand no process that is started inherits it; afterwards the environment is what it was."""
    with token_in_hand() as found:
        child = subprocess.run([sys.executable, "-c", "import os; print(dict(os.environ))"], capture_output=True, check=True)
    assert found == os.environ["HF_TOKEN"] == token
    assert token.encode() not in child.stdout


def test_a_log_holds_no_token(token: str, log: io.StringIO) -> None:
    """Neither a message, its arguments nor a traceback shows it, whichever way it comes in."""
    with token_in_hand():
        logging.getLogger("any").warning(
            "sent %s and %s", {"authorization": f"Bearer {token}"}, "hf_abcdefghijklmnopqrstuvwxyz"
        )
        try:
            raise ValueError(f"Illegal header value {token!r}")
        except ValueError:
            logging.getLogger("any").exception("failed")
    said = log.getvalue()
    assert token not in said
    assert "hf_abcdef" not in said
    assert "Bearer hf_***" in said
    assert "Traceback" in said


def test_a_traceback_holds_no_token(tmp_path: Path) -> None:
    """A program that ends by a bug while the token is in hand prints its traceback without it."""
    code = "from data_mix.publish.token import token_in_hand\nwith token_in_hand() as token:\n    raise RuntimeError(token)"
    environment = os.environ | {"HF_TOKEN": CANARY, "HF_HOME": str(tmp_path)}
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert ended.returncode == 1
    assert "RuntimeError: hf_***" in ended.stderr
    assert CANARY not in ended.stderr


def test_a_known_token_of_any_shape_is_masked() -> None:
    """A token that does not look like one is masked where it is known, and other text is left as it is."""
    assert TokenMask("secret word").mask("the secret word, hf_short and héllo") == "the hf_***, hf_short and héllo"
