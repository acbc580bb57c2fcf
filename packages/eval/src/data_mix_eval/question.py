"""What a model is asked, what it answers, and the mark that it gets.

A benchmark turns its records into questions; a model answers them, by the log-probability of the choices of a question or by
text of its own; the benchmark marks the answers. Nothing else passes between the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

ProtocolName = Literal["standard", "card", "chat"]
"""How benchmarks are asked and judged: as their references do, as the reference model card did, or as a chat."""

PROTOCOLS: Final[tuple[ProtocolName, ...]] = ("standard", "card", "chat")


@dataclass(frozen=True, kw_only=True)
class TextPrompt:
    """A prompt of plain text, encoded as one string: header, shots and question, one after the other."""

    header: str = ""
    shots: tuple[str, ...] = ()
    question: str
    overflow: Literal["cut_left", "drop_shots"]
    """What happens where it is longer than the context: the first tokens go, or whole shots, the last first."""
    max_tokens: int | None = None
    """Tokens that it may have at most, where a protocol fixes that; else the context alone decides."""

    @property
    def text(self) -> str:
        """The prompt as the model reads it where it is not too long."""
        return self.with_shots(len(self.shots))

    @property
    def shared(self) -> str:
        """What questions of one subject have in common."""
        return self.header + "".join(self.shots)

    def with_shots(self, count: int) -> str:
        """The prompt with its first `count` shots."""
        return "".join((self.header, *self.shots[:count], self.question))


@dataclass(frozen=True, kw_only=True)
class ChatPrompt:
    """A prompt as a conversation, rendered by the checkpoint's own chat template; shots are turns."""

    system: str = ""
    shots: tuple[tuple[str, str], ...] = ()
    """Of each shot what the user says and what the assistant answers; the last go first where all is too long."""
    question: str
    opening: str = ""
    """What the assistant's answer begins with."""


Prompt = TextPrompt | ChatPrompt


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How an answer is generated."""

    max_tokens: int
    stops: tuple[str, ...] = ()
    """Strings that end an answer and do not belong to it. The model's end of turn always ends one."""
    temperature: float = 0.0
    """0: the likeliest token each time."""
    top_p: float = 1.0
    top_k: int = 0
    """Only so many of the likeliest tokens are drawn from; 0: all."""
    samples: int = 1


@dataclass(frozen=True, kw_only=True)
class Question:
    """One item of a benchmark, as it is asked."""

    id: str
    """`<subject>/<number>`, the number being that of the record in its file; unique in a task."""
    subject: str
    prompt: Prompt
    target: str
    """The right answer as text: the choice, the label, or nothing where tests decide."""
    choices: tuple[str, ...] = ()
    """Continuations of the prompt, of which the likeliest is the answer."""
    sampling: Sampling | None = None
    """Set where the answer is generated; then there are no choices."""
    record: Mapping[str, Any] = field(default_factory=dict)
    """What the judge and a reader of the report need of the record."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a model answers to a question."""

    logprobs: tuple[float, ...] = ()
    """The summed log-probability (nats) of each choice."""
    completions: tuple[str, ...] = ()
    """The generated texts, without the stop."""
    prompt_tokens: int
    left_out: int = 0
    """Tokens of the prompt that did not fit the context."""
    generated_tokens: int = 0


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What an answer is worth."""

    metrics: Mapping[str, float]
    """Value of each metric for this item, in [0, 1]: {"acc": 1.0}, {"pass@1": 0.3, "pass@10": 1.0}."""
    picked: str
    """The answer that was read out of what the model said."""
    margin: float | None = None
    """How much likelier the picked choice is than the next (nats); None where the answer was generated."""
    verdicts: tuple[str, ...] = ()
    """Of code: what became of each completion when it was run."""
    is_suspicious: bool = False
    """Of code: whether a completion passes where checker and code share a process, and not where they do not."""
