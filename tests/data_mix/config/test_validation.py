"""Checking a tree by a model: what is right comes out typed, what is wrong is one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, field_validator

from data_mix.config.nodes import Node, Place, plain, read_yaml, typed_node
from data_mix.config.sections import override
from data_mix.config.validation import check, known_keys
from data_mix.errors import ConfigError

STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)


class Inner(BaseModel):
    """A nested model."""

    model_config = STRICT

    rank: int = Field(default=1, gt=0)
    names: tuple[str, ...] = ()


class Outer(BaseModel):
    """A model with a key of every kind."""

    model_config = STRICT

    rate: float = Field(default=0.5, lt=1)
    count: int | None = None
    name: str | None = None
    on: bool = False
    kind: Literal["a", "b"] = "a"
    either: float | Literal["auto"] = "auto"
    inner: Inner | None = None
    inners: list[Inner] = []
    limits: dict[str, float] = {}

    @field_validator("name")
    @classmethod
    def _no_blank(cls, name: str | None) -> str | None:
        if name == " ":
            raise ValueError("a blank is no name")
        return name


class Needs(BaseModel):
    """A model with a key that has no default."""

    model_config = STRICT

    repo: str


def tree(text: str) -> Node:
    """A tree as a file would give it."""
    return read_yaml(text, Place(where="a.yaml", file=Path("a.yaml")))


def typed(**texts: str) -> Node:
    """A tree as the command line would give it; two underscores stand for a dot."""
    node = tree("{}")
    for key, text in texts.items():
        path = key.replace("__", ".")
        node = override(node, path.split("."), typed_node(path, text))
    return node


def problem(model: type[BaseModel], node: Node, path: str = "") -> str:
    """What the check says of a tree that is wrong."""
    with pytest.raises(ConfigError) as caught:
        check(model, node, path=path)
    return str(caught.value)


def test_a_tree_becomes_the_model() -> None:
    """Keys that are there are taken, lists fit tuples, whole numbers fit fractions, and the rest are defaults."""
    found = check(Outer, tree("{rate: 0, count: 3, inner: {names: [x, y]}, inners: [{rank: 2}]}"))[0]
    assert found == Outer(rate=0.0, count=3, inner=Inner(names=("x", "y")), inners=[Inner(rank=2)])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rate: fast", 'a.yaml:1: rate: found "fast", wanted a number'),
        ("rate: '0.5'", 'a.yaml:1: rate: found "0.5", wanted a number'),
        ("rate: 1", "a.yaml:1: rate: found 1, wanted less than 1.0"),
        ("count: 1.5", "a.yaml:1: count: found 1.5, wanted a whole number"),
        ("count: true", "a.yaml:1: count: found true, wanted a whole number"),
        ("name: 5", "a.yaml:1: name: found 5, wanted text"),
        ("on: yes", 'a.yaml:1: on: found "yes", wanted true or false'),
        ("on: 1", "a.yaml:1: on: found 1, wanted true or false"),
        ("kind: c", "a.yaml:1: kind: found \"c\", wanted 'a' or 'b'"),
        ("either: fast", "a.yaml:1: either: found \"fast\", wanted a number or 'auto'"),
        ("inner: [1]", "a.yaml:1: inner: found [1], wanted a mapping"),
        ("inner:\n  names: x", 'a.yaml:2: inner.names: found "x", wanted a list'),
        ("inner:\n  names:\n  - x\n  - 5", "a.yaml:4: inner.names[1]: found 5, wanted text"),
        ("inner:\n  rank: 0", "a.yaml:2: inner.rank: found 0, wanted more than 0"),
        ("inners:\n- rank: 1\n- rank: x", 'a.yaml:3: inners[1].rank: found "x", wanted a whole number'),
        ("limits: {spam: x}", 'a.yaml:1: limits.spam: found "x", wanted a number'),
        ("limits: 3", "a.yaml:1: limits: found 3, wanted a mapping"),
        ("name: ' '", "a.yaml:1: name: a blank is no name"),
    ],
)
def test_a_wrong_value_says_where_what_and_what_else(text: str, said: str) -> None:
    """File and line, key, the value found and what was wanted, in one line."""
    assert problem(Outer, tree(text)) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raet: 1", "a.yaml:1: unknown key 'raet'; nearest: rate"),
        ("inner:\n  rnak: 1", "a.yaml:2: unknown key 'inner.rnak'; nearest: rank"),
        ("inners: [{}, {nmes: 1}]", "a.yaml:1: unknown key 'inners[1].nmes'; nearest: names"),
    ],
)
def test_an_unknown_key_names_the_nearest_of_its_place(text: str, said: str) -> None:
    """The suggestion comes from the keys that are known at that place, however deep."""
    assert problem(Outer, tree(text)) == said


def test_a_key_that_is_wanted_and_not_there_is_named() -> None:
    """A key without a default is asked for by its whole path."""
    assert (
        problem(Needs, tree("\n{}"), "datasets.x") == "a.yaml:2: datasets.x.repo is not there, and there is no default; add it"
    )


def test_the_first_of_several_problems_is_told() -> None:
    """One line tells one problem."""
    assert problem(Outer, tree("rate: x\ncount: y")).count("found") == 1


def test_a_long_value_is_cut_and_a_broken_line_is_shown_as_one() -> None:
    """An error stays one line of bearable length, whatever was found."""
    said = problem(Outer, tree(f"rate: |\n  a\n  {'b' * 500}"))
    assert "\n" not in said
    assert len(said) < 200


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("rate", "1e-5", 1e-5),
        ("count", "0x10", 16),
        ("count", "null", None),
        ("name", "123", "123"),
        ("name", "1e-5", "1e-5"),
        ("name", "no", "no"),
        ("name", " 'a' # b", " 'a' # b"),
        ("name", "# b", "# b"),
        ("name", "a: b", "a: b"),
        ("name", "[x]", "[x]"),
        ("on", "true", True),
        ("either", "0.1", 0.1),
        ("either", "auto", "auto"),
        ("inner__rank", "3", Inner(rank=3)),
        ("inner__names", "x", Inner(names=("x",))),
        ("inner__names", "x, 5", Inner(names=("x", "5"))),
        ("inner__names", "[x, y]", Inner(names=("x", "y"))),
        ("inner", "{rank: 4}", Inner(rank=4)),
        ("limits__spam", "0.5", {"spam": 0.5}),
    ],
)
def test_what_is_typed_takes_the_type_of_its_key(key: str, text: str, value: Any) -> None:
    """A typed text is a number, text or list as the model wants it."""
    found, _ = check(Outer, typed(**{key: text}))
    assert getattr(found, key.partition("__")[0]) == value


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        ("rate", "fast", 'command line, --rate: found "fast", wanted a number'),
        ("rate", "2", 'command line, --rate: found "2", wanted less than 1.0'),
        ("count", "1.5", 'command line, --count: found "1.5", wanted a whole number'),
        ("on", "no", 'command line, --on: found "no", wanted true or false'),
        ("kind", "a,b", "command line, --kind: found \"a,b\", wanted 'a' or 'b'"),
        ("inner__rank", "x", 'command line, --inner.rank: found "x", wanted a whole number'),
        ("inner__rnk", "1", "command line, --inner.rnk: unknown key 'inner.rnk'; nearest: rank"),
    ],
)
def test_what_is_typed_wrongly_is_shown_as_it_was_typed(key: str, text: str, said: str) -> None:
    """However the text was read, the error shows what was typed and what the key wants."""
    assert problem(Outer, typed(**{key: text})) == said


def test_several_typed_texts_are_settled_each_by_itself() -> None:
    """One text that needs another reading does not change how its neighbours are read."""
    found, settled = check(Outer, typed(name="1", count="1", inner__names="2,3"))
    assert found == Outer(name="1", count=1, inner=Inner(names=("2", "3")))
    assert plain(settled) == {"name": "1", "count": 1, "inner": {"names": ["2", "3"]}}


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_any_text_can_be_typed_for_a_key_of_text(text: str) -> None:
    """A key that takes text, and nothing but text, gets what was typed, to the letter."""
    assert check(Needs, typed(repo=text))[0].repo == text


def test_known_keys_follow_the_place() -> None:
    """The keys of a place are found through optional models, lists and nested ones."""
    assert known_keys(Outer, ("inner",)) == known_keys(Outer, ("inners", 3)) == ["rank", "names"]
    assert known_keys(Outer, ("rate",)) == []
