"""The reference command, as its card prints it, by two processes under ZeRO-3 on a processor: build, token shards, training.

What is smaller than the card's, in sections that shadow the built-in ones: the model has two layers, rows have 256 tokens, and
each of the nine real sources gives at most 80 rows and 20 for validation, so that two whole epochs take a minute. The command
is the card's, word for word, beside the launcher's number of processes and the folder of these sections.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from ruamel.yaml import YAML
from transformers import AutoModelForCausalLM, AutoTokenizer

from commands import Shell
from hub_server import HubServer
from reference_card import NAMES, paste
from training import Place, free_port, losses, read_lines

pytestmark = pytest.mark.slow

COMMAND: Final = "trainer_sft.py --configs defaults redpajama-3b datasets --num_train_epochs 2 --deepspeed"
CAPS: Final = {"max_train_set": 80, "max_val_set": 20}
MODEL: Final = """\
redpajama-3b:
  dtype: fp32
  log_dir: "redpajama_3b"
  learning_rate: 1e-2
  model_name: %(folder)s/base
  output_dir: %(folder)s/ikala_v4_3b
  weight_decay: 0.0
  max_length: 256
  warmup_steps: 2
  gradient_checkpointing: true
  gradient_accumulation_steps: 2
  per_device_train_batch_size: 1
  per_device_eval_batch_size: 2
  eval_steps: 500
  save_steps: 1000
  num_train_epochs: 8
  save_total_limit: 2
  deepspeed_config: configs/zero3_config_sft.json
"""
"""The card's, but for dtype, rate, model, place, length, warm-up and accumulation."""


@dataclass(frozen=True)
class Trained:
    """A run of the reference command that has ended."""

    folder: Path

    @property
    def logs(self) -> Path:
        """The folder of its logs."""
        return self.folder / "redpajama_3b"

    @property
    def note(self) -> dict[str, Any]:
        """What the run says of itself."""
        note: dict[str, Any] = json.loads((self.folder / "training.json").read_text(encoding="utf8"))
        return note

    def validation_losses(self) -> dict[int, dict[str, float]]:
        """The loss of each source at each evaluation, by its step."""
        lines = [line for line in read_lines(self.logs / "metrics.jsonl") if "eval_loss" in line]
        return {line["step"]: {name: line[f"eval_{name}_loss"] for name in NAMES} for line in lines}


@pytest.fixture(scope="module", params=["samples", "real"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The reference command on the shipped samples, and on the nine real sources."""
    folder = tmp_path_factory.mktemp(request.param)
    place = Place(folder)
    if request.param == "samples":
        configs = paste(folder, MODEL % {"folder": folder})
        return train(place, place.shell(), configs, "--samples")
    shared, card = request.getfixturevalue("shared"), request.getfixturevalue("card")
    configs = paste(folder, MODEL % {"folder": folder}, capped(card))
    with HubServer(shared / "hub") as hub:
        return train(place, replace(place.shell(), endpoint=hub.url), configs)


def capped(card: str) -> str:
    """The card's section with few rows of every source."""
    entries = YAML(typ="safe").load(card)["datasets"]
    named = [entry if isinstance(entry, dict) else {entry: {}} for entry in entries]
    return f"datasets: {json.dumps([{name: options | CAPS for name, options in entry.items()} for entry in named])}"


def train(place: Place, shell: Shell, configs: Path, *how: str) -> Trained:
    """Build in the default place, make a model and token shards, and run the reference command."""
    build, base = place.folder / "home/builds/datasets", place.folder / "base"
    shell.ok("build", "--configs", "datasets", "--quiet", *how)
    shell.ok("tiny-model", build, "-o", base)
    shell.ok("tokenize", build, "--tokenizer", base, "--quiet")
    launcher = ["deepspeed", "--num_accelerators", "2", "--master_port", str(free_port())]
    done = place.launch(launcher, *shlex.split(COMMAND), "--config-dir", str(configs))
    assert done.returncode == 0, done.stderr[-3000:]
    return Trained(place.folder / "ikala_v4_3b")


def test_it_is_the_run_of_the_command(trained: Trained) -> None:
    """Two processes under ZeRO-3, of the nine sources, through two whole epochs: each pack twice, once an epoch."""
    note = trained.note
    assert (note["processes"], note["engine"], note["settings"]["num_train_epochs"]) == (2, "deepspeed stage 3", 2.0)
    assert tuple(note["sources"]) == NAMES
    seen = Counter(
        (line["epoch"], pack)
        for path in trained.logs.glob("packs-*.jsonl")
        for line in read_lines(path)
        for pack in line["packs"]
        if pack >= 0
    )
    assert seen == Counter((epoch, pack) for epoch in range(2) for pack in range(note["schedule"]["packs"]))


def test_the_loss_falls(trained: Trained) -> None:
    """The loss of training falls by a tenth and more, and the validation loss falls for every source."""
    steps = losses(trained.folder, "redpajama_3b")
    fifth = len(steps) // 5
    first, last = (sum(part) / fifth for part in (list(steps.values())[:fifth], list(steps.values())[-fifth:]))
    assert last < 0.9 * first
    before, after = trained.validation_losses().values()
    assert all(after[name] < before[name] for name in NAMES)


def test_the_checkpoint_loads_and_answers(trained: Trained) -> None:
    """`AutoModelForCausalLM` finds every weight in the last checkpoint, which is the model of the folder, and it writes."""
    (checkpoint,) = trained.folder.glob("checkpoint-*")
    loaded: Any = AutoModelForCausalLM.from_pretrained(checkpoint, output_loading_info=True)
    model, loading = loaded
    assert not any(loading.values())
    final = AutoModelForCausalLM.from_pretrained(trained.folder).state_dict()
    assert all(torch.equal(weight, final[name]) for name, weight in model.state_dict().items())
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    question = [{"role": "user", "content": "What is 2 + 3?"}]
    chat: Any = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    ids = chat["input_ids"]
    assert tokenizer.decode(ids[0]) == "<|prompter|>What is 2 + 3?<|endoftext|><|assistant|>"
    assert model.generate(**chat, max_new_tokens=4, do_sample=False).shape[1] > ids.shape[1]
