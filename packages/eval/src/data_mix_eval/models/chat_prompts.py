"""Chat prompts → tokens, by the checkpoint's own chat template.

A message is data: where it holds the text of a control token, it is encoded as the characters that it is made of, and only what
the template itself writes becomes control tokens. Conversations without such texts get the ids that the template gives. What
comes after the prompt is encoded by itself, as messages are for training: a model that answers goes on from whole tokens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import tokenizers
from jinja2 import TemplateError

from data_mix.errors import EvalError
from data_mix.tokens import Tokenizer, beside_control_tokens
from data_mix_eval.models.network import Ids
from data_mix_eval.question import ChatPrompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Message = dict[str, str]

_PROBES: Final = ("0", "x")
"""Questions that begin otherwise, so that what prompts have in common is what the template writes before them."""


@dataclass(frozen=True)
class Rendered:
    """A conversation as text."""

    text: str
    parts: tuple[tuple[str, bool], ...] = ()
    """Its parts, and whether each is a message; set where a message must not become control tokens."""
    opening: str = ""
    """What the answer begins with."""


class ChatEncoder:
    """Encodes conversations that an assistant is to answer."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        tokens = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
        by_length = sorted(tokens | set(tokenizer.all_special_tokens), key=len, reverse=True)
        self._control = re.compile("|".join(map(re.escape, by_length)) or r"(?!)")

    def render(self, prompt: ChatPrompt) -> Rendered:
        """The prompt, with what the answer begins with."""
        return replace(self._render(_messages(prompt, prompt.question)), opening=prompt.opening)

    def ids(self, messages: Sequence[Message]) -> Ids:
        """A conversation whose next message is the assistant's."""
        return self.encode(self._render(messages))

    def shared(self, prompt: ChatPrompt) -> Ids:
        """What all questions asked so begin with."""
        first, second = (self.encode(self._render(_messages(prompt, probe))) for probe in _PROBES)
        same = next((place for place, (one, other) in enumerate(zip(first, second, strict=False)) if one != other), 0)
        return first[:same]

    def encode(self, rendered: Rendered, ending: str = "") -> Ids:
        """The tokens of a conversation, and of what comes after it."""
        prompt = self._encode_parts(rendered.parts) if rendered.parts else self._encode(rendered.text)
        return (*prompt, *self._encode_data(rendered.opening + ending))

    def _encode(self, text: str) -> Ids:
        return tuple(self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def _encode_data(self, text: str) -> Ids:
        return tuple(self._data.encode(text, add_special_tokens=False).ids) if text else ()

    @cached_property
    def _data(self) -> tokenizers.Tokenizer:
        """The tokenizer without its control tokens, as data are encoded for training."""
        whole = Tokenizer(where="", json=self._tokenizer.backend_tokenizer.to_str(), eos=None)
        added = [token for token in whole.added_tokens if not token["special"]]
        data: tokenizers.Tokenizer = tokenizers.Tokenizer.from_str(
            json.dumps(beside_control_tokens(whole) | {"added_tokens": added})
        )
        return data

    def _encode_parts(self, parts: Sequence[tuple[str, bool]]) -> Ids:
        """The control tokens that the template writes, and the texts between them, which are data."""
        ids: list[int] = []
        text = ""
        for part, is_message in parts:
            place = 0
            for found in () if is_message else self._control.finditer(part):
                ids += self._encode_data(text + part[place : found.start()])
                ids += self._encode(found.group())
                text, place = "", found.end()
            text += part[place:]
        return (*ids, *self._encode_data(text))

    def _render(self, messages: Sequence[Message]) -> Rendered:
        if not any(self._control.search(message["content"]) for message in messages):
            return Rendered(self._apply(messages))
        marks = _marks(messages)
        padded = self._apply([message | {"content": f"  {mark}  "} for message, mark in zip(messages, marks, strict=True)])
        contents = {mark: message["content"] for mark, message in zip(marks, messages, strict=True)}
        pieces = re.split(f"( *(?:{'|'.join(marks)}) *)", padded)
        parts = tuple(_part(piece, contents) for piece in pieces)
        return Rendered("".join(text for text, _ in parts), parts)

    def _apply(self, messages: Sequence[Message]) -> str:
        if not self._tokenizer.chat_template:
            raise EvalError("this tokenizer has no chat template; ask under the protocol standard, or name a chat model")
        try:
            return self._call(messages)
        except TemplateError as error:
            if not (folded := _without_system(messages)):
                raise EvalError(f"the chat template refuses the conversation: {error}; ask under another protocol") from error
            return self._apply(folded)

    def _call(self, messages: Sequence[Message]) -> str:
        text: Any = self._tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
        return str(text)


def _messages(prompt: ChatPrompt, question: str) -> list[Message]:
    system = [{"role": "system", "content": prompt.system}] if prompt.system else []
    shots = [message for asked, answered in prompt.shots for message in (_user(asked), _assistant(answered))]
    return [*system, *shots, _user(question)]


def _user(content: str) -> Message:
    return {"role": "user", "content": content}


def _assistant(content: str) -> Message:
    return {"role": "assistant", "content": content}


def _without_system(messages: Sequence[Message]) -> list[Message]:
    """The system's message before the first of the user, for templates that know no system; nothing where there is none."""
    first, *rest = messages
    if first["role"] != "system" or not rest:
        return []
    return [rest[0] | {"content": f"{first['content']}\n\n{rest[0]['content']}"}, *rest[1:]]


def _marks(messages: Sequence[Message]) -> list[str]:
    """A text to stand for each message, which occurs in none."""
    letter = next(chr(code) for code in range(0xE000, 0xF8FF) if not any(chr(code) in each["content"] for each in messages))
    return [f"{letter}{number}{letter}" for number in range(len(messages))]


def _part(piece: str, contents: dict[str, str]) -> tuple[str, bool]:
    """A piece of the rendered text; a message loses the blanks at its ends where the template took those of its mark."""
    mark = piece.strip(" ")
    if mark not in contents:
        return piece, False
    text = contents[mark]
    text = text if piece.startswith("  ") else text.lstrip()
    return (text if piece.endswith("  ") else text.rstrip()), True
