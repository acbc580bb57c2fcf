"""Other draws than a recipe's own: more completions of each question, for pass@k, at another temperature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from data_mix.errors import ConfigError
from data_mix_eval.question import Question, Sampling
from data_mix_eval.task import Recipe


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """What is drawn of code in place of what the recipe says; None: as it says. Other recipes are asked as they are."""

    completions: int | None = None
    temperature: float | None = None
    top_p: float | None = None

    def of(self, recipe: Recipe, questions: Sequence[Question]) -> tuple[Recipe, list[Question]]:
        """The questions with these draws, and the recipe under a name that says so.

        Raises ConfigError where several completions would all be the likeliest one.
        """
        if self == Drawing() or not recipe.runs_code:
            return recipe, list(questions)
        drawn = [replace(question, sampling=self._sampling(question)) for question in questions]
        for sampling in {question.sampling for question in drawn if question.sampling}:
            self._refuse_copies(recipe.name, sampling)
            recipe = replace(recipe, name=f"{recipe.name}, {_said(sampling)}")
        return recipe, drawn

    def _sampling(self, question: Question) -> Sampling | None:
        if (own := question.sampling) is None:
            return None
        return replace(
            own,
            samples=self.completions or own.samples,
            temperature=own.temperature if self.temperature is None else self.temperature,
            top_p=self.top_p or own.top_p,
        )

    @staticmethod
    def _refuse_copies(name: str, sampling: Sampling) -> None:
        if sampling.samples > 1 and sampling.temperature == 0:
            raise ConfigError(
                f"eval_completions: found {sampling.samples} of {name} at temperature 0, which are all the same; set "
                "eval_temperature (the paper of HumanEval has 0.2 for pass@1, 0.8 for pass@100) and eval_top_p 0.95"
            )


def _said(sampling: Sampling) -> str:
    return f"n={sampling.samples}, T={sampling.temperature:g}, top_p={sampling.top_p:g}"
