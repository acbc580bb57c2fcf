"""Questions → answers of a model: batch by batch, each computed once, on whichever rank."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from data_mix_eval.cache import AnswerCache, batch_key
from data_mix_eval.model import Model
from data_mix_eval.question import Answer, Question
from data_mix_eval.ranks import Ranks, wait_for

_CHARACTERS_PER_STEP: Final = 40
"""Characters of a prompt that are read in about the time in which a batch grows by one token."""

Progress = Callable[[int, int], None]
"""Told how many questions are answered, and of how many."""


def _say_nothing(done: int, total: int) -> None:
    """Nobody is told."""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The answers to all questions, in their order."""

    answers: list[Answer]
    seconds: float
    """What they took when they were computed, on all ranks together."""


@dataclass(frozen=True)
class _Batch:
    key: str
    places: Sequence[int]
    questions: Sequence[Question]

    def cost(self) -> float:
        """About what it takes: its prompts are read, and its answers written."""
        written = max(each.sampling.max_tokens if each.sampling else 0 for each in self.questions)
        return 1.0 + sum(len(each.prompt.question) for each in self.questions) + _CHARACTERS_PER_STEP * written


@dataclass(kw_only=True)
class Answering:
    """How one model answers the questions of one recipe.

    First every rank computes its share of all recipes, then the first one joins them, so that none waits before the end.
    """

    model: Model
    recipe: str
    questions: Sequence[Question]
    seed: int
    cache: AnswerCache
    ranks: Ranks = field(default_factory=Ranks)
    progress: Progress = _say_nothing
    _batches: list[_Batch] = field(init=False)

    def __post_init__(self) -> None:
        self._batches = [self._batch(places) for places in self.model.batches(self.questions)]

    def compute(self) -> None:
        """Compute this rank's share, but for what is known. Raises EvalError where the model gives no numbers."""
        own = self.ranks.own([batch.cost() for batch in self._batches])
        missing = [batch for batch in self._batches[own.start : own.stop] if batch.key not in self.cache]
        done = self._done()
        for batch in missing:
            self.progress(done, len(self.questions))
            self._compute(batch)
            done += len(batch.places)
        self.progress(done, len(self.questions))

    def join(self) -> Answered:
        """All answers, once the other ranks have computed theirs. Raises EvalError where they compute nothing any more."""
        wait_for(self._missing)
        found: dict[int, Answer] = {}
        seconds = 0.0
        for batch in self._batches:
            cached = self.cache[batch.key]
            found |= zip(batch.places, cached.answers, strict=True)
            seconds += cached.seconds
        return Answered(answers=[found[place] for place in range(len(self.questions))], seconds=seconds)

    def _batch(self, places: Sequence[int]) -> _Batch:
        asked = [self.questions[place] for place in places]
        size = self.model.describe().get("batch_size")
        return _Batch(batch_key(self.recipe, self.seed, asked, batch_size=size), places, asked)

    def _compute(self, batch: _Batch) -> None:
        began = time.perf_counter()
        scored = batch.questions[0].sampling is None
        answers = self.model.loglikelihood(batch.questions) if scored else self.model.generate(batch.questions)
        self.cache.add(batch.key, answers, time.perf_counter() - began)

    def _missing(self) -> int:
        """How many questions nobody has answered yet."""
        self.cache.lines.refresh()
        done = self._done()
        self.progress(done, len(self.questions))
        return len(self.questions) - done

    def _done(self) -> int:
        """How many questions are answered."""
        return sum(len(batch.places) for batch in self._batches if batch.key in self.cache)
