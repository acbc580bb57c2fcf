"""The front matter of a build's README.md: YAML by which the Hub shows a data set, and `datasets` finds and loads its splits.

https://huggingface.co/docs/hub/datasets-cards and https://github.com/huggingface/hub-docs/blob/main/datasetcard.md say what it
may hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from data_mix.cards.card_file import CardFile, arrow_files, by_split, patterns
from data_mix.cards.vocabulary import languages_of, size_category
from data_mix.config import as_yaml
from data_mix.licence import licences_of, mix_licence
from data_mix.schema import CONVERSATION

CONFIG: Final = "default"
TASKS: Final = ("text-generation",)
_TAGS: Final = ("chat", "sft", "datamix")

_quoted = DoubleQuotedScalarString
"""For texts of others, and since YAML takes the language `no` for false."""


def front_matter(manifest: Mapping[str, Any], files: Sequence[CardFile]) -> str:
    """The front matter of these data files of a build, between its rules."""
    rows = sum(file.rows for file in files)
    languages = [_quoted(tag) for tag in languages_of(manifest)]
    facts = {
        **_licence(manifest),
        **({"language": languages} if languages else {}),
        "pretty_name": _quoted(manifest["name"]),
        "size_categories": [size_category(rows)],
        "task_categories": list(TASKS),
        "tags": list(_TAGS),
        "configs": [{"config_name": CONFIG, "data_files": _data_files(files)}],
        **({"dataset_info": _dataset_info(manifest, files)} if rows else {}),
    }
    return f"---\n{as_yaml(facts)}---"


def _licence(manifest: Mapping[str, Any]) -> dict[str, Any]:
    licences = licences_of(manifest)
    if not licences:
        return {}
    found = mix_licence(licences.values())
    more = {"license_name": found.name, "license_link": found.link}
    return {"license": found.hub, **{key: _quoted(text) for key, text in more.items() if text}}


def _data_files(files: Sequence[CardFile]) -> list[dict[str, Any]]:
    """Where each split is; a single pattern stands by itself."""
    found = {split: [_quoted(pattern) for pattern in patterns(split, files)] for split in by_split(files)}
    return [{"split": split, "path": paths[0] if len(paths) == 1 else paths} for split, paths in found.items()]


def _dataset_info(manifest: Mapping[str, Any], files: Sequence[CardFile]) -> dict[str, Any]:
    """Features and sizes; `num_bytes` is that of the rows in memory, as the Arrow parts hold them."""
    in_memory = by_split(arrow_files(manifest))
    splits = [
        {
            "name": split,
            "num_bytes": sum(part.bytes for part in in_memory.get(split, ())),
            "num_examples": sum(file.rows for file in own),
        }
        for split, own in by_split(files).items()
    ]
    return {
        "config_name": CONFIG,
        "features": _features(CONVERSATION),
        "splits": splits,
        "download_size": sum(file.bytes for file in files),
        "dataset_size": sum(split["num_bytes"] for split in splits),
    }


def _features(fields: Iterable[pa.Field]) -> list[dict[str, Any]]:
    """Columns as `datasets` writes them; a dictionary is read as its values."""
    return [{"name": field.name, **_feature(field.type)} for field in fields]


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(kind):
        inner = _feature(kind.value_type)
        return {"list": inner.get("struct", inner.get("dtype", inner))}
    if pa.types.is_struct(kind):
        return {"struct": _features(kind)}
    return {"dtype": str(kind.value_type if pa.types.is_dictionary(kind) else kind)}
