"""Sections: finding them in files, merging and overriding them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_mix.config.nodes import Place, as_node, plain, typed_node
from data_mix.config.sections import merge, override, read_layer
from data_mix.errors import ConfigError

HERE = Place(where="here")
TREES = st.recursive(st.integers() | st.lists(st.integers()), lambda inner: st.dictionaries(st.sampled_from("abc"), inner))
MAPPINGS = st.dictionaries(st.sampled_from("abc"), TREES)


def layer(folder: Path, **files: str) -> dict[str, Any]:
    """The sections of a folder of files, as plain data."""
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf8")
    return {name: plain(node) for name, node in read_layer([(folder, "configs")]).items()}


def merged(*trees: Any) -> Any:
    """Plain trees laid over one another, the last on top."""
    result = as_node({}, HERE)
    for tree in trees:
        result = merge(result, as_node(tree, HERE))
    return plain(result)


def changed(tree: Any, path: str, text: str = "1") -> Any:
    """A plain tree with one override."""
    return plain(override(as_node(tree, HERE), path.split("."), typed_node(path, text)))


def test_a_file_may_hold_several_sections(tmp_path: Path) -> None:
    """Every top-level name of every file is a section; one without keys is empty, and so is an empty file."""
    assert layer(tmp_path, one="a: {x: 1}\nb:\n", two="c:\n  y: 2\n", three="# nothing\n") == {
        "a": {"x": 1},
        "b": {},
        "c": {"y": 2},
    }


def test_a_section_that_is_a_list_is_the_key_of_its_name(tmp_path: Path) -> None:
    """`datasets: [...]` means the same as `datasets: {datasets: [...]}`."""
    assert layer(tmp_path, one="datasets:\n- joke\n") == {"datasets": {"datasets": ["joke"]}}
    assert layer(tmp_path, one="datasets:\n  datasets:\n  - joke\n") == {"datasets": {"datasets": ["joke"]}}


def test_files_are_found_below_the_folder_and_hidden_ones_are_not(tmp_path: Path) -> None:
    """Folders below are read too; hidden files, other files and folders with such names are not."""
    for name in ("deep/er/a.yml", ".hidden/b.yaml", "c.txt", "d.yaml/e.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{Path(name).stem}: {{}}")
    assert layer(tmp_path) == {"a": {}}


def test_a_folder_that_is_not_there_has_no_sections(tmp_path: Path) -> None:
    """A missing folder is an empty layer; whether it may be missing is for the caller to say."""
    assert layer(tmp_path / "none") == {}


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    """A file that an editor marked as UTF-8 reads like any other."""
    (tmp_path / "a.yaml").write_bytes("\ufeffa: {x: é}".encode())
    assert layer(tmp_path) == {"a": {"x": "é"}}


def test_a_name_twice_in_one_layer_names_both_places(tmp_path: Path) -> None:
    """Two files of one layer that hold the same section are an error with both files and lines."""
    with pytest.raises(ConfigError, match=r"^configs/two\.yaml:3: section 'a' is there twice, first at configs/one\.yaml:1"):
        layer(tmp_path, one="a: {}", two="\n\na: {}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("learning_rate: 1e-5", "configs/a.yaml:1: found 'learning_rate' with a single value, wanted a section"),
        ("- joke", "configs/a.yaml:1: found no mapping, wanted named sections"),
        ("a: [", "configs/a.yaml:1: this is not YAML"),
        ("a: \udcff", "configs/a.yaml: found bytes that are not UTF-8"),
    ],
)
def test_a_file_without_sections_is_named(tmp_path: Path, text: str, said: str) -> None:
    """What is no file of sections is an error with file and line, whether its sections are asked for or not."""
    (tmp_path / "a.yaml").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError) as caught:
        layer(tmp_path)
    assert said in str(caught.value)


def test_later_sections_win_key_by_key_and_lists_replace_lists() -> None:
    """Nested mappings are merged, lists and single values are replaced."""
    assert merged({"a": {"x": 1, "y": [1]}, "b": 1}, {"a": {"y": [2]}, "c": 2}) == {"a": {"x": 1, "y": [2]}, "b": 1, "c": 2}
    assert merged({"a": {"x": 1}}, {"a": None}) == {"a": None}


@settings(deadline=None)
@given(MAPPINGS, MAPPINGS)
def test_merging_twice_changes_nothing(under: Any, over: Any) -> None:
    """What lies on top stays as it is, and laying it there again makes no difference."""
    assert merged(under, over, over) == merged(under, over)
    assert merged(over, over) == over
    assert merged(under, over).keys() == under.keys() | over.keys()


def test_an_override_reaches_into_mappings_that_are_there_or_not() -> None:
    """A dotted key sets a nested value, whatever stood there."""
    assert changed({"a": {"x": 0, "y": 0}}, "a.x") == {"a": {"x": 1, "y": 0}}
    assert changed({}, "a.b.c") == {"a": {"b": {"c": 1}}}
    assert changed({"a": 5}, "a.b") == {"a": {"b": 1}}


@pytest.mark.parametrize(
    "item",
    ["joke", {"joke": None}, {"joke": {"size": 3}}, {"other": {"name": "joke"}}],
    ids=["name", "null", "options", "renamed"],
)
def test_an_override_reaches_an_entry_by_its_name(item: Any) -> None:
    """An option of one entry is set by the entry's name, in whichever form the entry is written, and no other entry changes."""
    before = {"datasets": ["gsm8k", item, "webgpt"]}
    after = changed(before, "datasets.joke.size")["datasets"]
    assert [after[0], after[2]] == ["gsm8k", "webgpt"]
    assert next(iter(after[1].values()))["size"] == 1


def test_a_name_with_dots_is_reached_too() -> None:
    """The longest name that fits is meant."""
    assert changed({"datasets": ["v4", "v4.4"]}, "datasets.v4.4.size")["datasets"] == ["v4", {"v4.4": {"size": 1}}]


def test_an_override_of_an_entry_that_is_not_there_names_the_nearest() -> None:
    """A wrong entry's name is an error with the nearest one."""
    with pytest.raises(
        ConfigError, match=r"^command line, --datasets\.jok\.size: there is no entry 'jok' to change; nearest: joke$"
    ):
        changed({"datasets": ["joke", {"gsm8k": None}]}, "datasets.jok.size")
