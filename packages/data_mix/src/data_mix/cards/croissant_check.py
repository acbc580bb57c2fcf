"""Whether croissant.json is a description that programs can read, and says what is there; without network.

`mlcroissant` finds a broken reference, and a missing column or a wrong digest once it reads the file; it lets pass a missing
name, licence or version. All of them are problems here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from data_mix.cards.croissant import SPEC
from data_mix.cards.folder import CardFolder

Node = Mapping[str, Any]

_REQUIRED: Final = ("@context", "name", "description", "license", "version", "citeAs")
_VERSION: Final = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_OBJECT, _SET = "cr:FileObject", "cr:FileSet"
_REFERRING: Final = ("fileObject", "fileSet", "containedIn", "key", "references")
_GIT: Final = "git+https"


def check_croissant(path: Path, folder: CardFolder) -> list[str]:
    """What is wrong with it, a line each."""
    try:
        found = json.loads(path.read_text(encoding="utf8"))
    except OSError as error:
        return [f"cannot be read ({error.strerror}); build again"]
    except (ValueError, RecursionError) as error:
        return [f"is no JSON ({error})"]
    if not isinstance(found, dict):
        return [f"is {type(found).__name__}, wanted an object"]
    nodes = [node for node in _nodes(found) if "@type" in node]
    return [*_properties(found), *_ids(found, nodes), *_distribution(found, folder), *_columns(found, folder)]


def _nodes(value: object) -> Iterator[Node]:
    """Every object below the description, the context left out."""
    if isinstance(value, dict):
        yield value
        yield from (node for key, each in value.items() if key != "@context" for node in _nodes(each))
    if isinstance(value, list):
        yield from (node for each in value for node in _nodes(each))


def _properties(found: Node) -> Iterator[str]:
    yield from (f"has no {name}" for name in _REQUIRED if not found.get(name))
    if found.get("@type") != "sc:Dataset":
        yield f"@type is {found.get('@type')!r}, wanted sc:Dataset"
    if SPEC not in _listed(found.get("conformsTo")):
        yield f"conformsTo is {found.get('conformsTo')!r}, wanted {SPEC}"
    if found.get("version") and not _VERSION.fullmatch(str(found["version"])):
        yield f"version {found['version']!r} is not MAJOR.MINOR.PATCH"


def _listed(value: object) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _ids(found: Node, nodes: Sequence[Node]) -> Iterator[str]:
    """Ids that come twice, and references that lead nowhere."""
    ids = [str(node["@id"]) for node in nodes if "@id" in node]
    yield from (f"the @id {each!r} comes twice" for each in sorted({each for each in ids if ids.count(each) > 1}))
    for node in _nodes(found):
        for key in _REFERRING:
            for target in _listed(node.get(key)):
                name = target.get("@id") if isinstance(target, dict) else target
                if name not in ids:
                    yield f"{key} refers to {name!r}, which is not there"


def _distribution(found: Node, folder: CardFolder) -> Iterator[str]:
    """Whether it lists the data files of the folder, each with its digest."""
    listed = [node for node in _listed(found.get("distribution")) if isinstance(node, dict)]
    objects = {str(node.get("@id")): node for node in listed if node.get("@type") == _OBJECT}
    for name, node in objects.items():
        yield from (f"{name}: has no {key}" for key in ("contentUrl", "encodingFormat", "sha256") if not node.get(key))
        if node.get("encodingFormat") != _GIT:
            yield from _file(name, node, folder)
    yield from (f"does not list {path}" for path in folder.data_files if path not in objects)
    for node in listed:
        if node.get("@type") == _SET:
            yield from (
                f"{node.get('@id')}: {pattern!r} names no file"
                for pattern in _listed(node.get("includes"))
                if not folder.matching(pattern)
            )


def _file(name: str, node: Node, folder: CardFolder) -> Iterator[str]:
    digest = str(node.get("sha256"))
    if name not in folder.data_files:
        yield f"{name}: there is no such file"
    elif not _DIGEST.fullmatch(digest):
        yield f"{name}: sha256 {digest!r} is no SHA-256"
    elif digest != folder.digest(name):
        yield f"{name}: sha256 is {digest}, the file's is {folder.digest(name)}"
    if not str(node.get("contentUrl")).endswith(name):
        yield f"{name}: contentUrl {node.get('contentUrl')!r} leads elsewhere"


def _columns(found: Node, folder: CardFolder) -> Iterator[str]:
    """Whether the files have the columns that the fields name."""
    sets = {str(node.get("@id")): node for node in _nodes(found) if node.get("@type") == _SET}
    known: dict[str, set[str]] = {}
    for field in (node for node in _nodes(found) if node.get("@type") == "cr:Field"):
        source = _object(field, "source")
        column = _object(source, "extract").get("column")
        for path in _paths(source, sets, folder) if column else ():
            if path not in known:
                known[path] = folder.columns(path)
            if column not in known[path]:
                yield f"{field.get('@id')}: {path} has no column {column!r}"


def _object(node: Node, key: str) -> Node:
    """The object under a key; an empty one where there is something else."""
    value = node.get(key)
    return value if isinstance(value, dict) else {}


def _paths(source: Node, sets: Mapping[str, Node], folder: CardFolder) -> list[str]:
    """The Parquet files that a field is read from."""
    name = str((_object(source, "fileObject") or _object(source, "fileSet")).get("@id"))
    patterns = _listed(sets[name].get("includes")) if name in sets else [name]
    return [path for pattern in patterns for path in folder.matching(pattern) if path.endswith(".parquet")]
