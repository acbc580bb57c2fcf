"""From samples to a chat model with Bloom, which is told no positions, so a conversation has a row, and whose eos is `</s>`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.ipc
import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer, BloomConfig, BloomForCausalLM

from data_mix.errors import ConfigError
from sample_tokenizers import byte_level
from training import Place, losses, read_lines, train_here


@pytest.fixture(scope="module")
def bloom(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The samples built with Bloom's eos and tokenised by a tokenizer of its kind, and a small model."""
    place = Place(tmp_path_factory.mktemp("bloom"))
    byte_level(place.model, eos="</s>")
    torch.manual_seed(0)
    BloomForCausalLM(BloomConfig(vocab_size=1100, hidden_size=64, n_layer=2, n_head=4)).save_pretrained(place.model)
    place.shell().build(place.build, "--configs", "datasets", "--samples", "--template.eos", "</s>")
    place.shell().ok("tokenize", place.build, "--tokenizer", place.model, "--quiet")
    return place


def go(place: Place, out: Path, *flags: str, **keys: object) -> None:
    """Train in steps of four packs, one to a forward pass."""
    own: dict[str, object] = {"per_device_eval_batch_size": 1, "save_steps": 2, "save_total_limit": "null", "max_steps": 4}
    own["learning_rate"] = 5e-3
    train_here(*place.arguments(out, **own | keys), *flags)


@pytest.fixture(scope="module")
def run(bloom: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has ended."""
    out = tmp_path_factory.mktemp("run") / "out"
    go(bloom, out)
    return out


def evaluations(out: Path) -> list[float]:
    """The loss of each evaluation."""
    return [line["eval_loss"] for line in read_lines(out / "base" / "metrics.jsonl") if "eval_loss" in line]


def test_its_packs_are_rectangles(run: Path) -> None:
    """Each conversation has a row of its own, and a pack is a whole batch of such rows."""
    note = json.loads((run / "training.json").read_text(encoding="utf8"))
    assert note["data"]["layout"] == "rectangle"
    assert note["template"]["eos"] == "</s>"


def test_it_learns(run: Path) -> None:
    """The loss on the validation split falls."""
    assert evaluations(run)[-1] < evaluations(run)[0] - 0.1


def test_an_evaluation_is_that_of_each_conversation_alone(bloom: Place, run: Path) -> None:
    """What stands beside a conversation in its rectangle, padding included, changes nothing of its loss."""
    model: Any = AutoModelForCausalLM.from_pretrained(run)
    (shard,) = bloom.build.glob("tokens/*.validation.arrow")
    losses, tokens = 0.0, 0
    for row in pyarrow.ipc.open_file(shard).read_all().to_pylist():
        trained = [place for span in row["loss"] for place in range(span["start"], span["end"])]
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([row["input_ids"]])).logits[0, [place - 1 for place in trained]]
        losses += functional.cross_entropy(logits, torch.tensor(row["input_ids"])[trained], reduction="sum").item()
        tokens += len(trained)
    assert evaluations(run)[-1] == pytest.approx(losses / tokens, rel=1e-5)


def test_it_goes_on_as_if_it_had_not_been_interrupted(bloom: Place, run: Path, out: Path) -> None:
    """From a checkpoint in the middle the losses are the same digit by digit, and so are the weights."""
    shutil.copytree(run, out)
    for name in ("training.json", "checkpoint-4/datamix.json"):
        (out / name).unlink()
    go(bloom, out, "--resume_from_checkpoint")
    assert losses(out) == losses(run)
    assert (out / "model.safetensors").read_bytes() == (run / "model.safetensors").read_bytes()


def test_transformers_loads_it_with_its_end_of_text(run: Path) -> None:
    """Model and tokenizer are Bloom's, a turn ends with `</s>`, and generation stops there."""
    model: Any = AutoModelForCausalLM.from_pretrained(run)
    tokenizer = AutoTokenizer.from_pretrained(run)
    assert type(model).__name__ == "BloomForCausalLM"
    chat = [{"role": "user", "content": "Hi"}]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert text == "<|prompter|>Hi</s><|assistant|>"
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id == tokenizer.convert_tokens_to_ids("</s>")
    ids: Any = tokenizer(text, return_tensors="pt")["input_ids"]
    assert model.generate(ids, max_new_tokens=3, do_sample=False).shape[1] > ids.shape[1]


def test_more_packs_to_a_pass_are_refused(bloom: Place, out: Path) -> None:
    """A pack is a batch already: it is said which key makes a step larger."""
    with pytest.raises(
        ConfigError, match=r"per_device_train_batch_size: found 2, wanted 1: .* raise gradient_accumulation_steps"
    ):
        go(bloom, out, per_device_train_batch_size=2)
