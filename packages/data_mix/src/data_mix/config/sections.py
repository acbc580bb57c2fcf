"""Named sections of YAML files: finding, merging and overriding them.

    redpajama-3b:            a section: a mapping of keys
      learning_rate: 1e-5
    datasets:                a section that is a list stands for the key of its name: {datasets: [joke, …]}
      - joke

Later sections win key by key, inside nested mappings too; a list takes the place of a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from data_mix.config.nodes import Node, Place, nearest, read_yaml
from data_mix.errors import ConfigError

Sections = Mapping[str, Node]


def read_layer(folders: Iterable[tuple[Path, str]]) -> Sections:
    """The sections of every YAML file below each folder; with each comes the name that errors call it by.

    Hidden files and folders are passed over. Raises ConfigError where a name is there twice, where a section is no mapping or
    list, and for what is not YAML.
    """
    sections: dict[str, Node] = {}
    for file, label in _yaml_files(folders):
        for name, section in _read_file(file, label).items():
            if name in sections:
                raise ConfigError(
                    f"{section.place}: section {name!r} is there twice, first at {sections[name].place}; rename one"
                )
            sections[name] = section
    return sections


def _yaml_files(folders: Iterable[tuple[Path, str]]) -> Iterator[tuple[Path, str]]:
    """Every YAML file with what errors call it, in the order of the paths."""
    for folder, label in folders:
        for file in sorted(folder.rglob("*.y*ml")):
            path = file.relative_to(folder)
            if file.suffix in {".yaml", ".yml"} and file.is_file() and not any(part.startswith(".") for part in path.parts):
                yield file, f"{label}/{path.as_posix()}"


def _read_file(file: Path, label: str) -> Sections:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{label}: found bytes that are not UTF-8; save the file as UTF-8") from error
    except OSError as error:
        raise ConfigError(f"{label}: cannot be read: {error.strerror}; change its permissions or take it away") from error
    root = read_yaml(text, Place(where=label, file=file))
    if root.value is None:
        return {}
    if not isinstance(root.value, Mapping):
        raise ConfigError(f"{root.place}: found no mapping, wanted named sections, each with its keys indented under it")
    return {name: _section(name, node) for name, node in root.value.items()}


def _section(name: str, node: Node) -> Node:
    """A section as a mapping of keys, whose place is that of its name."""
    if isinstance(node.value, Mapping):
        return node
    if isinstance(node.value, list):
        return replace(node, value={name: node})
    if node.value is None:
        return replace(node, value={})
    raise ConfigError(
        f"{node.place}: found {name!r} with a single value, wanted a section; put the key, indented, under a name of your own"
    )


def merge(under: Node, over: Node) -> Node:
    """Lay one tree over another: mappings key by key, anything else in place of what was there."""
    if not (isinstance(under.value, Mapping) and isinstance(over.value, Mapping)):
        return over
    merged = {key: merge(under.value[key], node) if key in under.value else node for key, node in over.value.items()}
    return replace(over, value={**under.value, **merged})


def override(node: Node, keys: Sequence[str], leaf: Node) -> Node:
    """Put a leaf at the path of keys; a list on the way, typed ones included, is one of entries, whose names are keys."""
    if not keys:
        return leaf
    items = next((value for value in (node.value, *node.readings) if isinstance(value, list)), None)
    if items is not None and not isinstance(node.value, Mapping):
        return _override_entry(replace(node, value=items, readings=()), keys, leaf)
    inner = node.value if isinstance(node.value, Mapping) else {}
    below = inner.get(keys[0], Node(value=None, place=leaf.place))
    return Node(value={**inner, keys[0]: override(below, keys[1:], leaf)}, place=node.place)


def _override_entry(node: Node, keys: Sequence[str], leaf: Node) -> Node:
    """Put a leaf into the options of one entry of a list."""
    place, length = _find_entry(node, keys, leaf.place)
    item = node.value[place]
    key = str(entry_key(item))
    bare = Node(value={key: Node(value=None, place=item.place)}, place=item.place)
    changed = override(item if isinstance(item.value, Mapping) else bare, [key, *keys[length:]], leaf)
    return replace(node, value=[*node.value[:place], changed, *node.value[place + 1 :]])


def _find_entry(node: Node, keys: Sequence[str], typed: Place) -> tuple[int, int]:
    """The entry that the first keys name, and how many they are: a name may hold dots, so the longest that fits is meant."""
    for length in range(len(keys) - 1, 0, -1):
        name = ".".join(keys[:length])
        place = next((place for place, item in enumerate(node.value) if name in entry_names(item)), None)
        if place is not None:
            return place, length
    known = [name for item in node.value for name in entry_names(item)]
    raise ConfigError(f"{typed}: there is no entry {keys[0]!r} to change; {nearest(keys[0], known)}")


def entry_key(item: Node) -> str | None:
    """What an item of a list of entries is called as written: `joke`, or `ikala` of `ikala: {…}`; None: it is no entry."""
    if isinstance(item.value, Mapping):
        return next(iter(item.value)) if len(item.value) == 1 else None
    return item.value if isinstance(item.value, str) else None


def entry_names(item: Node) -> Iterator[str]:
    """The names that an item of a list of entries answers to: its `name:`, where it has one, and what it is called."""
    key = entry_key(item)
    if key is None:
        return
    options = item.value[key].value if isinstance(item.value, Mapping) else None
    if isinstance(options, Mapping) and "name" in options and isinstance(options["name"].value, str):
        yield options["name"].value
    yield key
