"""What tests of models ask, and small models that answer so that one answer differs from another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from transformers import PreTrainedTokenizerFast

import small_models
from data_mix.template import chat_template
from data_mix_eval.question import Question, Sampling, TextPrompt
from data_mix_trainer.chat_tokenizer import chat_tokenizer
from sample_tokenizers import EOS

CONTEXT: Final = 512

HEADER: Final = "The following are questions about rolls and bread.\n\n"
SHOTS: Final = ("How many rolls are in a dozen?\nAnswer: 12\n\n", "Who bakes bread?\nAnswer: the baker\n\n")
ASKED: Final = (
    "How many rolls are left?\nAnswer:",
    "Größe, façade or ñandú?\nAnswer:",
    "Which of the following is a bread: a roll, a role, or a rule?\nAnswer:",
    "x\nAnswer:",
    "How many rolls are left, then?\nAnswer:",
)


def wide_model(family: str, vocabulary: int, *, seed: int = 0, context: int = CONTEXT, **keys: Any) -> Any:
    """A small model whose weights are so large that tokens differ in likelihood."""
    torch.manual_seed(seed)
    small = small_models.FAMILIES[family](vocabulary, **keys)
    small.config.max_position_embeddings = context
    model = type(small)(small.config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(8 if weight.ndim > 1 else 1)
    return model.eval()


def save_checkpoint(folder: Path, tokenizer: Path, family: str = "llama", **keys: Any) -> Path:
    """A small model of a family and a tokenizer, in one folder."""
    loaded = PreTrainedTokenizerFast.from_pretrained(tokenizer)
    wide_model(family, len(loaded), **keys).save_pretrained(folder)
    loaded.save_pretrained(folder)
    return folder


def save_chat_tokenizer(folder: Path, tokenizer: Path, template: str = "openassistant", eos: str = EOS) -> Path:
    """A tokenizer with the control tokens and the layout of a template."""
    chat_tokenizer(str(tokenizer), chat_template(template, eos)).save_pretrained(folder)
    return folder


def scored(
    choices: Sequence[str] = (" 3", " a roll", " the baker"), asked: Sequence[str] = ASKED, **prompt: Any
) -> list[Question]:
    """Questions with choices, all after the same shots."""
    return [
        Question(id=f"rolls/{number}", subject="rolls", prompt=text_prompt(text, **prompt), target="", choices=tuple(choices))
        for number, text in enumerate(asked)
    ]


def generated(sampling: Sampling, asked: Sequence[str] = ASKED, **prompt: Any) -> list[Question]:
    """Questions that are answered in words, all after the same shots."""
    return [
        Question(id=f"rolls/{number}", subject="rolls", prompt=text_prompt(text, **prompt), target="", sampling=sampling)
        for number, text in enumerate(asked)
    ]


def text_prompt(question: str, **keys: Any) -> TextPrompt:
    """A prompt with a header and two shots."""
    given: dict[str, Any] = {"header": HEADER, "shots": SHOTS, "overflow": "cut_left"} | keys
    return TextPrompt(question=question, **given)
