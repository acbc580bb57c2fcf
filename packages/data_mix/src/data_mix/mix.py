"""What a mix is: its settings, and its entries with their sources found and their options checked.

datasets:
  - wmt2019_zh-en:
      max_train_set: 20000
  - joke
data_seed: 7
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, create_model
from pydantic_core import CoreSchema, core_schema

from data_mix.config import DEFAULTS, Config, builtin_folders
from data_mix.config.nodes import Node, Place, as_node, nearest, plain
from data_mix.config.sections import entry_key, entry_names
from data_mix.config.validation import check, place_of_key
from data_mix.errors import ConfigError, UsageError
from data_mix.licence import restrictions
from data_mix.source import Entry, Source, is_url, sources
from data_mix.stage import StageOptions, stages

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}")
_SAMPLES: Final = Place(where="--samples")
_FILE: Final = "input_file_path"
_ENTRY_KEYS: Final = ("datasets", "datasets_extra")
"""The keys that hold entries, in the order of the mix."""


def _entry_item(item: object) -> object:
    """Refuse what is neither a name nor one name with its options."""
    options = next(iter(item.values())) if isinstance(item, dict) and len(item) == 1 else None
    if isinstance(item, str) or (isinstance(item, dict) and len(item) == 1 and isinstance(options, dict | None)):
        return item
    if isinstance(item, dict) and len(item) > 1:
        raise ValueError(f"found an entry with the keys {', '.join(item)}, wanted one name; indent its options under it")
    raise ValueError(f"found {item!r}, wanted the name of a source, or a name with its options indented under it")


class _EntrySchema:
    """The JSON schema of an entry: the options of each source under the names that it goes by."""

    def __get_pydantic_json_schema__(self, _core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        names = [f"^{re.sub(r'{.*?}', '[A-Za-z-]+', source.name)}$" for source in sources().values()]
        # Inside of a tuple pydantic writes each model as a reference; by itself it would be written out at every use.
        models = core_schema.tuple_schema([source.options.__pydantic_core_schema__ for source in sources().values()])
        found = list(zip(names, handler(models)["prefixItems"], strict=True))
        by_name = {name: {"anyOf": [options, {"type": "null"}, {"required": ["type"]}]} for name, options in found}
        typed = [
            {"allOf": [options, {"required": ["type"], "properties": {"type": {"pattern": name}}}]} for name, options in found
        ]
        one = {"type": "object", "minProperties": 1, "maxProperties": 1, "patternProperties": by_name}
        known = {"type": "string", "anyOf": [{"pattern": name} for name, _ in found]}
        return {"anyOf": [known, {**one, "additionalProperties": {"anyOf": typed}}]}


class _StagesSchema:
    """Makes of `stages` a mapping from the name of each stage to its options."""

    def __get_pydantic_core_schema__(self, _source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(_stages_model())


@cache
def _stages_model() -> type[BaseModel]:
    fields: dict[str, Any] = {
        stage.name: (stage.options, Field(default_factory=stage.options, description=f"Options of the stage {stage.name}."))
        for stage in stages()
    }
    return create_model("Stages", __base__=StageOptions, **fields)


def _default_stages() -> BaseModel:
    return _stages_model()()


EntryItem = Annotated[Any, AfterValidator(_entry_item), _EntrySchema()]


class TemplateSettings(BaseModel):
    """How conversations become text."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str = Field(default="openassistant", description="The chat template: openassistant, chatml or llama3.")
    eos: str | None = Field(
        default=None, min_length=1, description="The tokenizer's end of text; where none is given, the template's own."
    )


class MixSettings(BaseModel):
    """The keys of a mix."""

    # The stages and sources are asked for when the settings are first used, not when this module is imported.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    datasets: tuple[EntryItem, ...] = Field(
        default=(), description="The entries of the mix: names of sources, each with its options."
    )
    datasets_extra: tuple[EntryItem, ...] = Field(default=(), description="Entries that come after those of `datasets`.")
    data_seed: int = Field(default=0, description="The seed of everything that is drawn: splits, caps, instructions.")
    data_path: str | None = Field(default=None, description="The build folder; where none is given, $DATAMIX_HOME/builds/NAME.")
    template: TemplateSettings = Field(default=TemplateSettings(), description="How conversations become text.")
    stages: Annotated[BaseModel, _StagesSchema()] = Field(
        default_factory=_default_stages, description="The options of each stage, by its name."
    )
    deduplicate: bool = Field(
        default=True, description="Of conversations that are the same, keep the first in the order of the mix."
    )
    max_record_bytes: int = Field(default=64_000_000, gt=0, description="A raw record of more bytes than this is a bad record.")

    @property
    def stage_options(self) -> Mapping[str, StageOptions]:
        """The options of each stage, by its name."""
        return {stage.name: getattr(self.stages, stage.name) for stage in stages()}


@dataclass(frozen=True, kw_only=True)
class Mix:
    """A mix, resolved."""

    name: str
    """The section that holds the key `datasets`."""
    entries: tuple[Entry, ...]
    settings: MixSettings

    def portable(self) -> dict[str, Any]:
        """The mix as plain data, every default filled in and files by base name, so that two machines say the same of it.

        It is a section: what `datamix build` makes of it is this mix again.
        """
        kept = self.settings.model_dump(mode="json", exclude={"datasets", "datasets_extra", "data_path"})
        return {"datasets": [{entry.name: _portable_options(entry)} for entry in self.entries], **kept}


def _portable_options(entry: Entry) -> dict[str, Any]:
    options = entry.options.model_dump(mode="json")
    file = options[_FILE] and Path(options[_FILE].partition("?")[0]).name  # a URL's query may be a secret
    return options | {"name": None, "type": entry.source.name.format(**entry.params), _FILE: file}


@dataclass(frozen=True, kw_only=True)
class _Written:
    """An entry as it is written."""

    key: str
    """The name in the list of entries."""
    name: str
    """The same, or what `name:` says."""
    options: Node

    @property
    def place(self) -> Place:
        return self.options.place


def resolve_mix(config: Config, *, without: Collection[str] = (), samples: bool = False, find_files: bool = True) -> Mix:
    """Find the source of every entry, check its options, and find the user's own files.

    `without` names entries to leave out. With `samples` an entry's own file is not asked for: the source's sample takes its
    place, and a path in the options stays relative. Without `find_files` it need not be there, as where a mix is only compared
    with a build. Raises ConfigError with file, line and the nearest known name.
    """
    settings, name = config.settings(MixSettings), _mix_name(config)
    items = [item for key in _ENTRY_KEYS if key in config.root.value for item in config.root.value[key].value]
    written = _leave_out([_as_written(item) for item in items], without)
    if not written:
        raise ConfigError(f"the mix {name!r} has no entry; name a source under datasets")
    for place, each in enumerate(written):
        _check_name(each, {before.name: before.place for before in written[:place]})
    entries = tuple(_resolve(each, settings, samples=samples, find_files=find_files) for each in written)
    return Mix(name=_checked_name(name, "section"), entries=entries, settings=settings)


def _mix_name(config: Config) -> str:
    """The section that holds the entries."""
    name = next((config.owners[key] for key in _ENTRY_KEYS if key in config.owners), None)
    if name is None and config.sections == (DEFAULTS,):
        raise UsageError("found no --configs, wanted the sections of a mix, e.g. --configs datasets")
    if name is None:
        raise ConfigError(
            f"found no key datasets in {', '.join(config.sections)}, wanted a section with a mix: --configs datasets"
        )
    return name


def _as_written(item: Node) -> _Written:
    options = next(iter(item.value.values())) if isinstance(item.value, Mapping) else replace(item, value={})
    whole = replace(options, value=options.value or {}, place=item.place)
    return _Written(key=str(entry_key(item)), name=next(entry_names(item)), options=whole)


def _leave_out(written: list[_Written], without: Collection[str]) -> list[_Written]:
    known = {each.name for each in written}
    for name in without:
        if name not in known:
            raise ConfigError(f"--without {name}: the mix has no such entry; {nearest(name, known)}")
    return [each for each in written if each.name not in without]


def _check_name(entry: _Written, before: Mapping[str, Place]) -> None:
    if entry.name in before:
        raise ConfigError(
            f"{entry.place}: entry {entry.name!r} is there twice, first at {before[entry.name]}; "
            "give one of them a name of its own (name: …)"
        )
    _checked_name(entry.name, f"{entry.place}: entry")


def _checked_name(name: str, what: str) -> str:
    """The name, if it can be that of a file."""
    if _NAME.fullmatch(name) is None:
        raise ConfigError(f"{what} {name!r}: wanted a name of at most 100 letters, digits and _ . + - to name files by")
    return name


def _resolve(written: _Written, settings: MixSettings, *, samples: bool, find_files: bool) -> Entry:
    """The entry with its source found, its options checked and its own file found."""
    source, params = _find_source(written)
    path, node = f"datasets.{written.key}", written.options
    if samples:
        kept = {key: child for key, child in node.value.items() if key != _FILE}
        node = replace(node, value={**kept, **as_node(source.sample_options, _SAMPLES).value})
    options = check(source.options, node, path=path)[0]
    if options.input_file_path is not None and find_files and not samples and not is_url(options.input_file_path):
        file = _own_file(options.input_file_path, written, source, path)
        options = options.model_copy(update={_FILE: str(file)})
    return _checked_entry(
        Entry(
            name=written.name,
            source=source,
            params=params,
            options=options,
            seed=settings.data_seed,
            max_record_bytes=settings.max_record_bytes,
        ),
        written.place,
    )


def _checked_entry(entry: Entry, place: Place) -> Entry:
    """The entry, if its source finds that its options fit together."""
    if entry.source.check is not None:
        try:
            entry.source.check(entry)
        except ConfigError as error:
            raise ConfigError(f"{place}: {error}") from error
    return entry


def _find_source(written: _Written) -> tuple[Source, Mapping[str, str]]:
    """The source that `type:` names, else the one of the entry's name, with what the name fills into its pattern."""
    named = written.options.value.get("type")
    name = written.key if named is None or named.value is None else str(plain(named))
    for source in sources().values():
        params = source.match(name)
        if params is not None:
            return source, params
    place = written.place if named is None else named.place
    raise ConfigError(
        f"{place}: unknown source {name!r}; {nearest(name, sources().keys())}; "
        f"a file of your own may have any name: say type: conversations and {_FILE}"
    )


def _own_file(text: str, written: _Written, source: Source, path: str) -> Path:
    """The user's file: beside the file of configuration that names it, else in the working directory."""
    node: Node = written.options.value[_FILE]
    beside = [node.place.file.parent] if node.place.file and not _is_built_in(node.place.file) else []
    tried = list(dict.fromkeys((folder / Path(text).expanduser()).absolute() for folder in (*beside, Path.cwd())))
    for file in tried:
        if file.exists():
            return file
    key = f"{path}.{_FILE}"
    upstream = "" if "private" in restrictions(source.licence) else f", read upstream's with --{key} null"
    raise ConfigError(
        f"{place_of_key(node, key)}: there is no {' and no '.join(map(str, tried))}; "
        f"put the file there{upstream}, or leave the entry out with --without {written.name}"
    )


def _is_built_in(file: Path) -> bool:
    return any(file.is_relative_to(folder) for folder, _ in builtin_folders())
