"""croissant.json of a build: what it is, and its files with their digests, for programs.

Croissant is JSON-LD (https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html). Over Parquet there is a record set
per split, as `mlcroissant` loads it: of a split of one file it checks the digest as it reads; the files of a larger split are
found by their names, for it cannot read several listed ones as one. It reads no Arrow, so over Arrow parts there is none.
`datePublished` is left out: a build knows no time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from data_mix.cards.card_file import MEDIA_TYPES, CardFile, Layout, by_split, patterns
from data_mix.cards.vocabulary import languages_of
from data_mix.licence import licences_of, spdx_url

CROISSANT: Final = "croissant.json"
SPEC: Final = "http://mlcommons.org/croissant/1.1"
REPOSITORY: Final = "repository"
"""The @id of the repository that holds the files of a split."""

_HUB: Final = "https://huggingface.co/datasets"
_OF_CROISSANT: Final = (
    *("arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field", "fileObject", "fileProperty"),
    *("fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path"),
    *(
        "recordSet",
        "references",
        "regex",
        "repeated",
        "replace",
        "samplingRate",
        "separator",
        "source",
        "subField",
        "transform",
    ),
)
_CONTEXT: Final[dict[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{term: f"cr:{term}" for term in _OF_CROISSANT},
}
"""What Croissant 1.1 prescribes, and the vocabulary of provenance (https://www.w3.org/TR/prov-o/)."""

_TEXTS: Final = ("id", "source", "lang", "text")
_MESSAGES: Final = "messages"
_OF_A_MESSAGE: Final = {"role": "sc:Text", "content": "sc:Text", "train": "sc:Boolean"}
_SHORT: Final = 12


def croissant(
    manifest: Mapping[str, Any], files: Sequence[CardFile], layout: Layout, repo: str | None = None, revision: str | None = None
) -> dict[str, Any]:
    """The description of these data files of a build; `repo` (`OWNER/NAME`) is the data set of the Hub that they are in.

    Paths are relative to the folder of croissant.json, so that every copy of it can be read. Where a revision of the repository
    is given, they are URLs at that revision.
    """
    listed = [CardFile(*file) for file in files]
    splits = by_split(listed)
    base = f"{_HUB}/{repo}/resolve/{revision}/" if repo and revision else ""
    is_in_repo = bool(base) and layout == "parquet" and any(len(own) > 1 for own in splits.values())
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        **_facts(manifest, sum(file.rows for file in listed), repo),
        "distribution": [
            *([_repository(manifest, str(repo), str(revision))] if is_in_repo else []),
            *(_file_object(file, layout, base) for own in splits.values() for file in own),
            *(_file_sets(listed, splits, is_in_repo=is_in_repo) if layout == "parquet" else ()),
        ],
        **({"recordSet": [_record_set(split, own) for split, own in splits.items()]} if layout == "parquet" else {}),
    }


def croissant_bytes(manifest: Mapping[str, Any], files: Sequence[CardFile], layout: Layout, repo: str | None = None) -> bytes:
    """The description as the bytes of croissant.json, by paths relative to it."""
    return f"{json.dumps(croissant(manifest, files, layout, repo), ensure_ascii=False, indent=1)}\n".encode()


def _facts(manifest: Mapping[str, Any], rows: int, repo: str | None) -> dict[str, Any]:
    """What the data set is."""
    name, fingerprint, licences = manifest["name"], manifest["fingerprint"], licences_of(manifest)
    url = f"{_HUB}/{repo}" if repo else None
    # A choice, or what SPDX does not have, has no URL and stands as it is.
    terms = list(dict.fromkeys(spdx_url(licence) or licence for licence in licences.values()))
    homepages = dict.fromkeys(manifest["sources"][entry]["homepage"] for entry in licences)
    where = f", howpublished={{{url}}}" if url else ""
    return {
        "conformsTo": SPEC,
        "name": name,
        "description": f"{rows:,} conversations from {', '.join(licences) or 'no source'}, built by datamix.",
        **({"url": url} if url else {}),
        "version": f"1.0.0+{fingerprint[:_SHORT]}",
        "citeAs": f"@misc{{{name}, title={{{name}}}{where}, note={{datamix build {fingerprint}}}}}",
        "license": terms[0] if len(terms) == 1 else terms,
        "inLanguage": languages_of(manifest),
        "keywords": ["chat", "sft", "datamix"],
        "prov:wasDerivedFrom": [{"@id": homepage} for homepage in homepages if homepage],
        "rai:dataPreprocessingProtocol": list(_protocol(manifest)),
    }


def _protocol(manifest: Mapping[str, Any]) -> Iterator[str]:
    """What became of the rows that were read, a sentence per source."""
    for name, source in manifest["sources"].items():
        rows = source["rows"]
        dropped = ", ".join(f"{count} {reason}" for reason, count in rows["dropped"].items())
        yield f"{name}: {rows['read']} rows read, {sum(rows['kept'].values())} kept; dropped: {dropped or 'none'}."


def _repository(manifest: Mapping[str, Any], repo: str, revision: str) -> dict[str, Any]:
    """The repository as a whole, for readers that clone it. A digest is demanded; of a repository the build's stands for it."""
    return {
        "@type": "cr:FileObject",
        "@id": REPOSITORY,
        "name": REPOSITORY,
        "contentUrl": f"{_HUB}/{repo}/tree/{revision}",
        "encodingFormat": "git+https",
        "sha256": manifest["fingerprint"],
    }


def _file_object(file: CardFile, layout: Layout, base: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "contentUrl": f"{base}{file.path}",
        "contentSize": f"{file.bytes} B",
        "encodingFormat": MEDIA_TYPES[layout],
        "sha256": file.sha256,
    }


def _file_sets(
    files: Sequence[CardFile], splits: Mapping[str, Sequence[CardFile]], *, is_in_repo: bool
) -> Iterator[dict[str, Any]]:
    """The files of each split that has several."""
    for split, own in splits.items():
        if len(own) > 1:
            includes = patterns(split, files)
            yield {
                "@type": "cr:FileSet",
                "@id": f"{split}-files",
                **({"containedIn": {"@id": REPOSITORY}} if is_in_repo else {}),
                "encodingFormat": MEDIA_TYPES["parquet"],
                "includes": includes[0] if len(includes) == 1 else includes,
            }


def _record_set(split: str, files: Sequence[CardFile]) -> dict[str, Any]:
    """A split as records; which split it is, is the same in all of them."""
    source = {"fileObject": {"@id": files[0].path}} if len(files) == 1 else {"fileSet": {"@id": f"{split}-files"}}
    return {
        "@type": "cr:RecordSet",
        "@id": split,
        "name": split,
        "key": {"@id": f"{split}/id"},
        "field": [
            {**_field(f"{split}/split", ["sc:Text", "cr:Split"]), "value": split},
            *({**_field(f"{split}/{name}", "sc:Text"), "source": _column(source, name)} for name in _TEXTS),
            {**_field(f"{split}/{_MESSAGES}"), "isArray": True, "subField": list(_message_fields(split, source))},
        ],
    }


def _message_fields(split: str, source: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, kind in _OF_A_MESSAGE.items():
        found = _column(source, _MESSAGES) | {"transform": {"jsonPath": name}}
        yield {**_field(f"{split}/{_MESSAGES}/{name}", kind), "source": found}


def _field(where: str, kind: str | Sequence[str] | None = None) -> dict[str, Any]:
    named = {"@type": "cr:Field", "@id": where, "name": where.rpartition("/")[2]}
    return named if kind is None else {**named, "dataType": kind}


def _column(source: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {**source, "extract": {"column": name}}
