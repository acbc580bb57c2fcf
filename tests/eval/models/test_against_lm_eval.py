"""lm-evaluation-harness, asked the same, finds the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from asking import generated, save_checkpoint, scored
from data_mix_eval.models.hf import HfModel
from data_mix_eval.models.opening import open_hf
from data_mix_eval.question import Answer, Question, Sampling, TextPrompt
from data_mix_eval.task import find_recipe, find_task

lm_eval = pytest.importorskip("lm_eval", reason="needs lm-eval 0.4.13, the extra `lm-eval` of data-mix-eval")

FAMILIES = ("llama", "neox", "gpt2", "bloom")
CHOICES = (" 3", " a roll of many tokens", " the baker", " a role")
STOPS = ("\n", "e")


def harness(folder: Path, **keys: Any) -> Any:
    """lm-eval's back end for transformers, with a model of its own."""
    from lm_eval.models.huggingface import HFLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
    return HFLM(pretrained=model, tokenizer=AutoTokenizer.from_pretrained(folder), backend="causal", **keys)


def asked(kind: str, questions: Sequence[Question], arguments: Any) -> list[Any]:
    """Requests of lm-eval's, one or more a question."""
    from lm_eval.api.instance import Instance

    return [
        Instance(request_type=kind, doc={}, arguments=each, idx=number)
        for question in questions
        for number, each in enumerate(arguments(question))
    ]


def its_logprobs(judge: Any, questions: Sequence[Question]) -> list[list[float]]:
    """Of each question the log-probabilities of its choices."""
    requests = asked("loglikelihood", questions, lambda each: [(each.prompt.text, choice) for choice in each.choices])
    found = iter(value for value, _ in judge.loglikelihood(requests, disable_tqdm=True))
    return [[next(found) for _ in question.choices] for question in questions]


def its_texts(judge: Any, questions: Sequence[Question], stops: Sequence[str]) -> list[str]:
    """Of each question what is written."""
    keys = {"until": list(stops), "do_sample": False, "temperature": 0.0, "max_gen_toks": 8}
    texts: list[str] = judge.generate_until(asked("generate_until", questions, lambda each: [(each.prompt.text, keys)]))
    return texts


def ours(model: HfModel, questions: Sequence[Question]) -> list[Answer]:
    """Of each question our answer."""
    found: dict[int, Answer] = {}
    for batch in model.batches(questions):
        some = [questions[place] for place in batch]
        found |= dict(zip(batch, (model.generate if some[0].sampling else model.loglikelihood)(some), strict=True))
    return [found[place] for place in range(len(questions))]


def check_decisions(answers: Sequence[Answer], theirs: Sequence[Sequence[float]]) -> None:
    """The same choice is likeliest each time, and no log-probability differs by 1e-4."""
    for answer, values in zip(answers, theirs, strict=True):
        assert answer.logprobs == pytest.approx(values, abs=1e-4)
        assert answer.logprobs.index(max(answer.logprobs)) == values.index(max(values))


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("context", [512, 40])
def test_choices(family: str, context: int, chat: Path, tmp_path: Path) -> None:
    """The decisions on questions of our own, whole and cut at the context's end, by models of four families."""
    folder, questions = save_checkpoint(tmp_path / family, chat, family), scored(CHOICES)
    model = open_hf(str(folder), device="cpu", max_length=context)
    check_decisions(ours(model, questions), its_logprobs(harness(folder, batch_size=3, max_length=context), questions))


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_texts(family: str, chat: Path, tmp_path: Path) -> None:
    """The texts that are written greedily, with and without stops."""
    folder = save_checkpoint(tmp_path / family, chat, family)
    judge, model = harness(folder, batch_size=1), open_hf(str(folder), device="cpu")
    for stops in ((), STOPS):
        questions = generated(Sampling(max_tokens=8, stops=stops))
        written = [answer.completions[0] for answer in ours(model, questions)]
        assert written == its_texts(judge, questions, stops)


def real_questions(shared: Path, count: int) -> list[Question]:
    """The first items of two subjects of MMLU, each after five shots."""
    task = find_task("mmlu")
    subjects = ("astronomy", "human_sexuality")
    records = task.read([path for subject in subjects for path in sorted((shared / "eval/mmlu").glob(f"*/{subject}_*.csv"))])
    questions = find_recipe(task, "standard").ask(records)
    return [question for subject in subjects for question in [each for each in questions if each.subject == subject][:count]]


@pytest.mark.slow
def test_mmlu_longer_than_the_context(shared: Path) -> None:
    """The decisions on MMLU by a model whose context is too short for five shots: every prompt is cut as lm-eval cuts it."""
    folder = shared / "models/stories260k"
    questions = real_questions(shared, 25)
    answers = ours(open_hf(str(folder), device="cpu"), questions)
    assert all(answer.left_out for answer in answers)
    check_decisions(answers, its_logprobs(harness(folder, batch_size=8), questions))


@pytest.mark.slow
def test_mmlu_first_tokens(shared: Path) -> None:
    """The context and the choices of MMLU are the tokens of lm-eval's, one by one."""
    folder = shared / "models/stories260k"
    judge, model = harness(folder), open_hf(str(folder), device="cpu")
    for question in real_questions(shared, 10):
        assert isinstance(question.prompt, TextPrompt)
        encoded = model._encoder.scored(question)
        for choice, ids in zip(question.choices, encoded.choices, strict=True):
            assert judge._encode_pair(question.prompt.text, choice) == ([*encoded.ids], [*ids])
