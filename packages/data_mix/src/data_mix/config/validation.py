"""Checking a tree of nodes by a pydantic model; the first thing that is wrong becomes one line that names its place.

The models are strict: `"5"` is no number and `1` is not true. What was typed on the command line is read as YAML first, then
as text, then as a list with commas, whichever the model takes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from data_mix.config.nodes import Node, nearest, plain
from data_mix.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[str | int, ...]

_OF_THE_TYPE: Final = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "finite_number": "a finite number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "list_type": "a list",
    "literal_error": "{expected}",
    "model_type": "a mapping",
    "string_type": "text",
    "tuple_type": "a list",
}
"""What is wanted where the type is wrong; another reading of a typed text may have the right one."""

_OF_THE_VALUE: Final = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "string_pattern_mismatch": "text of the form {pattern}",
    "string_too_short": "at least {min_length} characters",
    "too_short": "at least {min_length} items",
}

_WANTED: Final = _OF_THE_TYPE | _OF_THE_VALUE
_SHOWN: Final = 80


def check(model: type[Model], node: Node, *, path: str = "") -> tuple[Model, Node]:
    """The tree as a model, and the tree with every typed text settled on the reading that the model takes.

    `path` is what errors put before the keys. Raises ConfigError.
    """
    while True:
        try:
            return model.model_validate_json(json.dumps(plain(node))), node
        except ValidationError as error:
            problems = _first_problems(node, error)
            settled = _next_reading(node, problems)
            if settled is None:
                raise ConfigError(_explain(model, node, problems, path)) from None
            node = settled


def known_keys(model: type[BaseModel], where: Location = ()) -> list[str]:
    """The keys that a model takes at a place inside of it."""
    schema = model.model_json_schema()
    here: list[Mapping[str, Any]] = [schema]
    for part in where:
        here = [child for each in here for child in _children(each, part, schema)]
    return [key for each in here for branch in _branches(each, schema) for key in branch.get("properties", {})]


def _branches(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A schema, its references and alternatives followed."""
    if "$ref" in schema:
        yield from _branches(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    for each in (*schema.get("anyOf", ()), *schema.get("allOf", ())):
        yield from _branches(each, root)
    yield schema


def _children(schema: Mapping[str, Any], part: str | int, root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for branch in _branches(schema, root):
        inner = branch.get("items") if isinstance(part, int) else branch.get("properties", {}).get(part)
        if isinstance(inner, Mapping):
            yield inner


def _first_problems(node: Node, error: ValidationError) -> list[ErrorDetails]:
    """The first thing that is wrong: one problem, or one for each type of a union."""
    problems = error.errors(include_url=False)
    return list(next(group for _, group in groupby(problems, lambda problem: _walk(node, problem["loc"])[1])))


def _walk(node: Node, location: Location) -> tuple[Node, Location]:
    """The node that a problem is about, and the part of its location that is keys (pydantic adds types of unions)."""
    for depth, part in enumerate(location):
        inside = (
            part in node.value if isinstance(node.value, Mapping) else isinstance(node.value, list) and isinstance(part, int)
        )
        if not inside:
            return node, location[:depth]
        node = node.value[part]
    return node, location


def _next_reading(node: Node, problems: Sequence[ErrorDetails]) -> Node | None:
    """The tree with the typed text that has the wrong type read otherwise; None where there is no other reading."""
    if not all(problem["type"] in _OF_THE_TYPE for problem in problems):
        return None
    return _replaced(node, _walk(node, problems[0]["loc"])[1])


def _replaced(node: Node, path: Location) -> Node | None:
    """The tree with the first node on the path that has further readings taken by the next of them."""
    if node.readings:
        return replace(node, value=node.readings[0], readings=node.readings[1:])
    if not path:
        return None
    part, inner = path[0], _replaced(node.value[path[0]], path[1:])
    if inner is None:
        return None
    if isinstance(node.value, Mapping):
        return replace(node, value={**node.value, part: inner})
    return replace(node, value=[*node.value[: int(part)], inner, *node.value[int(part) + 1 :]])


def _explain(model: type[BaseModel], node: Node, problems: Sequence[ErrorDetails], path: str) -> str:
    """One line: file and line, key, what was found, what was wanted."""
    problem = problems[0]
    found, keys = _walk(node, problem["loc"])
    name = _key_path(path, keys)
    where = place_of_key(found, name)
    if problem["type"] == "extra_forbidden":
        return f"{found.place}: unknown key {name!r}; {nearest(str(keys[-1]), known_keys(model, keys[:-1]))}"
    if problem["type"] == "missing":
        return f"{found.place}: {_key_path(path, problem['loc'])} is not there, and there is no default; add it"
    if problem["type"] == "value_error":
        return f"{where}: {problem['ctx']['error']}"
    wanted = " or ".join(dict.fromkeys(_wanted(each) for each in problems))
    return f"{where}: found {_shown(found)}, wanted {wanted}"


def place_of_key(node: Node, name: str) -> str:
    """Where the value of a key was written, and the key's name, once."""
    return str(node.place) if str(node.place).endswith(f"--{name}") else f"{node.place}: {name}"


def _wanted(problem: ErrorDetails) -> str:
    template = _WANTED.get(problem["type"])
    return template.format(**problem.get("ctx", {})) if template else problem["msg"]


def _key_path(path: str, keys: Location) -> str:
    """`datasets.joke.size`, `report_to[1]`."""
    for key in keys:
        path += f"[{key}]" if isinstance(key, int) else f".{key}" if path else key
    return path


def _shown(node: Node) -> str:
    """What was found, as YAML would write it; what was typed, as it was typed."""
    text = json.dumps(plain(node) if node.text is None else node.text, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
