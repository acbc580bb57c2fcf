"""`datamix tiny-model`: a small untrained GPT-NeoX and a tokenizer of a build's own, to try everything out without a download.

The same build gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

from data_mix.errors import FormatError
from data_mix.shards import Build, open_build
from data_mix_trainer.model_folder import refuse_full, save_model

PADDING: Final = "<|padding|>"

_ROWS: Final = 20_000
"""Conversations that the tokenizer is trained on, shared by the parts of the build."""
_CHARACTERS: Final = 2_000
"""Of each message."""


@dataclass(frozen=True, kw_only=True)
class TinyModel:
    """The size of a tiny model."""

    vocabulary: int = 2048
    """Tokens at most; a small build has fewer to learn."""
    hidden: int = 64
    layers: int = 2
    heads: int = 4
    context: int = 512
    seed: int = 0
    """Of the weights."""


def make_tiny_model(build_folder: Path, out: Path, size: TinyModel | None = None) -> None:
    """Write the model and its tokenizer into a new folder, whole or not at all.

    Raises FormatError where the build cannot be read or has nothing to train on, OutputError where `out` holds something or
    cannot be written.
    """
    refuse_full(out)
    size, build = size or TinyModel(), open_build(build_folder)
    tokenizer = _tokenizer(build, size)
    save_model(_model(tokenizer, size), tokenizer, out)


def _tokenizer(build: Build, size: TinyModel) -> PreTrainedTokenizerFast:
    """A byte-level BPE with the eos of the build's template."""
    eos = build.manifest["template"]["eos"]
    tokenizer: Any = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer: Any = trainers.BpeTrainer(
        vocab_size=size.vocabulary,
        special_tokens=[eos, PADDING],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(build), trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, eos_token=eos, pad_token=PADDING, model_max_length=size.context
    )


def _texts(build: Build) -> Iterator[str]:
    """The messages of the first conversations of each part of the train split."""
    tables = [table for _, table in build.tables("train") if table.num_rows]
    if not tables:
        raise FormatError(f"{build.path}: its train split is empty, wanted texts to train a tokenizer on; name another build")
    for table in tables:
        yield from _messages(table.slice(0, max(1, _ROWS // len(tables))))


def _messages(table: pa.Table) -> Iterator[str]:
    contents = pc.struct_field(pc.list_flatten(table["messages"]), "content")
    yield from pc.utf8_slice_codeunits(contents, 0, _CHARACTERS).to_pylist()


def _model(tokenizer: PreTrainedTokenizerFast, size: TinyModel) -> GPTNeoXForCausalLM:
    config = GPTNeoXConfig(
        vocab_size=len(tokenizer),
        hidden_size=size.hidden,
        intermediate_size=4 * size.hidden,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        max_position_embeddings=size.context,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(size.seed)
        return GPTNeoXForCausalLM(config)
