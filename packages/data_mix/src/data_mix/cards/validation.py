"""Whether README.md is a card that the Hub takes, and says what is there; without network.

`huggingface_hub` asks the Hub itself, takes a front matter without its last rule for none at all, and any licence; `datasets`
finds a wrong size when it loads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from data_mix.cards.card_file import arrow_files
from data_mix.cards.croissant import CROISSANT
from data_mix.cards.croissant_check import check_croissant
from data_mix.cards.folder import CardFolder
from data_mix.cards.readme import README
from data_mix.cards.vocabulary import SIZES, language_codes, languages_of, size_category
from data_mix.errors import FormatError
from data_mix.licence import OTHER, hub_licences

_RULE: Final = "---"
_SPLIT: Final = re.compile(r"\w+(\.\w+)*")
_CONFIGS, _INFO = "configs", "dataset_info"


def check_card(place: Path) -> list[str]:
    """What is wrong with the cards of a folder, a line each: README.md, and croissant.json; or with a README.md that is named.

    Sizes and digests are held against the manifest, where there is one. Raises FormatError where there is no such folder.
    """
    if place.is_file():
        return [f"{place}: {problem}" for problem in _readme_problems(place, CardFolder(place.parent))]
    if not place.is_dir():
        raise FormatError(f"{place}: does not exist; name the folder of a build, or its {README}")
    folder = CardFolder(place)
    readme = [f"{place / README}: {problem}" for problem in _readme_problems(place / README, folder)]
    return readme + [f"{place / CROISSANT}: {problem}" for problem in check_croissant(place / CROISSANT, folder)]


def _readme_problems(path: Path, folder: CardFolder) -> list[str]:
    try:
        facts = _front_matter(path.read_text(encoding="utf8"))
    except OSError as error:
        return [f"cannot be read ({error.strerror}); build again"]
    except ValueError as error:  # UnicodeDecodeError is one
        return [str(error)]
    return [
        *_licence(facts),
        *_languages(facts, folder),
        *_sizes(facts, folder),
        *_configs(facts, folder),
        *_info(facts, folder),
    ]


def _front_matter(text: str) -> dict[str, Any]:
    """The front matter as YAML 1.1 reads it, in which `no` is false; ValueError where there is none."""
    lines = text.split("\n")
    if lines[0] != _RULE:
        raise ValueError(f"begins with {lines[0][:40]!r}, wanted the rule {_RULE} and front matter below it")
    if _RULE not in lines[1:]:
        raise ValueError(f"its front matter has no end, wanted a line {_RULE}")
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 1)
    try:
        facts = yaml.load("\n".join(lines[1 : lines.index(_RULE, 1)]))
    except YAMLError as error:
        raise ValueError(f"its front matter is no YAML ({' '.join(str(error).split())})") from error
    if not isinstance(facts, dict):
        raise ValueError(f"its front matter is {type(facts).__name__}, wanted keys with values")
    return facts


def _listed(value: object) -> list[Any]:
    """A list, or a single value as one."""
    return value if isinstance(value, list) else [value]


def _licence(facts: Mapping[str, Any]) -> Iterator[str]:
    named = facts.get("license")
    if named is None:
        yield "names no license; wanted an identifier of the Hub's"
        return
    for name in _listed(named):
        if not isinstance(name, str) or name not in hub_licences():
            yield f"license {name!r} is no identifier of the Hub's; say {OTHER}, and license_name"
    if OTHER in _listed(named) and not facts.get("license_name"):
        yield f"license is {OTHER}, and license_name is missing"


def _languages(facts: Mapping[str, Any], folder: CardFolder) -> Iterator[str]:
    named = _listed(facts.get("language") or [])
    for code in named:
        if not isinstance(code, str) or code not in language_codes():
            yield f"language {code!r} is no code of ISO 639-1, nor of 639-3 where it has no shorter one"
    if folder.manifest is not None:
        missing = [code for code in languages_of(folder.manifest) if code not in named]
        if missing:
            yield f"language lacks {', '.join(missing)}, which the manifest counts"


def _sizes(facts: Mapping[str, Any], folder: CardFolder) -> Iterator[str]:
    named = _listed(facts.get("size_categories") or [])
    for name in named:
        if name not in SIZES:
            yield f"size_categories {name!r} is none of {', '.join(SIZES)}"
    rows = sum(folder.rows().values())
    if folder.manifest is not None and named != [size_category(rows)]:
        yield f"size_categories is {named}, the manifest counts {rows:,} rows: {size_category(rows)}"


def _configs(facts: Mapping[str, Any], folder: CardFolder) -> Iterator[str]:
    """Whether every file of data is named by one split, and every pattern names a file."""
    configs = facts.get(_CONFIGS)
    if not isinstance(configs, list) or not configs or not all(isinstance(each, dict) for each in configs):
        yield f"{_CONFIGS} is {configs!r}, wanted a list with a config_name and data_files each"
        return
    for config in configs:
        if not isinstance(config.get("config_name"), str):
            yield f"a configuration has the config_name {config.get('config_name')!r}, wanted a name"
        yield from _data_files(config.get("data_files"), folder)


def _data_files(data_files: object, folder: CardFolder) -> Iterator[str]:
    if not isinstance(data_files, list) or not all(isinstance(each, dict) for each in data_files):
        yield f"data_files is {data_files!r}, wanted a list with a split and a path each"
        return
    named: dict[str, str] = {}
    for each in data_files:
        split = each.get("split")
        if not isinstance(split, str) or not _SPLIT.fullmatch(split):
            yield f"split {split!r} is no name of a split, wanted letters, digits and _"
        for pattern in _listed(each.get("path")):
            own = folder.matching(pattern)
            if not own:
                yield f"path {pattern!r} of the split {split} names no file"
            yield from (f"{path} is in the splits {named[path]} and {split}" for path in own if path in named)
            named |= dict.fromkeys(own, str(split))
    yield from (f"{path} is in no split of {_CONFIGS}" for path in folder.data_files if path not in named)


def _info(facts: Mapping[str, Any], folder: CardFolder) -> Iterator[str]:
    """Whether the sizes that are said are those of the manifest and of the files."""
    if folder.manifest is None or not folder.rows():
        return
    info = facts.get(_INFO)
    if not isinstance(info, dict):
        yield f"{_INFO} is {type(info).__name__}, wanted features, splits and sizes"
        return
    splits = {str(split.get("name")): split for split in _listed(info.get("splits")) if isinstance(split, dict)}
    in_memory: dict[str, int] = {}
    for part in arrow_files(folder.manifest):
        in_memory[part.split] = in_memory.get(part.split, 0) + part.bytes
    wanted = {(split, "num_examples"): rows for split, rows in folder.rows().items()}
    wanted |= {(split, "num_bytes"): size for split, size in in_memory.items()}
    for (split, key), size in wanted.items():
        found = splits.get(split, {}).get(key)
        if found != size:
            yield f"{_INFO}: {key} of {split} is {found}, the manifest says {size}"
    yield from (f"{_INFO} has the split {split}, the manifest has none" for split in splits if split not in folder.rows())
    for key, size in {"download_size": sum(folder.data_files.values()), "dataset_size": sum(in_memory.values())}.items():
        if info.get(key) != size:
            yield f"{_INFO}: {key} is {info.get(key)}, wanted {size}"
