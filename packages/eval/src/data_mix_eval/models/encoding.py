"""Prompts → tokens, as lm-evaluation-harness makes them, since that decides whether two scores can be compared.

Context and continuation are encoded together and cut where the context alone ends; blanks at the end of the context move to the
continuation; special tokens are the tokenizer's own, unless the text already begins with its first one. A text that is too long
loses its first tokens, or whole shots.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from data_mix.errors import EvalError
from data_mix_eval.models.chat_prompts import ChatEncoder
from data_mix_eval.models.network import Ids
from data_mix_eval.question import ChatPrompt, Prompt, Question, TextPrompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """A question in tokens."""

    ids: Ids
    """The prompt, of which `left_out` tokens are gone already."""
    choices: tuple[Ids, ...] = ()
    """Continuations; where one does not fit beside the prompt, `cuts` says so."""
    cuts: tuple[int, ...] = ()
    """Of each choice how many of the prompt's first tokens are not read with it."""
    shared: Ids = ()
    """What the prompt has in common with others of its kind; rows may begin with a little less of it."""
    left_out: int = 0
    """Tokens of the prompt that did not fit the context."""

    @property
    def length(self) -> int:
        """Tokens that are read."""
        return len(self.ids) - max(self.cuts, default=0)


class Encoder:
    """Encodes questions for a context of `max_length` tokens."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, max_length: int) -> None:
        self._tokenizer, self._max_length = tokenizer, max_length
        self._first = first = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
        self._beginning = None if first is None else str(tokenizer.decode(first))
        self._chat = ChatEncoder(tokenizer)
        self._shared: dict[Any, Ids] = {}

    def scored(self, question: Question) -> Encoded:
        """A question whose choices are to be scored. Raises EvalError where there is nothing to score."""
        whole = encoded = self._pair(question, question.prompt)
        for prompt in _with_fewer_shots(question.prompt):
            if not any(encoded.cuts):
                break
            encoded = self._pair(question, prompt)
        return replace(encoded, left_out=len(whole.ids) - len(encoded.ids) + max(encoded.cuts))

    def generated(self, question: Question, max_tokens: int) -> Encoded:
        """A question whose answer of so many tokens is to be generated."""
        room, prompt = self._room(question.prompt, max_tokens), question.prompt
        whole = ids = _some(self._context(prompt), question)
        for shorter in _with_fewer_shots(question.prompt):
            if len(ids) <= room:
                break
            prompt, ids = shorter, _some(self._context(shorter), question)
        shared = self._shared_of(prompt) if len(ids) <= room else ()
        return Encoded(ids=ids[-room:], shared=shared, left_out=len(whole) - min(len(ids), room))

    def conversation(self, messages: Sequence[dict[str, str]]) -> Ids:
        """A conversation that is to be answered. Raises EvalError where it leaves no room for an answer."""
        ids = self._chat.ids(messages)
        if len(ids) >= self._max_length:
            raise EvalError(f"the conversation is {len(ids)} tokens, the context {self._max_length}; begin anew, or say less")
        return ids

    def _room(self, prompt: Prompt, max_tokens: int) -> int:
        """Tokens that a prompt may have: what the answer leaves, or half of a context that is too short for such an answer."""
        left = self._max_length - max_tokens
        return min(left if left > 0 else max(1, self._max_length // 2), _limit(prompt) or self._max_length)

    def _pair(self, question: Question, prompt: Prompt) -> Encoded:
        ids, wholes = self._wholes(prompt, question.choices)
        choice_ids = tuple(tuple(whole[len(ids) :]) for whole in wholes)
        for text, each in zip(question.choices, choice_ids, strict=True):
            if not 0 < len(each) <= self._max_length:
                raise EvalError(
                    f"{question.id}: choice {text!r} is {len(each)} tokens, wanted 1 to {self._max_length}; "
                    "use a model of another tokenizer"
                )
        room = min(self._max_length, _limit(prompt) or self._max_length)
        cuts = tuple(max(0, len(ids) + len(each) - room - 1) for each in choice_ids)
        shared = () if any(cuts) else self._shared_of(prompt)
        return Encoded(ids=_some(ids, question), choices=choice_ids, cuts=cuts, shared=shared)

    def _wholes(self, prompt: Prompt, choices: Sequence[str]) -> tuple[Sequence[int], Sequence[Sequence[int]]]:
        """The context in tokens, and the context with each choice."""
        if isinstance(prompt, TextPrompt):
            return self._text_wholes(prompt.text, choices)
        context = self._chat.render(prompt)
        return self._chat.encode(context), [self._chat.encode(context, choice) for choice in choices]

    def _text_wholes(self, context: str, choices: Sequence[str]) -> tuple[list[int], list[list[int]]]:
        if not context:
            return self._without_context(choices)
        bare = context.rstrip()
        blanks = context[len(bare) :]
        ids, *wholes = self._encode([bare, *(bare + blanks + choice for choice in choices)])
        return ids, wholes

    def _without_context(self, choices: Sequence[str]) -> tuple[list[int], list[list[int]]]:
        """The context is the tokenizer's first token, once."""
        beginning = [] if self._first is None else [int(self._first)]
        wholes = self._plain(choices)
        return beginning, [whole if whole[:1] == beginning else beginning + whole for whole in wholes]

    def _plain(self, texts: Sequence[str]) -> list[list[int]]:
        ids: list[list[int]] = self._tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return ids

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Texts of one beginning."""
        if self._beginning is not None and texts[0].startswith(self._beginning):
            return self._plain(texts)
        ids: list[list[int]] = self._tokenizer(list(texts), verbose=False)["input_ids"]
        return ids

    def _context(self, prompt: Prompt) -> Ids:
        if isinstance(prompt, ChatPrompt):
            return self._chat.encode(self._chat.render(prompt))
        return tuple(self._encode([prompt.text])[0])

    def _shared_of(self, prompt: Prompt) -> Ids:
        """What all questions of this kind begin with, but for a last token that the question may change."""
        key = prompt.shared if isinstance(prompt, TextPrompt) else (prompt.system, prompt.shots)
        if key not in self._shared:
            self._shared[key] = self._chat.shared(prompt) if isinstance(prompt, ChatPrompt) else self._shared_text(prompt)
        return self._shared[key]

    def _shared_text(self, prompt: TextPrompt) -> Ids:
        return tuple(self._encode([prompt.shared])[0]) if prompt.shared else ()


def _with_fewer_shots(prompt: Prompt) -> Iterator[Prompt]:
    """The prompt without its last shot, its last two, and so on, where that is what becomes of one that is too long."""
    if isinstance(prompt, ChatPrompt) or prompt.overflow == "drop_shots":
        for count in range(len(prompt.shots) - 1, -1, -1):
            yield replace(prompt, shots=prompt.shots[:count])  # type: ignore[arg-type]  # of a union of two


def _limit(prompt: Prompt) -> int | None:
    return prompt.max_tokens if isinstance(prompt, TextPrompt) else None


def _some(ids: Sequence[int], question: Question) -> Ids:
    if not ids:
        raise EvalError(f"{question.id}: its prompt is empty, and the tokenizer has no token to begin with; use another one")
    return tuple(ids)
