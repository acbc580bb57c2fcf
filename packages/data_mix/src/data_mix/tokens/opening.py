"""The ids with which a user turn opens: where packing may go on with a conversation that it splits."""

from __future__ import annotations

from typing import get_args

from data_mix.schema import Role
from data_mix.template import ChatTemplate
from data_mix.tokens.tokenizer import Tokenizer
from data_mix.tokens.tokenizing import prepare


def user_opening(tokenizer: Tokenizer, template: ChatTemplate) -> tuple[int, ...]:
    """The ids that open a user turn and no other, the first of them a control token.

    Of literal text before the message the last id is left out: a tokenizer may join it to the message.
    """
    layout = prepare(tokenizer, template.name, template.eos).layout
    turn = layout.turns[get_args(Role).index("user")]
    return turn.head + turn.literal_ids[: max(len(turn.literal_ids) - 1, 1)]
