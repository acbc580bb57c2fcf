"""Batches are cut by the questions alone."""

from __future__ import annotations

from itertools import chain

from asking import generated, scored
from data_mix_eval.models.batching import batches
from data_mix_eval.question import ChatPrompt, Question, Sampling


def test_one_beginning_after_the_other() -> None:
    """Questions with one beginning follow one another, the shortest first; each comes once."""
    first, second = scored(), scored(header="Other.\n\n")
    mixed = [each for pair in zip(first, second, strict=True) for each in pair]
    cut = batches(mixed, 3)
    assert [len(batch) for batch in cut] == [3, 2, 3, 2]
    assert sorted(chain(*cut)) == list(range(10))
    for batch in cut:
        assert len({mixed[place].prompt.shared for place in batch}) == 1  # type: ignore[union-attr]
        lengths = [len(mixed[place].prompt.question) for place in batch]
        assert lengths == sorted(lengths)


def test_scored_and_generated_apart() -> None:
    """A batch is of scored or of generated questions."""
    mixed = [*scored(), *generated(Sampling(max_tokens=3))]
    assert [{mixed[place].sampling is None for place in batch} for batch in batches(mixed, 10)] == [{True}, {False}]


def test_samples_count() -> None:
    """A batch has so many answers, or is one question with more."""
    assert [len(batch) for batch in batches(generated(Sampling(max_tokens=3, samples=4)), 8)] == [2, 2, 1]
    assert [len(batch) for batch in batches(generated(Sampling(max_tokens=3, samples=40)), 8)] == [1] * 5


def test_chats() -> None:
    """Conversations with the same shots are of one kind."""
    asked = [
        Question(id=f"s/{shot}{number}", subject="s", prompt=ChatPrompt(shots=((shot, "b"),), question="c"), target="")
        for number in range(2)
        for shot in "xy"
    ]
    assert batches(asked, 8) == [[0, 2], [1, 3]]
    assert batches([], 8) == []
