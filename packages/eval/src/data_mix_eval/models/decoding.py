"""Answers, token by token: many side by side, each until it is done."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from data_mix.errors import EvalError
from data_mix_eval.models.draws import next_tokens, uniform_numbers
from data_mix_eval.models.network import Ids, Network
from data_mix_eval.models.writing import Writing
from data_mix_eval.question import Sampling

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A prompt, of which samples are wanted."""

    id: str
    ids: Ids
    sampling: Sampling
    samples: range
    """Their numbers: each has draws of its own."""
    max_tokens: int
    """Of each."""


@dataclass(frozen=True, kw_only=True)
class _Sample:
    writing: Writing
    sampling: Sampling
    numbers: np.random.Generator
    id: str = field(default="")


class Decoder:
    """Writes answers with a model's layers and its tokenizer; `ends` are the tokens that end one."""

    def __init__(self, network: Network, tokenizer: PreTrainedTokenizerBase, *, ends: Collection[int], seed: int) -> None:
        self._network, self._tokenizer, self._ends, self._seed = network, tokenizer, ends, seed

    def answer(self, shared: Ids, prompts: Sequence[Begun]) -> list[list[Writing]]:
        """The samples of each prompt, whole. Raises EvalError where the model returns no number."""
        samples = [self._samples(prompt) for prompt in prompts]
        for _ in self._steps(shared, prompts, [sample for some in samples for sample in some]):
            pass
        return [[sample.writing for sample in some] for some in samples]

    def stream(self, prompt: Begun) -> Iterator[Writing]:
        """The first sample of a prompt, after each of its tokens."""
        sample = self._samples(prompt)[0]
        for _ in self._steps((), [prompt], [sample]):
            yield sample.writing

    def _samples(self, prompt: Begun) -> list[_Sample]:
        return [
            _Sample(
                id=prompt.id,
                writing=Writing(
                    self._tokenizer, prompt.ids, ends=self._ends, stops=prompt.sampling.stops, max_tokens=prompt.max_tokens
                ),
                sampling=prompt.sampling,
                numbers=uniform_numbers(self._seed, prompt.id, number),
            )
            for number in prompt.samples
        ]

    def _steps(self, shared: Ids, prompts: Sequence[Begun], samples: list[_Sample]) -> Iterator[None]:
        """Write a token of each sample at a time; those that are done leave."""
        rows, copies = zip(*((prompt.ids, len(prompt.samples)) for prompt in prompts), strict=True)
        logits, growing = self._network.start(shared, rows, copies)
        while samples:
            tokens = _next(logits, samples)
            for sample, token in zip(samples, tokens, strict=True):
                sample.writing.add(token)
            yield
            going_on = [place for place, sample in enumerate(samples) if not sample.writing.is_done]
            if 0 < len(going_on) < len(samples):
                growing.keep(going_on)
            if going_on:
                logits = growing.step(torch.tensor(tokens, device=logits.device)[going_on])
            samples = [samples[place] for place in going_on]


def _next(logits: Tensor, samples: Sequence[_Sample]) -> list[int]:
    for sample, value in zip(samples, logits.amax(-1).tolist(), strict=True):
        if math.isnan(value):
            raise EvalError(
                f"{sample.id}: the model's logits are nan, wanted numbers; the weights are broken, or too large for this "
                "dtype: try dtype float32"
            )
    return next_tokens(logits, [sample.sampling for sample in samples], [sample.numbers for sample in samples])
