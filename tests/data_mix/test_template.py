"""Chat templates: the text of a conversation, and what of it is trained on."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from jinja2.exceptions import TemplateError

from chat_peer import ChatPeer
from data_mix.errors import ConfigError
from data_mix.schema import STAGED
from data_mix.shards import open_build
from data_mix.template import TEMPLATES, chat_template

TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
]


def rendered(name: str, eos: str | None = None) -> str:
    """The conversation `TALK` as text."""
    (text,) = chat_template(name, eos).render(pa.array([TALK], STAGED.field("messages").type)).to_pylist()
    return str(text)


def test_openassistant_is_the_layout_of_the_reference_card() -> None:
    """The default template puts a role token before and eos after every turn, and nothing between."""
    assert (
        rendered("openassistant")
        == "<|system|>Be brief.<|endoftext|><|prompter|>Hi<|endoftext|><|assistant|>Hello<|endoftext|>"
    )


def test_the_eos_of_the_openassistant_template_is_the_mix_s() -> None:
    """A mix for Bloom or Llama ends its turns with that tokenizer's eos."""
    assert rendered("openassistant", "</s>").endswith("<|assistant|>Hello</s>")


def test_chatml_names_the_role_after_its_control_token() -> None:
    """ChatML renders as its users know it."""
    assert rendered("chatml").endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n")


def test_llama3_begins_the_conversation_once() -> None:
    """Llama 3's start token stands once, at the very beginning."""
    text = rendered("llama3")
    assert text.startswith("<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>")
    assert text.count("<|begin_of_text|>") == 1


@pytest.mark.parametrize("name", TEMPLATES)
def test_conversations_are_rendered_each_by_itself(name: str) -> None:
    """Whatever stands before it in a column, also an empty conversation or a part of one, a conversation has the same text."""
    talks = [TALK, TALK[1:], [], [*TALK, *TALK[1:]], TALK[1:]]
    column = pa.array(talks, STAGED.field("messages").type)
    alone = [chat_template(name).render(column.slice(place, 1)).to_pylist()[0] for place in range(len(talks))]
    assert chat_template(name).render(column).to_pylist() == alone
    assert chat_template(name).render(column.slice(1, 3)).to_pylist() == alone[1:4]
    assert alone[0] == rendered(name)


@pytest.mark.parametrize("name", TEMPLATES)
def test_only_the_assistant_s_text_and_the_end_of_its_turn_are_trained(name: str) -> None:
    """Every template trains on an assistant's message and the control token after it, and on nothing else."""
    template = chat_template(name)
    trained = {role: [part.kind for part in parts if part.trained] for role, parts in template.roles.items()}
    assert trained == {"system": [], "user": [], "assistant": ["message", "control"]}


def test_role_tokens_come_in_a_fixed_order() -> None:
    """Control tokens are listed in one order, so that ids never depend on a run."""
    assert chat_template("openassistant").control_tokens == ("<|system|>", "<|endoftext|>", "<|prompter|>", "<|assistant|>")


def test_an_unknown_template_is_an_error_that_names_the_known_ones() -> None:
    """A template that does not exist is refused by name."""
    with pytest.raises(ConfigError, match="found 'alpaca', wanted one of openassistant, chatml, llama3"):
        chat_template("alpaca")


@pytest.mark.parametrize(("name", "wanted"), [("openassistant", "</s>"), ("chatml", "<|im_end|>"), ("llama3", "<|eot_id|>")])
def test_a_turn_ends_with_the_control_token_that_is_trained(name: str, wanted: str) -> None:
    """Openassistant's turns end with the tokenizer's eos, those of the others with a token of their own."""
    assert chat_template(name, "</s>").end_of_turn == wanted


def rows_of(out: Path) -> list[dict[str, Any]]:
    """Every conversation of a build."""
    build = open_build(out)
    return [row for split in ("train", "validation") for _, table in build.tables(split) for row in table.to_pylist()]


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize(("family", "eos"), [("bytes", "<|endoftext|>"), ("bloom", "</s>")])
def test_transformers_render_a_build_by_the_jinja_template_as_it_is(
    name: str, family: str, eos: str, tokenizers: dict[str, Path], sample_builds: dict[tuple[str, str], Path]
) -> None:
    """`apply_chat_template` gives the column `text` of every row of the nine sources, every character."""
    rows, peer = rows_of(sample_builds[name, eos]), ChatPeer(tokenizers[family], chat_template(name, eos))
    assert peer.render([row["messages"] for row in rows]) == [row["text"] for row in rows]


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_jinja_template_marks_what_is_trained(name: str, tokenizers: dict[str, Path]) -> None:
    """The assistant mask of transformers holds the assistant's text and the end of its turn, and nothing else."""
    peer = ChatPeer(tokenizers["bytes"], chat_template(name))
    talk = [*TALK, {"role": "user", "content": "  Bye\n"}, {"role": "assistant", "content": " See you.  "}]
    (ids,), (mask,) = peer.encode([talk])
    end = chat_template(name).end_of_turn
    trained = [id_ for id_, is_trained in zip(ids, mask, strict=True) if is_trained]
    assert peer.tokenizer.decode(trained) == f"Hello{end} See you.  {end}"


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_generation_prompt_is_what_stands_before_an_answer(name: str, tokenizers: dict[str, Path]) -> None:
    """A prompt to generate from is the rendered conversation up to the answer."""
    peer = ChatPeer(tokenizers["bytes"], chat_template(name))
    (prompt,) = peer.render([TALK[:-1]], add_generation_prompt=True)
    assert rendered(name) == prompt + "Hello" + chat_template(name).around("assistant")[1]


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize(
    ("turn", "said"),
    [
        ({"role": "tool", "content": "42"}, "unknown role tool, wanted system, user or assistant"),
        ({"role": "user", "content": [{"type": "text", "text": "Hi"}]}, "a message's content is no text"),
        ({"role": "user", "content": None}, "a message's content is no text"),
    ],
)
def test_the_jinja_template_refuses_what_it_has_no_place_for(
    name: str, turn: dict[str, Any], said: str, tokenizers: dict[str, Path]
) -> None:
    """A role or a content that was never trained on is an error, and no text that looks right."""
    with pytest.raises(TemplateError, match=said):
        ChatPeer(tokenizers["bytes"], chat_template(name)).render([[turn]])


@pytest.mark.parametrize("eos", ['<|"eos"|>', "<\\n>", "<|\u65e5\U0001f600|>", "{{ eos }}", "{% raw %}", "%(eos)s"])
def test_any_eos_stands_in_the_jinja_template_as_it_is(eos: str, tokenizers: dict[str, Path]) -> None:
    """A tokenizer's eos is text, whatever it means in Jinja or to Python."""
    peer = ChatPeer(tokenizers["bytes"], chat_template("openassistant", eos))
    assert peer.render([TALK]) == [rendered("openassistant", eos)]
