"""Every key of training does what it says: a test of the effect of each, none of how it is read."""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook
from transformers import AutoTokenizer
from transformers.models.gpt_neox.modeling_gpt_neox import GPTNeoXAttention, GPTNeoXMLP

from commands import section
from data_mix.errors import DataMixError
from data_mix.packing import NO_PACK
from data_mix_trainer.checkpoint import read_checkpoint
from data_mix_trainer.config import TrainSettings
from training import Place, free_port, losses, rates, read_lines, small_model, train_here

RATE: Final = 1e-3
"""The learning rate of the runs here."""
PACKS: Final = 56
"""In an epoch of the place's build, at its `max_length`."""
PROBE: Final = 8
"""Tokens of the rows by which a model is asked whether it keeps conversations apart."""


def trained(place: Place, out: Path, **keys: object) -> Path:
    """The folder of a run of one step, or of what the keys say."""
    train_here(*place.arguments(out, **{"max_steps": 1, "eval_answers": 0} | keys))
    return out


@pytest.fixture(scope="module")
def plain(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four steps, to compare others with."""
    return trained(place, tmp_path_factory.mktemp("plain") / "out", max_steps=4)


@dataclass(frozen=True)
class Call:
    """A module was called."""

    module: Any
    shape: tuple[int, ...]
    dtype: torch.dtype
    is_trained: bool
    """Whether it was in training, not in an evaluation."""


@contextmanager
def calls(kind: type[nn.Module]) -> Iterator[list[Call]]:
    """The calls of modules of a kind while the block lasts."""
    found: list[Call] = []

    def note(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        if isinstance(module, kind) and given:
            found.append(Call(module, tuple(given[0].shape), given[0].dtype, module.training))

    handle = register_module_forward_pre_hook(note)
    try:
        yield found
    finally:
        handle.remove()


def weights(folder: Path) -> dict[str, Tensor]:
    """The weights of a model's folder."""
    return load_file(folder / "model.safetensors")


def config_of(folder: Path) -> dict[str, Any]:
    """The configuration of a model's folder."""
    found: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf8"))
    return found


def note_of(out: Path) -> dict[str, Any]:
    """What a run says of itself once it has ended."""
    found: dict[str, Any] = json.loads((out / "training.json").read_text(encoding="utf8"))
    return found


def moved(place: Place, out: Path) -> dict[str, Tensor]:
    """How far each weight of the layers is from the base model's."""
    before = weights(place.model)
    return {name: weight - before[name] for name, weight in weights(out).items() if ".layers." in name}


def evaluations(out: Path) -> dict[int, dict[str, float]]:
    """The figures of each evaluation, by its step."""
    lines = read_lines(out / "base" / "metrics.jsonl")
    return {
        line["step"]: {key: value for key, value in line.items() if key.startswith("eval_")}
        for line in lines
        if "eval_loss" in line
    }


def packs(out: Path) -> list[list[int]]:
    """The packs of each step."""
    return [[pack for pack in line["packs"] if pack != NO_PACK] for line in read_lines(out / "base" / "packs-00000.jsonl")]


def checkpoint_steps(out: Path) -> list[int]:
    """The steps of the checkpoints that are there, all of them whole."""
    return sorted(read_checkpoint(folder).step for folder in out.glob("checkpoint-*"))


def gradient_norm(out: Path) -> float:
    """The norm of the gradients of step 1 as the optimizer got them."""
    states = torch.load(out / "checkpoint-1" / "optimizer.pt", weights_only=True)["state"].values()
    return math.sqrt(sum(float((state["exp_avg"] / 0.1).square().sum()) for state in states))


def test_model_name_and_tokenizer_name_are_where_the_base_comes_from(place: Place, out: Path, tmp_path: Path) -> None:
    """The trained model is of the named base's size, its tokenizer the one that is named beside it."""
    base = small_model(tmp_path / "other", hidden=32)
    trained(place, out, model_name=base, tokenizer_name=place.model)
    assert config_of(out)["hidden_size"] == 32
    assert (weights(out)["embed_out.weight"] - weights(base)["embed_out.weight"])[:1000].abs().max() < 1.1 * RATE
    assert len(AutoTokenizer.from_pretrained(out)) == len(AutoTokenizer.from_pretrained(place.model)) + 3


def test_data_path_is_the_build(place: Place, out: Path, tmp_path: Path) -> None:
    """A build of one source has that source's validation alone, wherever the build of the mix's name may be."""
    section(tmp_path, "one:\n  datasets:\n    - gsm8k: {val_split: 0.5}\n")
    shell = place.shell()
    shell.build(tmp_path / "one", "--samples", "--configs", "one", "--config-dir", tmp_path / "configs")
    shell.ok("tokenize", tmp_path / "one", "--tokenizer", place.model, "--quiet")
    trained(place, out, data_path=tmp_path / "one")
    assert {key for key in evaluations(out)[0] if key.endswith("_loss")} == {"eval_loss", "eval_gsm8k_loss"}


def test_output_dir_is_where_everything_is_written(place: Place, out: Path) -> None:
    """Model, checkpoints and logs lie in the folder that is named, which is made with those above it."""
    deep = trained(place, out / "below" / "this")
    assert {"model.safetensors", "training.json", "checkpoint-1", "base"} <= {path.name for path in deep.iterdir()}


def test_log_dir_is_where_the_logs_are(place: Place, out: Path) -> None:
    """Metrics and packs lie in the folder of this name below output_dir, and in no other."""
    trained(place, out, log_dir="redpajama_3b")
    assert {path.parent for path in out.rglob("*.jsonl")} == {out / "redpajama_3b"}
    assert list(losses(out, "redpajama_3b")) == [1]


def test_dtype_is_the_number_format_of_the_computation(place: Place, plain: Path, out: Path) -> None:
    """In bf16 the layers get bf16 and the loss is that of float32 but for its precision."""
    with calls(nn.Linear) as linear:
        trained(place, out, dtype="bf16")
    assert torch.bfloat16 in {call.dtype for call in linear if call.is_trained}
    assert 0 < abs(losses(out)[1] - losses(plain)[1]) < 0.01


def test_dtype_has_long_names(place: Place, plain: Path, out: Path) -> None:
    """`float32` is `fp32`."""
    assert losses(trained(place, out, dtype="float32"))[1] == losses(plain)[1]


@pytest.mark.parametrize("dtype", ["fp16", "float16"])
def test_dtype_that_a_processor_cannot_train_in_is_refused(place: Place, out: Path, dtype: str) -> None:
    """Without a GPU fp16 is one line that names what can be had, and nothing is written."""
    with pytest.raises(DataMixError, match=f"dtype: found {dtype}, but without a GPU .* use --dtype fp32"):
        trained(place, out, dtype=dtype)
    assert not out.exists()


def test_max_length_is_the_length_of_rows(place: Place, out: Path) -> None:
    """Rows are as long as it allows and no longer, and the saved tokenizer knows it."""
    with calls(nn.Embedding) as rows:
        trained(place, out, max_length=128, max_steps=3)
    assert {call.shape[1] for call in rows} <= {PROBE, 64, 128}
    assert max(call.shape[1] for call in rows) == 128
    assert note_of(out)["packing"]["max_length"] == AutoTokenizer.from_pretrained(out).model_max_length == 128
    assert note_of(out)["packing"]["packs"] > PACKS


def test_packing_policy_is_what_becomes_of_long_conversations(place: Place, tmp_path: Path) -> None:
    """`drop` trains on fewer tokens than `truncate`, and `split` on more."""
    policies = ("drop", "truncate", "split")
    runs = [note_of(trained(place, tmp_path / policy, packing_policy=policy, max_length=128))["packing"] for policy in policies]
    tokens = [run["trained_tokens"] for run in runs]
    assert tokens == sorted(set(tokens))
    assert [(run["cut"] > 0, run["split"] > 0) for run in runs] == [(False, False), (True, False), (True, True)]


def test_pad_vocab_size_to_multiple_of_is_what_the_vocabulary_grows_to(place: Place, out: Path, tmp_path: Path) -> None:
    """A base that has no row left for the template's tokens gets as many as make a multiple."""
    base = small_model(tmp_path / "narrow", vocabulary=len(AutoTokenizer.from_pretrained(place.model)))
    trained(place, out, model_name=base, tokenizer_name=place.model, pad_vocab_size_to_multiple_of=100)
    assert config_of(out)["vocab_size"] == len(weights(out)["embed_out.weight"]) == 1100


def test_rope_scaling_stretches_positions(place: Place, plain: Path, out: Path) -> None:
    """The saved configuration holds the scaling and the longer context, and the model is computed with it."""
    trained(place, out, **{"rope_scaling.type": "linear", "rope_scaling.factor": 4})
    found = config_of(out)
    assert (found["rope_parameters"]["rope_type"], found["rope_parameters"]["factor"]) == ("linear", 4)
    assert found["max_position_embeddings"] == 4 * 512
    assert losses(out)[1] != losses(plain)[1]


def test_attn_implementation_is_the_attention_code(place: Place, plain: Path, tmp_path: Path) -> None:
    """`eager` and `sdpa` are computed by themselves and give the same losses; without flash attention `auto` is `sdpa`."""
    found = {}
    for name in ("eager", "sdpa"):
        with calls(GPTNeoXAttention) as attentions:
            found[name] = losses(trained(place, tmp_path / name, attn_implementation=name, max_steps=4))
        assert {call.module.config._attn_implementation for call in attentions} == {name}
    assert found["eager"] == pytest.approx(found["sdpa"], abs=1e-5)
    assert found["sdpa"] == losses(plain)


@pytest.mark.parametrize("rate", [1e-3, 1e-5])
def test_learning_rate_is_how_far_a_step_goes(place: Place, out: Path, rate: float) -> None:
    """AdamW's first step moves weights by the learning rate."""
    trained(place, out, learning_rate=rate)
    assert rates(out) == [rate]
    assert max(float(change.abs().max()) for change in moved(place, out).values()) == pytest.approx(rate, rel=0.01)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("linear", [1, 3 / 4, 2 / 4, 1 / 4]),
        ("cosine", [(1 + math.cos(math.pi * step / 4)) / 2 for step in range(4)]),
        ("constant", [1, 1, 1, 1]),
        ("constant_with_warmup", [1, 1, 1, 1]),
    ],
)
def test_lr_scheduler_type_is_how_the_rate_falls(place: Place, out: Path, name: str, wanted: list[float]) -> None:
    """The learning rate of each step is the schedule's."""
    trained(place, out, lr_scheduler_type=name, max_steps=4)
    assert rates(out) == pytest.approx([RATE * share for share in wanted])


def test_warmup_steps_is_over_how_many_steps_the_rate_rises(place: Place, out: Path) -> None:
    """The rate rises from 0 over as many steps, and falls from there."""
    trained(place, out, warmup_steps=2, max_steps=4)
    assert rates(out) == pytest.approx([0, RATE / 2, RATE, RATE / 2])


def test_weight_decay_pulls_weights_to_zero(place: Place, plain: Path, tmp_path: Path) -> None:
    """A step with decay is the step without it less the learning rate times the decay of each matrix; biases and norms none."""
    without, decayed = (weights(trained(place, tmp_path / str(decay), weight_decay=decay)) for decay in (0.0, 0.5))
    for name, before in weights(place.model).items():
        share = RATE * 0.5 if before.ndim == 2 else 0
        if ".layers." in name:
            torch.testing.assert_close(decayed[name], without[name] - share * before, rtol=0, atol=1e-7)


@pytest.mark.parametrize(("key", "value"), [("adam_beta1", 0.5), ("adam_beta2", 0.5), ("adam_epsilon", 1.0)])
def test_adam_beta1_adam_beta2_and_adam_epsilon_are_the_optimizers(
    place: Place, plain: Path, out: Path, key: str, value: float
) -> None:
    """Each changes where the optimizer goes: of the moments from the second step on, of epsilon from the first."""
    trained(place, out, **{key: value, "max_steps": 4})
    same, first_other = (1, 2) if key == "adam_epsilon" else (2, 3)
    found, before = losses(out), losses(plain)
    assert found[same] == pytest.approx(before[same], rel=1e-4)
    assert found[first_other] != before[first_other]


def test_max_grad_norm_is_the_norm_that_gradients_are_scaled_to(place: Place, tmp_path: Path) -> None:
    """The optimizer gets gradients of this norm, or as they are where they are smaller; the log has the norm before."""
    small, large = (trained(place, tmp_path / str(norm), max_grad_norm=norm, save_steps=1) for norm in (0.25, 1000.0))
    (logged,) = {
        line["grad_norm"] for out in (small, large) for line in read_lines(out / "base/metrics.jsonl") if "loss" in line
    }
    assert gradient_norm(small) == pytest.approx(0.25, rel=1e-3)
    assert gradient_norm(large) == pytest.approx(logged, rel=1e-3)


def test_num_train_epochs_is_how_often_the_mix_is_seen(place: Place, out: Path) -> None:
    """One and a half epochs in steps of 28 packs are three steps, the first two of which hold every pack."""
    size = {"per_device_train_batch_size": 7, "gradient_accumulation_steps": 4}
    trained(place, out, num_train_epochs=1.5, max_steps="null", **size)
    seen = packs(out)
    assert [len(step) for step in seen] == [28, 28, 28]
    assert sorted(seen[0] + seen[1]) == list(range(PACKS))
    assert note_of(out)["metrics"]["epoch"] == 1.5


def test_max_steps_is_the_end_whatever_the_epochs_are(place: Place, out: Path) -> None:
    """Two steps are two steps."""
    assert list(losses(trained(place, out, max_steps=2, num_train_epochs=10))) == [1, 2]


@pytest.mark.parametrize(("rows", "passes"), [(1, 2), (2, 2), (4, 1)])
def test_a_step_takes_per_device_train_batch_size_times_gradient_accumulation_steps(
    place: Place, plain: Path, out: Path, rows: int, passes: int
) -> None:
    """Each forward pass has as many rows and each step as many passes; the loss depends on their product alone."""
    size = {"per_device_train_batch_size": rows, "gradient_accumulation_steps": passes}
    with calls(nn.Embedding) as passed:
        trained(place, out, max_steps=2, **size)
    assert [call.shape[0] for call in passed if call.is_trained] == [rows] * passes * 2
    assert [len(step) for step in packs(out)] == [rows * passes] * 2
    if rows * passes == 4:
        assert packs(out) == packs(plain)[:2]
        assert losses(out)[1] == pytest.approx(losses(plain)[1], abs=1e-5)


def test_per_device_eval_batch_size_is_the_rows_of_an_evaluation_pass(place: Place, plain: Path, out: Path) -> None:
    """The ten packs of the validation split are taken so many at a time, with the same figures."""
    with calls(nn.Embedding) as passed:
        trained(place, out, per_device_eval_batch_size=4)
    assert [call.shape[0] for call in passed if not call.is_trained and call.shape[1] > PROBE] == [4, 4, 4] * 2
    assert evaluations(out)[0] == pytest.approx(evaluations(plain)[0], rel=1e-5)


def test_gradient_checkpointing_computes_activations_again(place: Place, plain: Path, out: Path) -> None:
    """What is in a layer is called twice as often in training, and the losses stay as they are."""
    with calls(GPTNeoXMLP) as called:
        trained(place, out, gradient_checkpointing=True, max_steps=4)
    layers, passes, steps = 2, 4, 4
    assert sum(call.is_trained for call in called) == 2 * layers * passes * steps
    assert losses(out) == losses(plain)


def test_freeze_layer_leaves_the_lowest_layers_as_they_are(place: Place, out: Path) -> None:
    """Of the frozen layer every weight is the base's, of the one above none."""
    changes = moved(place, trained(place, out, freeze_layer=1))
    still = {name for name, change in changes.items() if not change.any()}
    assert still == {name for name in changes if ".layers.0." in name}


def test_lora_trains_adapters_and_leaves_the_base(place: Place, out: Path) -> None:
    """Adapters are saved in place of the model, and no weight of the base's layers is trained."""
    with calls(nn.Linear) as called:
        trained(place, out, **{"lora.r": 4, "lora.alpha": 8}, max_steps=2)
    adapters = {name for name in load_file(out / "adapter_model.safetensors") if "lora_" in name}
    assert len(adapters) == 2 * 2 * 4  # two layers, two matrices to each of four linear modules
    assert not (out / "model.safetensors").exists()
    found = json.loads((out / "adapter_config.json").read_text(encoding="utf8"))
    assert (found["r"], found["lora_alpha"]) == (4, 8)
    base = weights(place.model).values()
    linear = {id(call.module): call.module for call in called if not call.module.weight.requires_grad}.values()
    assert len(linear) >= 2 * 4
    assert all(any(torch.equal(module.weight, weight) for weight in base) for module in linear)


def test_seed_is_what_the_order_of_packs_depends_on(place: Place, plain: Path, tmp_path: Path) -> None:
    """Another seed is another order; the same one is the same."""
    assert packs(trained(place, tmp_path / "other", seed=1)) != packs(plain)[:1]
    assert packs(trained(place, tmp_path / "same", seed=0)) == packs(plain)[:1]


def test_eval_steps_is_how_often_it_is_evaluated(place: Place, out: Path) -> None:
    """Every second step, at the start and at the end."""
    assert list(evaluations(trained(place, out, eval_steps=2, max_steps=5))) == [0, 2, 4, 5]


def test_eval_answers_is_how_many_answers_are_kept(place: Place, out: Path) -> None:
    """Three at each evaluation."""
    trained(place, out, eval_answers=3)
    assert [line["step"] for line in read_lines(out / "base" / "samples.jsonl")] == [0, 0, 0, 1, 1, 1]


def test_save_steps_is_how_often_a_checkpoint_is_written(place: Place, out: Path) -> None:
    """Every second step and at the end, where all are kept."""
    assert checkpoint_steps(trained(place, out, save_steps=2, max_steps=5, save_total_limit="null")) == [2, 4, 5]


def test_save_total_limit_is_how_many_checkpoints_are_kept(place: Place, out: Path) -> None:
    """Of five checkpoints the last two stay."""
    assert checkpoint_steps(trained(place, out, save_steps=1, max_steps=5, save_total_limit=2)) == [4, 5]


@pytest.mark.parametrize("metric", ["loss", "eval_gsm8k_loss"])
def test_metric_for_best_model_is_what_the_best_checkpoint_is_chosen_by(place: Place, out: Path, metric: str) -> None:
    """The best checkpoint is kept beyond the limit and its weights are saved in the end; `greater_is_better` turns it round."""
    keys = {"save_steps": 1, "eval_steps": 1, "max_steps": 3, "save_total_limit": 1, "metric_for_best_model": metric}
    trained(place, out / "least", **keys, greater_is_better=False)
    trained(place, out / "most", **keys, greater_is_better=True)
    found = [line[f"eval_{metric.removeprefix('eval_')}"] for line in evaluations(out / "most").values()]
    assert found == sorted(found, reverse=True)
    assert (checkpoint_steps(out / "least"), checkpoint_steps(out / "most")) == ([3], [1, 3])
    for folder, best in (("least", 3), ("most", 1)):
        saved, wanted = weights(out / folder), weights(out / folder / f"checkpoint-{best}")
        assert all(torch.equal(saved[name], wanted[name]) for name in wanted)


def test_report_to_is_where_metrics_go_besides(place: Place, out: Path) -> None:
    """TensorBoard's event file below log_dir holds the losses of the log."""
    from tensorboard.backend.event_processing import event_accumulator  # type: ignore[import-untyped]

    trained(place, out, report_to="tensorboard", max_steps=2)
    (events,) = (out / "base").glob("events.out.tfevents.*")
    found = event_accumulator.EventAccumulator(str(events)).Reload().Scalars("train/loss")
    assert {event.step: event.value for event in found} == pytest.approx(losses(out))


def test_resume_from_checkpoint_goes_on_where_the_last_one_is(place: Place, plain: Path, out: Path) -> None:
    """Two steps and two more are the four of one run, where the rate is the same at each."""
    constant = {"lr_scheduler_type": "constant", "save_steps": 2}
    trained(place, out / "parts", max_steps=2, **constant)
    with pytest.raises(DataMixError, match="holds an earlier run; go on with it by --resume_from_checkpoint"):
        trained(place, out / "parts", max_steps=4, **constant)
    trained(place, out / "parts", max_steps=4, resume_from_checkpoint=True, **constant)
    assert losses(out / "parts") == losses(trained(place, out / "whole", max_steps=4, **constant))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "stage"), [("zero2.json", 2), ("zero3_config_sft.json", 3)])
def test_deepspeed_config_is_the_file_that_deepspeed_takes(place: Place, out: Path, name: str, stage: int) -> None:
    """By the original command on two processes the stage is the file's, its partitions are there, the losses those of one."""
    launcher = ["deepspeed", "--num_accelerators", "2", "--master_port", str(free_port()), "trainer_sft.py"]
    keys = {"deepspeed_config": name, "max_steps": 4, "save_steps": 4, "warmup_steps": 2}
    done = place.launch(launcher, *place.arguments(out, **keys), "--deepspeed")
    assert done.returncode == 0, done.stderr
    assert read_checkpoint(out / "checkpoint-4").engine == f"deepspeed stage {stage}"
    states = sorted(path.name for path in (out / "checkpoint-4" / "global_step4").iterdir())
    partitions = [f"zero_pp_rank_{rank}_mp_rank_00_" for rank in (0, 1)] if stage == 3 else []
    assert [prefix for prefix in partitions if not any(state.startswith(f"{prefix}model_states") for state in states)] == []
    assert len([state for state in states if state.endswith("optim_states.pt")]) == 2
    assert note_of(out)["deepspeed"]["zero_optimization"]["stage"] == stage
    assert weights(out)["embed_out.weight"].shape == (1100, 64)
    alone = trained(place, out / "alone", gradient_accumulation_steps=8, **keys)
    assert losses(out) == pytest.approx(losses(alone), abs=1e-5)
    assert rates(out) == pytest.approx(rates(alone))
    assert evaluations(out)[4] == pytest.approx(evaluations(alone)[4], rel=1e-4)


def test_every_key_has_a_test() -> None:
    """Each field of the settings stands in the name of a test of this file, or is a key of its runs."""
    tree = ast.parse(Path(__file__).read_text(encoding="utf8"))
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    keys = {node.arg for test in tests for node in ast.walk(test) if isinstance(node, ast.keyword)}
    names = " ".join(test.name for test in tests)
    assert [key for key in TrainSettings.model_fields if key not in keys and key not in names] == []
