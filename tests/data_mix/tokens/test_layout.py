"""A template in ids: control tokens looked up, literal text encoded, what is trained counted."""

from __future__ import annotations

import pytest

from data_mix.schema import ROLES
from data_mix.template import TEMPLATES, chat_template
from data_mix.tokens.layout import Layout, make_layout


def letters(text: str) -> list[int]:
    """An encoding that can be read: an id per letter."""
    return [ord(letter) for letter in text]


def laid_out(name: str) -> tuple[Layout, dict[str, int]]:
    """The layout of a template whose control tokens have the ids from 1000 on, and these ids."""
    template = chat_template(name)
    control = {token: 1000 + place for place, token in enumerate(template.control_tokens)}
    return make_layout(template, control, letters), control


def test_openassistant_s_turns_are_a_control_token_before_and_after() -> None:
    """Nothing but the message itself is encoded."""
    layout, control = laid_out("openassistant")
    heads = [control[token] for token in ("<|system|>", "<|prompter|>", "<|assistant|>")]
    assert [turn.head for turn in layout.turns] == [(id_,) for id_ in heads]
    assert {turn.tail for turn in layout.turns} == {(control["<|endoftext|>"],)}
    assert (layout.start, layout.literals) == ((), ["", "", ""])


def test_chatml_s_role_touches_the_message_and_its_last_line_does_not() -> None:
    """The text before a message is kept as text, to be encoded with it; the line after it is ids."""
    layout, control = laid_out("chatml")
    assert layout.literals == [f"{role}\n" for role in ROLES]
    assert [turn.literal_ids for turn in layout.turns] == [tuple(letters(f"{role}\n")) for role in ROLES]
    assert {turn.head for turn in layout.turns} == {(control["<|im_start|>"],)}
    assert {turn.tail for turn in layout.turns} == {(control["<|im_end|>"], ord("\n"))}


def test_llama3_s_role_stands_between_control_tokens() -> None:
    """Only the lines touch the message; the role before them is ids."""
    layout, control = laid_out("llama3")
    begin, end = control["<|start_header_id|>"], control["<|end_header_id|>"]
    assert [turn.head for turn in layout.turns] == [(begin, *letters(role), end) for role in ROLES]
    assert layout.literals == ["\n\n"] * 3
    assert layout.start == (control["<|begin_of_text|>"],)


@pytest.mark.parametrize("name", TEMPLATES)
def test_of_what_follows_an_answer_its_end_alone_is_trained(name: str) -> None:
    """One id of an assistant's tail counts in the loss, the first; of the others none."""
    layout, control = laid_out(name)
    assert layout.trained_tails.tolist() == [0, 0, 1]
    assert layout.turns[ROLES.index("assistant")].tail[0] == control[chat_template(name).end_of_turn]


@pytest.mark.parametrize("name", TEMPLATES)
def test_fixed_pieces_are_heads_first_heads_and_tails(name: str) -> None:
    """They stand in the order by which rows are put together: by role, each kind after the other."""
    layout, _ = laid_out(name)
    fixed = layout.fixed
    pieces = [tuple(fixed.ids[start:end].tolist()) for start, end in zip(fixed.offsets, fixed.offsets[1:], strict=False)]
    heads = [turn.head for turn in layout.turns]
    assert pieces == [*heads, *(layout.start + head for head in heads), *(turn.tail for turn in layout.turns)]


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_layout_and_its_template_say_the_same(name: str) -> None:
    """Put together, the ids of a turn are those of the text that the template renders around a message."""
    layout, control = laid_out(name)
    names = {id_: token for token, id_ in control.items()}
    for role, turn in zip(ROLES, layout.turns, strict=True):
        before, after = ("".join(names.get(id_, chr(id_)) for id_ in ids) for ids in (turn.head + turn.literal_ids, turn.tail))
        assert (before, after) == chat_template(name).around(role)  # type: ignore[arg-type]
