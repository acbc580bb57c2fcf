"""Questions are answered as they would be one by one."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from asking import generated, save_checkpoint, scored
from data_mix.errors import ConfigError, EvalError
from data_mix_eval.models.hf import HfModel
from data_mix_eval.models.opening import open_hf, open_model
from data_mix_eval.question import Answer, ChatPrompt, Question, Sampling, TextPrompt

FAMILIES = ("llama", "neox", "gpt2", "bloom")
CHOICES = (" 3", " a roll of many tokens", " the baker", " a role")
DRAWN = Sampling(max_tokens=12, temperature=1.0, top_p=0.9, samples=3)


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> HfModel:
    """A small Llama."""
    return open_hf(str(checkpoint), device="cpu", batch_size=4)


def answers(model: HfModel, questions: list[Question]) -> list[Answer]:
    """The answers to all questions, batch by batch."""
    found: dict[int, Answer] = {}
    for batch in model.batches(questions):
        asked = [questions[place] for place in batch]
        found |= dict(zip(batch, (model.generate if asked[0].sampling else model.loglikelihood)(asked), strict=True))
    return [found[place] for place in range(len(questions))]


def by_definition(model: HfModel, question: Question) -> list[float]:
    """The log-probability of each choice by a plain forward pass over the whole text, cut on the left to the context."""
    tokenizer, network = model._checkpoint.tokenizer, model._checkpoint.model
    assert isinstance(question.prompt, TextPrompt)
    sums = []
    for choice in question.choices:
        context = tokenizer.encode(question.prompt.text)
        whole = tokenizer.encode(question.prompt.text + choice)
        read = whole[-(model.describe()["context"] + 1) :]
        with torch.no_grad():
            logprobs = network(torch.tensor([read[:-1]])).logits[0].float().log_softmax(-1)
        tokens = whole[len(context) :]
        sums.append(float(logprobs[-len(tokens) :].gather(1, torch.tensor(tokens)[:, None]).sum()))
    return sums


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("context", [512, 40])
def test_logprobs(family: str, context: int, chat: Path, tmp_path: Path) -> None:
    """Choices of one and of several tokens have the log-probability of their definition, whole or cut at the context's end."""
    model = open_hf(str(save_checkpoint(tmp_path / family, chat, family)), device="cpu", max_length=context)
    questions = scored(CHOICES)
    for question, answer in zip(questions, answers(model, questions), strict=True):
        assert answer.logprobs == pytest.approx(by_definition(model, question), abs=1e-4)
        assert (answer.left_out > 0) == (context == 40)


def test_choices_that_begin_alike(model: HfModel) -> None:
    """Choices whose first tokens are the same, or one of which is the beginning of another, are kept apart."""
    question = scored((" a roll", " a role", " a", " a roll"))[0]
    found = answers(model, [question])[0].logprobs
    assert found == pytest.approx(by_definition(model, question), abs=1e-4)
    assert found[0] == found[3]


def test_same_bits_in_any_order(checkpoint: Path, model: HfModel) -> None:
    """A batch has the same answers bit by bit, in whatever order batches are computed, in whatever process."""
    questions = [*scored(), *scored(header="Other.\n\n"), *generated(DRAWN)]
    cut = model.batches(questions)
    first = answers(model, questions)
    other = open_hf(str(checkpoint), device="cpu", batch_size=4)
    random.Random(0).shuffle(cut)
    for batch in cut:
        asked = [questions[place] for place in batch]
        found = (other.generate if asked[0].sampling else other.loglikelihood)(asked)
        assert found == [first[place] for place in batch]


@pytest.mark.parametrize("family", FAMILIES)
def test_generation_is_the_likeliest_token_each_time(family: str, chat: Path, tmp_path: Path) -> None:
    """Side by side, greedy answers are what each question gets alone, without anything shared."""
    model = open_hf(str(save_checkpoint(tmp_path / family, chat, family)), device="cpu")
    network, tokenizer = model._checkpoint.model, model._checkpoint.tokenizer
    questions = generated(Sampling(max_tokens=8))
    for question, answer in zip(questions, answers(model, questions), strict=True):
        assert isinstance(question.prompt, TextPrompt)
        prompt = tokenizer.encode(question.prompt.text)
        ids = list(prompt)
        while len(ids) < len(prompt) + 8 and (len(ids) == len(prompt) or ids[-1] not in model._checkpoint.ends):
            with torch.no_grad():
                ids.append(int(network(torch.tensor([ids])).logits[0, -1].argmax()))
        whole = tokenizer.decode(ids, skip_special_tokens=True)
        assert question.prompt.text + answer.completions[0] == whole
        assert answer.generated_tokens == len(ids) - len(prompt)


def test_samples_do_not_depend_on_their_batch(checkpoint: Path, model: HfModel) -> None:
    """Samples are the same alone and among others, in batches of one and of many; another seed has others."""
    # Logits of two batches differ in their seventh digit, so that one draw in some hundred thousand may differ.
    questions = generated(DRAWN)
    together = answers(model, questions)
    assert [answers(model, [question])[0].completions for question in questions] == [each.completions for each in together]
    for size in (1, 2, 64):
        other = open_hf(str(checkpoint), device="cpu", batch_size=size)
        assert [each.completions for each in answers(other, questions)] == [each.completions for each in together]
    assert all(len(set(each.completions)) == 3 for each in together)
    assert answers(open_hf(str(checkpoint), device="cpu", seed=1), questions) != together


def test_more_samples_than_a_batch(model: HfModel) -> None:
    """More samples than are computed at once begin with the samples of fewer."""
    few, many = generated(DRAWN)[:1], generated(replace(DRAWN, samples=11))[:1]
    assert answers(model, many)[0].completions[:3] == answers(model, few)[0].completions
    assert len(answers(model, many)[0].completions) == 11


def test_stop_strings(model: HfModel) -> None:
    """An answer ends before the first stop, and what comes before it is unchanged."""
    question = generated(Sampling(max_tokens=24))[2]
    whole = answers(model, [question])[0].completions[0]
    stop = whole[5:8]
    stopped = answers(model, [replace(question, sampling=Sampling(max_tokens=24, stops=("never", stop)))])[0]
    assert stopped.completions[0] == whole[: whole.find(stop)]


def test_context_ends_an_answer(checkpoint: Path) -> None:
    """No answer is written past the context, however long it may be."""
    model = open_hf(str(checkpoint), device="cpu", max_length=60)
    answer = answers(model, generated(Sampling(max_tokens=1000))[:1])[0]
    assert answer.prompt_tokens == 30
    assert answer.generated_tokens <= 30
    assert answer.left_out > 0


def test_chat(model: HfModel) -> None:
    """A chat is asked by the template, with its shots, and scored behind what the answer begins with."""
    prompt = ChatPrompt(system="Be brief.", shots=(("Rolls?", "Three."),), question="How many?", opening="Answer:")
    question = Question(id="s/0", subject="s", prompt=prompt, target="", choices=(" 3", " 4"))
    messages = [("system", "Be brief."), ("user", "Rolls?"), ("assistant", "Three."), ("user", "How many?")]
    tokenizer = model._checkpoint.tokenizer
    turns = [{"role": role, "content": content} for role, content in messages]
    text = str(tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False))
    plain = replace(question, prompt=TextPrompt(question=text + "Answer:", overflow="cut_left"))
    assert answers(model, [question])[0].logprobs == pytest.approx(by_definition(model, plain), abs=1e-4)


def test_stream(model: HfModel) -> None:
    """A conversation is answered in pieces, which are together what would be generated; another seed draws otherwise."""
    messages = [{"role": "user", "content": "How many rolls are left?"}]
    pieces = list(model.stream(messages, Sampling(max_tokens=20)))
    question = Question(
        id="s/0",
        subject="s",
        prompt=ChatPrompt(question="How many rolls are left?"),
        target="",
        sampling=Sampling(max_tokens=20),
    )
    assert "".join(pieces) == answers(model, [question])[0].completions[0]
    assert len(pieces) > 5
    drawn = ["".join(model.stream(messages, DRAWN, seed)) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_conversation_longer_than_the_context(model: HfModel) -> None:
    """A conversation that leaves no room is an error in one line."""
    with pytest.raises(EvalError, match=r"the conversation is .* tokens, the context 512; begin anew, or say less"):
        next(model.stream([{"role": "user", "content": "roll " * 600}], Sampling(max_tokens=20)))


def test_nan(chat: Path, tmp_path: Path) -> None:
    """A model that returns no numbers is an error that names the question."""
    folder = save_checkpoint(tmp_path / "broken", chat)
    model = open_hf(str(folder), device="cpu")
    with torch.no_grad():
        for weight in model._checkpoint.model.parameters():
            weight.fill_(math.nan)
    with pytest.raises(EvalError, match=r"rolls/0: the log-probability of choice ' 3' is nan, wanted a number"):
        model.loglikelihood(scored())
    with pytest.raises(EvalError, match=r"rolls/0: the model's logits are nan, wanted numbers"):
        model.generate(generated(DRAWN))


def test_description(model: HfModel) -> None:
    """The report is told what the model is; the digest is the same each time."""
    described = model.describe()
    assert (described["engine"], described["dtype"], described["device"], described["context"]) == ("hf", "float32", "cpu", 512)
    assert described["parameters"] == model._checkpoint.model.num_parameters()
    assert model.digest == model.digest
    assert len(model.digest) == 64


def test_half_precision(checkpoint: Path, model: HfModel) -> None:
    """In bfloat16 the answers are near those of float32, and the digest is another."""
    half = open_hf(str(checkpoint), device="cpu", dtype="bfloat16")
    pairs = zip(answers(half, scored()), answers(model, scored()), strict=True)
    assert max(abs(one - other) for low, full in pairs for one, other in zip(low.logprobs, full.logprobs, strict=True)) < 0.5
    assert answers(half, generated(DRAWN))[0].generated_tokens > 0
    assert half.digest != model.digest


def test_engines(checkpoint: Path) -> None:
    """An engine is named; vLLM is asked for where it is not installed in one line."""
    assert open_model(str(checkpoint), "hf", device="cpu").name == str(checkpoint)
    with pytest.raises(ConfigError, match="engine 'gguf' is not known, wanted hf or vllm"):
        open_model(str(checkpoint), "gguf")  # type: ignore[arg-type]
    with pytest.raises(EvalError, match="vllm is not installed"):
        open_model(str(checkpoint), "vllm")
