"""The log-probability of the choices of questions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from data_mix.errors import EvalError
from data_mix_eval.models.encoding import Encoded
from data_mix_eval.models.network import Ids, Network, Row
from data_mix_eval.question import Answer, Question

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class _Reading:
    """Choices of one question that are read behind the same context, each as a place in `Encoded.choices`."""

    row: Row
    choices: list[int]


def score(network: Network, questions: Sequence[Question], encoded: Sequence[Encoded]) -> list[Answer]:
    """The answers to questions, in their order. Raises EvalError for the first whose log-probabilities are no numbers."""
    logprobs: list[dict[int, float]] = [{} for _ in questions]
    for shared, places in _by_shared(encoded).items():
        readings = [(place, reading) for place in places for reading in _readings(encoded[place])]
        logits = network.score(shared, [reading.row for _, reading in readings])
        for (place, reading), read in zip(readings, logits, strict=True):
            logprobs[place] |= _logprobs(read, reading, encoded[place].choices)
    return [_answer(*each) for each in zip(questions, encoded, logprobs, strict=True)]


def _by_shared(encoded: Sequence[Encoded]) -> dict[Ids, list[int]]:
    groups: dict[Ids, list[int]] = {}
    for place, each in enumerate(encoded):
        groups.setdefault(each.shared, []).append(place)
    return groups


def _readings(encoded: Encoded) -> list[_Reading]:
    """One reading, or several where choices of unequal length leave unequal room for the context."""
    by_cut: dict[int, list[int]] = {}
    for place, cut in enumerate(encoded.cuts):
        by_cut.setdefault(cut, []).append(place)
    return [_Reading(_row(encoded, cut, choices), choices) for cut, choices in by_cut.items()]


def _row(encoded: Encoded, cut: int, choices: Sequence[int]) -> Row:
    """The context once, behind it all but the last token of each choice: a choice of one token needs nothing more."""
    inner = (encoded.choices[choice][:-1] for choice in choices)
    return Row(encoded.ids[cut:], tuple(dict.fromkeys(tokens for tokens in inner if tokens)))


def _logprobs(logits: Tensor, reading: _Reading, choices: Sequence[Ids]) -> dict[int, float]:
    logprobs = torch.log_softmax(logits.float(), -1)
    ends = [1]
    for branch in reading.row.branches:
        ends.append(ends[-1] + len(branch))
    starts = dict(zip(reading.row.branches, ends, strict=False))
    return {choice: _sum(logprobs, choices[choice], starts) for choice in reading.choices}


def _sum(logprobs: Tensor, tokens: Ids, starts: dict[Ids, int]) -> float:
    """The first token is foretold by the context, each other by the one before it."""
    inner = tokens[:-1]
    places = [0, *(range(starts[inner], starts[inner] + len(inner)) if inner else ())]
    return float(logprobs[places, list(tokens)].sum())


def _answer(question: Question, encoded: Encoded, logprobs: dict[int, float]) -> Answer:
    values = tuple(logprobs[place] for place in range(len(encoded.choices)))
    for text, value in zip(question.choices, values, strict=True):
        if not math.isfinite(value):
            raise EvalError(
                f"{question.id}: the log-probability of choice {text!r} is {value}, wanted a number; the weights are broken "
                "or too large for this dtype: try dtype float32"
            )
    return Answer(logprobs=values, prompt_tokens=encoded.length, left_out=encoded.left_out)
