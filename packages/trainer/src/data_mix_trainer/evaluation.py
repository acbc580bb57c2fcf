"""Loss, perplexity and token accuracy on the validation split, of each source and of all.

    loss             mean cross-entropy over trained tokens, in nats
    perplexity       exp(loss)
    token_accuracy   the share of trained tokens that are the likeliest ones

Nothing is drawn: the same weights on the same packs give the same figures, whatever is trained in between.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import distributed

from data_mix.packing import share
from data_mix_trainer.dataset import Batch, Collator
from data_mix_trainer.loss import evaluating, token_losses, trained_logits
from data_mix_trainer.metrics import FIGURES

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Validation:
    """The validation split of a run, and this process's share of it."""

    collate: Collator
    size: int
    """Packs per process and forward pass."""
    rank: int
    world: int

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources, in the order of the sums."""
        return self.collate.rows.sources

    def batches(self) -> Iterator[Batch]:
        """The batches of this process; all processes have as many."""
        step = self.size * self.world
        numbers = np.arange(len(self.collate.packs), dtype=np.int64)
        for start in range(0, len(numbers), step):
            yield self.collate(share(numbers[start : start + step], size=step, rank=self.rank, world=self.world))


def evaluate(model: nn.Module, validation: Validation, device: torch.device) -> dict[str, float]:
    """The metrics of the validation split: `loss`, `perplexity`, `token_accuracy`, and `SOURCE_loss` and so on of each source.

    A collective call: every process must make it.
    """
    sums = torch.zeros(len(validation.sources), 3, dtype=torch.float64, device=device)
    with evaluating(model):
        for batch in validation.batches():
            _add(sums, model, {name: tensor.to(device) for name, tensor in batch.items()})
    if distributed.is_initialized() and validation.world > 1:
        distributed.all_reduce(sums)
    return as_metrics(validation.sources, sums.cpu().numpy())


def _add(sums: Tensor, model: nn.Module, batch: Batch) -> None:
    """Add a batch's losses, right guesses and tokens to the rows of their sources."""
    logits, targets, sources = trained_logits(model, batch), batch["targets"], batch["sources"]
    figures = torch.stack(
        [token_losses(logits, targets), (logits.argmax(-1) == targets).float(), torch.ones_like(targets, dtype=torch.float32)],
        dim=1,
    )
    sums.index_add_(0, sources, figures.double())


def as_metrics(sources: Sequence[str], sums: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> dict[str, float]:
    """Sums (source; loss, right, tokens) as named figures; sources without a token are left out."""
    metrics = _figures("", sums.sum(axis=0))
    for source, row in zip(sources, sums, strict=True):
        metrics |= _figures(f"{source}_", row)
    return metrics


def _figures(prefix: str, sums: np.ndarray[tuple[int], np.dtype[np.float64]]) -> dict[str, float]:
    loss, right, tokens = map(float, sums)
    if not tokens:
        return {}
    mean = loss / tokens
    perplexity = math.inf if mean > 700 else math.exp(mean)
    return {f"{prefix}{name}": figure for name, figure in zip(FIGURES, (mean, perplexity, right / tokens), strict=True)}
