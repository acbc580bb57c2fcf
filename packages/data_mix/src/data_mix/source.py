"""What a source is, and how one is found by the name of a mix entry.

A source is a module of `data_mix.sources` with one `SOURCE`, or an entry point of the group `data_mix.sources` that
loads one. The folder is the registry: a tenth source edits nothing.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal, Protocol, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from data_mix.schema import Split

PLUGINS = "data_mix.sources"

_TAG = r"zh-cn|zh-tw|pt-br|fr-ca|[a-z]{2,3}"
_LANGUAGE_TAG = r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*$"


class SourceOptions(BaseModel):
    """The options that every entry of a mix may give."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str | None = Field(None, description="The name of this entry, where one source stands twice in a mix.")
    type: str | None = Field(None, description="The source that reads this entry, where the entry's name is free.")
    input_file_path: str | None = Field(None, description="A raw file of one's own, in upstream's layout.")
    licence: str | None = Field(None, description="SPDX licence of a file of one's own.")
    lang: str | None = Field(
        None, pattern=_LANGUAGE_TAG, description="BCP-47 tag of the conversations of this entry that do not say theirs."
    )
    revision: str | None = Field(None, description="Revision of the hub repository, in place of the pinned one.")
    val_split: float = Field(0.05, ge=0, lt=1, description="Share of the groups that go into validation.")
    max_train_set: int | None = Field(None, ge=0, description="At most so many train conversations.")
    max_val_set: int | None = Field(None, ge=0, description="At most so many validation conversations.")
    fraction: float | None = Field(None, gt=0, le=1, description="Keep this share of the train conversations.")
    size: int | None = Field(None, ge=0, description="Keep so many train conversations.")
    weight: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Factor of this entry's share of train, beside its size (see `mixing`)."
    )
    epochs: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Take the train conversations so often, 2.5 for example, whatever the shares of others.",
    )
    max_epochs: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="How often a share may take them at most, in place of mixing.max_epochs."
    )
    max_train_tokens: int | None = Field(
        None, ge=0, description="At most so many train tokens, copies included, by mixing.tokenizer."
    )
    on_bad_record: Literal["error", "drop"] = Field(
        "error", description="What a broken record does: end the build, or be a counted drop."
    )

    @model_validator(mode="after")
    def _one_way_of_mixing(self) -> Self:
        if self.epochs is not None and (self.weight is not None or self.max_epochs is not None):
            raise ValueError("found epochs beside weight or max_epochs, wanted one: so many epochs, or a share")
        return self


@dataclass(frozen=True, kw_only=True)
class RawFile:
    """A file (or a glob of files) as a source names it: where upstream keeps it, and what it must be."""

    path: str
    """Path in the hub repository (may be a glob, `zh-en/train-*.parquet`), or a local path where `repo` is None."""
    repo: str | None = None
    """Hub data set repository, `owner/name`."""
    revision: str | None = None
    """Commit, branch or tag; None: main. What it resolves to stands in the manifest."""
    sha256: str | None = None
    """Digest, where upstream fixes one."""
    split: Split | None = None
    """The split that upstream assigns; None: ours to make."""


def is_url(path: str) -> bool:
    """Whether a raw file's path is a URL of the web."""
    return path.startswith(("http://", "https://"))


def stem_of(name: str) -> str:
    """A file's name up to its first dot."""
    return name.split(".", 1)[0]


@dataclass(frozen=True, kw_only=True)
class LocalFile:
    """A raw file, or one row group of it, that has been fetched and verified."""

    name: str
    """Base name; its stem stands in ids and its whole in errors."""
    path: Path
    """The file; where only a row group was fetched, the folder of fetched ranges."""
    sha256: str
    split: Split | None = None
    row_group: int | None = None
    """Set where only this row group of a Parquet file was fetched."""
    label: str | None = None
    """What stands in ids in place of the stem, where another file of the entry has the same."""

    @property
    def stem(self) -> str:
        """The name up to its first dot, or the label, as it stands in ids."""
        return self.label or stem_of(self.name)


class Hub(Protocol):
    """What a source may ask the hub while it names its files."""

    def list_files(self, repo: str, revision: str | None) -> list[str]:
        """Paths of all files of the repository, sorted."""

    def read_text(self, repo: str, revision: str | None, path: str) -> str | None:
        """A small text file's contents; None where there is none."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of a mix, resolved: what a source needs to name and read its files."""

    name: str
    """As written in the mix, or `name:`; the prefix of the ids and the column `source`."""
    source: Source
    params: Mapping[str, str]
    """What the name fills into the source's pattern: {"a": "zh", "b": "en"}."""
    options: SourceOptions
    seed: int
    max_record_bytes: int = 64_000_000


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Whose the data of an entry are."""

    licence: str
    """SPDX identifier, or LicenseRef-…"""
    homepage: str


@dataclass(frozen=True, kw_only=True)
class Source:
    """A place that conversations come from."""

    name: str
    """The entry's name, or a pattern of it: `wmt2019_{a}-{b}`."""
    licence: str
    """SPDX identifier, or LicenseRef-…"""
    homepage: str
    languages: tuple[str, ...]
    """BCP-47 tags; empty: any."""
    rows: int | None
    """Records upstream, where known."""
    files: Callable[[Entry, Hub], list[RawFile]]
    read: Callable[[Entry, tuple[LocalFile, ...]], Iterator[pl.DataFrame]]
    """Frames with columns of `schema.FRAME` (those left out are null), each of bounded size, in a fixed order."""
    options: type[SourceOptions] = SourceOptions
    together: bool = False
    """Read all files in one call (trees and questions cross files), else each file alone and in parallel."""
    origin: Callable[[Entry, Hub], Origin] | None = None
    """Licence and homepage where they differ from entry to entry; None: they are those above."""
    filters_lang: bool = False
    """The option `lang` chooses among the source's languages; elsewhere it declares that of rows that do not say theirs."""
    by_row_group: bool = False
    """A cap draws row groups, so that only those are fetched."""
    check: Callable[[Entry], None] | None = None
    """Raise ConfigError where params and options do not fit together, before anything is fetched."""
    sample_options: Mapping[str, object] = field(default_factory=dict)
    """Options that `--samples` puts in place of the entry's, so that the shipped sample fits."""

    def match(self, name: str) -> Mapping[str, str] | None:
        """What `name` fills into the pattern; None where it does not match."""
        pattern = re.sub(r"\\{(\w+)\\}", rf"(?P<\1>{_TAG})", re.escape(self.name))
        found = re.fullmatch(pattern, name)
        return found.groupdict() if found else None


@cache
def sources() -> Mapping[str, Source]:
    """All sources by name: the modules of `data_mix.sources`, then those of other distributions."""
    package = importlib.import_module("data_mix.sources")
    modules = [
        importlib.import_module(f"{package.__name__}.{module.name}") for module in pkgutil.iter_modules(package.__path__)
    ]
    found: list[Source] = [module.SOURCE for module in modules]
    found += [plugin.load() for plugin in sorted(entry_points(group=PLUGINS), key=lambda plugin: plugin.name)]
    return {source.name: source for source in found}
