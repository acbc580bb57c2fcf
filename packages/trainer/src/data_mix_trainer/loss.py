"""The language-model head where a token is trained, and the loss of it.

The head is the dearest part of a small model with a large vocabulary, and about half of the tokens are trained on: logits are
made of those positions alone. The loss of a batch is the sum over its trained tokens, divided by those of the whole global
batch, so that summed over forward passes and processes it is the mean over trained tokens, however they fall.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor, nn

    from data_mix_trainer.dataset import Batch


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Have a model compute without dropout and without gradients; afterwards it is in training again where it was."""
    was_training = model.training
    model.train(False)
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)


def trained_logits(model: nn.Module, batch: Batch) -> Tensor:
    """The logits before each trained token: (trained, vocabulary), float32.

    No attention mask is given: restarting positions keep conversations apart, and a mask would switch that off.
    """
    names = ["input_ids", *(["position_ids"] if "position_ids" in batch else [])]
    inputs = {name: batch[name] for name in names}
    output = model(**inputs, logits_to_keep=batch["is_trained"], use_cache=False)
    logits: Tensor = output.logits.float()
    return logits


def summed_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """The cross-entropy of the trained tokens, summed; 0 of none."""
    return functional.cross_entropy(logits, targets, reduction="sum")


def token_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """The cross-entropy of each trained token: (trained,)."""
    return functional.cross_entropy(logits, targets, reduction="none")
