"""Benchmarks while a model is trained: what the trainer finds by its entry-point group `data_mix_trainer.evaluators`.

    my-model:
      eval_tasks: [mmlu, bbh]
      eval_limit: 20            # of each subject, at every evaluation
      metric_for_best_model: mmlu_acc
      greater_is_better: true

The model is asked as `datamix eval` would ask it, under the same protocol, but nothing is kept on disk: its weights change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data_mix.errors import ConfigError
from data_mix.home import datamix_home
from data_mix_eval.config import EvalSettings
from data_mix_eval.judging import CodeJudges
from data_mix_eval.question import Answer
from data_mix_eval.run import Asked, Marked, sum_up
from data_mix_eval.scoring import asked_by
from data_mix_eval.subset import Subset

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from data_mix.config import Config
    from data_mix_eval.model import Model


@dataclass(frozen=True)
class BenchmarkEvaluator:
    """Scores a model that is being trained, on questions that were read before the run began."""

    settings: EvalSettings
    asked: Sequence[Asked]

    @property
    def metrics(self) -> Sequence[str]:
        """`mmlu_acc` and the like, one for each benchmark."""
        return [_name(asked) for asked in self.asked]

    def evaluate(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, device: torch.device) -> dict[str, float]:
        """The scores. Every process asks the same, since weights may be shared out among them; the first one marks."""
        asked_model = _as_model(model, tokenizer, self.settings)
        answers = [_answers(asked_model, asked) for asked in self.asked]
        return _from_first(lambda: self._scores(answers), device)

    def _scores(self, answers: Sequence[list[Answer]]) -> dict[str, float]:
        with CodeJudges(datamix_home(), lambda _done, _total: None) as judges:
            marked = [
                Marked(asked=asked, answers=given, marks=asked.recipe.judge(asked.questions, given, judges), times={})
                for asked, given in zip(self.asked, answers, strict=True)
            ]
        return {_name(each.asked): sum_up(each.asked, each).scores[each.asked.recipe.metric].score for each in marked}


def make_evaluator(config: Config) -> BenchmarkEvaluator | None:
    """The evaluator that the sections ask for by `eval_tasks`; None where they name none.

    Raises ConfigError for a task that is not known, FetchError and FormatError for benchmark files, SandboxError where code is
    to be run and nothing would hold it.
    """
    settings = config.settings(EvalSettings)
    if not settings.eval_tasks:
        return None
    if settings.eval_engine != "hf":
        raise ConfigError(f"eval_engine: found {settings.eval_engine!r}, wanted hf: in training the model itself is asked")
    asked = asked_by(settings, Subset(limit=settings.eval_limit, fraction=settings.eval_subset), samples=False)
    if any(each.recipe.runs_code for each in asked):
        with CodeJudges(datamix_home(), lambda _done, _total: None) as judges:
            judges.open()
    return BenchmarkEvaluator(settings, asked)


def _name(asked: Asked) -> str:
    return f"{asked.task.name}_{asked.recipe.metric}"


def _as_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, settings: EvalSettings) -> Model:
    """The model as one that can be scored."""
    from data_mix_eval.models.checkpoint import Checkpoint  # noqa: PLC0415  heavy
    from data_mix_eval.models.hf import BATCH_SIZE, HfModel  # noqa: PLC0415  heavy

    adapted: Any = model
    bare = adapted.get_base_model() if hasattr(adapted, "get_base_model") else model  # adapters stay in its layers
    checkpoint = Checkpoint(model=bare, tokenizer=tokenizer, folder=datamix_home())
    size, seed = settings.eval_batch_size or BATCH_SIZE, settings.eval_seed
    return HfModel("trained", checkpoint, batch_size=size, max_length=settings.eval_max_length, seed=seed)


def _answers(model: Model, asked: Asked) -> list[Answer]:
    found: dict[int, Answer] = {}
    for places in model.batches(asked.questions):
        batch = [asked.questions[place] for place in places]
        answer = model.loglikelihood if batch[0].sampling is None else model.generate
        found |= zip(places, answer(batch), strict=True)
    return [found[place] for place in range(len(asked.questions))]


def _from_first(compute: Callable[[], dict[str, float]], device: torch.device) -> dict[str, float]:
    """What the first process computes, for all."""
    from torch import distributed  # noqa: PLC0415  heavy

    if not distributed.is_initialized():
        return compute()
    found: list[Any] = [compute() if distributed.get_rank() == 0 else None]
    distributed.broadcast_object_list(found, src=0, device=device if device.type == "cuda" else None)
    return dict(found[0])
