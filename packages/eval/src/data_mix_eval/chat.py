"""Talking to a checkpoint: turn by turn, by its own chat template, up to its own end of turn.

On a terminal it asks for each message. Where the messages come through a pipe, each line is one, and only answers are printed.

    /reset   begin anew
    /quit    end, as does the end of the input
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

import typer

from data_mix.errors import EvalError
from data_mix.terminal import visible

if TYPE_CHECKING:
    from data_mix_eval.question import Sampling

Message = dict[str, str]

_PROMPT: Final = "you › "
_RESET: Final = "/reset"
_QUIT: Final = "/quit"


class Speaker(Protocol):
    """A model that answers conversations."""

    def stream(self, messages: Sequence[Message], sampling: Sampling, seed: int = 0) -> Iterator[str]:
        """The answer to the last message, piece by piece. EvalError where the conversation is longer than the context."""


@dataclass(kw_only=True)
class Conversation:
    """What was said so far, and who answers."""

    speaker: Speaker
    sampling: Sampling
    system: str = ""
    seed: int = 0
    turns: list[Message] = field(default_factory=list)

    def say(self, text: str) -> Iterator[str]:
        """The answer to `text`, piece by piece; it belongs to the conversation as far as it was heard."""
        opening = [{"role": "system", "content": self.system}] if self.system else []
        asked = [*self.turns, {"role": "user", "content": text}]
        heard = ""
        try:
            for piece in self.speaker.stream([*opening, *asked], self.sampling, self.seed + len(self.turns)):
                heard += piece
                yield piece
        finally:
            self.turns = [*asked, {"role": "assistant", "content": heard}] if heard else self.turns

    def reset(self) -> None:
        """Forget what was said."""
        self.turns = []


def converse(conversation: Conversation) -> None:
    """Read messages and print answers until the input ends. Ctrl-C ends an answer, or where none is given, everything.

    Raises EvalError for a message that cannot be answered, where it does not come from a terminal.
    """
    is_terminal = sys.stdin.isatty()
    if is_terminal:
        typer.echo(f"{_RESET} begins anew, {_QUIT} or Ctrl-D ends; Ctrl-C ends an answer")
    for text in _messages(is_terminal=is_terminal):
        try:
            conversation.reset() if text == _RESET else _answer(conversation, text)
        except EvalError as error:  # of a message that is too long: who reads it can say less, a pipe cannot
            if not is_terminal:
                raise
            typer.echo(visible(str(error)), err=True)


def _messages(*, is_terminal: bool) -> Iterator[str]:
    """What the user says, blank lines left out."""
    while True:
        try:
            text = input(_PROMPT if is_terminal else "").strip()
        except (EOFError, KeyboardInterrupt):
            return
        if text == _QUIT:
            return
        if text:
            yield text.encode(errors="surrogateescape").decode(errors="replace")  # bytes that are no UTF-8


def _answer(conversation: Conversation, text: str) -> None:
    """Print the answer as it comes, its control characters made visible: a model must not steer the terminal."""
    try:
        for piece in conversation.say(text):
            typer.echo(visible(piece), nl=False)
    except KeyboardInterrupt:
        typer.echo(" …", nl=False)
    typer.echo("")
