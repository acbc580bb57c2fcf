"""Drops conversations that are too long or too short: `too_long`, `too_short`, `too_many_turns`.

Lengths are in characters (Unicode code points), so that they mean the same for every tokenizer.
"""

from __future__ import annotations

import polars as pl
from pydantic import Field

from data_mix.stage import Stage, StageOptions, drop_where


class LengthOptions(StageOptions):
    """The limits; with the defaults nothing is dropped."""

    max_chars: int | None = Field(
        default=None, ge=1, description="Most characters of a conversation, all its messages together."
    )
    min_chars: int = Field(default=0, ge=0, description="Fewest characters of every answer, blanks at its ends not counted.")
    max_turns: int | None = Field(default=None, ge=1, description="Most messages of a conversation, a system turn not counted.")


def apply(frame: pl.DataFrame, options: LengthOptions) -> pl.DataFrame:
    """Fill `drop` of the rows beyond the limits; where several are passed the first in the order above is the reason."""
    messages, message = pl.col("messages"), pl.element().struct
    if options.max_chars is not None:
        size = messages.list.eval(message.field("content").str.len_chars()).list.sum()
        frame = frame.with_columns(drop_where(size > options.max_chars, "too_long"))
    if options.min_chars:
        size = message.field("content").fill_null("").str.strip_chars().str.len_chars()
        is_short = (message.field("role") == "assistant") & (size < options.min_chars)
        frame = frame.with_columns(drop_where(messages.list.eval(is_short).list.any(), "too_short"))
    if options.max_turns is not None:
        turns = messages.list.eval(message.field("role") != "system").list.sum()
        frame = frame.with_columns(drop_where(turns > options.max_turns, "too_many_turns"))
    return frame


STAGE = Stage(name="length", order=30, apply=apply, options=LengthOptions)
