"""Counting the tokens of rows before a build is written."""

from __future__ import annotations

import pickle
from pathlib import Path

import polars as pl
import pytest

from building import build_mix, entry, mix_of, pairs, rows_of, write
from data_mix.errors import ConfigError
from data_mix.measures.token_count import TokenCount
from data_mix.template import TEMPLATES
from data_mix.tokens import load_tokenizer, tokenize_build
from sample_tokenizers import byte_level, sentencepiece

MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))


def frame(*conversations: list[tuple[str, str]], drop: str | None = None) -> pl.DataFrame:
    """Staged rows."""
    messages = [[{"role": role, "content": content} for role, content in each] for each in conversations]
    columns = {"messages": pl.Series(messages, dtype=MESSAGES), "drop": pl.Series([drop] * len(messages), dtype=pl.String)}
    return pl.DataFrame(columns).with_columns(id=pl.lit("e/1"), lang=pl.lit("en"))


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("family", ["bytes", "sentencepiece"])
def test_counts_are_those_of_the_token_shards(tmp_path: Path, template: str, family: str) -> None:
    """Row by row, for every template: as many tokens, and as many trained, as `datamix tokenize` writes."""
    make, eos = (byte_level, "<|endoftext|>") if family == "bytes" else (sentencepiece, "</s>")
    records = [*pairs(120, "tokens"), {"q": "<|assistant|> typed 日本語\n", "a": f"é {eos} ok "}]
    mix = mix_of(entry("e", write(tmp_path / "raw.jsonl", records)), template={"name": template, "eos": eos})
    built, tokenizer = build_mix(tmp_path, mix), load_tokenizer(make(tmp_path / "tokenizer"))
    tokens, _ = tokenize_build(built.path, tokenizer)
    rows = rows_of(built, "train")
    said = [[(message["role"], message["content"]) for message in row["messages"]] for row in rows]
    found = TokenCount(tokenizer, template, eos).take(frame(*said))
    spans = [sum(span["end"] - span["start"] for span in row) for row in tokens.table("train")["loss"].to_pylist()]
    assert found["tokens"].to_list() == tokens.lengths("train").tolist()
    assert found["trained_tokens"].to_list() == spans


def test_dropped_rows_are_not_counted(tmp_path: Path) -> None:
    """They may be broken in any way, and need no length."""
    measure = TokenCount(load_tokenizer(byte_level(tmp_path)), "openassistant", "<|endoftext|>")
    found = measure.take(frame([("user", "unanswered")], [], drop="no_assistant"))
    assert found.rows() == [(None, None), (None, None)]
    assert found.schema == pl.Schema(measure.columns)


def test_a_measure_goes_to_another_process(tmp_path: Path) -> None:
    """It is made of plain data, and its facts name the tokenizer by its digest, not by its place."""
    measure = TokenCount(load_tokenizer(byte_level(tmp_path)), "chatml", "<|endoftext|>")
    assert pickle.loads(pickle.dumps(measure)) == measure
    assert str(tmp_path) not in str(measure.facts())


def test_a_tokenizer_of_another_eos_is_refused(tmp_path: Path) -> None:
    """The error is that of `datamix tokenize`."""
    measure = TokenCount(load_tokenizer(byte_level(tmp_path)), "openassistant", "</s>")
    with pytest.raises(ConfigError, match="its eos is"):
        measure.take(frame([("user", "a"), ("assistant", "b")]))
