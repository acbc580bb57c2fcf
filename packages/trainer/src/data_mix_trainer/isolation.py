"""Whether a model keeps the conversations of a row apart: asked of the model itself before anything is trained.

Most models of transformers derive it from positions that restart; some take positions and let conversations see each other all
the same, and nothing but a loss a little too low would tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch

from data_mix.errors import TrainingError
from data_mix_trainer.loss import evaluating

if TYPE_CHECKING:
    from torch import Tensor, nn

_LENGTH: Final = 4
"""Tokens of each of the two conversations."""


def refuse_leaks(model: nn.Module, device: torch.device, name: str) -> None:
    """Compare a conversation's logits behind two others; TrainingError where they differ. Every process makes the call."""
    with evaluating(model):
        first, other = (_second_logits(model, start, device) for start in (0, 1))
    tolerance = 4 * torch.finfo(first.dtype).eps * float(first.nan_to_num().abs().max())
    if not torch.allclose(first, other, rtol=0, atol=tolerance, equal_nan=True):  # what is no number, the first loss tells
        raise TrainingError(
            f"{name}: lets the conversations of a row see each other (the logits of one depend on the one before it); "
            "choose another attn_implementation, or another model"
        )


def _second_logits(model: nn.Module, start: int, device: torch.device) -> Tensor:
    """The logits of a conversation of ids 2, 3, … behind one of the ids `start` and the one after it, by turns."""
    ids = torch.tensor([[start, start + 1] * (_LENGTH // 2) + list(range(2, 2 + _LENGTH))], device=device)
    positions = torch.arange(2 * _LENGTH, device=device)[None] % _LENGTH
    logits: Tensor = model(input_ids=ids, position_ids=positions, use_cache=False).logits
    return logits[0, _LENGTH:]
