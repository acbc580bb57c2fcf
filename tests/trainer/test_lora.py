"""Low-rank adapters: what they train, with new tokens, with checkpointed activations, and in parted models."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from transformers import AutoModelForCausalLM, GPTNeoXConfig

from data_mix.errors import ConfigError
from data_mix_trainer.config import LoraSettings
from data_mix_trainer.lora import add_lora, save_adapter, without_deprecations
from small_models import FAMILIES

ROWS: Final = 40
IDS: Final = torch.tensor([[1, 2, 39]])


def trained(model: Any) -> set[str]:
    """The modules that are trained, by the last part of their names; adapters by the module that they adapt."""
    names = [name for name, each in model.named_parameters() if each.requires_grad]
    parts = [name.split(".lora_")[0].split(".modules_to_save")[0] for name in names]
    return {part.rpartition(".")[2] for part in parts}


@pytest.mark.parametrize(
    ("family", "wanted"),
    [
        ("neox", {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"}),
        ("llama", {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}),
        ("bloom", {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"}),
        ("gpt2", {"c_attn", "c_proj", "c_fc"}),
    ],
)
def test_every_linear_module_but_the_head_is_adapted(family: str, wanted: set[str]) -> None:
    """Where no module is named; and the model is what it was, before it is trained."""
    base = FAMILIES[family](ROWS).eval()
    logits = base(IDS).logits
    model = add_lora(base, LoraSettings(), has_new_tokens=False).eval()
    assert trained(model) == wanted
    assert torch.equal(model(IDS).logits, logits)


def test_only_the_named_modules_are_adapted() -> None:
    """By their last names, or by more of them; with the rank and the scale that are asked for."""
    settings = LoraSettings(r=3, alpha=6, dropout=0.0, target_modules=("q_proj", "mlp.up_proj"))
    model: Any = add_lora(FAMILIES["llama"](ROWS), settings, has_new_tokens=False)
    assert trained(model) == {"q_proj", "up_proj"}
    adapted = model.base_model.model.model.layers[0].self_attn.q_proj
    assert (tuple(adapted.lora_A["default"].weight.shape), adapted.scaling["default"]) == ((3, 16), 2.0)


def test_an_unknown_module_is_refused() -> None:
    """Even among known ones; the error names those that there are."""
    settings = LoraSettings(target_modules=("q_proj", "query"))
    with pytest.raises(
        ConfigError, match=r"lora.target_modules: found 'query', wanted names of modules .*: down_proj, gate_proj"
    ):
        add_lora(FAMILIES["llama"](ROWS), settings, has_new_tokens=False)


@pytest.mark.parametrize("family", FAMILIES)
def test_with_new_tokens_embeddings_and_head_are_trained(family: str) -> None:
    """A row that was never trained cannot stay as it is; where the head is tied to the embeddings, it stays so."""
    model: Any = add_lora(FAMILIES[family](ROWS), LoraSettings(), has_new_tokens=True)
    embedding, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    assert embedding.requires_grad
    assert head.requires_grad
    assert (head is embedding) == (family in {"bloom", "gpt2"})
    model(IDS).logits[..., 5].sum().backward()
    assert embedding.grad[39].abs().sum() > 0
    assert head.grad[5].abs().sum() > 0


@pytest.mark.parametrize("reentrant", [False, True])
def test_adapters_are_trained_where_activations_are_recomputed(reentrant: bool) -> None:
    """Every one of them gets a gradient, though the embeddings before them are frozen."""
    model: Any = add_lora(FAMILIES["llama"](ROWS), LoraSettings(dropout=0.0), has_new_tokens=False)
    model.activation_checkpointing_enable({"use_reentrant": reentrant})
    model.train()
    model(IDS).logits.square().sum().backward()
    assert all(each.grad is not None for each in model.parameters() if each.requires_grad)


def test_adapters_are_of_the_model_s_number_format() -> None:
    """DeepSpeed takes no model of two formats."""
    model: Any = add_lora(FAMILIES["llama"](ROWS).bfloat16(), LoraSettings(), has_new_tokens=True)
    assert {each.dtype for each in model.parameters()} == {torch.bfloat16}


def test_an_adapter_is_saved_with_what_it_takes_to_merge_it(tmp_path: Path) -> None:
    """Adapters and trained embeddings, and none of the frozen weights; the configurations of the trained model beside them."""
    from safetensors import safe_open

    save_adapter(add_lora(FAMILIES["neox"](ROWS), LoraSettings(), has_new_tokens=True), tmp_path)
    with safe_open(tmp_path / "adapter_model.safetensors", "pt") as file:
        names = set(file.keys())
    assert {name for name in names if "lora_" not in name} == {
        "base_model.model.gpt_neox.embed_in.weight",
        "base_model.model.lm_head.weight",
    }
    assert GPTNeoXConfig.from_pretrained(tmp_path).vocab_size == 40
    assert (tmp_path / "generation_config.json").is_file()


ZERO_3: Final = """
import os
import sys
from pathlib import Path

import deepspeed, deepspeed.ops, torch

deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
deepspeed.init_distributed("gloo")

from transformers.integrations import HfDeepSpeedConfig

from data_mix.tokens import ControlTokens
from data_mix_trainer.config import LoraSettings, TrainSettings
from data_mix_trainer.lora import add_lora, save_adapter
from data_mix_trainer.model import load_model

adam = {"type": "AdamW", "params": {"lr": 0.01, "torch_adam": True}}
config = {"train_micro_batch_size_per_gpu": 1, "zero_optimization": {"stage": 3}, "optimizer": adam}
alive = HfDeepSpeedConfig(config)
ids = torch.tensor([[1, 2, 30]])
for folder in sorted(Path(sys.argv[1]).iterdir()):
    new = {f"<|{number}|>": 36 + number for number in range(int(folder.name.rpartition("-")[2]))}
    control = ControlTokens(ids={"<eos>": 0} | new, added=tuple(new), vocabulary=36 + len(new))
    settings = TrainSettings(model_name=str(folder), max_length=32)
    model = load_model(settings, control, dtype=torch.float32)
    adapted = add_lora(model, LoraSettings(dropout=0.0), has_new_tokens=bool(new))
    adapted.activation_checkpointing_enable({"use_reentrant": False})
    engine = deepspeed.initialize(model=adapted, config=config)[0]
    losses = []
    for _ in range(10):
        logits = engine(ids).logits
        losses.append(torch.nn.functional.cross_entropy(logits[0, :-1], ids[0, 1:]))
        engine.backward(losses[-1])
        engine.step()
    assert losses[-1] < losses[0] - 0.05, losses
    engine.eval()
    logits = engine(ids).logits
    with deepspeed.zero.GatheredParameters(list(adapted.parameters())):
        if engine.global_rank == 0:
            weights = {name: each.detach().clone() for name, each in adapted.state_dict().items()}
            save_adapter(adapted, folder / "adapter", weights)
            torch.save(logits.detach().clone(), folder / "logits.pt")
torch.distributed.barrier()
sys.stdout.flush()
os._exit(0)  # as the trainer's processes leave: gloo's threads abort the interpreter's end at times
"""


@pytest.mark.slow
def test_adapters_of_parted_models_are_trained_and_saved(tmp_path: Path) -> None:
    """Two processes train them under ZeRO-3, with and without new tokens; on the base they give the same logits."""
    from peft import PeftModel

    names = ["neox-0", "neox-3", "neox-9", "gpt2-3", "gpt2-9"]
    for name in names:
        FAMILIES[name.split("-")[0]](ROWS).eval().save_pretrained(tmp_path / "models" / name)
    (tmp_path / "zero_3.py").write_text(ZERO_3)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = {**os.environ, "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1", "TRANSFORMERS_VERBOSITY": "error"}
    command = [*launcher, str(tmp_path / "zero_3.py"), str(tmp_path / "models")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    for name in names:
        folder, added = tmp_path / "models" / name, int(name.split("-")[1])
        base = AutoModelForCausalLM.from_pretrained(folder)
        if added == 9:
            base.resize_token_embeddings(48)
        with without_deprecations():
            model: Any = PeftModel.from_pretrained(base, str(folder / "adapter"))
        torch.testing.assert_close(model.eval()(torch.tensor([[1, 2, 30]])).logits, torch.load(folder / "logits.pt"))
