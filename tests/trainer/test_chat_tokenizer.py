"""The tokenizer that is saved with a model: the ids of the token shards, a chat template, and an end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from transformers import AutoTokenizer, BloomConfig, GPT2Config, GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig

from data_mix.errors import ConfigError
from data_mix.template import TEMPLATES, ChatTemplate, chat_template
from data_mix.tokens import load_tokenizer
from data_mix.tokens.rows import encode_rows
from data_mix.tokens.tokenizing import prepare
from data_mix_trainer.chat_tokenizer import chat_tokenizer, set_ends
from sample_tokenizers import EOS, PLAIN, byte_level, save, sentencepiece

FAMILIES = ("bytes", "bloom", "llama", "llama-first")

TALKS: list[list[dict[str, Any]]] = [
    [{"role": "user", "content": text}, {"role": "assistant", "content": other}]
    for text, other in zip(PLAIN, PLAIN[::-1], strict=True)
] + [[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]]


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of a tokenizer of each family."""
    folder = tmp_path_factory.mktemp("tokenizers")
    return {
        "bytes": byte_level(folder / "bytes"),
        "bloom": byte_level(folder / "bloom", eos="</s>"),
        "llama": sentencepiece(folder / "llama"),
        "llama-first": sentencepiece(folder / "llama-first", scheme="first"),
    }


def template_for(name: str, folder: Path) -> ChatTemplate:
    """A template with the tokenizer's eos."""
    return chat_template(name, load_tokenizer(folder).eos or EOS)


def shard_ids(folder: Path, template: ChatTemplate) -> list[list[int]]:
    """The ids of `TALKS` in token shards."""
    prepared = prepare(load_tokenizer(folder), template.name, template.eos)
    rows = [[{**turn, "train": turn["role"] == "assistant"} for turn in talk] for talk in TALKS]
    fields = pa.struct([("role", pa.string()), ("content", pa.string()), ("train", pa.bool_())])
    encoded = encode_rows(pa.array(rows, pa.list_(fields)), prepared.layout, prepared.plain, np.uint16)
    ids: list[list[int]] = encoded.input_ids.to_pylist()
    return ids


def chat_ids(tokenizer: Any) -> list[list[int]]:
    """The ids of `TALKS` by its chat template; of their text they are the same, whatever is asked to be put around it."""
    ids: list[list[int]] = tokenizer.apply_chat_template(TALKS, tokenize=True, return_dict=True)["input_ids"]
    texts: Sequence[str] = tokenizer.apply_chat_template(TALKS, tokenize=False)
    for around in (False, True):
        assert tokenizer(texts, add_special_tokens=around)["input_ids"] == ids
    return ids


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", TEMPLATES)
def test_its_ids_are_those_of_the_token_shards(name: str, family: str, tokenizers: dict[str, Path]) -> None:
    """What transformers makes of a conversation is what was trained on, with every template and kind of tokenizer."""
    folder = tokenizers[family]
    template = template_for(name, folder)
    assert chat_ids(chat_tokenizer(str(folder), template)) == shard_ids(folder, template)


@pytest.mark.parametrize("config", [GPTNeoXConfig, LlamaConfig, BloomConfig, GPT2Config])
@pytest.mark.parametrize("family", ["bytes", "llama"])
def test_saved_beside_a_model_it_is_loaded_as_it_was(
    family: str, config: type[Any], tokenizers: dict[str, Path], tmp_path: Path
) -> None:
    """AutoTokenizer gives the same ids, template and end, whatever model lies in the folder."""
    template = template_for("chatml", tokenizers[family])
    tokenizer = chat_tokenizer(str(tokenizers[family]), template, max_length=99)
    tokenizer.save_pretrained(tmp_path)
    config().save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert chat_ids(loaded) == chat_ids(tokenizer)
    assert loaded.chat_template == template.jinja()
    assert (loaded.eos_token, loaded.pad_token, loaded.model_max_length) == ("<|im_end|>", template.eos, 99)


def test_it_can_be_tokenized_with_again(tokenizers: dict[str, Path], tmp_path: Path) -> None:
    """The saved folder is a tokenizer with the same ids, and nothing left to add, for a second training."""
    template = template_for("openassistant", tokenizers["bytes"])
    chat_tokenizer(str(tokenizers["bytes"]), template).save_pretrained(tmp_path)
    assert shard_ids(tmp_path, template) == shard_ids(tokenizers["bytes"], template)
    assert chat_ids(chat_tokenizer(str(tmp_path), template)) == shard_ids(tmp_path, template)


def test_a_lone_file_is_loaded_too(tokenizers: dict[str, Path], tmp_path: Path) -> None:
    """A tokenizer.json without a configuration, under any name."""
    template = template_for("openassistant", tokenizers["bytes"])
    lone = tmp_path / "own.json"
    lone.write_text(load_tokenizer(tokenizers["bytes"]).json, encoding="utf8")
    wanted = shard_ids(tokenizers["bytes"], template)
    for name in (lone, tokenizers["bytes"] / "tokenizer.json"):
        assert chat_ids(chat_tokenizer(str(name), template)) == wanted


def test_a_control_token_that_it_has_is_found_in_any_text(tokenizers: dict[str, Path], tmp_path: Path) -> None:
    """A base whose own `<|assistant|>` swallows the blanks after it gives them back."""
    data = load_tokenizer(tokenizers["bytes"]).data
    last = max(load_tokenizer(tokenizers["bytes"]).vocabulary.values())
    own = {"id": last + 1, "content": "<|assistant|>", "single_word": False, "lstrip": False, "rstrip": True}
    data["added_tokens"].append(own | {"normalized": False, "special": False})
    folder = save(tmp_path, data, EOS)
    template = template_for("openassistant", folder)
    assert chat_ids(chat_tokenizer(str(folder), template)) == shard_ids(folder, template)


def test_it_keeps_its_own_padding(tokenizers: dict[str, Path], tmp_path: Path) -> None:
    """The base's token for padding stays; only where there is none, eos is taken."""
    folder = save(tmp_path, load_tokenizer(tokenizers["bytes"]).data, EOS)
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": EOS, "pad_token": "<|padding|>"}))
    assert chat_tokenizer(str(folder), chat_template("openassistant")).pad_token == "<|padding|>"
    assert chat_tokenizer(str(tokenizers["bytes"]), chat_template("openassistant")).pad_token == EOS


def test_other_ids_than_the_shards_are_refused(tokenizers: dict[str, Path], tmp_path: Path) -> None:
    """A configuration with a token that tokenizer.json lacks would shift the control tokens' ids."""
    folder = save(tmp_path, load_tokenizer(tokenizers["bytes"]).data, EOS)
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": EOS, "pad_token": "[PAD]"}))
    with pytest.raises(ConfigError, match=r"gives <\|system\|> the id 1008, the token shards 1007: its configuration names"):
        chat_tokenizer(str(folder), chat_template("openassistant"))


def test_another_eos_is_refused(tokenizers: dict[str, Path]) -> None:
    """As the token shards refuse it."""
    with pytest.raises(ConfigError, match=r"its eos is '</s>', that of the build's template is '<\|endoftext\|>'"):
        chat_tokenizer(str(tokenizers["bloom"]), chat_template("openassistant"))


def test_a_model_stops_at_the_end_of_a_turn(tokenizers: dict[str, Path], tmp_path: Path) -> None:
    """Saved and loaded, it stops at end of turn and eos; a greedy base's values for sampling are no hindrance."""
    template = template_for("chatml", tokenizers["bytes"])
    tokenizer = chat_tokenizer(str(tokenizers["bytes"]), template)
    config = GPTNeoXConfig(vocab_size=16, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    model = GPTNeoXForCausalLM(config)
    model.generation_config.temperature = 0.7
    set_ends(model, tokenizer, template)
    model.save_pretrained(tmp_path)
    loaded = GPTNeoXForCausalLM.from_pretrained(tmp_path)
    ends = [tokenizer.convert_tokens_to_ids(token) for token in ("<|im_end|>", EOS)]
    assert loaded.generation_config.eos_token_id == loaded.config.eos_token_id == ends
    assert (loaded.generation_config.pad_token_id, loaded.generation_config.temperature) == (tokenizer.pad_token_id, None)
    set_ends(model, chat_tokenizer(str(tokenizers["bytes"]), chat_template("openassistant")), chat_template("openassistant"))
    assert model.generation_config.eos_token_id == 0


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("place", ["tokenizers/gpt-neox-20b", "tokenizers/gpt2", "models/stories260k"])
def test_real_tokenizers_give_the_ids_of_their_shards(place: str, name: str, shared: Path, tmp_path: Path) -> None:
    """The same of GPT-NeoX, GPT-2 and a small Llama, saved and loaded."""
    folder = shared / place
    if not folder.is_dir():
        pytest.skip(f"needs {folder}; it is not there")
    template = template_for(name, folder)
    chat_tokenizer(str(folder), template).save_pretrained(tmp_path)
    assert chat_ids(AutoTokenizer.from_pretrained(tmp_path)) == shard_ids(folder, template)
