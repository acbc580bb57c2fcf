"""Figures that other distributions take of a model while it is trained: benchmarks, above all.

    [project.entry-points."data_mix_trainer.evaluators"]
    benchmarks = "data_mix_eval.training:make_evaluator"

An entry point makes an evaluator from the merged sections, or None where they ask for nothing of it. It is made before the run
begins, so that what it cannot do ends the run before its first step.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from data_mix.config import Config

GROUP: Final = "data_mix_trainer.evaluators"


class Evaluator(Protocol):
    """Takes figures of a model at each evaluation."""

    @property
    def metrics(self) -> Sequence[str]:
        """The names of its figures, which `metric_for_best_model` may be."""

    def evaluate(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, device: torch.device) -> dict[str, float]:
        """The figures by name. Every process makes the call, on the same weights, and gets the same figures.

        Where weights are partitioned among processes, all must make the same forward passes.
        """


def make_evaluators(config: Config) -> tuple[Evaluator, ...]:
    """The evaluators that the merged sections ask for. Raises DataMixError where one cannot do what they ask."""
    made = (point.load()(config) for point in sorted(entry_points(group=GROUP), key=lambda point: point.name))
    return tuple(evaluator for evaluator in made if evaluator is not None)
