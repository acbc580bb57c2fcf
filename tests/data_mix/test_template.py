"""Chat templates: the text of a conversation, and what of it is trained on."""

import polars as pl
import pytest

from data_mix.errors import ConfigError
from data_mix.schema import MESSAGE
from data_mix.template import TEMPLATES, chat_template

TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
]


def rendered(name: str, eos: str | None = None) -> str:
    """The conversation `TALK` as text."""
    frame = pl.DataFrame({"messages": [TALK]}, schema={"messages": pl.List(MESSAGE)})
    return str(frame.select(chat_template(name, eos).render())["text"][0])


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
