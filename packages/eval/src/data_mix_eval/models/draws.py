"""Which token comes next: the likeliest, or one drawn by a number that the question, the sample and the seed alone decide."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from data_mix_eval.question import Sampling

if TYPE_CHECKING:
    from torch import Tensor

_FIRST: Final = 128
"""The likeliest tokens, which hold `top_p` nearly always, so that the whole vocabulary need not be sorted."""


def uniform_numbers(seed: int, question: str, sample: int) -> np.random.Generator:
    """The numbers in [0, 1) by which the tokens of a sample are drawn, one each."""
    digest = hashlib.sha256(f"{seed}\0{question}\0{sample}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def next_tokens(logits: Tensor, samplings: Sequence[Sampling], numbers: Sequence[np.random.Generator]) -> list[int]:
    """The next token of each row."""
    likeliest: list[int] = logits.argmax(-1).tolist()
    drawn = [place for place, sampling in enumerate(samplings) if sampling.temperature > 0]
    for place in drawn:
        likeliest[place] = draw(logits[place], samplings[place], float(numbers[place].random()))
    return likeliest


def draw(logits: Tensor, sampling: Sampling, number: float) -> int:
    """The token at `number` of the way through the distribution of those that the sampling leaves."""
    probabilities = torch.softmax(logits.float() / sampling.temperature, -1)
    if sampling.top_p >= 1 and not sampling.top_k:
        return _at(probabilities, number)
    kept, tokens = _likeliest(probabilities, sampling.top_k, sampling.top_p)
    return int(tokens[_at(kept, number)])


def _likeliest(probabilities: Tensor, top_k: int, top_p: float) -> tuple[Tensor, Tensor]:
    """At most `top_k` tokens, and the fewest that hold `top_p` of their probability together; the likeliest first."""
    values, tokens = probabilities.topk(min(top_k or _FIRST, len(probabilities)))
    if top_k:
        values = values / values.sum()
    elif values.sum() < top_p:
        values, tokens = probabilities.sort(descending=True, stable=True)
    before = values.double().cumsum(0) - values
    count = max(1, int((before < top_p).sum()))
    return values[:count], tokens[:count]


def _at(probabilities: Tensor, number: float) -> int:
    ends = probabilities.double().cumsum(0)
    return min(int(torch.searchsorted(ends, number * ends[-1], right=True)), len(ends) - 1)
