"""Tokens are drawn by the question, the sample and the seed alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from data_mix_eval.models.draws import draw, next_tokens, uniform_numbers
from data_mix_eval.question import Sampling

LOGITS = torch.log(torch.tensor([0.1, 0.4, 0.3, 0.2]))


def drawn(sampling: Sampling, logits: torch.Tensor = LOGITS, count: int = 20_000) -> list[float]:
    """How often each token is drawn."""
    numbers = np.random.default_rng(0).random(count)
    tokens = [draw(logits, sampling, float(number)) for number in numbers]
    return (np.bincount(tokens, minlength=len(logits)) / count).tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("sampling", "wanted"),
    [
        (Sampling(max_tokens=1, temperature=1.0), [0.1, 0.4, 0.3, 0.2]),
        (Sampling(max_tokens=1, temperature=0.5), [1 / 30, 16 / 30, 9 / 30, 4 / 30]),
        (Sampling(max_tokens=1, temperature=1.0, top_p=0.6), [0, 4 / 7, 3 / 7, 0]),
        (Sampling(max_tokens=1, temperature=1.0, top_k=3), [0, 4 / 9, 3 / 9, 2 / 9]),
        (Sampling(max_tokens=1, temperature=1.0, top_k=3, top_p=0.5), [0, 4 / 7, 3 / 7, 0]),
        (Sampling(max_tokens=1, temperature=1.0, top_p=1e-9), [0, 1, 0, 0]),
    ],
)
def test_distribution(sampling: Sampling, wanted: list[float]) -> None:
    """Tokens come as often as temperature, top_k and top_p say."""
    assert drawn(sampling) == pytest.approx(wanted, abs=0.02)


def test_top_p_of_a_flat_distribution() -> None:
    """Where many tokens hold top_p, all of them are drawn from."""
    often = drawn(Sampling(max_tokens=1, temperature=1.0, top_p=0.9), torch.zeros(1000), 5000)
    assert sum(each > 0 for each in often) > 800
    assert sum(often[900:]) == 0


def test_greedy_takes_the_first_of_equals() -> None:
    """Without a temperature the likeliest token comes, the first of several, and no number is drawn."""
    numbers = uniform_numbers(0, "s/0", 0)
    assert next_tokens(torch.tensor([[0.0, 1.0, 1.0]]), [Sampling(max_tokens=1)], [numbers]) == [1]
    assert numbers.random() == uniform_numbers(0, "s/0", 0).random()


def test_numbers_by_seed_question_and_sample() -> None:
    """Another seed, question or sample has other numbers; the same has the same."""
    first = [uniform_numbers(*key).random() for key in ((0, "s/0", 0), (1, "s/0", 0), (0, "s/1", 0), (0, "s/0", 1))]
    assert len(set(first)) == 4
    assert uniform_numbers(0, "s/0", 0).random() == first[0]
