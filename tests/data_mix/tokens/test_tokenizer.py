"""Tokenizers as files: their eos, the ids of control tokens, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data_mix.errors import ConfigError, DataMixError, FetchError
from data_mix.template import chat_template
from data_mix.tokens import Tokenizer, control_tokens, load_tokenizer
from sample_tokenizers import save

Data = dict[str, Any]


def test_the_eos_is_the_one_that_the_configuration_names(tokenizers: dict[str, Path]) -> None:
    """tokenizer_config.json says what the eos is."""
    assert load_tokenizer(tokenizers["bytes"]).eos == "<|endoftext|>"
    assert load_tokenizer(tokenizers["bloom"] / "tokenizer.json").eos == "</s>"


def test_an_eos_that_is_written_as_an_object_is_understood(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """Older folders name the eos in special_tokens_map.json, as an object."""
    save(tmp_path, tokenizer.data, None)
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"eos_token": {"content": "<|endoftext|>", "lstrip": False}}))
    assert load_tokenizer(tmp_path).eos == "<|endoftext|>"


def test_a_lone_tokenizer_file_must_have_the_eos_as_a_special_token(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """Without a configuration, any special token of the tokenizer can be the template's eos, and nothing else."""
    lone = load_tokenizer(save(tmp_path, tokenizer.data, None))
    assert lone.eos is None
    assert control_tokens(lone, chat_template("openassistant", "<|endoftext|>")).ids["<|endoftext|>"] == 0
    with pytest.raises(ConfigError, match=r"has no special token '</s>', which is the eos of the build's template"):
        control_tokens(lone, chat_template("openassistant", "</s>"))


def test_a_template_with_another_eos_is_refused(tokenizer: Tokenizer) -> None:
    """The error names both and the option that mends it."""
    with pytest.raises(ConfigError, match=r"its eos is '<\|endoftext\|>'.* is '</s>'; .*--template.eos '<\|endoftext\|>'"):
        control_tokens(tokenizer, chat_template("openassistant", "</s>"))


def test_new_role_tokens_follow_the_last_id_in_a_fixed_order(tokenizer: Tokenizer) -> None:
    """System, prompter, assistant: the ids depend on tokenizer and template alone."""
    control, last = control_tokens(tokenizer, chat_template("openassistant")), max(tokenizer.vocabulary.values())
    assert control.added == ("<|system|>", "<|prompter|>", "<|assistant|>")
    assert [control.ids[token] for token in control.added] == [last + 1, last + 2, last + 3]
    assert control.vocabulary == last + 4


def test_a_control_token_that_the_tokenizer_has_keeps_its_id(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """Only what is missing is added, behind the last id."""
    last = max(tokenizer.vocabulary.values())
    known = tokenizer.added_tokens[0] | {"id": last + 1, "content": "<|assistant|>"}
    data = tokenizer.data | {"added_tokens": [*tokenizer.added_tokens, known]}
    control = control_tokens(load_tokenizer(save(tmp_path, data, "<|endoftext|>")), chat_template("openassistant"))
    assert (control.ids["<|assistant|>"], control.added) == (last + 1, ("<|system|>", "<|prompter|>"))
    assert control.ids["<|prompter|>"] == last + 3


def refused(name: str | Path) -> str:
    """The error of a tokenizer that is refused."""
    with pytest.raises(DataMixError) as caught:
        load_tokenizer(name)
    assert isinstance(caught.value, ConfigError | FetchError)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    """The error says what can be named."""
    assert "there is no tokenizer; name a folder with tokenizer.json" in refused(tmp_path)
    assert "there is no tokenizer" in refused(tmp_path / "nothing" / "here")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("{", "is not JSON"),
        ("[]", "holds list, wanted a JSON object"),
        ("{}", "is no tokenizer.json"),
        ("\xff", "cannot be read"),
    ],
)
def test_what_is_no_tokenizer_is_refused(text: str, wanted: str, tmp_path: Path) -> None:
    """A broken tokenizer.json is an error that names the file."""
    (tmp_path / "tokenizer.json").write_bytes(text.encode("latin1"))
    assert f"{tmp_path / 'tokenizer.json'}: {wanted}" in refused(tmp_path)


def test_a_broken_configuration_is_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """A configuration beside the tokenizer counts, so it must be readable."""
    save(tmp_path, tokenizer.data, None)
    (tmp_path / "tokenizer_config.json").write_text("{")
    assert "tokenizer_config.json: is not JSON" in refused(tmp_path)


def test_an_eos_that_the_vocabulary_lacks_is_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """A configuration of another tokenizer is noticed."""
    assert "lacks the eos '</s>' that its configuration names" in refused(save(tmp_path, tokenizer.data, "</s>"))


def _without(data: Data, *letters: str) -> Data:
    vocabulary = {token: id_ for token, id_ in data["model"]["vocab"].items() if token not in letters}
    return data | {"model": data["model"] | {"vocab": vocabulary}}


def _without_a_byte(data: Data) -> Data:
    return _without(data, "ã")


def _on_words(data: Data) -> Data:
    return data | {"pre_tokenizer": {"type": "Whitespace"}}


@pytest.mark.parametrize(
    ("change", "wanted"),
    [(_without_a_byte, "its vocabulary is too small, it lacks 1 of the 243 bytes"), (_on_words, "would lose characters")],
)
def test_a_tokenizer_that_would_lose_characters_is_refused(
    change: Callable[[Data], Data], wanted: str, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    """Only a tokenizer that can spell every text keeps every text."""
    assert wanted in refused(save(tmp_path, change(tokenizer.data), None))


def test_a_tokenizer_without_bytes_that_hardly_a_text_has_is_taken(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """SmolLM2's lacks six control characters and two bytes that begin characters which nobody has been given yet."""
    assert tokenizer.lost == ()
    lacking = load_tokenizer(save(tmp_path, _without(tokenizer.data, *"ĄĆēĔĖĝñò"), None))
    assert bytes(lacking.lost) == b"\x04\x06\x13\x14\x16\x1d\xf1\xf2"
