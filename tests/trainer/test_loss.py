"""The loss: packed as if each conversation stood alone, the head where a token is trained and nowhere else."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, GPT2Config, GPTNeoXConfig, LlamaConfig, PreTrainedConfig

from data_mix.packing import NO_PACK
from data_mix_trainer.dataset import Batch
from data_mix_trainer.loss import summed_loss, token_losses, trained_logits
from training import all_packs, collator, exchanges, unpacked

VOCABULARY: Final = 512
WIDE: Final = 0.1
"""Weights so large that a token's logits depend on what else it attends to."""


def neox() -> PreTrainedConfig:
    """Rotary positions, attention and feed-forward side by side."""
    sizes: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    return GPTNeoXConfig(vocab_size=VOCABULARY, initializer_range=WIDE, **sizes)


def llama() -> PreTrainedConfig:
    """Rotary positions, keys and values shared by heads."""
    sizes: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    return LlamaConfig(vocab_size=VOCABULARY, initializer_range=WIDE, num_key_value_heads=2, **sizes)


def gpt2() -> PreTrainedConfig:
    """Learned positions, the head tied to the embeddings."""
    without_dropout: dict[str, Any] = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    return GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, initializer_range=WIDE, **without_dropout)


def model_of(config: PreTrainedConfig, attention: str = "sdpa") -> Any:
    """An untrained model, as it is trained."""
    torch.manual_seed(0)
    made: Any = AutoModelForCausalLM.from_config(config, attn_implementation=attention)  # type: ignore[no-untyped-call]
    return made.train()


def logits_and_gradients(model: nn.Module, batches: Iterable[Batch]) -> tuple[Tensor, dict[str, Tensor]]:
    """The logits before each trained token, and the gradients of the summed loss."""
    found = []
    for batch in batches:
        logits = trained_logits(model, batch)
        summed_loss(logits, batch["targets"]).backward()  # type: ignore[no-untyped-call]
        found.append(logits.detach())
    gradients = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    model.zero_grad()
    return torch.cat(found), gradients


@pytest.mark.parametrize("arrangement", ["rows", "flat"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("config", [neox, llama, gpt2])
def test_packed_is_as_separate(
    config: Callable[[], PreTrainedConfig], attention: str, arrangement: Literal["rows", "flat"]
) -> None:
    """Logits, and gradients of the loss, are those of each conversation in a row of its own."""
    model, collate = model_of(config(), attention), collator(exchanges(30), 64, arrangement=arrangement)
    assert len(collate.packs) < 15
    packed, gradients = logits_and_gradients(model, [collate(all_packs(collate.packs))])
    separate, wanted = logits_and_gradients(model, unpacked(collate))
    torch.testing.assert_close(packed, separate, rtol=0, atol=1e-5)
    assert gradients.keys() == wanted.keys() == {name for name, _ in model.named_parameters()}
    errors = {name: float((gradients[name] - wanted[name]).norm() / wanted[name].norm()) for name in wanted}
    assert max(errors.values()) < 1e-5, errors


def test_a_mask_would_mix_conversations() -> None:
    """The comparison sees what it is for: with the mask that batches commonly have, logits are far from those of rows alone."""
    model, collate = model_of(neox()), collator(exchanges(30), 64)
    batch = collate(all_packs(collate.packs))
    mask = torch.ones_like(batch["input_ids"])
    leaking = model(input_ids=batch["input_ids"], position_ids=batch["position_ids"], attention_mask=mask, use_cache=False)
    separate, _ = logits_and_gradients(model, unpacked(collate))
    assert (leaking.logits[batch["is_trained"]] - separate).abs().max() > 0.01


def test_what_another_row_holds_changes_nothing() -> None:
    """A pack has the same logits alone and among others, however far they make it be padded."""
    conversations = [("short", range(10, 40), [(5, 30)]), ("long", range(50, 170), [(20, 120)])]
    model, collate = model_of(neox()), collator(conversations, 128)
    long, short = range(len(collate.packs))
    alone, among = (collate(np.array(numbers)) for numbers in ([short], [short, long]))
    assert (alone["input_ids"].shape, among["input_ids"].shape) == ((1, 64), (2, 128))
    found, wanted = trained_logits(model, among), trained_logits(model, alone)
    torch.testing.assert_close(found[: len(wanted)], wanted, rtol=0, atol=1e-5)


def test_the_head_is_computed_for_trained_tokens_alone() -> None:
    """The head sees as many positions as there are trained tokens."""
    model, collate, seen = model_of(neox()), collator(exchanges(30), 64), []
    model.get_output_embeddings().register_forward_hook(lambda _head, given, _made: seen.append(tuple(given[0].shape)))
    batch = collate(all_packs(collate.packs))
    logits = trained_logits(model, batch)
    assert seen == [(len(batch["targets"]), 32)]
    assert tuple(logits.shape) == (int(batch["is_trained"].sum()), VOCABULARY)


def test_a_batch_without_a_trained_token_has_no_loss_and_no_gradient() -> None:
    """A process whose rows are padding alone takes part in the step, and adds nothing to it."""
    model = model_of(neox())
    batch = collator(exchanges(3), 64)(np.array([NO_PACK, NO_PACK]))
    loss = summed_loss(trained_logits(model, batch), batch["targets"])
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 0
    assert {float(parameter.grad.abs().sum()) for parameter in model.parameters()} == {0.0}


def test_the_loss_is_the_sum_over_trained_tokens() -> None:
    """Of a model that knows nothing each token costs the logarithm of the vocabulary."""
    logits, targets = torch.zeros(7, VOCABULARY), torch.arange(7)
    assert summed_loss(logits, targets).item() == pytest.approx(7 * math.log(VOCABULARY))
    assert token_losses(logits, targets).tolist() == pytest.approx([math.log(VOCABULARY)] * 7)


def test_the_loss_of_a_model_in_bf16_is_computed_in_float32() -> None:
    """Logits of a bf16 model become float32 before the softmax."""
    model, collate = model_of(neox()).bfloat16(), collator(exchanges(3), 64)
    assert trained_logits(model, collate(all_packs(collate.packs))).dtype == torch.float32
