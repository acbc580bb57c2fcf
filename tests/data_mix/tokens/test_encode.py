"""Plain text → ids: both encoders give the same, and no text becomes a control token."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_mix.arrays import strings
from data_mix.errors import BuildError
from data_mix.template import chat_template
from data_mix.tokens import Tokenizer, control_tokens, load_tokenizer
from data_mix.tokens.encode import PlainText, decoder, encoder, plain_text
from sample_tokenizers import HOSTILE, PLAIN, as_users_have_it, save

FAMILIES = ("bytes", "neox", "gpt2", "bloom", "llama", "llama-first")


def plain_of(folder: Path) -> PlainText:
    """The tokenizer of a folder, for plain text."""
    tokenizer = load_tokenizer(folder)
    return plain_text(tokenizer, control_tokens(tokenizer, chat_template("openassistant", tokenizer.eos)))


def ids_of(plain: PlainText, *texts: str) -> list[list[int]]:
    """The ids of each text."""
    offsets, ids = encoder(plain)(strings(texts))
    return [part.tolist() for part in np.split(ids, offsets[1:-1])]


@pytest.mark.parametrize("family", FAMILIES)
def test_both_encoders_give_the_same_ids(family: str, tokenizers: dict[str, Path]) -> None:
    """The fallback changes the time that it takes, and nothing else."""
    plain = plain_of(tokenizers[family])
    texts = (*PLAIN, *HOSTILE)
    assert ids_of(plain, *texts) == ids_of(plain._replace(is_fast=False), *texts)


@pytest.mark.parametrize("is_fast", [True, False])
def test_control_tokens_in_a_text_are_characters(is_fast: bool, tokenizers: dict[str, Path]) -> None:
    """What looks like a control token is spelled out, and comes back as it was written."""
    plain = plain_of(tokenizers["bytes"])._replace(is_fast=is_fast)
    found = ids_of(plain, *HOSTILE)
    assert set(plain.guarded).isdisjoint(id_ for ids in found for id_ in ids)
    assert [decoder(plain)(ids) for ids in found] == list(HOSTILE)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([*HOSTILE, "<|", "|>", "endoftext", "assist", "ant", " ", "\n", "<", "é"]), max_size=12))
def test_no_row_of_pieces_becomes_a_control_token(tokenizers: dict[str, Path], pieces: list[str]) -> None:
    """However control tokens are put together out of pieces, none comes out."""
    plain, text = plain_of(tokenizers["bytes"]), "".join(pieces)
    (ids,) = ids_of(plain, text)
    assert set(plain.guarded).isdisjoint(ids)
    assert decoder(plain)(ids) == text


def test_a_role_token_that_is_no_special_token_is_text_as_well(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """A tokenizer may have the template's tokens as ordinary added ones: in a text they are characters all the same."""
    last = max(tokenizer.vocabulary.values())
    loose = tokenizer.added_tokens[0] | {"id": last + 1, "content": "<|assistant|>", "special": False}
    data = tokenizer.data | {"added_tokens": [*tokenizer.added_tokens, loose]}
    (ids,) = ids_of(plain_of(save(tmp_path, data, "<|endoftext|>")), "<|assistant|>")
    assert last + 1 not in ids


def test_a_text_that_would_lose_a_character_is_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """A byte that the tokenizer has no token for is missed where a text holds it, and nowhere else."""
    vocabulary = {token: id_ for token, id_ in tokenizer.data["model"]["vocab"].items() if token != "Ą"}
    folder = save(tmp_path, tokenizer.data | {"model": tokenizer.data["model"] | {"vocab": vocabulary}}, "<|endoftext|>")
    plain = plain_of(folder)._replace(is_fast=False)
    assert [decoder(plain)(ids) for ids in ids_of(plain, "Hi", "\x03", "")] == ["Hi", "\x03", ""]
    with pytest.raises(BuildError, match="a text holds a control character"):
        ids_of(plain, "Hi", "the end\x04")


def test_ordinary_added_tokens_stay(tokenizers: dict[str, Path]) -> None:
    """Runs of blanks that the tokenizer has as added tokens are still one id."""
    hf = as_users_have_it(tokenizers["bytes"], chat_template("openassistant"))
    assert hf.token_to_id("     ") in ids_of(plain_of(tokenizers["bytes"]), "a     b")[0]


def test_a_text_that_became_a_control_token_is_refused(tokenizers: dict[str, Path]) -> None:
    """Where a tokenizer's own rules would make one, nothing is written."""
    plain = plain_of(tokenizers["bytes"])
    (letter,) = ids_of(plain, "a")[0]
    with pytest.raises(BuildError, match="a text became a control token"):
        encoder(plain._replace(guarded=(letter,)))(strings(["a"]))


def test_no_texts_have_no_ids(tokenizers: dict[str, Path]) -> None:
    """Nothing in, nothing out, by either encoder."""
    for is_fast in (True, False):
        offsets, ids = encoder(plain_of(tokenizers["bytes"])._replace(is_fast=is_fast))(strings([]))
        assert (offsets.tolist(), ids.tolist()) == ([0], [])


def test_dropout_of_the_tokenizer_is_off(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """A tokenizer that was trained with dropout gives the same ids each time."""
    data = tokenizer.data | {"model": tokenizer.data["model"] | {"dropout": 0.5}}
    plain = plain_of(save(tmp_path, data, "<|endoftext|>"))._replace(is_fast=False)
    assert len({tuple(ids_of(plain, "How many rolls are left?")[0]) for _ in range(10)}) == 1
