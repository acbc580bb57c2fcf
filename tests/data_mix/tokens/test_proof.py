"""The proof of the encoder: a sample of every build, encoded by `tokenizers` as well."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from tokenizers.pre_tokenizers import Digits

from data_mix.shards import open_build
from data_mix.template import chat_template
from data_mix.tokens import control_tokens, load_tokenizer
from data_mix.tokens.encode import PlainText, plain_text
from data_mix.tokens.proof import SAMPLE, Reference, proven, sample_size, sample_texts
from sample_tokenizers import HOSTILE, PLAIN, byte_level

TEXTS = (*PLAIN, *HOSTILE)


def parts_of(folder: Path) -> tuple[PlainText, Reference]:
    """An encoder to be proven, and what proves it."""
    tokenizer = load_tokenizer(folder)
    control = control_tokens(tokenizer, chat_template("openassistant", tokenizer.eos))
    return plain_text(tokenizer, control), Reference(tokenizer, control, tokenizer.eos or "")


@pytest.mark.parametrize("family", ["bytes", "neox", "gpt2", "bloom", "llama", "llama-first"])
def test_every_family_is_encoded_fast(family: str, tokenizers: dict[str, Path], caplog: pytest.LogCaptureFixture) -> None:
    """The fast encoder gives what `tokenizers` gives beside control tokens, and of hostile texts: nothing to warn of."""
    plain, reference = parts_of(tokenizers[family])
    assert proven(plain, reference, TEXTS, family) == plain
    assert not caplog.records


def test_a_tokenizer_that_gigatoken_refuses_is_encoded_slowly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """SmolLM2's kind, which splits digits first, falls back to `tokenizers`, with one warning."""
    plain, reference = parts_of(byte_level(tmp_path, before=[Digits(individual_digits=True)]))
    assert proven(plain, reference, TEXTS, "own") == plain._replace(is_fast=False)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("own: gigatoken refuses it (")


def test_bloom_s_own_words_are_encoded_slowly(tokenizers: dict[str, Path], caplog: pytest.LogCaptureFixture) -> None:
    """Bloom cuts words by an expression that gigatoken does not know: one warning, and the ids are right all the same."""
    plain, reference = parts_of(tokenizers["bloom-split"])
    assert proven(plain, reference, TEXTS, "bloom") == plain._replace(is_fast=False)
    (record,) = caplog.records
    assert "gigatoken refuses it (Unknown pre_tokenizer Split" in record.getMessage()


def test_a_difference_is_found(tokenizers: dict[str, Path], caplog: pytest.LogCaptureFixture) -> None:
    """An encoder that gives other ids than the reference is not used in silence."""
    plain, reference = parts_of(tokenizers["bytes"])
    data = json.loads(plain.json)
    data["model"]["merges"] = data["model"]["merges"][:50]
    assert not proven(plain._replace(json=json.dumps(data)), reference, TEXTS, "own").is_fast
    fast, slow = (record.getMessage() for record in caplog.records)
    assert f"of {len(TEXTS)} messages otherwise than tokenizers" in fast
    assert "otherwise beside a control token than by themselves" in slow


def test_the_sample_grows_with_the_build_between_bounds() -> None:
    """One of a hundred conversations has a message in the sample; of few it is more, of very many fewer."""
    sizes = {conversations: sample_size(conversations) for conversations in (0, 1, 20_000, 30_000, 50_000, 10_000_000)}
    assert sizes == {0: 0, 1: 200, 20_000: 200, 30_000: 300, 50_000: 500, 10_000_000: 500}


def test_the_sample_is_the_same_in_every_run(sample_build: Path) -> None:
    """Which messages are compared depends on nothing but the build, and they are few."""
    first, second = (sample_texts(open_build(sample_build), ["", "", ""]) for _ in range(2))
    assert first == second
    assert 50 < len(first) <= SAMPLE
