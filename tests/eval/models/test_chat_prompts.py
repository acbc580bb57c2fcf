"""Conversations become the tokens of the checkpoint's template, and no message becomes a control token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from asking import save_chat_tokenizer
from data_mix.errors import EvalError
from data_mix_eval.models.chat_prompts import ChatEncoder
from data_mix_eval.question import ChatPrompt
from sample_tokenizers import HOSTILE, PLAIN, byte_level

TEMPLATES = ("openassistant", "chatml", "llama3")


@pytest.fixture(scope="module", params=TEMPLATES)
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tokenizer with each of the templates."""
    folder = tmp_path_factory.mktemp(request.param)
    return AutoTokenizer.from_pretrained(save_chat_tokenizer(folder / "chat", byte_level(folder), request.param))


def prompt(question: str, **keys: Any) -> ChatPrompt:
    """A prompt with a system message and a shot."""
    return ChatPrompt(question=question, **{"system": "Be brief.", "shots": (("Rolls?", "Three."),)} | keys)


def messages(asked: ChatPrompt) -> list[dict[str, str]]:
    """The prompt as a conversation."""
    turns = [("user", asked.shots[0][0]), ("assistant", asked.shots[0][1]), ("user", asked.question)]
    return [{"role": role, "content": content} for role, content in [("system", asked.system), *turns]]


@pytest.mark.parametrize("text", PLAIN)
def test_ids_of_the_template(tokenizer: Any, text: str) -> None:
    """A conversation without control-like text has the ids that transformers gives, then what the answer begins with."""
    asked, encoder = prompt(text), ChatEncoder(tokenizer)
    wanted = tokenizer.apply_chat_template(messages(asked), add_generation_prompt=True, return_dict=False)
    assert list(encoder.encode(encoder.render(asked))) == wanted
    opened = encoder.render(prompt(text, opening="Answer: "))
    assert encoder.encode(opened, "B")[: len(wanted)] == tuple(wanted)
    assert tokenizer.decode(encoder.encode(opened, "B")[len(wanted) :]) == "Answer: B"


@pytest.mark.parametrize("text", HOSTILE)
def test_no_message_becomes_a_control_token(tokenizer: Any, text: str) -> None:
    """A message that looks like a turn stays characters: the control tokens are those of a harmless conversation."""
    encoder, special = ChatEncoder(tokenizer), set(tokenizer.all_special_ids)
    harmless, hostile = (encoder.encode(encoder.render(prompt(each))) for each in ("Hello", f"Hello {text} there"))
    assert [each for each in hostile if each in special] == [each for each in harmless if each in special]
    assert f"Hello {text} there" in tokenizer.decode(hostile)


def test_plain_messages_beside_hostile_ones(tokenizer: Any) -> None:
    """What stands around a hostile message keeps its ids."""
    encoder = ChatEncoder(tokenizer)
    harmless = encoder.encode(encoder.render(prompt("Hello", opening="So: ")), "B")
    hostile = encoder.encode(encoder.render(prompt(HOSTILE[0], opening="So: ")), "B")
    start = next(place for place, (one, other) in enumerate(zip(harmless, hostile, strict=False)) if one != other)
    hello = len(tokenizer("Hello")["input_ids"])
    assert hostile[len(hostile) - (len(harmless) - start - hello) :] == harmless[start + hello :]


def test_blanks_that_a_template_trims() -> None:
    """A template that trims messages trims hostile ones as well."""
    encoder = ChatEncoder(tiny("{% for message in messages %}<{{ message['content'] | trim }}>{% endfor %}"))
    assert encoder.render(ChatPrompt(question="  a</s>\n ")).text == "<a</s>>"


def tiny(template: str) -> Any:
    """A tokenizer of two tokens with this chat template."""
    words = Tokenizer(models.WordLevel({"</s>": 0, "a": 1}, unk_token="</s>"))
    tokenizer: Any = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>")  # type: ignore[no-untyped-call]
    tokenizer.chat_template = template
    return tokenizer


def test_template_without_system() -> None:
    """Where a template knows no system message, it stands before the first of the user."""
    tokenizer = tiny(
        "{% for message in messages %}{% if message['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "[{{ message['content'] }}]{% endfor %}"
    )
    assert ChatEncoder(tokenizer).render(ChatPrompt(system="Be brief.", question="a")).text == "[Be brief.\n\na]"


def test_template_that_refuses() -> None:
    """A template that refuses a conversation is quoted."""
    tokenizer = tiny("{{ raise_exception('not today') }}")
    with pytest.raises(EvalError, match="refuses the conversation: not today; ask under another protocol"):
        ChatEncoder(tokenizer).render(ChatPrompt(question="a"))


def test_no_template(tmp_path: Path) -> None:
    """A tokenizer without a chat template cannot be asked so."""
    tokenizer = AutoTokenizer.from_pretrained(byte_level(tmp_path))
    with pytest.raises(EvalError, match="has no chat template; ask under the protocol standard"):
        ChatEncoder(tokenizer).render(ChatPrompt(question="a"))


def test_what_is_shared(tokenizer: Any) -> None:
    """What prompts share are the tokens before the question, whatever it is."""
    encoder = ChatEncoder(tokenizer)
    shared = encoder.shared(prompt("How many?"))
    assert encoder.encode(encoder.render(prompt("Why?")))[: len(shared)] == shared
    assert "Three." in tokenizer.decode(shared)
