"""A conversation in the terminal: what is read, what is answered, and what ends it."""

from __future__ import annotations

import io
import os
import pty
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import pytest

from data_mix.errors import EvalError
from data_mix_eval.chat import Conversation, converse
from data_mix_eval.question import Sampling

_LONGEST: Final = 20


@dataclass
class Echo:
    """Says what it was told; longer messages than it can read are refused."""

    heard: list[str] = field(default_factory=list)

    def stream(self, messages: Sequence[dict[str, str]], _sampling: Sampling, seed: int = 0) -> Iterator[str]:
        """See `Speaker`."""
        said = messages[-1]["content"]
        if len(said) > _LONGEST:
            raise EvalError(f"the conversation is {len(said)} tokens; begin anew, or say less")
        self.heard.append(said)
        yield from (f"{len(messages)}:", said, f":{seed}")


def conversation() -> Conversation:
    """A conversation with an echo."""
    return Conversation(speaker=Echo(), sampling=Sampling(max_tokens=8))


def test_a_pipe_ends_at_a_message_that_is_too_long(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody could say less, so the error ends the run; blank lines are no messages."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n \nhi\n" + "x" * 99 + "\nmore\n"))
    with pytest.raises(EvalError, match="say less"):
        converse(conversation())
    assert capsys.readouterr().out == "1:hi:0\n"


def test_on_a_terminal_one_can_say_less(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A message that is too long is refused in a line, belongs to nothing, and the conversation goes on."""
    ours, theirs = pty.openpty()
    os.write(ours, b"hi\n" + b"x" * 99 + b"\nmore\n/quit\n")
    talk = conversation()
    with os.fdopen(theirs, "r", encoding="utf8") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        converse(talk)
    os.close(ours)
    said = capsys.readouterr()
    assert "say less" in said.err
    assert "3:more:2" in said.out
    assert [turn["content"] for turn in talk.turns] == ["hi", "1:hi:0", "more", "3:more:2"]


def test_bytes_that_are_no_text_are_a_message_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not UTF-8 is read as the sign for that, which every tokenizer takes."""
    talk = conversation()
    bytes_read = io.TextIOWrapper(io.BytesIO(b"a\xffb\n"), encoding="utf8", errors="surrogateescape")
    monkeypatch.setattr(sys, "stdin", bytes_read)
    converse(talk)
    assert talk.turns[0]["content"] == "a\N{REPLACEMENT CHARACTER}b"
