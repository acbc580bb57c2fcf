"""A run of training: what it writes, and that its figures are those of plain torch on the token shards."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.ipc
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from data_mix.errors import TrainingError
from data_mix.template import chat_template
from data_mix_trainer.checkpoint import checkpoints, read_checkpoint
from training import Place, read_lines, small_model, train_here

STEPS: Final = 5
OF_ONE_RUN: Final = {"seconds", "data_seconds", "tokens_per_second", "trained_tokens_per_second"}
OF_THE_END: Final = {"train_runtime", "train_samples_per_second", "train_steps_per_second"}
"""Figures of the clock, which no two runs have alike."""

Spans = list[tuple[int, int]]


def arguments(place: Place, out: Path, **keys: object) -> list[str]:
    """Those of a run of an epoch and a bit, in steps of 18 packs."""
    own = {"max_steps": "null", "num_train_epochs": 1.25, "gradient_accumulation_steps": 18, "per_device_eval_batch_size": 3}
    return place.arguments(out, **{"eval_steps": 4, "save_steps": 4, "eval_answers": 2} | own | keys)


@pytest.fixture(scope="module")
def run(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that has ended."""
    out = tmp_path_factory.mktemp("run") / "out"
    train_here(*arguments(place, out))
    return out


def metrics(out: Path, name: str) -> list[dict[str, Any]]:
    """The lines of the log that hold this figure."""
    return [line for line in read_lines(out / "base" / "metrics.jsonl") if name in line]


def conversations(place: Place, split: str) -> list[tuple[str, list[int], Spans]]:
    """Source, ids and loss spans of every conversation, as they stand in the token shard."""
    (shard,) = place.build.glob(f"tokens/*.{split}.arrow")
    rows = pyarrow.ipc.open_file(shard).read_all().to_pylist()
    return [(row["source"], row["input_ids"], [(span["start"], span["end"]) for span in row["loss"]]) for row in rows]


def pieces(place: Place) -> list[list[tuple[int, int]]]:
    """For each pack of the train split the conversations of its pieces, and where they are cut."""
    for path in place.build.glob("tokens/*.packs/*.json"):
        note = json.loads(path.read_text(encoding="utf8").splitlines()[-1].partition(" ")[2])
        if note["key"]["tokens"].endswith(":train") and (note["key"]["max_length"], note["key"]["policy"]) == (256, "truncate"):
            offsets, found = (np.load(path.with_suffix(f".{name}.npy")) for name in ("offsets", "pieces"))
            assert not found["start"].any()
            whole = list(zip(found["conversation"].tolist(), found["end"].tolist(), strict=True))
            return [whole[start:end] for start, end in pairwise(offsets)]
    raise AssertionError("no packs of the train split")


def widened(place: Place) -> Any:
    """The base model as training starts from it: the rows of the template's new tokens are the mean of all known ones."""
    model: Any = AutoModelForCausalLM.from_pretrained(place.model, dtype=torch.float32)
    known = len(AutoTokenizer.from_pretrained(place.model))
    weights = (model.get_input_embeddings().weight, model.get_output_embeddings().weight)
    with torch.no_grad():
        for weight in weights:
            weight[known : known + 3] = weight[:known].mean(dim=0)
    return model


def token_figures(model: Any, ids: Sequence[int], spans: Spans) -> list[tuple[float, bool]]:
    """The loss of each trained token of a conversation that stands alone, and whether it is the likeliest."""
    with torch.no_grad():
        logits = model.eval()(input_ids=torch.tensor([ids])).logits[0]
    wanted = [place for start, end in spans if end <= len(ids) for place in range(start, end)]
    before, targets = logits[[place - 1 for place in wanted]], torch.tensor([ids[place] for place in wanted])
    losses = functional.cross_entropy(before, targets, reduction="none")
    return list(zip(losses.tolist(), (before.argmax(-1) == targets).tolist(), strict=True))


def figures(tokens: Sequence[tuple[float, bool]]) -> dict[str, float]:
    """What an evaluation says of these tokens."""
    loss = sum(each for each, _ in tokens) / len(tokens)
    return {"loss": loss, "perplexity": math.exp(loss), "token_accuracy": sum(right for _, right in tokens) / len(tokens)}


def measured(place: Place, model: Any) -> dict[str, float]:
    """What the evaluation of a model is to say, measured conversation by conversation."""
    by_source: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for source, ids, spans in conversations(place, "validation"):
        by_source[source] += token_figures(model, ids, spans)
    found = figures([token for tokens in by_source.values() for token in tokens])
    return found | {f"{name}_{key}": value for name, tokens in by_source.items() for key, value in figures(tokens).items()}


def evaluations(out: Path) -> dict[int, dict[str, float]]:
    """The figures of each evaluation, by its step."""
    return {
        line["step"]: {key.removeprefix("eval_"): value for key, value in line.items() if key.startswith("eval_")}
        for line in metrics(out, "eval_loss")
    }


def test_the_model_is_that_of_the_last_checkpoint(run: Path) -> None:
    """The folder loads as any model does, with the weights of the last step."""
    model = AutoModelForCausalLM.from_pretrained(run)
    last = AutoModelForCausalLM.from_pretrained(run / f"checkpoint-{STEPS}")
    base, found = last.state_dict(), model.state_dict()
    assert found.keys() == base.keys()
    assert all(torch.equal(found[name], base[name]) for name in found)


def test_the_tokenizer_lays_out_a_chat_as_the_run_was_trained(run: Path) -> None:
    """The saved chat template renders as the build's template does, and the end of a turn is the eos."""
    tokenizer = AutoTokenizer.from_pretrained(run)
    chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "Bye"}]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert text == "<|prompter|>Hi<|endoftext|><|assistant|>Hello<|endoftext|><|prompter|>Bye<|endoftext|><|assistant|>"
    assert (tokenizer.eos_token, tokenizer.model_max_length) == (chat_template("openassistant", "<|endoftext|>").eos, 256)


def test_generation_stops_at_the_end_of_a_turn(run: Path) -> None:
    """The generation config beside the model names the eos."""
    eos = AutoTokenizer.from_pretrained(run).convert_tokens_to_ids("<|endoftext|>")
    assert GenerationConfig.from_pretrained(run).eos_token_id == eos


def test_nothing_has_to_be_unpickled_to_load_it(run: Path) -> None:
    """A folder that is passed on holds weights as safetensors and text, and no pickle."""
    assert {path.suffix for path in run.iterdir() if path.is_file()} == {".json", ".jinja", ".safetensors"}


def test_what_it_takes_to_repeat_the_run_is_written(place: Place, run: Path) -> None:
    """`training.json` holds what was asked for, what became of it, the data, the schedule and the versions."""
    note = json.loads((run / "training.json").read_text(encoding="utf8"))
    asked = arguments(place, run)
    assert note["sections"] == []
    assert note["overrides"] == dict(zip([word[2:] for word in asked[::2]], asked[1::2], strict=True))
    assert (note["settings"]["learning_rate"], note["settings"]["weight_decay"]) == (1e-3, 0.0)
    assert note["template"]["name"] == "openassistant"
    assert (note["sources"]["gsm8k"]["licence"], note["sources"]["gsm8k"]["rows"]["train"]) == ("MIT", 9)
    assert note["mix"] == json.loads((place.build / "manifest.json").read_text(encoding="utf8"))["mix"]
    assert note["data"]["build"] == json.loads((place.build / "manifest.json").read_text(encoding="utf8"))["fingerprint"]
    assert note["packing"]["conversations"] == len(conversations(place, "train"))
    assert note["schedule"] == {"packs": len(pieces(place)), "global_batch": 18, "steps": STEPS}
    assert (note["processes"], note["engine"], note["deepspeed"]) == (1, "torch", None)
    assert note["versions"]["torch"] == torch.__version__
    assert note["metrics"]["eval_loss"] == evaluations(run)[STEPS]["loss"]


def test_every_step_has_its_figures(place: Place, run: Path) -> None:
    """The log tells of each step its loss, norm, rate, tokens, speed, padding and the time that reading took."""
    lines = metrics(run, "loss")
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    for line in lines:
        assert line["learning_rate"] == pytest.approx(1e-3 * (1 - (line["step"] - 1) / STEPS))
        assert 0 < line["trained_tokens"] < line["tokens"] == pytest.approx(line["tokens_per_second"] * line["seconds"])
        assert line["padding_share"] == pytest.approx(1 - line["tokens"] / (18 * 256))
        assert 0 < line["data_seconds"] < line["seconds"]
        assert line["grad_norm"] > 0
    assert lines[-1]["loss"] < lines[0]["loss"] - 0.1


def test_the_tokens_of_a_step_are_those_of_its_packs(place: Place, run: Path) -> None:
    """Tokens and trained tokens of each step are counted in the token shard again."""
    packs, shard = pieces(place), conversations(place, "train")
    for line, trained_on in zip(metrics(run, "loss"), read_lines(run / "base" / "packs-00000.jsonl"), strict=True):
        found = [piece for pack in trained_on["packs"] if pack >= 0 for piece in packs[pack]]
        spans = [min(last, end) - first for number, end in found for first, last in shard[number][2] if last <= end]
        assert line["tokens"] == sum(end for _, end in found)
        assert line["trained_tokens"] == sum(spans)


def test_the_first_loss_is_the_mean_over_the_trained_tokens_of_its_packs(place: Place, run: Path) -> None:
    """Plain torch, conversation by conversation, gives the loss of step 1."""
    model, packs, shard = widened(place), pieces(place), conversations(place, "train")
    first = read_lines(run / "base" / "packs-00000.jsonl")[0]
    assert len(first["packs"]) == 18
    tokens = [
        token
        for pack in first["packs"]
        for number, end in packs[pack]
        for token in token_figures(model, shard[number][1][:end], shard[number][2])
    ]
    assert metrics(run, "loss")[0]["loss"] == pytest.approx(figures(tokens)["loss"], abs=1e-5)


def test_an_epoch_is_every_pack_once(place: Place, run: Path) -> None:
    """Of 56 packs each is trained on once in the first four steps, and the second epoch has another order."""
    lines = read_lines(run / "base" / "packs-00000.jsonl")
    assert [(line["step"], line["epoch"]) for line in lines] == [(1, 0), (2, 0), (3, 0), (4, 0), (5, 1)]
    seen = [pack for line in lines[:4] for pack in line["packs"] if pack >= 0]
    assert sorted(seen) == list(range(len(pieces(place))))
    again = [pack for line in lines[4:] for pack in line["packs"]]
    assert len(set(again)) == len(again) == 18
    assert again != seen[: len(again)]


def test_it_is_evaluated_at_the_start_on_the_way_and_at_the_end(run: Path) -> None:
    """The first evaluation is of the base model, the last of the model that is saved."""
    assert list(evaluations(run)) == [0, 4, STEPS]


@pytest.mark.parametrize("step", [0, STEPS])
def test_an_evaluation_is_that_of_each_conversation_alone(place: Place, run: Path, step: int) -> None:
    """Loss, perplexity and accuracy, in all and per source, equal plain torch's."""
    model = AutoModelForCausalLM.from_pretrained(run) if step else widened(place)
    wanted, found = measured(place, model), evaluations(run)[step]
    assert found.keys() == wanted.keys()
    assert len(found) == 3 * (1 + 9)
    assert found == pytest.approx(wanted, rel=1e-5)


def test_answers_are_kept_at_each_evaluation(run: Path) -> None:
    """Two prompts of two sources are answered each time, the same ones."""
    lines = read_lines(run / "base" / "samples.jsonl")
    assert [line["step"] for line in lines] == [0, 0, 4, 4, STEPS, STEPS]
    assert len({(line["source"], line["prompt"], line["reference"]) for line in lines}) == 2
    assert all(line["prompt"].endswith("<|assistant|>") and line["reference"].endswith("<|endoftext|>") for line in lines)


def without_clock(out: Path) -> list[dict[str, Any]]:
    """The log without what the clock says."""
    lines = read_lines(out / "base" / "metrics.jsonl")
    return [{key: value for key, value in line.items() if key not in OF_ONE_RUN | OF_THE_END} for line in lines]


def test_two_runs_are_equal_digit_by_digit(place: Place, run: Path, out: Path) -> None:
    """The same command gives the same log, the same answers and the same weights."""
    train_here(*arguments(place, out))
    assert without_clock(out) == without_clock(run)
    for name in ("base/samples.jsonl", "base/packs-00000.jsonl", "model.safetensors", "tokenizer.json", "config.json"):
        assert (out / name).read_bytes() == (run / name).read_bytes(), name


def refusal(*arguments: str) -> str:
    """What a run says that cannot go on."""
    with pytest.raises(TrainingError) as caught:
        train_here(*arguments)
    return str(caught.value)


def test_a_run_that_diverges_stops_and_leaves_its_checkpoints_whole(place: Place, out: Path) -> None:
    """A loss that is no number ends the run with its step, its packs and what to do, before anything of it is saved."""
    keys = {"learning_rate": 1e30, "warmup_steps": 1, "save_steps": 1, "eval_answers": 0}
    said = refusal(*place.arguments(out, **keys))
    step = metrics(out, "loss")[-1]["step"]
    assert f"step {step}: loss is nan, the run has diverged; its packs stand in {out}/base/packs-00000.jsonl" in said
    assert metrics(out, "loss")[-1]["loss"] == "nan"
    assert [read_checkpoint(folder).step for folder in checkpoints(out)] == list(range(1, step))
    assert not (out / "training.json").exists()
    good = load_file(out / "checkpoint-1" / "model.safetensors")
    assert all(weight.isfinite().all() for weight in good.values())


def test_a_base_model_that_is_broken_is_found_out_at_the_first_step(place: Place, out: Path, tmp_path: Path) -> None:
    """Weights that are no numbers end the run at once, with no checkpoint written."""
    base = small_model(tmp_path / "broken")
    weights = load_file(base / "model.safetensors")
    weights["gpt_neox.layers.0.mlp.dense_4h_to_h.weight"][0, 0] = math.nan
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    said = refusal(*place.arguments(out, model_name=base, tokenizer_name=place.model, eval_answers=0))
    assert said.startswith("step 1: loss is nan, the run has diverged")
    assert checkpoints(out) == []


def test_two_runs_cannot_write_one_folder(place: Place, run: Path) -> None:
    """A folder that holds a run is not written over."""
    before = (run / "training.json").read_bytes()
    said = refusal(*arguments(place, run))
    assert said == f"{run}: holds an earlier run; go on with it by --resume_from_checkpoint, or name another --output_dir"
    assert (run / "training.json").read_bytes() == before
