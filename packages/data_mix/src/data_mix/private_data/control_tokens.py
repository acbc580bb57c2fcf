"""What looks like a control token of some chat template, in a text where it is only text.

It does no harm in a build, whose tokens are made apart from the text (`data_mix.tokens`); a reader of `text` who tokenizes it
himself, with a tokenizer that takes them for its own, would give a user's words the rank of a turn.
"""

from __future__ import annotations

from typing import Final

import polars as pl

_ANGLED: Final = (
    *("s", "/s", "bos", "eos", "pad", "unk", "mask", "sep", "cls", "start_of_turn", "end_of_turn", "end_of_utterance"),
    *("extra_id_0", "fim_prefix", "fim_middle", "fim_suffix"),
)
_BRACKETED: Final = ("INST", "/INST", "CLS", "SEP", "MASK", "PAD", "UNK", "BOS", "EOS", "SYSTEM_PROMPT", "/SYSTEM_PROMPT")

CONTROL_TOKENS: Final = (
    *(f"<{name}>" for name in _ANGLED),
    *(f"[{name}]" for name in _BRACKETED),
    *("<<SYS>>", "<</SYS>>", "<|", "<｜"),
)
"""The names; the last two stand for any word between such bars, as in `<|im_start|>`."""

_PATTERN: Final = "|".join(
    (
        r"<[|｜][\p{L}\p{N}_./:\-▁]{1,64}[|｜]>",
        "</?s>",
        "<<SYS>>|<</SYS>>",
        f"<(?:{'|'.join(_ANGLED[2:])})>",
        rf"\[(?:{'|'.join(_BRACKETED)})\]",
    )
)


def count_control_tokens(texts: pl.Series) -> pl.Series:
    """How many stand in each text."""
    counts = pl.zeros(len(texts), dtype=pl.UInt32, eager=True)
    places = texts.str.contains(_PATTERN).fill_null(value=False).arg_true()
    return counts.scatter(places, texts.gather(places).str.count_matches(_PATTERN)) if len(places) else counts
