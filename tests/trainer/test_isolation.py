"""Whether a model keeps the conversations of a row apart is asked of the model, and one that does not is refused."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import torch

from data_mix.errors import TrainingError
from data_mix_trainer.isolation import refuse_leaks
from small_models import FAMILIES, bloom, neox

CPU = torch.device("cpu")
APART = [name for name in FAMILIES if name != "bloom"]


def drawn(model: Any) -> Any:
    """The same model with weights so large that what leaks is seen in the logits."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.5)
    return model


@pytest.mark.parametrize("family", APART)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_that_keeps_conversations_apart_is_taken(family: str, dtype: torch.dtype) -> None:
    """Rotary and learned positions that restart part a row, in every number format."""
    refuse_leaks(drawn(FAMILIES[family](20)).to(dtype), CPU, family)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_that_lets_them_see_each_other_is_refused(dtype: torch.dtype) -> None:
    """Bloom knows distances alone: it is found out, and named with what to do."""
    said = "small-bloom: lets the conversations of a row see each other (the logits of one depend on the one before it); choose"
    with pytest.raises(TrainingError, match=re.escape(said)):
        refuse_leaks(drawn(bloom(20)).to(dtype), CPU, "small-bloom")


def test_a_model_that_has_learned_nothing_is_found_out_too() -> None:
    """With the small weights that training begins from the leak is small, but no rounding."""
    with pytest.raises(TrainingError, match="fresh: lets the conversations of a row see each other"):
        refuse_leaks(bloom(20), CPU, "fresh")


def test_a_model_whose_attention_is_asked_for_otherwise_is_refused() -> None:
    """What counts is what the model computes: with attention to the whole row the same GPT-NeoX leaks."""
    model = drawn(neox(20))
    model.register_forward_pre_hook(
        lambda _, given, named: (given, named | {"position_ids": torch.arange(8)[None]}), with_kwargs=True
    )
    with pytest.raises(TrainingError, match="lets the conversations of a row see each other"):
        refuse_leaks(model, CPU, "neox")


@pytest.mark.parametrize("is_training", [True, False])
def test_the_model_is_left_as_it_was(is_training: bool) -> None:
    """Neither its mode, nor a weight, nor a gradient, nor the draw of what comes after is another."""
    model = drawn(neox(20, attention_dropout=0.5, hidden_dropout=0.5)).train(is_training)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    state = torch.get_rng_state()
    refuse_leaks(model, CPU, "neox")
    assert model.training == is_training
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), state)


def test_weights_that_are_no_numbers_are_not_taken_for_a_leak() -> None:
    """A broken model is the first loss's to tell, which names the step."""
    model = drawn(neox(20))
    with torch.no_grad():
        model.get_input_embeddings().weight[2, 0] = math.nan
    refuse_leaks(model, CPU, "neox")
