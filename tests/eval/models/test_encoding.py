"""Prompts become the tokens that lm-evaluation-harness makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer

from asking import ASKED, HEADER, SHOTS, generated, scored, text_prompt
from data_mix.errors import EvalError
from data_mix_eval.models.encoding import Encoder
from data_mix_eval.question import Question, Sampling, TextPrompt


@pytest.fixture(params=["chat", "pieces"])
def tokenizer(request: pytest.FixtureRequest) -> Any:
    """A tokenizer of each family."""
    return AutoTokenizer.from_pretrained(request.getfixturevalue(request.param))


def question(text: str, *choices: str, **prompt: Any) -> Question:
    """One question without shots."""
    asked = TextPrompt(question=text, **{"overflow": "cut_left"} | prompt)
    return Question(id="s/0", subject="s", prompt=asked, target="", choices=choices)


def test_cut_where_the_context_ends(tokenizer: Any) -> None:
    """A choice is what the text with it has more than the text without it, whatever it would be alone."""
    whole = scored((" 3", "baker"))[0]
    encoded = Encoder(tokenizer, 512).scored(whole)
    context = tokenizer.encode(whole.prompt.text)  # type: ignore[union-attr]
    wholes = [tokenizer.encode(whole.prompt.text + choice) for choice in whole.choices]  # type: ignore[union-attr]
    assert encoded.ids == tuple(context)
    assert encoded.choices == tuple(tuple(ids[len(context) :]) for ids in wholes)
    assert encoded.cuts == (0, 0)


def test_blanks_move_to_the_choice(tokenizer: Any) -> None:
    """Blanks at the end of a prompt belong to the choice."""
    blank, none = question("Answer: ", "roll"), question("Answer:", " roll")
    assert Encoder(tokenizer, 512).scored(blank) == Encoder(tokenizer, 512).scored(none)


def test_first_token_once(pieces: Path) -> None:
    """The tokenizer's first token stands before a prompt, once, also where the text has it already."""
    tokenizer = AutoTokenizer.from_pretrained(pieces)
    tokenizer.bos_token = "<s>"
    first = ("<s>", tokenizer.bos_token_id)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[first])
    encoder = Encoder(tokenizer, 512)
    ids = [encoder.scored(question(text, " roll")).ids for text in ("Answer:", "<s>Answer:")]
    assert [found.count(tokenizer.bos_token_id) for found in ids] == [1, 1]


def test_no_context(tokenizer: Any) -> None:
    """Without a prompt a choice comes after the tokenizer's first token."""
    first = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    assert Encoder(tokenizer, 512).scored(question("", "roll")).ids == (first,)


def test_too_long_for_the_context(tokenizer: Any) -> None:
    """What is too long loses its first tokens and shares nothing; each choice leaves the context its own room."""
    encoder = Encoder(tokenizer, 20)
    encoded = encoder.scored(scored((" 3", " the baker of rolls"))[0])
    lengths = [len(choice) for choice in encoded.choices]
    assert encoded.cuts == tuple(len(encoded.ids) + length - 21 for length in lengths)
    assert encoded.shared == ()
    assert encoded.left_out == max(encoded.cuts) > 0


def test_generated_left_cut(tokenizer: Any) -> None:
    """A prompt leaves room for its answer, and says what it lost."""
    sampling = Sampling(max_tokens=10)
    whole, cut = (Encoder(tokenizer, length).generated(generated(sampling)[0], 10) for length in (512, 30))
    assert cut.ids == whole.ids[-20:]
    assert cut.left_out == len(whole.ids) - 20
    assert (whole.left_out, cut.shared) == (0, ())


def test_answer_longer_than_the_context(tokenizer: Any) -> None:
    """Where an answer might fill the context, the prompt has half of it."""
    assert len(Encoder(tokenizer, 30).generated(generated(Sampling(max_tokens=1024))[0], 1024).ids) == 15


def test_shots_are_dropped(tokenizer: Any) -> None:
    """Whole shots go, the last first, where a protocol says so."""
    one_shot = len(tokenizer.encode(text_prompt(ASKED[0], shots=SHOTS[:1]).text))
    asked = generated(Sampling(max_tokens=4), overflow="drop_shots")[0]
    encoded = Encoder(tokenizer, one_shot + 4).generated(asked, 4)
    assert encoded.ids == tuple(tokenizer.encode(HEADER + SHOTS[0] + ASKED[0]))
    assert encoded.left_out == len(tokenizer.encode(asked.prompt.text)) - one_shot  # type: ignore[union-attr]


def test_shots_are_dropped_for_choices(tokenizer: Any) -> None:
    """They go as well where choices are scored."""
    no_shot = len(tokenizer.encode(HEADER + ASKED[0]))
    asked = scored((" 3",), overflow="drop_shots")[0]
    encoded = Encoder(tokenizer, no_shot + 1).scored(asked)
    assert encoded.ids == tuple(tokenizer.encode(HEADER + ASKED[0]))
    assert encoded.cuts == (0,)


def test_fixed_limit(tokenizer: Any) -> None:
    """A protocol's own limit counts where the context is larger."""
    asked = generated(Sampling(max_tokens=4), max_tokens=12)[0]
    assert len(Encoder(tokenizer, 512).generated(asked, 4).ids) == 12


def test_empty_choice(tokenizer: Any) -> None:
    """A choice that is no token is an error that names the question."""
    with pytest.raises(EvalError, match="s/0: choice '' is 0 tokens"):
        Encoder(tokenizer, 512).scored(question("Answer:", ""))
