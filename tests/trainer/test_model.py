"""The model that training starts from: its rows, its context, its frozen layers, and the models that are refused."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from transformers import (
    GPTJConfig,
    GPTJForCausalLM,
    GPTNeoXConfig,
    GPTNeoXModel,
    PreTrainedModel,
)

import small_models
from data_mix.errors import ConfigError, OutputError
from data_mix.tokens import ControlTokens
from data_mix_trainer.config import TrainSettings
from data_mix_trainer.model import load_model
from data_mix_trainer.model_folder import refuse_full
from small_models import CONTEXT

ROWS: Final = 40
KNOWN: Final = 36
"""Tokens of the tokenizer before the template's were added."""


neox, llama, bloom, gpt2 = (partial(make, ROWS, layers=3) for make in small_models.FAMILIES.values())


def gptj(*, tie: bool = False) -> Any:
    """A GPT-J: its head has a bias."""
    size: dict[str, Any] = {"n_embd": 16, "n_layer": 3, "n_head": 2, "rotary_dim": 4}
    model = GPTJForCausalLM(GPTJConfig(vocab_size=ROWS, n_positions=CONTEXT, tie_word_embeddings=tie, **size))
    torch.nn.init.normal_(model.lm_head.bias)
    return model


FAMILIES: Final[dict[str, Callable[[], Any]]] = {
    "neox": neox,
    "llama": llama,
    "bloom": bloom,
    "gpt2": gpt2,
    "gptj": gptj,
    "gptj-tied": lambda: gptj(tie=True),
}


def saved(folder: Path, model: PreTrainedModel) -> Path:
    """The model's folder."""
    model.save_pretrained(folder)
    return folder


def control(added: int = 3) -> ControlTokens:
    """An eos that is known, and so many tokens that are new."""
    names = tuple(f"<|{number}|>" for number in range(added))
    ids = {"<eos>": 0} | {name: KNOWN + number for number, name in enumerate(names)}
    return ControlTokens(ids=ids, added=names, vocabulary=KNOWN + added)


def load(folder: Path | str, *, added: int = 3, **keys: Any) -> Any:
    """The model of this folder as training would start from it."""
    given: dict[str, Any] = {"model_name": str(folder), "max_length": CONTEXT}
    settings = TrainSettings(**given | keys)
    return load_model(settings, control(added), dtype=torch.float32)


def per_token(model: Any) -> list[torch.Tensor]:
    """What has a row per token."""
    head = model.get_output_embeddings()
    found = (model.get_input_embeddings().weight, head.weight, getattr(head, "bias", None))
    return [tensor.detach() for tensor in found if tensor is not None]


@pytest.mark.parametrize("added", [3, 9])
@pytest.mark.parametrize("family", FAMILIES)
def test_new_tokens_start_as_the_mean_of_the_known(family: str, added: int, tmp_path: Path) -> None:
    """Their rows, and those beyond the old ones, are the mean of the tokens that the model knows; all others stay."""
    base = FAMILIES[family]()
    model, rows = load(saved(tmp_path, base), added=added), max(ROWS, 48 if added == 9 else 0)
    for old, new in zip(per_token(base), per_token(model), strict=True):
        fresh = [*range(KNOWN, KNOWN + added), *range(ROWS, rows)]
        kept = [row for row in range(ROWS) if row not in fresh]
        assert new.shape[0] == rows == model.config.vocab_size
        assert torch.equal(new[kept], old[kept])
        torch.testing.assert_close(new[fresh], old[:KNOWN].mean(dim=0).expand_as(new[fresh]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_mean_is_taken_in_full_precision(dtype: torch.dtype, tmp_path: Path) -> None:
    """Of weights in 16 bits, whose sum would overflow or lose what is small."""
    base = neox()
    base.get_input_embeddings().weight.data.fill_(30_000.0)
    settings = TrainSettings(model_name=str(saved(tmp_path, base)), max_length=CONTEXT)
    model = load_model(settings, control(), dtype=dtype)
    embedding, head = (tensor.float() for tensor in per_token(model)[:2])
    assert torch.equal(embedding[KNOWN], embedding[0])
    assert torch.equal(head[KNOWN], head[:KNOWN].mean(dim=0).to(dtype).float())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_widened_model_is_saved_and_loaded_whole(family: str, tmp_path: Path) -> None:
    """Its head stays tied where it was, and it gives the same logits once loaded."""
    model = load(saved(tmp_path / "base", FAMILIES[family]()), added=9).eval()
    again = load(saved(tmp_path / "again", model), added=0).eval()
    ids = torch.tensor([[1, 2, KNOWN + 8]])
    assert torch.equal(model(ids).logits, again(ids).logits)
    assert [tensor.shape for tensor in per_token(model)] == [tensor.shape for tensor in per_token(again)]


def test_the_vocabulary_grows_to_a_multiple_and_only_where_it_must(tmp_path: Path) -> None:
    """40 rows hold 40 tokens; for 41 there are 64 where a multiple of 64 is wanted."""
    folder = saved(tmp_path, neox())
    keys = {"pad_vocab_size_to_multiple_of": 64}
    assert [load(folder, added=added, **keys).config.vocab_size for added in (0, 4, 5)] == [40, 40, 64]


def test_every_row_is_trained(tmp_path: Path) -> None:
    """Llama gives no gradient to the row of its padding, which is that of eos where they are the same token."""
    model = load(saved(tmp_path, llama(pad_token_id=2, eos_token_id=2)))
    model(torch.tensor([[2, 2, 2]])).logits[..., 5].sum().backward()
    assert model.get_input_embeddings().weight.grad[2].abs().sum() > 0


def test_training_keeps_no_cache(tmp_path: Path) -> None:
    """Keys and values are not kept while there is nothing to generate."""
    assert load(saved(tmp_path, neox())).config.use_cache is False


def test_the_context_is_stretched_linearly(tmp_path: Path) -> None:
    """Positions are divided by the factor: the twelfth position is what the third was."""
    model = load(saved(tmp_path, llama()), rope_scaling={"type": "linear", "factor": 4.0}, max_length=4 * CONTEXT)
    torch.testing.assert_close(model.model.rotary_emb.inv_freq * 4, llama().model.rotary_emb.inv_freq)
    assert model.config.max_position_embeddings == 4 * CONTEXT


def test_the_context_is_stretched_by_yarn(tmp_path: Path) -> None:
    """The base's context is kept beside the stretched one, and comes back from a saved folder."""
    model = load(saved(tmp_path / "base", neox()), rope_scaling={"type": "yarn", "factor": 2.0}, max_length=2 * CONTEXT)
    loaded: Any = GPTNeoXConfig.from_pretrained(saved(tmp_path / "saved", model))
    assert loaded.rope_parameters["rope_type"] == "yarn"
    assert loaded.rope_parameters["partial_rotary_factor"] == 0.25
    assert (loaded.rope_parameters["original_max_position_embeddings"], loaded.max_position_embeddings) == (32, 64)


def test_the_context_is_stretched_dynamically(tmp_path: Path) -> None:
    """Rows within the base's context are computed as before; what the stretching starts from stays in the configuration."""
    base = llama().eval()
    model = load(saved(tmp_path, base), added=0, rope_scaling={"type": "dynamic", "factor": 2.0}, max_length=64).eval()
    short, long = torch.arange(20)[None], torch.arange(60)[None] % ROWS
    assert model.config.max_position_embeddings == CONTEXT
    torch.testing.assert_close(model(short).logits, base(short).logits)
    assert not torch.allclose(model(long).logits[0, :20], base(long).logits[0, :20])
    torch.testing.assert_close(model(short).logits, base(short).logits)


def test_rows_beyond_the_context_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Rotary positions go on, but untrained: one warning, with the factor that would reach."""
    folder = saved(tmp_path, neox())
    assert load(folder).config.max_position_embeddings == CONTEXT
    assert not caplog.records
    assert load(folder, max_length=50).config.max_position_embeddings == 50
    assert "max_length is 50, the context of" in caplog.text
    assert "is 32: it has never seen the positions beyond; consider --rope_scaling.factor 1.57" in caplog.text
    caplog.clear()
    load(folder, max_length=96, rope_scaling={"type": "linear", "factor": 2.0})
    assert "max_length is 96" in caplog.text
    assert "is 64" in caplog.text
    assert "factor 3" in caplog.text


def refused(error: type[Exception], folder: Path | str, **keys: Any) -> str:
    """The one line that says why a model is refused."""
    with pytest.raises(error) as caught:
        load(folder, **keys)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_cannot_be_stretched_is_refused(tmp_path: Path) -> None:
    """Learned positions, biases by distance, and positions that are scaled already."""
    scaling = {"type": "linear", "factor": 2.0}
    for name, model in {"gpt2": gpt2(), "bloom": bloom()}.items():
        line = refused(ConfigError, saved(tmp_path / name, model), rope_scaling=scaling)
        assert f"rope_scaling: {name} has no rotary positions" in line
    scaled = saved(tmp_path / "scaled", load(saved(tmp_path / "base", neox()), rope_scaling=scaling))
    assert "are scaled already (linear)" in refused(ConfigError, scaled, rope_scaling=scaling)


def test_rows_longer_than_learned_positions_are_refused(tmp_path: Path) -> None:
    """The error names both; biases by distance have no such end."""
    line = refused(ConfigError, saved(tmp_path / "gpt2", gpt2()), max_length=33)
    assert line.startswith("max_length: found 33")
    assert "learned positions for 32 tokens" in line
    load(saved(tmp_path / "bloom", bloom()), max_length=10_000)


@pytest.mark.parametrize("family", ["neox", "llama", "bloom", "gpt2"])
def test_the_lowest_layers_are_frozen(family: str, tmp_path: Path) -> None:
    """They stay as they are, and so do the embeddings where no token is new."""
    folder = saved(tmp_path, FAMILIES[family]())
    for added in (0, 3):
        model = load(folder, added=added, freeze_layer=2)
        layers = next(part for part in model.modules() if isinstance(part, torch.nn.ModuleList))
        assert [any(each.requires_grad for each in layer.parameters()) for layer in layers] == [False, False, True]
        assert [each.requires_grad for each in model.get_input_embeddings().parameters()] == [added > 0]


def test_freezing_everything_is_refused(tmp_path: Path) -> None:
    """A layer must be left, and adapters freeze all of them anyway."""
    folder = saved(tmp_path, neox())
    assert "freeze_layer: found 3, " in refused(ConfigError, folder, freeze_layer=3)
    assert "leave one of the two out" in refused(ConfigError, folder, freeze_layer=1, lora={})


def test_the_attention_code_is_the_one_that_is_asked_for(tmp_path: Path) -> None:
    """Where none is, sdpa without a GPU or in fp32, and eager for a model that has nothing else."""
    plain, other = saved(tmp_path / "neox", neox()), saved(tmp_path / "bloom", bloom())
    models = [load(plain), load(plain, attn_implementation="sdpa"), load(plain, attn_implementation="eager"), load(other)]
    assert [model.config._attn_implementation for model in models] == ["sdpa", "sdpa", "eager", "eager"]
    assert refused(ConfigError, other, attn_implementation="sdpa").endswith("but bloom has none in transformers; use auto")


def test_flash_attention_that_cannot_be_had_is_refused(tmp_path: Path) -> None:
    """Asked for by name and in fp32, which it does not compute in, it is not replaced by another."""
    line = refused(ConfigError, saved(tmp_path, neox()), attn_implementation="flash_attention_2")
    assert line.startswith("attn_implementation: found flash_attention_2, but ")


def test_a_model_of_another_tokenizer_is_refused(tmp_path: Path) -> None:
    """Fewer rows than the tokenizer has tokens: both numbers are named."""
    settings = TrainSettings(model_name=str(saved(tmp_path, neox())), max_length=CONTEXT)
    with pytest.raises(ConfigError, match="has 40 rows of embeddings, the tokenizer 41 tokens"):
        load_model(settings, ControlTokens(ids={"<eos>": 0}, added=(), vocabulary=41), dtype=torch.float32)


def test_no_name_and_no_such_folder_are_refused(tmp_path: Path) -> None:
    """Each says what can be named."""
    with pytest.raises(ConfigError, match="model_name: found none"):
        load_model(TrainSettings(), control(), dtype=torch.float32)
    assert "is no model that transformers can load" in refused(ConfigError, tmp_path / "nothing")
    assert "holds no config.json, so it is no model" in refused(ConfigError, tmp_path)


@pytest.mark.parametrize(
    ("file", "text", "wanted"),
    [
        ("config.json", "{", "not a valid JSON file"),
        ("config.json", "{}", "Unrecognized model"),
        ("config.json", '{"model_type": "t5"}', "Unrecognized configuration class"),
        ("config.json", '{"model_type": "gpt_neox", "vocab_size": "many"}', "Validation error for field 'vocab_size'"),
        ("model.safetensors", "x", "Error while deserializing header"),
    ],
)
def test_a_folder_that_is_no_language_model_is_refused(file: str, text: str, wanted: str, tmp_path: Path) -> None:
    """Whatever of it is damaged or of another kind: one line with the folder and what transformers says of it."""
    folder = saved(tmp_path, neox())
    (folder / file).write_text(text)
    line = refused(ConfigError, folder)
    assert line.startswith(f"{folder}: is no model that transformers can load (")
    assert wanted in line


def test_missing_weights_are_refused(tmp_path: Path) -> None:
    """Neither a folder without weights nor one whose head would be made up is a base."""
    folder = saved(tmp_path / "whole", neox())
    (folder / "model.safetensors").unlink()
    assert "Error no file named model.safetensors" in refused(ConfigError, folder)
    GPTNeoXModel(neox().config).save_pretrained(tmp_path / "headless")
    assert "lacks 1 of the weights of GPTNeoXForCausalLM (lm_head.weight)" in refused(ConfigError, tmp_path / "headless")


def test_a_full_folder_is_not_written_into(tmp_path: Path) -> None:
    """An empty one, or none, is fine."""
    refuse_full(tmp_path)
    refuse_full(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is not empty, and nothing is overwritten"):
        refuse_full(tmp_path)


def run(script: str, *arguments: object, launcher: Sequence[str] = (), **variables: str) -> str:
    """What a script of a process of its own prints."""
    command = (
        [sys.executable, *launcher, *map(str, arguments)] if launcher else [sys.executable, "-c", script, *map(str, arguments)]
    )
    environment = {
        **os.environ,
        "DS_ACCELERATOR": "cpu",
        "OMP_NUM_THREADS": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        **variables,
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_name_that_the_hub_does_not_give_is_refused(tmp_path: Path) -> None:
    """Neither a folder nor in the hub's cache, and no network: one line that says so."""
    script = """
from data_mix.errors import FetchError
from data_mix_trainer.model_folder import read_config
try:
    read_config("own/model")
except FetchError as error:
    print(error)
"""
    line = run(script, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path))
    assert line.startswith("own/model: is no folder, and the hub does not give it (We couldn't connect to ")
    assert line.count("\n") == 1


ZERO_3: Final = """
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import deepspeed, deepspeed.ops, torch

deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
deepspeed.init_distributed("gloo")

from transformers.integrations import HfDeepSpeedConfig

from data_mix.tokens import ControlTokens
from data_mix_trainer.config import TrainSettings
from data_mix_trainer.model import load_model

adam = {"type": "AdamW", "params": {"lr": 0.01, "torch_adam": True}}
config = {"train_micro_batch_size_per_gpu": 1, "zero_optimization": {"stage": 3}, "optimizer": adam}
alive = HfDeepSpeedConfig(config)
for folder in sorted(Path(sys.argv[1]).iterdir()):
    added, known = int(folder.name.rpartition("-")[2]), int(sys.argv[2])
    new = {f"<|{number}|>": known + number for number in range(added)}
    control = ControlTokens(ids={"<eos>": 0} | new, added=tuple(new), vocabulary=known + added)
    settings = TrainSettings(model_name=str(folder), max_length=32)
    model = load_model(settings, control, dtype=torch.float32)
    engine = deepspeed.initialize(model=model, config=config)[0]
    parameters = dict(model.named_parameters())
    with deepspeed.zero.GatheredParameters(list(parameters.values())):
        torch.save({name: each.detach().clone() for name, each in parameters.items()}, folder / f"{engine.global_rank}.pt")
    engine.backward(engine(torch.tensor([[1, known + added - 1]])).logits.float().square().mean())
    engine.step()
torch.distributed.barrier()
sys.stdout.flush()
os._exit(0)  # as the trainer's processes leave: gloo's threads abort the interpreter's end at times
"""


@pytest.mark.slow
def test_parted_weights_are_widened_as_whole_ones_are(tmp_path: Path) -> None:
    """Under ZeRO-3 two processes have the rows that one without it has, tied or not, widened or filled, and can train them."""
    folders = [saved(tmp_path / "models" / f"{family}-{added}", FAMILIES[family]()) for family in FAMILIES for added in (3, 9)]
    (tmp_path / "zero_3.py").write_text(ZERO_3)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    run("", tmp_path / "zero_3.py", tmp_path / "models", KNOWN, launcher=launcher)
    for folder in folders:
        wanted = dict(load(folder, added=int(folder.name.rpartition("-")[2])).named_parameters())
        for rank in (0, 1):
            torch.testing.assert_close(
                torch.load(folder / f"{rank}.pt"), {name: each.detach() for name, each in wanted.items()}
            )
