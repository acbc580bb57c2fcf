"""A message of an OpenAssistant export, as JSON or as the hub's columns, read into a `trees.Message`.

    {"message_id": "c41f", "parent_id": "6ab2", "text": "Una ola es …", "role": "assistant", "lang": "es",
     "review_result": true, "deleted": false, "rank": 0, "synthetic": false,
     "labels": {"spam": {"value": 0.0, "count": 3}, …}, "replies": [ … ]}

A field that is null is as good as missing. What is of a wrong type raises BadRecordError.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, TypeVar

from data_mix.errors import BadRecordError
from data_mix.language import matches
from data_mix.records.json_record import shown
from data_mix.schema import Role
from data_mix.trees import Message

LABELS: Final = (
    *("spam", "fails_task", "lang_mismatch", "pii", "not_appropriate", "hate_speech", "sexual_content", "moral_judgement"),
    *("political_content", "quality", "toxicity", "humor", "helpfulness", "creativity", "violence"),
)
"""What volunteers judged; a label's value is their mean, from 0 to 1."""

_ROLES: Final[Mapping[str, Role]] = {"prompter": "user", "assistant": "assistant"}

_Kind = TypeVar("_Kind", bool, dict[str, Any], list[Any], str)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What cuts a message, and all below it, out of its tree."""

    languages: tuple[str, ...] | None = None
    """BCP-47 tags that are wanted; None: all. A message without a tag is in none of them."""
    root_only: bool = False
    """Ask only the root for its language."""
    include_synthetic: bool = False
    max_labels: Mapping[str, float] = field(default_factory=dict)
    """The most that a label may be; a message without the label passes."""
    min_labels: Mapping[str, float] = field(default_factory=dict)
    """The least that a label may be; a message without the label passes."""

    def cut(self, node: Mapping[str, Any], is_root: bool, where: str) -> str | None:
        """Why the message is cut; None: it stays."""
        if optional(node, "deleted", bool, where):
            return "deleted"
        if optional(node, "synthetic", bool, where) and not self.include_synthetic:
            return "synthetic"
        if optional(node, "review_result", bool, where) is False:
            return "rejected"
        if (is_root or not self.root_only) and not self._is_wanted(optional(node, "lang", str, where)):
            return "language"
        return self._labelled(node, where) if self.asks_labels else None

    @property
    def asks_labels(self) -> bool:
        """Whether any label is limited; else labels are not looked at."""
        return bool(self.max_labels or self.min_labels)

    @cached_property
    def _known(self) -> dict[str, bool]:
        return {}

    def _is_wanted(self, lang: str | None) -> bool:
        if self.languages is None or lang is None:
            return self.languages is None
        if lang not in self._known:
            self._known[lang] = matches(lang, self.languages)
        return self._known[lang]

    def _labelled(self, node: Mapping[str, Any], where: str) -> str | None:
        for label, value in _label_values(node, where).items():
            if value > self.max_labels.get(label, 1) or value < self.min_labels.get(label, 0):
                return f"label_{label}"
        return None


def read_messages(node: object, parent: str | None, rules: Rules, where: str) -> Iterator[Message]:
    """Read a message that answers `parent`, and all that are nested in its replies."""
    stack = [(node, parent)]
    while stack:
        node, parent = stack.pop()
        if not isinstance(node, dict):
            raise BadRecordError(where, f"a message is {shown(node)}, wanted an object")
        message = _message(node, parent, rules, where)
        yield message
        stack.extend((reply, message.id) for reply in optional(node, "replies", list, where) or ())


def optional(node: Mapping[str, Any], name: str, kind: type[_Kind], where: str) -> _Kind | None:
    """Return a field of a record; None where it is null or missing."""
    value = node.get(name)
    if value is None or isinstance(value, kind):
        return value
    raise _wrong(node, name, kind.__name__, where)


def required(node: Mapping[str, Any], name: str, where: str) -> str:
    """Return a text that must be there."""
    value = optional(node, name, str, where)
    if value is None:
        raise _wrong(node, name, "str", where)
    return value


def _message(node: Mapping[str, Any], parent: str | None, rules: Rules, where: str) -> Message:
    if optional(node, "parent_id", str, where) not in (None, parent):
        raise _wrong(node, "parent_id", f"{parent!r}, whose reply it is", where)
    role = _ROLES.get(required(node, "role", where))
    if role is None:
        raise _wrong(node, "role", "prompter or assistant", where)
    return Message(
        id=required(node, "message_id", where),
        parent=parent,
        role=role,
        text=required(node, "text", where),
        lang=optional(node, "lang", str, where),
        rank=_rank(node, where),
        cut=rules.cut(node, parent is None, where),
        where=where,
    )


def _rank(node: Mapping[str, Any], where: str) -> int | None:
    """Return the rank, which data frames turn into a float, and into NaN where it is null."""
    rank = node.get("rank")
    if rank is None or (isinstance(rank, float) and math.isnan(rank)):
        return None
    if isinstance(rank, bool) or not isinstance(rank, int | float) or not float(rank).is_integer():
        raise _wrong(node, "rank", "int", where)
    return int(rank)


def _label_values(node: Mapping[str, Any], where: str) -> dict[str, float]:
    """Return the labels: {name: {value, count}} in exports, {name: [], value: [], count: []} on the hub."""
    labels = optional(node, "labels", dict, where) or {}
    try:
        if isinstance(labels.get("name"), list):
            return dict(zip(labels["name"], map(float, labels["value"]), strict=True))
        return {name: float(label["value"]) for name, label in labels.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise _wrong(node, "labels", "a value by name", where) from error


def _wrong(node: Mapping[str, Any], name: str, kind: str, where: str) -> BadRecordError:
    of = "" if name == "message_id" else f"message {shown(node.get('message_id'))}: "
    return BadRecordError(where, f"{of}{name} is {shown(node.get(name))}, wanted {kind}")
