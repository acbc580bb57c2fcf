"""A few answers at each evaluation, to be read: prompts of the validation split, answered by the model as it stands.

    {"step": 200, "source": "gsm8k", "prompt": "<|prompter|>…<|assistant|>", "answer": "…", "reference": "…"}

The likeliest token is taken each time, whatever the model's own generation config says, so that two evaluations differ by the
weights alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from peft import PeftModel
from transformers import GenerationConfig

from data_mix_trainer.dataset import TokenRows
from data_mix_trainer.loss import evaluating

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LONGEST_PROMPT: Final = 512
"""Tokens; longer prompts are passed over."""
LONGEST_ANSWER: Final = 64
"""Tokens."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """The beginning of a conversation of the validation split, up to its last trained part."""

    source: str
    ids: tuple[int, ...]
    reference: tuple[int, ...]
    room: int
    """Tokens that the answer may have."""


def choose_prompts(rows: TokenRows, count: int, max_length: int = LONGEST_PROMPT + LONGEST_ANSWER) -> list[Prompt]:
    """The first prompts of each source by turns, `count` in all and no two alike; with its answer none is over `max_length`."""
    by_source = [_prompts(rows, source, max_length) for source in range(len(rows.sources))]
    chosen: list[Prompt] = []
    while by_source and len(chosen) < count:
        first, *by_source = by_source
        if (prompt := next(first, None)) is not None:
            chosen.append(prompt)
            by_source.append(first)
    return chosen


def _prompts(rows: TokenRows, source: int, max_length: int) -> Iterator[Prompt]:
    asked: set[tuple[int, ...]] = set()  # threads of one tree may differ in their last answer alone
    for conversation in np.flatnonzero(rows.source_of == source).tolist():
        start, end = rows.last_span(conversation)
        if 0 < start <= min(LONGEST_PROMPT, max_length - 1):
            ids, room = tuple(rows.ids(conversation, end).tolist()), min(LONGEST_ANSWER, max_length - start)
            if ids[:start] not in asked:
                asked.add(ids[:start])
                yield Prompt(source=rows.sources[source], ids=ids[:start], reference=ids[start:end], room=room)


def answers(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list[Prompt], device: torch.device
) -> list[dict[str, Any]]:
    """What the model answers. Where weights are partitioned every process must make the call; all get the same answers."""
    with evaluating(model), _by_likeliest_tokens(model):
        return [_answer(model, tokenizer, prompt, device) for prompt in prompts]


@contextmanager
def _by_likeliest_tokens(model: PreTrainedModel) -> Iterator[None]:
    """Put the model's generation config aside: `generate` takes from it whatever a call leaves open, beams too."""
    bare: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    own = bare.generation_config
    ends = {"eos_token_id": own.eos_token_id, "pad_token_id": own.pad_token_id}
    bare.generation_config = GenerationConfig(**ends)  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        bare.generation_config = own


def _answer(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompt: Prompt, device: torch.device) -> dict[str, Any]:
    ids = torch.tensor([prompt.ids], device=device)
    output: Any = model.generate(  # type: ignore[operator]
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=prompt.room,
    )
    texts = {"prompt": prompt.ids, "answer": output[0, ids.shape[1] :], "reference": prompt.reference}
    return {"source": prompt.source} | {name: tokenizer.decode(tokens) for name, tokens in texts.items()}
