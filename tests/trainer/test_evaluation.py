"""Evaluation: every pack once, nothing drawn, nothing left behind."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from data_mix_trainer.dataset import Collator
from data_mix_trainer.evaluation import Validation, as_metrics, evaluate
from data_mix_trainer.metrics import metric_names
from training import collator, exchanges, unpacked

CPU = torch.device("cpu")


def model_with_dropout() -> Any:
    """A model that would give other figures each time, were it left in training."""
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(vocab_size=512, n_positions=64, n_embd=32, n_layer=2, n_head=4, resid_pdrop=0.5)).train()


def validation(collate: Collator, *, size: int = 2, rank: int = 0, world: int = 1) -> Validation:
    """A validation split, or the share of it that a process has."""
    return Validation(collate=collate, size=size, rank=rank, world=world)


@pytest.mark.parametrize(("world", "size"), [(1, 1), (1, 4), (2, 2), (3, 1), (4, 3)])
def test_processes_share_the_packs_in_as_many_batches(world: int, size: int) -> None:
    """All processes make as many forward passes, and together they see each trained token once."""
    collate = collator(exchanges(50), 64)
    shares = [list(validation(collate, size=size, rank=rank, world=world).batches()) for rank in range(world)]
    assert {len(share) for share in shares} == {math.ceil(len(collate.packs) / (size * world))}
    assert {len(batch["input_ids"]) for share in shares for batch in share} == {size}
    seen = sorted(target for share in shares for batch in share for target in batch["targets"].tolist())
    assert seen == sorted(target for batch in unpacked(collate) for target in batch["targets"].tolist())


@pytest.mark.parametrize("size", [1, 3, 50])
def test_figures_do_not_depend_on_the_batch(size: int) -> None:
    """However many rows a pass has, each token counts once and as much."""
    model, collate = model_with_dropout(), collator(exchanges(30), 64)
    wanted = evaluate(model, validation(collate), CPU)
    assert list(wanted) == metric_names(collate.rows.sources)
    assert evaluate(model, validation(collate, size=size), CPU) == pytest.approx(wanted, rel=1e-6)


def test_nothing_is_drawn_and_training_goes_on_as_before() -> None:
    """Two evaluations are equal digit by digit, take no random number, and leave the model in training without gradients."""
    model, split = model_with_dropout(), validation(collator(exchanges(30), 64))
    before = torch.get_rng_state()
    first, again = (evaluate(model, split, CPU) for _ in range(2))
    assert first == again
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_model_that_was_evaluated_before_stays_in_evaluation() -> None:
    """The mode after it is the mode before it."""
    model = model_with_dropout().train(False)
    evaluate(model, validation(collator(exchanges(3), 64)), CPU)
    assert not model.training


def test_each_source_has_the_figures_of_its_tokens() -> None:
    """Loss is the mean over tokens, not over sources; perplexity is its exponential; a source without a token has none."""
    sums = np.array([[20.0, 1.0, 10.0], [0.0, 0.0, 0.0], [15.0, 9.0, 30.0]])
    found = as_metrics(["a", "b", "c"], sums)
    assert found == pytest.approx(
        {
            "loss": 35 / 40,
            "perplexity": math.exp(35 / 40),
            "token_accuracy": 0.25,
            "a_loss": 2.0,
            "a_perplexity": math.exp(2),
            "a_token_accuracy": 0.1,
            "c_loss": 0.5,
            "c_perplexity": math.exp(0.5),
            "c_token_accuracy": 0.3,
        }
    )


@pytest.mark.parametrize(("loss", "perplexity"), [(1e6, "inf"), (math.inf, "inf"), (math.nan, "nan"), (0.0, "1.0")])
def test_a_loss_without_a_perplexity_is_no_error(loss: float, perplexity: str) -> None:
    """Past the largest number the perplexity is infinite, and that of no number is none."""
    assert str(as_metrics(["a"], np.array([[loss, 0.0, 1.0]]))["perplexity"]) == perplexity


def test_a_likeliest_token_is_a_right_one() -> None:
    """Of a model that always says the same token the accuracy is that token's share of the trained ones."""
    model = model_with_dropout()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.transformer.ln_f.bias.fill_(1)
        model.transformer.wte.weight[7] = 1
    collate = collator([("a", [10, 7, 7, 11], [(1, 4)]), ("b", [10, 11], [(1, 2)])], 64)
    found = evaluate(model, validation(collate), CPU)
    assert [found[f"{name}token_accuracy"] for name in ("", "a_", "b_")] == pytest.approx([1 / 2, 2 / 3, 0])
