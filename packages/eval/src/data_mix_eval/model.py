"""What a model must be able to do to be scored. `models/` holds the implementations.

Work is cut into batches by the questions alone, so that an answer is the same digit by digit whoever computes the batch, after
whatever interruption, and in whatever order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from data_mix_eval.question import Answer, Question


class Model(Protocol):
    """A causal language model with its tokenizer."""

    @property
    def name(self) -> str:
        """As the user named it."""

    @property
    def digest(self) -> str:
        """Of weights, configuration and tokenizer, and of what changes answers (dtype): equal digests give equal answers."""

    def describe(self) -> dict[str, Any]:
        """Parameters, dtype, context length, engine and device, for the report."""

    def batches(self, questions: Sequence[Question]) -> list[list[int]]:
        """The questions (their places) cut into batches, each of scored or of generated ones.

        Those that share a beginning follow one another.
        """

    def loglikelihood(self, questions: Sequence[Question]) -> list[Answer]:
        """Score the choices of one batch. Raises EvalError where the model returns no number."""

    def generate(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer one batch; a sample's draw depends on its question's id, its number and the seed alone."""
