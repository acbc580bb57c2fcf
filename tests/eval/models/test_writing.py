"""Tokens become text one at a time, no blank or character lost, up to a stop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from data_mix_eval.models.writing import Writing
from sample_tokenizers import PLAIN

PROMPT = "Answer the question:"


@pytest.fixture(scope="module", params=["chat", "pieces"])
def tokenizer(request: pytest.FixtureRequest) -> Any:
    """A tokenizer of each family."""
    return AutoTokenizer.from_pretrained(request.getfixturevalue(request.param))


def written(tokenizer: Any, text: str, **keys: Any) -> Writing:
    """The text, token by token behind the prompt."""
    prompt, whole = (tokenizer.encode(each, add_special_tokens=False) for each in (PROMPT, PROMPT + text))
    given: dict[str, Any] = {"ends": {tokenizer.eos_token_id}, "max_tokens": 1000} | keys
    writing = Writing(tokenizer, prompt, **given)
    for token in whole[len(prompt) :]:
        if not writing.is_done:
            writing.add(token)
    return writing


@pytest.mark.parametrize("text", PLAIN)
def test_text_is_whole(tokenizer: Any, text: str) -> None:
    """What is written is the text, its first blank and every character of several tokens included."""
    writing = written(tokenizer, " " + text)
    writing.add(tokenizer.eos_token_id)
    assert writing.text == " " + text


def test_never_half_a_character(chat: Path) -> None:
    """While a character is not whole, it is not written."""
    tokenizer = AutoTokenizer.from_pretrained(chat)
    writing = Writing(tokenizer, [], ends=(), max_tokens=1000)
    for token in tokenizer.encode("日本語 👩‍👩‍👧"):
        writing.add(token)
        assert "\N{REPLACEMENT CHARACTER}" not in writing.text
    assert writing.text == "日本語 👩‍👩‍👧"


def test_stops(tokenizer: Any) -> None:
    """A stop ends an answer and is cut off, also one of several tokens; the first in the text counts."""
    writing = written(tokenizer, " one\n\ntwo three four", stops=("four", "two thr", ""))
    assert (writing.text, writing.is_done) == (" one\n\n", True)


def test_ends(tokenizer: Any) -> None:
    """An end token ends an answer and leaves no text; it counts as a token."""
    writing = written(tokenizer, " one")
    tokens = writing.tokens
    writing.add(tokenizer.eos_token_id)
    assert (writing.text, writing.is_done, writing.tokens) == (" one", True, tokens + 1)


def test_limit(tokenizer: Any) -> None:
    """An answer ends at its limit."""
    assert written(tokenizer, " one two three four five six", max_tokens=2).tokens == 2
    assert written(tokenizer, " one", max_tokens=0).text == ""


def test_what_is_sure(tokenizer: Any) -> None:
    """What may still turn out to be a stop's beginning is not sure, until the answer is done."""
    writing = written(tokenizer, " one two", stops=("two three",))
    assert writing.text[: writing.sure] == ""
    writing.add(tokenizer.eos_token_id)
    assert writing.text[: writing.sure] == " one two"
