"""A part of a benchmark, drawn by the hash of each question's id: the same for every model, whatever else is asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import xxhash

from data_mix.hashing import purpose_seed
from data_mix_eval.question import Question

_SEED: Final = purpose_seed(0, "eval_subset")
_ALL: Final = 2**64


@dataclass(frozen=True)
class Subset:
    """How much of a benchmark is asked; both None: all of it."""

    limit: int | None = None
    """So many questions of each subject, those with the lowest hashes."""
    fraction: float | None = None
    """About this share of all questions, those whose hash is below it."""

    def __str__(self) -> str:
        limit = [] if self.limit is None else [f"at most {self.limit} of each subject"]
        fraction = [] if self.fraction is None else [f"a share of {self.fraction:g}"]
        return ", ".join([*fraction, *limit]) + " by hash of the id" if limit or fraction else "all"

    @property
    def name(self) -> str:
        """The subset in a file's name; empty for all."""
        limit = "" if self.limit is None else f"-limit{self.limit}"
        return ("" if self.fraction is None else f"-subset{self.fraction:g}") + limit

    def of(self, questions: Sequence[Question]) -> list[Question]:
        """The questions that are asked, in their order."""
        drawn = {question.id: xxhash.xxh3_64_intdigest(question.id.encode(), _SEED) for question in questions}
        kept = [question for question in questions if self.fraction is None or drawn[question.id] < self.fraction * _ALL]
        if self.limit is None:
            return kept
        subjects = defaultdict[str, list[str]](list)
        for question in kept:
            subjects[question.subject].append(question.id)
        lowest = {id_ for ids in subjects.values() for id_ in sorted(ids, key=drawn.__getitem__)[: self.limit]}
        return [question for question in kept if question.id in lowest]
