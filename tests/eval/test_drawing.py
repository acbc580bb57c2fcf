"""Other draws than a recipe's own: which questions they touch, and what is said of them."""

from __future__ import annotations

import pytest

from data_mix.errors import ConfigError
from data_mix_eval.drawing import Drawing
from data_mix_eval.question import Sampling
from data_mix_eval.run import Asked, ask


def asked(task: str, **drawing: float) -> Asked:
    """The questions of a task with these draws."""
    (found,) = ask([task], "standard", samples=True, drawing=Drawing(**drawing))  # type: ignore[arg-type]
    return found


def samplings(task: str, **drawing: float) -> set[Sampling | None]:
    """How the questions of a task are answered."""
    return {question.sampling for question in asked(task, **drawing).questions}


def test_every_problem_gets_the_draws() -> None:
    """Completions, temperature and top_p are those that are given, and the rest stays as the recipe has it."""
    [own], [drawn] = samplings("humaneval"), samplings("humaneval", completions=20, temperature=0.8, top_p=0.95)
    assert own is not None
    assert drawn == Sampling(
        max_tokens=own.max_tokens, stops=own.stops, top_k=own.top_k, samples=20, temperature=0.8, top_p=0.95
    )


def test_the_name_of_the_recipe_says_so() -> None:
    """Scores of other draws stand under another name, those of none under the recipe's own."""
    own = asked("humaneval").recipe.name
    assert asked("humaneval", completions=20, temperature=0.8).recipe.name == f"{own}, n=20, T=0.8, top_p=1"


@pytest.mark.parametrize("task", ["mmlu", "bbh"])
def test_other_tasks_are_asked_as_they_are(task: str) -> None:
    """Draws are of code alone."""
    assert asked(task, completions=5, temperature=1.0) == asked(task)


def test_completions_that_would_all_be_the_same_are_refused() -> None:
    """Several completions at temperature 0 are an error that says what to set."""
    with pytest.raises(ConfigError, match="eval_temperature"):
        asked("humaneval", completions=2)
