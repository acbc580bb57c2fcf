"""Conversations → pieces of at most `max_length` tokens, everything that is left out counted.

A conversation that fits is one piece. One that does not is, by policy:

    truncate   cut after the last trained assistant turn that fits; dropped where none does
    drop       dropped
    split      cut so, and goes on in a new piece that repeats the head (the template's start and the system turn) and starts at
               a user turn; an exchange that fits into no piece is left out
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from data_mix.compiled import compiled
from data_mix.errors import BuildError, ConfigError
from data_mix.packing.conversations import Conversations, Numbers

Policy = Literal["truncate", "drop", "split"]

PIECE: Final = np.dtype([(name, "<i4") for name in ("conversation", "start", "end", "head", "trained")])
"""A piece: tokens `start` up to, without, `end` of a conversation (its row number), behind the first `head` tokens of it, which
are repeated. `trained` counts those in the loss."""

Pieces = NDArray[np.void]

LONGEST: Final = 2**24
"""The greatest `max_length`, in tokens: the search for room takes memory in proportion to it."""


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """What became of a split: conversations = kept + dropped."""

    conversations: int
    """Read."""
    cut: int
    """Kept, but not all of their tokens."""
    split: int
    """Kept in more than one piece."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """By reason: `untrained` (no token is in the loss), `too_long` (policy `drop`), `no_turn_fits`."""
    read_tokens: int
    read_trained_tokens: int
    tokens: int
    """In packs, repeated heads included, padding not."""
    repeated_tokens: int
    trained_tokens: int
    """In packs and in the loss."""
    packs: int = 0
    max_length: int

    @property
    def kept(self) -> int:
        """Conversations of which something is in a pack."""
        return self.conversations - sum(self.dropped.values())

    @property
    def lost_tokens(self) -> int:
        """Tokens read that are in no pack."""
        return self.read_tokens - (self.tokens - self.repeated_tokens)

    @property
    def padding_share(self) -> float:
        """The part of all rows that is padding, from 0 to 1."""
        return 1 - self.tokens / (self.packs * self.max_length) if self.packs else 0.0

    def describe(self) -> dict[str, object]:
        """The statistics as plain data, derived figures included."""
        return asdict(self) | {"kept": self.kept, "lost_tokens": self.lost_tokens, "padding_share": self.padding_share}


def cut(conversations: Conversations, max_length: int, policy: Policy = "truncate") -> tuple[Pieces, Statistics]:
    """The pieces (`PIECE`), in the order of the conversations, and what was left out.

    Raises ConfigError where `max_length` is too small or the policy unknown, BuildError where there are no conversations.
    """
    _check(conversations, max_length, policy)
    is_long = conversations.lengths > max_length
    ends = np.where(is_long, _last_fitting_end(conversations, max_length) if policy == "truncate" else 0, conversations.lengths)
    pieces = _whole(conversations, ends)
    if policy == "split":
        pieces = np.concatenate((pieces, _split(conversations, np.flatnonzero(is_long), max_length)))
        pieces = pieces[np.argsort(pieces["conversation"], kind="stable")]
    if not len(pieces):
        raise ConfigError(_nothing_fits(conversations, max_length, policy))
    return pieces, _statistics(conversations, pieces, max_length, policy)


def _check(conversations: Conversations, max_length: int, policy: Policy) -> None:
    if policy not in get_args(Policy):
        raise ConfigError(f"policy of packing: found {policy!r}, wanted one of {', '.join(get_args(Policy))}")
    if not 0 < max_length <= LONGEST:
        raise ConfigError(f"max_length: found {max_length}, wanted 1 to {LONGEST} tokens; set it to the model's context length")
    if not len(conversations):
        raise BuildError("the split holds no conversation, wanted at least one to pack; look at the mix and its val_split")
    if policy == "split" and conversations.user_turns is None:
        raise ConfigError("policy of packing: split wants to know where user turns start; give user_turns, or choose truncate")


def _nothing_fits(conversations: Conversations, max_length: int, policy: Policy) -> str:
    count = len(conversations)
    if not conversations.trained.any():
        return f"none of the {count} conversations has a token in the loss, wanted at least one; look at the mix"
    lengths = conversations.lengths[conversations.trained > 0]
    ends = lengths if policy == "drop" else conversations.span_ends.values
    least = int(ends[ends > 0].min())
    return (
        f"max_length: found {max_length}, but none of the {count} conversations fits, wanted {least} or more "
        f"for at least one (policy {policy}); raise max_length"
    )


def _last_fitting_end(conversations: Conversations, max_length: int) -> Numbers:
    """Per conversation the end of the last loss span that ends within `max_length`; 0 where none does."""
    spans = conversations.span_ends
    fitting = spans.sums((spans.values <= max_length).astype(np.int64))
    return np.concatenate(([0], spans.values))[np.where(fitting > 0, spans.offsets[:-1] + fitting, 0)]


def _whole(conversations: Conversations, ends: Numbers) -> Pieces:
    """The pieces from the first token up to `ends`, where something in them is trained."""
    spans = conversations.span_ends
    is_in = spans.values <= np.repeat(ends, spans.counts())
    trained = spans.sums(np.where(is_in, spans.values - conversations.span_starts.values, 0))
    rows = np.flatnonzero(trained > 0)
    pieces = np.zeros(len(rows), PIECE)
    pieces["conversation"], pieces["end"], pieces["trained"] = rows, ends[rows], trained[rows]
    return pieces


def _split(conversations: Conversations, rows: Numbers, max_length: int) -> Pieces:
    """The pieces of the conversations `rows`, which are longer than `max_length`."""
    turns, spans = conversations.user_turns, conversations.span_ends
    if turns is None or not len(rows):
        return np.zeros(0, PIECE)
    heads = turns.values[turns.offsets[:-1]][rows]
    if heads.max() >= max_length:
        raise ConfigError(
            f"max_length: found {max_length}, but the system turn of conversation {rows[heads.argmax()]} alone takes "
            f"{heads.max()} tokens, and policy split repeats it; raise max_length, or choose truncate"
        )
    starts = conversations.span_starts.values
    return _split_rows(rows, turns.offsets, turns.values, spans.offsets, starts, spans.values, max_length).view(PIECE)[:, 0]


@compiled
def _split_rows(  # noqa: PLR0913, PLR0917 - compiled functions take arrays, not objects
    rows: Numbers,
    turn_offsets: Numbers,
    turns: Numbers,
    span_offsets: Numbers,
    span_starts: Numbers,
    span_ends: Numbers,
    max_length: int,
) -> NDArray[np.int32]:
    """The fields of a piece per line. Every piece starts at a user turn, the first one with the head before it."""
    pieces, count = np.zeros((len(turns), 5), np.int32), 0
    for row in rows:
        own_turns = turns[turn_offsets[row] : turn_offsets[row + 1]]
        starts = span_starts[span_offsets[row] : span_offsets[row + 1]]
        ends = span_ends[span_offsets[row] : span_offsets[row + 1]]
        head, reached = own_turns[0], 0
        for turn in own_turns:
            first, after = np.searchsorted(starts, turn), np.searchsorted(ends, turn + max_length - head, side="right")
            if turn >= reached and after > first:
                reached, trained = ends[after - 1], (ends[first:after] - starts[first:after]).sum()
                start, repeated = (0, 0) if turn == head else (turn, head)
                pieces[count] = (row, start, reached, repeated, trained)
                count += 1
    return pieces[:count]


def _statistics(conversations: Conversations, pieces: Pieces, max_length: int, policy: Policy) -> Statistics:
    rows, sizes = pieces["conversation"], pieces["end"] - pieces["start"]
    kept_tokens = np.bincount(rows, weights=sizes, minlength=len(conversations)).astype(np.int64)
    is_kept, is_trained = kept_tokens > 0, conversations.trained > 0
    too_long = int((~is_kept & is_trained).sum())
    dropped = {"untrained": int((~is_trained).sum()), "too_long" if policy == "drop" else "no_turn_fits": too_long}
    return Statistics(
        conversations=len(conversations),
        cut=int((is_kept & (kept_tokens < conversations.lengths)).sum()),
        split=int((np.bincount(rows) > 1).sum()),
        dropped={reason: number for reason, number in dropped.items() if number},
        read_tokens=int(conversations.lengths.sum()),
        read_trained_tokens=int(conversations.trained.sum()),
        tokens=int(sizes.sum(dtype=np.int64) + pieces["head"].sum(dtype=np.int64)),
        repeated_tokens=int(pieces["head"].sum(dtype=np.int64)),
        trained_tokens=int(pieces["trained"].sum(dtype=np.int64)),
        max_length=max_length,
    )
