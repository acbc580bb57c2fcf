"""The mix of a build as the section that makes it again: what its manifest says, without what is said by default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from data_mix.mix_settings import MixSettings
from data_mix.source import SourceOptions, sources

_ENTRIES: Final = "datasets"
_TYPE: Final = "type"


def section_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The section by its name, ready to be written as YAML; `datamix build` makes of it the mix of the manifest."""
    mix = manifest["mix"]
    settings = MixSettings.model_construct().model_dump(mode="json")
    kept = _without_defaults({key: value for key, value in mix.items() if key != _ENTRIES}, settings)
    entries = [_entry(name, options) for item in mix[_ENTRIES] for name, options in item.items()]
    return {manifest["name"]: {_ENTRIES: entries, **kept}}


def _entry(name: str, options: Mapping[str, Any]) -> str | dict[str, Any]:
    """An entry as one writes it: its name alone, or with the options that are not as they are by default."""
    defaults = _options_of(options.get(_TYPE) or name).model_construct().model_dump(mode="json")
    kept = _without_defaults(options, {**defaults, _TYPE: name})
    return {name: kept} if kept else name


def _options_of(kind: str) -> type[SourceOptions]:
    """The options of the source that reads an entry; of one that is not installed those of all sources."""
    found = (source.options for source in sources().values() if source.match(kind) is not None)
    return next(found, SourceOptions)


def _without_defaults(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The values that differ from the defaults, nested ones too; a key that has no default stays unless it is null."""
    kept: dict[str, Any] = {}
    for key, value in values.items():
        default = defaults.get(key)
        if isinstance(value, dict) and isinstance(default, dict) and default:
            inner = _without_defaults(value, default)
            kept |= {key: inner} if inner else {}
        elif value != default:
            kept[key] = value
    return kept
