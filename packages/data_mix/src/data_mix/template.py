"""Chat templates: how the messages of a conversation become text, and which parts of it are trained on.

A template is a list of segments per role, each a control token, literal text or the message itself, so that the loss mask
falls out of it: the trained segments are the assistant's message and the control token that ends it.

    openassistant  <|prompter|>Hi<|endoftext|><|assistant|>Hello<|endoftext|>
    chatml         <|im_start|>user⏎Hi<|im_end|>⏎<|im_start|>assistant⏎Hello<|im_end|>⏎
    llama3         <|begin_of_text|><|start_header_id|>user<|end_header_id|>⏎⏎Hi<|eot_id|>…
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data_mix.arrays import joined, strings, text_offsets, to_numpy
from data_mix.errors import ConfigError
from data_mix.schema import Role

Kind = Literal["control", "literal", "message"]


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A piece of a rendered message."""

    kind: Kind
    text: str = ""
    """The control token or the literal text; empty for the message itself."""
    trained: bool = False
    """Whether its tokens count in the loss."""


@dataclass(frozen=True, kw_only=True)
class ChatTemplate:
    """The layout of a conversation as text."""

    name: str
    eos: str
    """The control token that ends an assistant turn."""
    start: tuple[Segment, ...] = ()
    """What stands once at the beginning of a conversation."""
    roles: Mapping[Role, tuple[Segment, ...]]

    @property
    def control_tokens(self) -> tuple[str, ...]:
        """Every control token of the template, in the fixed order in which a tokenizer gets them."""
        segments = [*self.start, *(segment for role in self.roles.values() for segment in role)]
        return tuple(dict.fromkeys(segment.text for segment in segments if segment.kind == "control"))

    @property
    def end_of_turn(self) -> str:
        """The control token that a model learns to end its turn with, at which it is to stop."""
        return next(segment.text for segment in self.roles["assistant"] if segment.trained and segment.kind == "control")

    def around(self, role: Role) -> tuple[str, str]:
        """The text before and after a message of this role."""
        segments = self.roles[role]
        middle = next(place for place, segment in enumerate(segments) if segment.kind == "message")
        before, after = segments[:middle], segments[middle + 1 :]
        return "".join(segment.text for segment in before), "".join(segment.text for segment in after)

    def render(self, messages: pa.ListArray) -> pa.Array:
        """The text of each conversation of a column `messages`.

        The turns of all conversations are joined first. What belongs together then stands together, and needs no more copying.
        """
        flat, ends = messages.flatten(), np.cumsum(np.diff(to_numpy(messages.offsets)))
        before, after = (self._around(flat.field("role"), side) for side in (0, 1))
        turns = joined(before, flat.field("content"), after)
        offsets = text_offsets(turns)[np.concatenate([[0], ends])]
        text = pa.Array.from_buffers(pa.string(), len(messages), [None, pa.py_buffer(offsets), turns.buffers()[2]])
        start = "".join(segment.text for segment in self.start)
        return joined(strings([start])[0], text) if start else text

    def _around(self, role: pa.Array, side: int) -> pa.Array:
        """The texts before (side 0) or after (side 1) messages of these roles."""
        return strings([self.around(name)[side] for name in self.roles]).take(pc.index_in(role, strings([*self.roles])))

    def jinja(self) -> str:
        """The layout as a chat template in Jinja, for `apply_chat_template` of transformers.

        What is trained stands in `generation` blocks, of every assistant turn. A message of another role, or whose content is
        no text, raises. The tokenizer that it is given to must have the control tokens.
        """
        start = _jinja_print(*(_quoted(segment.text) for segment in self.start))
        roles = "".join(f"{_JINJA_ROLE % role}{_jinja_turn(segments)}" for role, segments in self.roles.items())
        prompt = _jinja_print(_quoted(self.around("assistant")[0]))
        return _JINJA % {"start": start, "roles": roles, "prompt": prompt}

    def describe(self) -> dict[str, object]:
        """The template as plain data, for the manifest."""
        start = [segment.text for segment in self.start]
        roles = {
            role: ["{message}" if part.kind == "message" else part.text for part in parts] for role, parts in self.roles.items()
        }
        return {"name": self.name, "eos": self.eos, "start": start, "roles": roles}


_JINJA: Final = """%(start)s{%%- for message in messages -%%}
{%%- if message["content"] is not string -%%}
{{- raise_exception("a message's content is no text") -}}
%(roles)s{%%- else -%%}
{{- raise_exception("unknown role " ~ message["role"] ~ ", wanted system, user or assistant") -}}
{%%- endif -%%}
{%%- endfor -%%}
{%%- if add_generation_prompt -%%}
%(prompt)s{%%- endif -%%}
"""
"""Every tag takes the blanks around it away, so that the lines are for the reader alone, whatever the environment trims."""

_JINJA_ROLE: Final = '{%%- elif message["role"] == "%s" -%%}\n'


def _jinja_turn(segments: Iterable[Segment]) -> str:
    """A message of one role, its trained segments in a `generation` block."""
    return "".join(_jinja_run(run, trained=trained) for trained, run in groupby(segments, lambda segment: segment.trained))


def _jinja_run(segments: Iterable[Segment], *, trained: bool) -> str:
    values = ('message["content"]' if part.kind == "message" else _quoted(part.text) for part in segments)
    printed = _jinja_print(*values)
    return f"{{%- generation -%}}\n{printed}{{%- endgeneration -%}}\n" if trained else printed


def _jinja_print(*values: str) -> str:
    return "".join(f"{{{{- {value} -}}}}\n" for value in values)


def _quoted(text: str) -> str:
    """The text as a literal of Jinja, which reads escapes as Python does."""
    return json.dumps(text, ensure_ascii=False)


def _turn(before: tuple[Segment, ...], after: tuple[Segment, ...], *, trained: bool) -> tuple[Segment, ...]:
    """A message between its neighbours; where it is trained, so is the first segment after it, the end of the turn."""
    first = Segment(kind=after[0].kind, text=after[0].text, trained=trained)
    return (*before, Segment(kind="message", trained=trained), first, *after[1:])


def _control(text: str) -> Segment:
    return Segment(kind="control", text=text)


def _literal(text: str) -> Segment:
    return Segment(kind="literal", text=text)


def _openassistant(eos: str) -> ChatTemplate:
    """Open-Assistant's layout: a role token, the text, eos; nothing between turns."""
    tokens: dict[Role, str] = {"system": "<|system|>", "user": "<|prompter|>", "assistant": "<|assistant|>"}
    roles = {role: _turn((_control(token),), (_control(eos),), trained=role == "assistant") for role, token in tokens.items()}
    return ChatTemplate(name="openassistant", eos=eos, roles=roles)


def _chatml(eos: str) -> ChatTemplate:
    """ChatML; its end of turn is `<|im_end|>` whatever the tokenizer's eos, as chat models that use it are trained."""

    def turn(role: Role) -> tuple[Segment, ...]:
        before = (_control("<|im_start|>"), _literal(f"{role}\n"))
        return _turn(before, (_control("<|im_end|>"), _literal("\n")), trained=role == "assistant")

    return ChatTemplate(
        name="chatml", eos=eos, roles={"system": turn("system"), "user": turn("user"), "assistant": turn("assistant")}
    )


def _llama3(eos: str) -> ChatTemplate:
    """Llama 3's layout."""

    def turn(role: Role) -> tuple[Segment, ...]:
        before = (_control("<|start_header_id|>"), _literal(role), _control("<|end_header_id|>"), _literal("\n\n"))
        return _turn(before, (_control("<|eot_id|>"),), trained=role == "assistant")

    roles = {"system": turn("system"), "user": turn("user"), "assistant": turn("assistant")}
    return ChatTemplate(name="llama3", eos=eos, start=(_control("<|begin_of_text|>"),), roles=roles)  # type: ignore[arg-type]


TEMPLATES: Final[Mapping[str, tuple[Callable[[str], ChatTemplate], str]]] = {
    "openassistant": (_openassistant, "<|endoftext|>"),
    "chatml": (_chatml, "<|im_end|>"),
    "llama3": (_llama3, "<|eot_id|>"),
}
"""The built-in templates with the eos that each has where a mix names none."""


def chat_template(name: str, eos: str | None = None) -> ChatTemplate:
    """The built-in template of this name, with the tokenizer's `eos`; ConfigError for an unknown name."""
    if name not in TEMPLATES:
        raise ConfigError(f"template.name: found {name!r}, wanted one of {', '.join(TEMPLATES)}")
    make, default = TEMPLATES[name]
    return make(eos or default)
