"""Answers at an evaluation: which prompts, and that the model alone decides what is answered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, GPT2Config, GPT2LMHeadModel

from data_mix_trainer.config import LoraSettings
from data_mix_trainer.dataset import TokenRows
from data_mix_trainer.generation import LONGEST_ANSWER, LONGEST_PROMPT, Prompt, answers, choose_prompts
from data_mix_trainer.lora import add_lora
from training import Conversation, Place, read_lines, token_table, train_here

CPU: Final = torch.device("cpu")
EOS: Final = 0


def rows(*conversations: Conversation) -> TokenRows:
    """Conversations of a validation split."""
    return TokenRows(token_table(conversations))


def prompt_of(*ids: int, room: int = LONGEST_ANSWER) -> Prompt:
    """A prompt whose reference does not matter."""
    return Prompt(source="a", ids=ids, reference=(5,), room=room)


@pytest.fixture
def tokenizer(place: Place) -> Any:
    """A tokenizer whose eos is the token 0."""
    return AutoTokenizer.from_pretrained(place.model)


@pytest.fixture
def model(place: Place) -> Any:
    """A model whose likeliest tokens change from one to the next."""
    torch.manual_seed(3)
    found: Any = AutoModelForCausalLM.from_pretrained(place.model)
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    found.generation_config.eos_token_id = found.generation_config.pad_token_id = EOS
    return found.train()


def likeliest(model: Any, prompt: Prompt) -> Iterator[int]:
    """What follows a prompt token by token, each the likeliest after all before it, up to the eos."""
    ids = list(prompt.ids)
    while len(ids) < len(prompt.ids) + prompt.room:
        with torch.no_grad():
            ids.append(int(model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
        yield ids[-1]
        if ids[-1] == EOS:
            return


def test_sources_take_turns() -> None:
    """One prompt of each source, then the next ones of those that have more."""
    found = choose_prompts(
        rows(*((name, [number, 20, 21], [(1, 3)]) for number, name in enumerate("aaabbc", start=10))), count=5
    )
    assert [(prompt.source, prompt.ids[0]) for prompt in found] == [("a", 10), ("b", 13), ("c", 15), ("a", 11), ("b", 14)]


def test_a_prompt_is_asked_once() -> None:
    """Of conversations that differ in their last answer alone, the first one is asked."""
    found = choose_prompts(
        rows(*(("a", [first, 20, last], [(2, 3)]) for first, last in [(10, 30), (10, 31), (11, 30)])), count=4
    )
    assert [(prompt.ids, prompt.reference) for prompt in found] == [((10, 20), (30,)), ((11, 20), (30,))]


def test_a_prompt_is_what_stands_before_the_last_answer() -> None:
    """Of a conversation of two turns the first answer belongs to the prompt, and what is trained last is the reference."""
    (prompt,) = choose_prompts(rows(("a", range(10, 20), [(2, 4), (7, 9)])), count=4)
    assert (prompt.ids, prompt.reference) == (tuple(range(10, 17)), (17, 18))


def test_what_has_no_prompt_is_passed_over() -> None:
    """A conversation that is trained from its beginning, or nowhere, is none to ask."""
    assert choose_prompts(rows(("a", [10, 11], [(0, 2)]), ("a", [10, 11], [])), count=4) == []


@pytest.mark.parametrize(
    ("length", "room"), [(1, LONGEST_ANSWER), (36, LONGEST_ANSWER), (37, 63), (99, 1), (100, None), (200, None)]
)
def test_prompt_and_answer_fit_the_model(length: int, room: int | None) -> None:
    """With `max_length` 100 an answer has the tokens that its prompt leaves; a prompt that leaves none is passed over."""
    found = choose_prompts(rows(("a", range(10, 12 + length), [(length, length + 2)])), count=1, max_length=100)
    assert [prompt.room for prompt in found] == ([] if room is None else [room])


def test_long_prompts_are_passed_over() -> None:
    """Whatever the model holds, an evaluation does not wait for long prompts."""
    long, short = ([10] * length for length in (LONGEST_PROMPT + 1, LONGEST_PROMPT))
    found = choose_prompts(rows(*(("a", [*ids, 11], [(len(ids), len(ids) + 1)]) for ids in (long, short))), 2, max_length=4096)
    assert [len(prompt.ids) for prompt in found] == [LONGEST_PROMPT]


def test_an_answer_is_the_likeliest_tokens_up_to_the_eos(model: Any, tokenizer: Any) -> None:
    """Each token is the likeliest after all before it, and after the eos there is none."""
    prompts = [prompt_of(start, start + 1, room=20) for start in range(10, 40, 3)]
    with torch.no_grad():
        model.get_output_embeddings().weight[EOS] *= 3
    model.train(False)
    wanted = [list(likeliest(model, prompt)) for prompt in prompts]
    assert any(ids[-1] == EOS for ids in wanted)
    assert any(len(ids) == 20 for ids in wanted)
    found = answers(model, tokenizer, prompts, CPU)
    assert [record["answer"] for record in found] == [tokenizer.decode(ids) for ids in wanted]
    assert found[0] | {"answer": ""} == {
        "source": "a",
        "prompt": tokenizer.decode([10, 11]),
        "answer": "",
        "reference": tokenizer.decode([5]),
    }


def test_the_models_own_generation_config_changes_nothing(model: Any, tokenizer: Any) -> None:
    """Sampling, beams and penalties that a base brings along are kept for its users and are no part of an evaluation."""
    prompts = [prompt_of(20, 21), prompt_of(30)]
    wanted = answers(model, tokenizer, prompts, CPU)
    own = GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=True, temperature=1.5, num_beams=2, repetition_penalty=1.5, max_length=3, eos_token_id=EOS, pad_token_id=EOS
    )
    model.generation_config = own
    assert answers(model, tokenizer, prompts, CPU) == wanted
    assert model.generation_config is own


def test_adapters_answer_as_their_model_and_leave_its_config(model: Any, tokenizer: Any) -> None:
    """Untrained adapters change no answer, and the config that is saved with them is the base's."""
    prompts = [prompt_of(20, 21), prompt_of(30)]
    wanted, own = answers(model, tokenizer, prompts, CPU), model.generation_config
    own.repetition_penalty = 1.5
    adapted: Any = add_lora(model, LoraSettings(dropout=0.5), has_new_tokens=False)
    assert answers(adapted, tokenizer, prompts, CPU) == wanted
    assert adapted.get_base_model().generation_config is own
    assert own.repetition_penalty == 1.5


def test_nothing_is_drawn_and_training_goes_on_as_before(model: Any, tokenizer: Any) -> None:
    """Answering takes no random number, needs no gradient and leaves the model in training."""
    before = torch.get_rng_state()
    first, again = (answers(model, tokenizer, [prompt_of(20)], CPU) for _ in range(2))
    assert first == again
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training


def test_a_model_of_learned_positions_answers_up_to_its_last(tokenizer: Any) -> None:
    """A prompt that nearly fills the context is answered within it: past its last position there would be an error."""
    model = GPT2LMHeadModel(GPT2Config(vocab_size=1100, n_positions=32, n_embd=32, n_layer=1, n_head=2, eos_token_id=EOS))
    model.generation_config.pad_token_id = EOS
    prompts = choose_prompts(rows(("a", range(10, 41), [(30, 31)])), count=1, max_length=32)
    (record,) = answers(model, tokenizer, prompts, CPU)
    assert record["prompt"] == tokenizer.decode(range(10, 40))


def test_a_folder_of_samples_is_read_by_people(place: Place, out: Path, tokenizer: Any) -> None:
    """Prompts of the build's validation split are texts with their control tokens."""
    train_here(*place.arguments(out, max_steps=1, eval_answers=9))
    lines = [line for line in read_lines(out / "base" / "samples.jsonl") if line["step"] == 0]
    assert len({line["source"] for line in lines}) == len(lines) == 9
    assert all(line["prompt"].startswith(("<|prompter|>", "<|system|>")) for line in lines)
