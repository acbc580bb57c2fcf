"""Drops conversations whose turns are not in order: one system turn at most, then user and assistant by turns.

Reasons: `no_messages`; `empty_turn` (nothing visible in a message); `no_final_answer` (all is well, but the assistant's
last word is missing); `broken_alternation` (anything else).
"""

from __future__ import annotations

import polars as pl

from data_mix.stage import Stage, StageOptions

_VISIBLE = r"[^\s\p{Cc}\p{Cf}]"  # neither blank, nor control, nor of zero width
_IN_ORDER = "^s?(?:ua)+$"
_ANSWER_MISSING = "^s?(?:ua)*u?$"


def apply(frame: pl.DataFrame, _options: StageOptions) -> pl.DataFrame:
    """Fill `drop` of the rows that are out of order."""
    messages, message = pl.col("messages"), pl.element().struct
    # The roles of a row are one word, such as `suaua`, so that a pattern can say what order is.
    roles = messages.list.eval(message.field("role").str.head(1)).list.join("").fill_null("")
    empty = messages.list.eval(~message.field("content").fill_null("").str.contains(_VISIBLE)).list.any()
    found = frame.select(roles.alias("roles"), empty.alias("empty"))  # once, though the reason asks for the roles thrice
    reason = found.select(_reason(pl.col("roles"), pl.col("empty")).alias("reason")).to_series()
    return frame.with_columns(pl.coalesce("drop", reason).alias("drop"))


def _reason(roles: pl.Expr, empty: pl.Expr) -> pl.Expr:
    return (
        pl.when(roles == "")
        .then(pl.lit("no_messages"))
        .when(empty)
        .then(pl.lit("empty_turn"))
        .when(roles.str.contains(_IN_ORDER))
        .then(None)
        .when(roles.str.contains(_ANSWER_MISSING))
        .then(pl.lit("no_final_answer"))
        .otherwise(pl.lit("broken_alternation"))
    )


STAGE = Stage(name="turns", order=20, apply=apply)
