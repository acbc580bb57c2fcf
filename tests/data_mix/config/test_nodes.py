"""YAML as a tree whose every node knows its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_mix.config.nodes import Node, Place, as_node, nearest, plain, read_yaml, typed_node
from data_mix.errors import ConfigError

HERE = Place(where="a.yaml", file=Path("a.yaml"))
TEXTS = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
DATA = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text("abc", min_size=1), inner))


def read(text: str) -> Any:
    """The plain data of a YAML text."""
    return plain(read_yaml(text, HERE))


def places(node: Node) -> dict[str, str]:
    """Where each key of a mapping was written."""
    return {key: str(child.place) for key, child in node.value.items()}


@pytest.mark.parametrize("text", ["1e-5", "1.0e-5", "0.00001", "+1e-5"])
def test_a_number_with_an_exponent_is_a_number(text: str) -> None:
    """`1e-5` is read by YAML 1.2, where it needs neither a dot nor a sign to be a number."""
    assert read(text) == 1e-5


@pytest.mark.parametrize("text", ["no", "on", "yes", "off", "y", "2023-04-12", "12:30", "="])
def test_what_yaml_1_1_took_for_something_else_is_text(text: str) -> None:
    """Norwegian, dates and times stay the text that they are."""
    assert read(text) == text


@pytest.mark.parametrize(
    ("text", "value"), [("0xa1221f97", 2703368087), ("012", 12), ("true", True), ("~", None), ('"3"', "3")]
)
def test_scalars_have_the_types_of_yaml_1_2(text: str, value: object) -> None:
    """Whole numbers may be hexadecimal and are never octal by accident, and what is quoted is text."""
    assert read(text) == value
    assert type(read(text)) is type(value)


@settings(deadline=None)
@given(DATA)
def test_json_reads_as_itself(data: Any) -> None:
    """Whatever JSON can hold comes back the same, places left out."""
    text = json.dumps(data, ensure_ascii=False)
    assert read(text) == json.loads(text)
    assert plain(as_node(data, HERE)) == data


def test_every_key_knows_its_line() -> None:
    """A key's place is the line of the key, wherever its value begins."""
    root = read_yaml("# first\na: 1\nb:\n  c:\n    2\n  d: [\n  3]\n", HERE)
    assert places(root) == {"a": "a.yaml:2", "b": "a.yaml:3"}
    assert places(root.value["b"]) == {"c": "a.yaml:4", "d": "a.yaml:6"}
    assert str(root.value["b"].value["d"].value[0].place) == "a.yaml:7"


def test_a_merge_key_gives_way_to_what_stands_beside_it() -> None:
    """`<<` takes over the keys of an anchor that the mapping does not have itself, and of several the first wins."""
    assert read("a: &a {x: 1, y: 1}\nb: {<<: *a, y: 2}")["b"] == {"x": 1, "y": 2}
    assert read("a: &a {x: 1}\nb: &b {x: 2}\nc:\n  <<: [*a, *b]")["c"] == {"x": 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: [1", "a.yaml:2: this is not YAML"),
        ("a: 1\n\tb: 2", "a.yaml:2: this is not YAML"),
        ("a: 1\n---\nb: 2", "a.yaml:2: this is not YAML"),
        ("a: *b", "a.yaml:1: this is not YAML"),
        ("a: \x07", "this is not YAML"),
        ("a: 1\nb: 2\na: 3", "a.yaml:3: 'a' is there twice, first at a.yaml:1"),
        ("a: !!python/name:os.system x", "a.yaml:1: found the tag tag:yaml.org,2002:python/name:os.system"),
        ("a: !!set {b}", "a.yaml:1: found the tag"),
        ("a: !!int b", "a.yaml:1: found 'b', which is no int"),
        ("[a]: 1", "a.yaml:1: found a list or mapping as a key"),
        ("a:\n  <<: 1", "a.yaml:2: found no mapping after <<"),
        ('a: "\\0"', "a.yaml:1: found a character that no text may hold"),
        ('a: "\\ud800"', "a.yaml:1: found a character that no text may hold"),
        ("a: &a {b: *a}", "nested too deeply, or an alias inside of itself"),
        ("[" * 500, "nested too deeply"),
        ("a: " + "1" * 5000, "a.yaml:1: found"),
    ],
    ids=range(16),
)
def test_what_cannot_be_read_is_one_line_with_its_place(text: str, said: str) -> None:
    """Broken or hostile YAML ends in one line that names file and line, and nothing of it is run."""
    with pytest.raises(ConfigError) as caught:
        read_yaml(text, HERE)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value", "readings"),
    [
        ("1e-5", 1e-5, ("1e-5", [Node(value="1e-5", place=Place(where="command line, --k"))])),
        ("a: b", {"a": Node(value="b", place=Place(where="command line, --k"))}, None),
        ("{", "{", None),
        ("", None, None),
    ],
)
def test_a_typed_text_has_several_readings(text: str, value: object, readings: object) -> None:
    """What is typed is read as YAML, and kept as text and as a list, for the model to choose."""
    node = typed_node("k", text)
    assert (node.value, node.text) == (value, text)
    assert readings is None or node.readings == readings


def test_the_nearest_name_is_the_most_alike() -> None:
    """A wrong name is answered with the known one most like it, whatever the order of the known ones."""
    assert nearest("lerning_rate", ["warmup_steps", "learning_rate"]) == nearest("lerning_rate", {"learning_rate", "x"})
    assert nearest("a", []) == "nothing of the kind is known"
