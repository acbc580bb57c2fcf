"""The generated blocks of `data_cards/*.md`: what a source's `SOURCE` says, between two comments, in a page that people write.

    <!-- datamix:source -->    the table at the head: licence, homepage, files, languages, rows
    <!-- /datamix:source -->
    <!-- datamix:options -->   the table of the options that the source adds
    <!-- /datamix:options -->

All that stands outside of them is left alone, and so are pages that are no card of a source.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from data_mix.errors import ConfigError, FormatError
from data_mix.files import write_bytes
from data_mix.markdown import code
from data_mix.source import Entry, RawFile, Source, SourceOptions, sources

_BLOCKS: Final = ("source", "options")
_OWN_FILE: Final = "your file, named by `input_file_path`"
_NO_OPTIONS: Final = "Only those that every source has."


def stale_cards(folder: Path) -> list[str]:
    """The cards of a folder that do not say what their sources say, a line each. Raises FormatError where it has no card."""
    return [line for path, source in _cards(folder).items() for line in _problems(path, source)]


def write_cards(folder: Path) -> list[Path]:
    """Bring the generated blocks of a folder's cards up to date; return the cards that were changed.

    Raises FormatError for a card without the comments between which a block stands, OutputError where it cannot be written.
    """
    changed = []
    for path, source in _cards(folder).items():
        text = _read(path)
        new = _with_blocks(path, text, source)
        if new != text:
            write_bytes(path, new.encode())
            changed.append(path)
    return changed


def card_name(source: Source) -> str:
    """The name of a source's card, without its pattern: `wmt2019` of `wmt2019_{a}-{b}`."""
    return re.split(r"_?\{", source.name)[0]


def _cards(folder: Path) -> dict[Path, Source]:
    """The cards of sources that stand in the folder."""
    named = {folder / f"{card_name(source)}.md": source for source in sources().values()}
    found = {path: source for path, source in sorted(named.items()) if path.is_file()}
    if not found:
        state = "holds no card of a source" if folder.is_dir() else "does not exist"
        raise FormatError(f"{folder}: {state}; name a folder with cards, such as data_cards")
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf8")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: cannot be read ({error}); mend it") from error


def _problems(path: Path, source: Source) -> Iterator[str]:
    """What of a card is not as the source says."""
    text = _read(path)
    if not text.startswith(f"# {card_name(source)}\n"):
        yield f"{path}: begins with {text.splitlines()[:1]}, wanted # {card_name(source)}"
    for block in _BLOCKS:
        found = _pattern(block).search(text)
        if found is None:
            yield f"{path}: has no block {block!r}; write {_marks(block)[0]} and {_marks(block)[1]} where it is to stand"
        elif found[0] != _block(block, source):
            yield f"{path}: its block {block!r} is not what {source.name} says; run datamix sources --cards {path.parent}"


def _with_blocks(path: Path, text: str, source: Source) -> str:
    for block in _BLOCKS:
        before, after = _marks(block)
        parts = _pattern(block).split(text)
        if len(parts) != 2:
            raise FormatError(
                f"{path}: has {len(parts) - 1} blocks {block!r}, wanted one; write {before} and {after} around it"
            )
        text = parts[0] + _block(block, source) + parts[1]
    return text


def _marks(block: str) -> tuple[str, str]:
    return f"<!-- datamix:{block} -->", f"<!-- /datamix:{block} -->"


def _pattern(block: str) -> re.Pattern[str]:
    return re.compile(".*?".join(map(re.escape, _marks(block))), re.DOTALL)


def _block(block: str, source: Source) -> str:
    """A block with the comments around it; Markdown wants a blank line below the first one."""
    lines = _facts(source) if block == "source" else _options(source)
    before, after = _marks(block)
    return "\n".join([before, "", *lines, "", after])


def _facts(source: Source) -> list[str]:
    rows = {
        "Licence": source.licence,
        "Homepage": source.homepage or "none",
        "From": _files(source),
        "Languages": ", ".join(source.languages) or "any",
        "Rows upstream": f"{source.rows:,}" if source.rows is not None else "not known beforehand",
    }
    return ["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows.items())]


def _files(source: Source) -> str:
    """Where the raw files are, of the first name that its pattern takes."""
    for entry in _entries(source):
        try:
            files = source.files(entry, _NoHub())
        except ConfigError:
            return _OWN_FILE
        is_of_one = any(value in file.path for value in entry.params.values() for file in files)
        return f"{_in_words(files)}{f', so for {code(entry.name)}' if is_of_one else ''}"
    return "the repository that the entry names"


def _entries(source: Source) -> Iterator[Entry]:
    """Entries without options, of every name that the pattern and the languages of the source give and that it takes."""
    names = re.findall(r"\{(\w+)\}", source.name)
    for values in product(source.languages, repeat=len(names)):
        params = dict(zip(names, values, strict=True))
        entry = Entry(
            name=source.name.format(**params), source=source, params=params, options=source.options.model_validate({}), seed=0
        )
        if _is_taken(entry):
            yield entry


def _is_taken(entry: Entry) -> bool:
    try:
        if entry.source.check is not None:
            entry.source.check(entry)
    except ConfigError:
        return False
    return True


class _NoHub:
    """What a source asks for its files where the card is to hold without network."""

    def list_files(self, repo: str, revision: str | None) -> list[str]:
        """Nothing."""
        raise ConfigError(f"the files of {repo} at {revision} are not known without network")

    def read_text(self, repo: str, revision: str | None, path: str) -> str | None:
        """Nothing."""
        raise ConfigError(f"{path} of {repo} at {revision} is not known without network")


def _in_words(files: list[RawFile]) -> str:
    first = files[0]
    paths = " and ".join(code(file.path) for file in files)
    place = f"hub {code(first.repo)}, {paths}" if first.repo else paths
    pinned = f"revision: {first.revision}" if first.revision else "not pinned: the commit it resolves to stands in the manifest"
    digests = "".join(f"; SHA-256 {file.sha256}" for file in files if file.sha256)
    return f"{place} ({pinned}{digests})" if first.repo else f"{place}{digests}"


def _options(source: Source) -> list[str]:
    """The options that the source adds to those of all."""
    fields = source.options.model_fields
    shown = {name: field for name, field in fields.items() if not _is_common(name, field)}
    if not shown:
        return [_NO_OPTIONS]
    schema = source.options.model_json_schema()["properties"]
    rows = [
        f"| {code(name)} | {_kind(schema[name])} | {_default(source.options, name)} | {_cell(field.description)} |"
        for name, field in shown.items()
    ]
    return ["| Option | Type | Default | What it does |", "|---|---|---|---|", *rows]


def _is_common(name: str, field: FieldInfo) -> bool:
    """Whether it is the option that every source has, unchanged."""
    common = SourceOptions.model_fields.get(name)
    return common is not None and (common.annotation, common.description) == (field.annotation, field.description)


def _kind(schema: Mapping[str, Any]) -> str:
    """The type of an option, in words."""
    choices = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    return " or ".join(dict.fromkeys(map(_one_kind, choices)))


def _one_kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        *others, last = map(code, schema["enum"])
        return f"{', '.join(others)} or {last}" if others else last
    words = {"string": "text", "boolean": "true or false", "integer": "whole number", "object": "mapping", "array": "list"}
    bounds = [f"{word} {schema[key]:g}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in schema]
    return " ".join([words.get(schema.get("type", ""), schema.get("type", "any")), *bounds])


def _default(options: type[BaseModel], name: str) -> str:
    value = options.model_construct().model_dump(mode="json")[name]
    if value is None or value == {}:
        return "none"
    return code(str(value).lower() if isinstance(value, bool) else _flow(value))


def _flow(value: object) -> str:
    """A value as it stands in YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {each}" for key, each in value.items()) + "}"
    return str(value)


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|").replace("<", "\\<")
