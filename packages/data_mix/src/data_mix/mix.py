"""What a mix is: its settings, and its entries with their sources found and their options checked.

datasets:
  - wmt2019_zh-en:
      max_train_set: 20000
  - joke
data_seed: 7
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from data_mix.config import DEFAULTS, Config, builtin_folders
from data_mix.config.nodes import Node, Place, as_node, nearest, plain
from data_mix.config.sections import entry_key, entry_names
from data_mix.config.validation import check, place_of_key
from data_mix.errors import ConfigError, UsageError
from data_mix.licence import restrictions
from data_mix.mix_settings import MixSettings
from data_mix.source import Entry, Source, is_url, sources

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}")
_SAMPLES: Final = Place(where="--samples")
_FILE: Final = "input_file_path"
_BENCHMARKS: Final = "decontaminate_against"
_ENTRY_KEYS: Final = ("datasets", "datasets_extra")
"""The keys that hold entries, in the order of the mix."""


@dataclass(frozen=True, kw_only=True)
class Mix:
    """A mix, resolved."""

    name: str
    """The section that holds the key `datasets`."""
    entries: tuple[Entry, ...]
    settings: MixSettings
    folders: tuple[Path, ...] = (Path(),)
    """Where a file with items of benchmarks is looked for: beside the file of configuration that names it, then here."""

    def portable(self) -> dict[str, Any]:
        """The mix as plain data, every default filled in and files by base name, so that two machines say the same of it.

        It is a section: what `datamix build` makes of it is this mix again.
        """
        kept = self.settings.model_dump(mode="json", exclude={"datasets", "datasets_extra", "data_path"})
        for benchmark in kept[_BENCHMARKS]:
            if benchmark["repo"] is None:
                benchmark["path"] = _base_name(benchmark["path"])
        return {"datasets": [{entry.name: _portable_options(entry)} for entry in self.entries], **kept}


def _base_name(path: str) -> str:
    """The name of a file of one's own: where it lies is no business of others, and a URL's query may be a secret."""
    return Path(path.partition("?")[0]).name


def _portable_options(entry: Entry) -> dict[str, Any]:
    options = entry.options.model_dump(mode="json")
    file = options[_FILE] and _base_name(options[_FILE])
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


ORDER: Final = "order"


def settings_by_name(mix: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a portable mix by dotted names (`datasets.joke.val_split`), its entries' names in `ORDER` among them."""
    entries = {name: options for entry in mix["datasets"] for name, options in entry.items()}
    return dict(_leaves({**mix, "datasets": entries, ORDER: list(entries)}))


def _leaves(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


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
    named = config.root.value.get(_BENCHMARKS)
    folders = _folders_of(named) if named else (Path(),)
    return Mix(name=_checked_name(name, "section"), entries=entries, settings=settings, folders=folders)


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
    tried = list(dict.fromkeys((folder / Path(text).expanduser()).absolute() for folder in _folders_of(node)))
    for file in tried:
        if file.exists():
            return file
    key = f"{path}.{_FILE}"
    upstream = "" if "private" in restrictions(source.licence) else f", read upstream's with --{key} null"
    raise ConfigError(
        f"{place_of_key(node, key)}: there is no {' and no '.join(map(str, tried))}; "
        f"put the file there{upstream}, or leave the entry out with --without {written.name}"
    )


def _folders_of(node: Node) -> tuple[Path, ...]:
    """Where a file that this node names is looked for."""
    file = node.place.file
    beside = [file.parent] if file and not _is_built_in(file) else []
    return (*beside, Path.cwd())


def _is_built_in(file: Path) -> bool:
    return any(file.is_relative_to(folder) for folder, _ in builtin_folders())
