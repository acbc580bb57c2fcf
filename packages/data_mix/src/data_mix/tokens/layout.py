"""A template in ids: what stands before and after a message of each role."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from data_mix.schema import Role
from data_mix.template import ChatTemplate, Segment
from data_mix.tokens.encode import Ragged


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A message of one role in ids."""

    head: tuple[int, ...]
    """Before the message's text."""
    literal: str
    """Text that touches the message's from before; empty where a control token does."""
    literal_ids: tuple[int, ...]
    tail: tuple[int, ...]
    """After the message's text."""
    trained_tail: int
    """How many ids of the tail count in the loss where the message does."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A template in ids."""

    start: tuple[int, ...]
    """Once, at the beginning of a conversation."""
    turns: tuple[Turn, ...]
    """In the order of `schema.ROLES`."""

    @property
    def fixed(self) -> Ragged:
        """What is the same for all messages of a role: their heads, heads that begin a conversation, then tails."""
        heads, tails = [turn.head for turn in self.turns], [turn.tail for turn in self.turns]
        pieces = [*heads, *(self.start + head for head in heads), *tails]
        ids = [id_ for piece in pieces for id_ in piece]
        return Ragged(np.cumsum([0, *map(len, pieces)], dtype=np.int64), np.array(ids, dtype=np.uint32))

    @property
    def trained_tails(self) -> NDArray[np.int64]:
        """How many ids of each role's tail count in the loss where the message does."""
        return np.array([turn.trained_tail for turn in self.turns], dtype=np.int64)

    @property
    def literals(self) -> list[str]:
        """The text that touches a message, of each role."""
        return [turn.literal for turn in self.turns]


def make_layout(template: ChatTemplate, control: Mapping[str, int], encode: Callable[[str], list[int]]) -> Layout:
    """The template in ids, given those of its control tokens and how its literal texts are encoded beside them."""

    def ids(segments: Sequence[Segment]) -> tuple[int, ...]:
        return tuple(id_ for each in segments for id_ in _segment_ids(each, control, encode))

    return Layout(start=ids(template.start), turns=tuple(_turn(template.roles[role], ids) for role in get_args(Role)))


def _segment_ids(segment: Segment, control: Mapping[str, int], encode: Callable[[str], list[int]]) -> list[int]:
    return [control[segment.text]] if segment.kind == "control" else encode(segment.text)


def _turn(segments: Sequence[Segment], ids: Callable[[Sequence[Segment]], tuple[int, ...]]) -> Turn:
    place = [segment.kind for segment in segments].index("message")
    touches = place > 0 and segments[place - 1].kind == "literal"
    touching = segments[place - 1 : place] if touches else ()
    after = segments[place + 1 :]
    return Turn(
        head=ids(segments[: place - len(touching)]),
        literal="".join(segment.text for segment in touching),
        literal_ids=ids(touching),
        tail=ids(after),
        trained_tail=len(ids([segment for segment in after if segment.trained])),
    )
