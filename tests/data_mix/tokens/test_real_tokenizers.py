"""The tokenizers of real models, where they lie in ../shared: ids, masks and the fast encoder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from data_mix.shards import open_build
from data_mix.template import chat_template
from data_mix.tokens import load_tokenizer, tokenize_build
from data_mix.tokens.proof import proven
from data_mix.tokens.tokenizing import prepare
from sample_tokenizers import HOSTILE, PLAIN, as_users_have_it, rendered_ids

REAL = {
    "tokenizers/gpt-neox-20b": ("<|endoftext|>", 50_280),
    "tokenizers/gpt2": ("<|endoftext|>", 50_260),
    "models/stories260k": ("</s>", 515),
}


@pytest.fixture(params=REAL)
def folder(request: pytest.FixtureRequest, shared: Path) -> Path:
    """The folder of a real tokenizer."""
    path = shared / str(request.param)
    if not path.is_dir():
        pytest.skip(f"needs {path}; it is not there")
    return path


def of(folder: Path) -> tuple[str, int]:
    """Its eos, and how many ids it has with the role tokens."""
    return next(facts for name, facts in REAL.items() if folder.match(name))


def test_it_is_encoded_fast(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The fast encoder is proven for the families that are trained most."""
    prepared = prepare(load_tokenizer(folder), "openassistant", of(folder)[0])
    assert proven(prepared.plain, prepared.reference, (*PLAIN, *HOSTILE), "real").is_fast
    assert (prepared.control.vocabulary, caplog.records) == (of(folder)[1], [])


@pytest.mark.parametrize("name", ["openassistant", "chatml", "llama3"])
def test_the_samples_ids_are_those_of_their_texts(
    name: str, folder: Path, sample_builds: dict[tuple[str, str], Path], tmp_path: Path
) -> None:
    """Every row of the samples without control-like text has the ids of its text, and its trained ids are its answers."""
    eos = of(folder)[0]
    out = shutil.copytree(sample_builds[name, eos], tmp_path / "build")
    tokens, _ = tokenize_build(out, load_tokenizer(folder))
    tokenizer = as_users_have_it(folder, chat_template(name, eos))
    rows = [row for _, table in open_build(out).tables("train") for row in table.to_pylist()]
    wanted, found = rendered_ids(tokenizer, [row["text"] for row in rows]), tokens.table("train").to_pylist()
    for row, ids, token_row in zip(rows, wanted, found, strict=True):
        if not any("<|" in turn["content"] for turn in row["messages"]):
            assert token_row["input_ids"] == ids
        spans = [token_row["input_ids"][span["start"] : span["end"] - 1] for span in token_row["loss"]]
        answers = [turn["content"] for turn in row["messages"] if turn["train"]]
        assert [tokenizer.decode(span, skip_special_tokens=False) for span in spans] == answers
