"""Configuration: YAML sections and the command line → settings of each package, checked.

Sections come from the files that the packages bring (`configs/` beside the module of their settings) and from a folder of the
user's, which shadows them. `defaults` always comes first. Every package registers the pydantic model of its keys by the
entry-point group `data_mix.settings`; a key of no installed package is an error.
"""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from ruamel.yaml import YAML

from data_mix.config.nodes import Node, Place, nearest, typed_node
from data_mix.config.sections import Sections, merge, override, read_layer
from data_mix.config.validation import Model, check
from data_mix.errors import ConfigError, UsageError

logger = logging.getLogger(__name__)

PLUGINS: Final = "data_mix.settings"
DEFAULTS: Final = "defaults"
OWN_FOLDER: Final = "configs"
COMMAND_LINE: Final = "command-line"

_NOWHERE: Final = Place(where="configuration")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Merged sections with their overrides; every value knows where it was written."""

    sections: tuple[str, ...]
    """The sections in the order in which they were merged."""
    root: Node
    owners: Mapping[str, str]
    """For each key the section that set it last, or `command-line`."""

    def settings(self, model: type[Model]) -> Model:
        """The settings of one package, its defaults filled in; raises ConfigError for what is of the wrong type."""
        return check(model, self._part(model))[0]

    def _part(self, model: type[BaseModel]) -> Node:
        """The keys that the model knows."""
        keys = {key: node for key, node in self.root.value.items() if key in model.model_fields}
        return Node(value=keys, place=self.root.place)


def load(
    sections: Sequence[str],
    overrides: Mapping[str, str] | None = None,
    config_dir: Path | None = None,
    *,
    options: Collection[str] = (),
) -> Config:
    """Merge the named sections from left to right, then lay the overrides (`a.b.c` → text) over them.

    `options` are the command's own, without their dashes: an override that is no key may be one of them, misspelt.

    `config_dir` is the user's folder; None: `./configs`, where there is one. The settings of all installed packages are checked
    here, whichever of them is asked for later. Raises ConfigError with file, line, key and the nearest known name.
    """
    builtin, own = _builtin_sections(), _own_sections(config_dir)
    order = (DEFAULTS, *(name for name in sections if name != DEFAULTS))
    root, owners = Node(value={}, place=_NOWHERE), dict[str, str]()
    for name in order:
        section = _find(name, own, builtin)
        root = merge(root, section)
        owners |= dict.fromkeys(section.value, name)
    for path, text in sorted((overrides or {}).items(), key=lambda item: item[0].count(".")):
        root = override(root, path.split("."), typed_node(path, text))
        owners |= {} if "." in path else {path: COMMAND_LINE}
    return _checked(Config(sections=order, root=root, owners=owners), options)


@cache
def settings_models() -> Mapping[str, type[BaseModel]]:
    """The registered models of settings, by the name under which each is registered."""
    return {plugin.name: plugin.load() for plugin in sorted(entry_points(group=PLUGINS), key=lambda plugin: plugin.name)}


def builtin_folders() -> list[tuple[Path, str]]:
    """The folder of sections that each package brings, and what errors call it."""
    packages = {sys.modules[model.__module__].__package__ for model in settings_models().values()}
    paths = {package: Path(sys.modules[package].__path__[0]) / "configs" for package in sorted(filter(None, packages))}
    return [(path, f"{package.replace('.', '/')}/configs") for package, path in paths.items() if path.is_dir()]


@cache
def _builtin_sections() -> Sections:
    """The sections that packages bring, read once in each process."""
    return read_layer(builtin_folders())


def json_schema() -> dict[str, Any]:
    """The JSON schema of a file of sections: the keys of all installed packages, for editors."""
    models = list(settings_models().values())
    references, joint = models_json_schema([(model, "validation") for model in models])
    definitions, keys = dict(joint["$defs"]), dict[str, Any]()
    for model in models:
        keys |= definitions.pop(references[model, "validation"]["$ref"].rpartition("/")[2])["properties"]
    section = {"type": ["object", "null"], "properties": keys, "additionalProperties": False}
    named = {"$ref": "#/$defs/Section"}
    lists = {key: {"anyOf": [named, {"$ref": f"#/$defs/Section/properties/{key}"}]} for key in _list_keys(keys)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Sections of a datamix configuration",
        "type": "object",
        "properties": lists,
        "additionalProperties": named,
        "$defs": {**definitions, "Section": section},
    }


def as_yaml(settings: BaseModel | Mapping[str, Any]) -> str:
    """Settings, or their plain data, as the YAML that would give them."""
    out = io.StringIO()
    YAML().dump(settings.model_dump(mode="json") if isinstance(settings, BaseModel) else settings, out)
    return out.getvalue()


def describe_keys(model: type[BaseModel]) -> str:
    """A line for each key: its name, what it means, its default."""
    width = max(map(len, model.model_fields))
    defaults = model.model_construct().model_dump(mode="json")
    return "\n".join(
        f"{name:{width}}  {field.description} [{json.dumps(defaults[name])}]" for name, field in model.model_fields.items()
    )


def _list_keys(keys: Mapping[str, Any]) -> list[str]:
    """The keys whose value is a list: a section of such a name may be the list itself."""
    return [key for key, schema in keys.items() if schema.get("type") == "array"]


def _own_sections(config_dir: Path | None) -> Sections:
    folder = config_dir or Path(OWN_FOLDER)
    if config_dir is not None and not config_dir.is_dir():
        raise ConfigError(f"found no folder {str(config_dir)!r}, wanted the one of your sections after --config-dir")
    return read_layer([(folder, str(folder))])


def _find(name: str, own: Sections, builtin: Sections) -> Node:
    """The section of this name, the user's own before a built-in one."""
    if name in own and name in builtin and builtin[name].value:
        logger.warning("section %r of %s shadows the one of %s", name, own[name].place, builtin[name].place)
    if name not in own and name not in builtin:
        known = {*own, *builtin}
        raise ConfigError(f"unknown section {name!r}; {nearest(name, known)}; there are: {', '.join(sorted(known))}")
    return own[name] if name in own else builtin[name]


def _checked(config: Config, options: Collection[str]) -> Config:
    """The same with every key known and every typed text settled."""
    models = settings_models().values()
    known = {key for model in models for key in model.model_fields}
    for key, node in config.root.value.items():
        if key not in known:
            raise _unknown(key, node, known, options)
    root = config.root
    for model in models:
        root = merge(root, check(model, config._part(model))[1])
    return Config(sections=config.sections, root=root, owners=config.owners)


def _unknown(key: str, node: Node, known: Collection[str], options: Collection[str]) -> ConfigError:
    """The error of a key that no package knows; typed on the command line it may be an option, misspelt."""
    what = f"{node.place}: unknown key {key!r}, of no installed package"
    if node.place.file is None:
        return UsageError(f"{what}; {nearest(key, {*known, *(f'--{option}' for option in options)})}")
    return ConfigError(f"{what}{_if_list(key, node)}; {nearest(key, known)}")


def _if_list(key: str, node: Node) -> str:
    """A word on why a section's name became a key."""
    return (
        f" (a section that is a list is the key of its name; write {key}: {{datasets: […]}})"
        if isinstance(node.value, list)
        else ""
    )
