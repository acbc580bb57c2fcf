"""Configuration as a tree of nodes, each of which knows the place where it was written.

YAML is read by version 1.2: `1e-5` is a number, `no` is Norwegian and a date is text. The tree is plain data (text, numbers,
true and false, null, lists, mappings); a tag that asks for anything else is an error.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from data_mix.errors import ConfigError

_TAG: Final = "tag:yaml.org,2002:"
_AS_WRITTEN: Final = {f"{_TAG}{name}" for name in ("str", "timestamp", "value", "merge")}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where something was written."""

    where: str
    """As an error shows it: `configs/mine.yaml:12`, or an option of the command line."""
    file: Path | None = None
    """The file; None for the command line."""

    def __str__(self) -> str:
        return self.where


@dataclass(frozen=True, kw_only=True)
class Node:
    """A value of the configuration: plain data whose lists and mappings hold nodes again."""

    value: Any
    place: Place
    text: str | None = None
    """What was typed, where the value comes from the command line; null, number or text is then for the model to say."""
    readings: tuple[Any, ...] = ()
    """Further values that the typed text may stand for, in order of preference."""


def plain(node: Node) -> Any:
    """The node's value as plain data, places left out."""
    if isinstance(node.value, Mapping):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    return node.value


def as_node(value: object, place: Place) -> Node:
    """Plain data as a tree whose nodes all have the same place."""
    if isinstance(value, Mapping):
        return Node(value={key: as_node(child, place) for key, child in value.items()}, place=place)
    if isinstance(value, list | tuple):
        return Node(value=[as_node(child, place) for child in value], place=place)
    return Node(value=value, place=place)


def typed_node(option: str, text: str) -> Node:
    """A value typed on the command line, with every reading that it allows: YAML, the text itself, a list by commas."""
    place = Place(where=f"command line, --{option}")
    listed = as_node([part.strip() for part in text.split(",")], place).value
    try:
        read = read_yaml(text, place).value
    except ConfigError:
        read = text
    # Text is taken to the letter: YAML would take quotes, a comment or blanks at the ends away.
    if isinstance(read, str) or (read is None and text not in {"", "~", "null"}):
        return Node(value=text, place=place, text=text, readings=(listed,))
    return Node(value=read, place=place, text=text, readings=(text, listed))


def read_yaml(text: str, place: Place) -> Node:
    """Read one YAML document; nothing at all reads as null. Raises ConfigError with file and line."""
    try:
        return _Reader(place).read(text)
    except MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if place.file and error.problem_mark else ""
        raise ConfigError(f"{place}{line}: this is not YAML: {error.problem or error.context}") from error
    except YAMLError as error:
        raise ConfigError(f"{place}: this is not YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise ConfigError(f"{place}: found YAML nested too deeply, or an alias inside of itself; write it out") from error


def nearest(name: str, known: Collection[str]) -> str:
    """The end of an error about an unknown name: the known one that is most like it."""
    found = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0)
    return f"nearest: {found[0]}" if found else "nothing of the kind is known"


class _Reader:
    """Turns the nodes that ruamel.yaml composes into ours."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._yaml = YAML(typ="safe", pure=True)

    def read(self, text: str) -> Node:
        composed = self._yaml.compose(text)
        return Node(value=None, place=self._place) if composed is None else self._node(composed, self._place_of(composed))

    def _place_of(self, node: Any) -> Place:
        if self._place.file is None:
            return self._place
        return Place(where=f"{self._place}:{node.start_mark.line + 1}", file=self._place.file)

    def _node(self, node: Any, place: Place) -> Node:
        if isinstance(node, ScalarNode):
            return Node(value=self._scalar(node, place), place=place)
        if isinstance(node, MappingNode) and node.tag == f"{_TAG}map":
            return Node(value=self._mapping(node), place=place)
        if isinstance(node, SequenceNode) and node.tag == f"{_TAG}seq":
            return Node(value=[self._node(item, self._place_of(item)) for item in node.value], place=place)
        raise ConfigError(f"{place}: found the tag {node.tag}, wanted a list or a mapping without a tag")

    def _mapping(self, node: MappingNode) -> dict[str, Node]:
        """The pairs of a mapping; those that `<<` takes over come first and give way to its own."""
        inherited: dict[str, Node] = {}
        own: dict[str, Node] = {}
        for key, value in node.value:
            place = self._place_of(key)
            if key.tag == f"{_TAG}merge":
                inherited |= self._taken_over(value)
                continue
            name = self._key(key, place)
            if name in own:
                raise ConfigError(f"{place}: {name!r} is there twice, first at {own[name].place}; take one away or rename it")
            own[name] = self._node(value, place)
        return inherited | own

    def _taken_over(self, value: Any) -> dict[str, Node]:
        """What `<<: *anchor`, or a list of them (the first wins), brings in."""
        merged: dict[str, Node] = {}
        for each in reversed(value.value if isinstance(value, SequenceNode) else [value]):
            if not isinstance(each, MappingNode):
                raise ConfigError(f"{self._place_of(each)}: found no mapping after <<, wanted one, e.g. <<: *anchor")
            merged |= self._mapping(each)
        return merged

    def _key(self, node: Any, place: Place) -> str:
        if not isinstance(node, ScalarNode):
            raise ConfigError(f"{place}: found a list or mapping as a key, wanted a name")
        return _text(node.value, place)

    def _scalar(self, node: Any, place: Place) -> Any:
        if node.tag in _AS_WRITTEN:
            return _text(node.value, place)
        name = node.tag.removeprefix(_TAG)
        if name not in {"int", "float", "bool", "null"}:
            raise ConfigError(f"{place}: found the tag {node.tag}, wanted a plain value")
        try:
            return getattr(self._yaml.constructor, f"construct_yaml_{name}")(node)
        except (ValueError, KeyError) as error:
            raise ConfigError(f"{place}: found {node.value!r}, which is no {name}") from error


def _text(value: str, place: Place) -> str:
    """The text, if files and JSON can hold it."""
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in value):
        raise ConfigError(f"{place}: found a character that no text may hold (NUL or half a surrogate pair) in {value!r}")
    return value
