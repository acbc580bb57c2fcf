"""Which files of a hub repository hold a split: what its README says, else where such files usually lie.

The front matter of a README may name them (`datasets` reads the same):

    configs:
    - config_name: main
      data_files:
      - split: train
        path: main/train-*
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from data_mix.errors import ConfigError
from data_mix.licence import from_hub
from data_mix.source import Hub

_DATA: Final = re.compile(r"\.(?:parquet|jsonl|ndjson|json|csv|tsv)(?:\.gz|\.zst)?$")
_FRONT_MATTER: Final = re.compile(r"\A---\s*\n(.*?)\n---\s*(?:\n|\Z)", re.DOTALL)
_USUAL: Final = ("{split}-*", "{split}.*", "{split}/*", "{split}_*", "*[-_.]{split}[-_.]*")
_SHOWN: Final = 8


class RepoFiles:
    """The data files of one repository at one revision."""

    def __init__(self, hub: Hub, repo: str, revision: str | None) -> None:
        self._repo = repo
        self._files = [path for path in hub.list_files(repo, revision) if _DATA.search(path)]
        self._configs = _configs(hub.read_text(repo, revision, "README.md") or "", repo)

    def matching(self, pattern: str) -> list[str]:
        """The files that a glob names: `*` stays inside one folder, `**` does not. Raises ConfigError where there are none."""
        found = self._glob(pattern)
        if not found:
            raise ConfigError(f"{self._repo} has no data file {pattern!r}; {self._choice()}")
        return found

    def of_split(self, config: str | None, split: str) -> list[str]:
        """The files of a split, sorted; `config` None: of the default configuration.

        Raises ConfigError where there are none, or no such configuration.
        """
        if self._configs:
            patterns = self._named(config, split)
            return sorted({path for pattern in patterns for path in self.matching(pattern)})
        for pattern in _usual(config, split):
            if found := self._glob(pattern):
                return found
        if split == "train" and config is None:
            return self.matching("*")
        raise ConfigError(f"{self._repo} has no files of split {split!r} in a usual place; say data_files: {self._choice()}")

    def _glob(self, pattern: str) -> list[str]:
        wanted = _regex(pattern.removeprefix("./"))
        return [path for path in self._files if wanted.fullmatch(path)]

    def _named(self, config: str | None, split: str) -> Sequence[str]:
        splits = self._configs[self._chosen(config)]
        if split not in splits:
            raise ConfigError(f"{self._repo} has no split {split!r}; it has {_listed(splits)}")
        return splits[split]

    def _chosen(self, config: str | None) -> str:
        """The name of the configuration asked for."""
        if config is None:
            return next(iter(self._configs))
        if config not in self._configs:
            nearest = get_close_matches(config, self._configs, n=1, cutoff=0)[0]
            raise ConfigError(
                f"{self._repo} has no configuration {config!r}, did you mean {nearest!r}? ({_listed(self._configs)})"
            )
        return config

    def _choice(self) -> str:
        return (
            f"its data files are {_listed(self._files)}"
            if self._files
            else "it has no data files of Parquet, JSON Lines or CSV"
        )


def readme_licence(readme: str) -> str:
    """The licence that the front matter names, as SPDX writes it; unknown where it names none or cannot be read."""
    front = _FRONT_MATTER.match(readme)
    try:
        loaded = YAML(typ="safe").load(front[1]) if front else None
    except YAMLError:
        loaded = None
    return from_hub(loaded.get("license") if isinstance(loaded, dict) else None)


def _configs(readme: str, repo: str) -> dict[str, dict[str, Sequence[str]]]:
    """Patterns by split by name of the configuration, the default one first; empty: the README names none."""
    front = _FRONT_MATTER.match(readme)
    try:
        loaded = YAML(typ="safe").load(front[1]) if front else None
        configs = (loaded or {}).get("configs") or []
        ordered = sorted(configs, key=lambda config: not _is_default(config))
        return {config["config_name"]: _splits(config["data_files"]) for config in ordered if "data_files" in config}
    except (YAMLError, AttributeError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{repo}: the front matter of its README.md cannot be read ({error!r:.80}); say data_files"
        ) from error


def _is_default(config: Mapping[str, Any]) -> bool:
    return bool(config.get("default")) or config["config_name"] == "default"


def _splits(data_files: Any) -> dict[str, Sequence[str]]:
    """Patterns by split, from any of the forms that the field has."""
    if isinstance(data_files, dict):
        return {split: _patterns(path) for split, path in data_files.items()}
    if isinstance(data_files, list) and data_files and isinstance(data_files[0], dict):
        return {each["split"]: _patterns(each["path"]) for each in data_files}
    return {"train": _patterns(data_files)}


def _patterns(path: str | list[str]) -> Sequence[str]:
    return [path] if isinstance(path, str) else path


def _usual(config: str | None, split: str) -> Iterator[str]:
    """The usual places of a split's files, the most telling first."""
    folders = [f"{config}/", f"data/{config}/"] if config else ["data/", "", "default/"]
    for folder in folders:
        yield from (folder + name.format(split=split) for name in _USUAL)


def _regex(pattern: str) -> re.Pattern[str]:
    """The glob as a regular expression over a whole path."""
    steps = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]/]+\])", pattern)
    return re.compile(
        "".join(steps.get(part) or (part if part.startswith("[") and part.endswith("]") else re.escape(part)) for part in parts)
    )


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
