"""Token shards: a build as ids, in files of their own beside it.

    OUT/tokens/KEY.train.arrow       Arrow IPC, a row per conversation, in the order of the build
               KEY.validation.arrow
               KEY.json              written last: where it stands, the shards are whole
               KEY.packs/            indexes of packs, which who trains writes (`data_mix.packing`)

KEY is a digest of tokenizer, template and build, so shards of several tokenizers lie side by side, and those of a build that
has changed are never taken for its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data_mix.arrays import to_numpy
from data_mix.errors import FormatError
from data_mix.files import file_sha256, write_bytes
from data_mix.schema import SPLITS
from data_mix.shards import Build, map_table, open_build
from data_mix.template import ChatTemplate, chat_template
from data_mix.tokens.tokenizer import Tokenizer

FORMAT: Final = "datamix-tokens"
VERSION: Final = 1
"""Raised when a reader of the older version could misread newer shards, and when the same rows would give other ids."""

FOLDER: Final = "tokens"

_LARGEST_UINT16: Final = 1 << 16


def token_schema(vocabulary: int) -> pa.Schema:
    """The columns of token shards: ids are of 16 bits where the vocabulary, new tokens included, allows it."""
    spans = pa.list_(pa.struct([("start", pa.uint32()), ("end", pa.uint32())]))
    ids = pa.uint16() if vocabulary <= _LARGEST_UINT16 else pa.uint32()
    return pa.schema(
        [("source", pa.dictionary(pa.int16(), pa.string())), ("input_ids", pa.list_(ids)), ("loss", spans)],
    )


def template_of(build: Build) -> ChatTemplate:
    """The template that the build was made with; FormatError where this datamix lays it out otherwise."""
    wanted = build.manifest["template"]
    template = chat_template(wanted["name"], wanted["eos"])
    if template.describe() != wanted:
        raise FormatError(f"{build.path}: its template {wanted['name']} is laid out otherwise by this datamix; build again")
    return template


def key_of(build: Build, tokenizer: Tokenizer) -> str:
    """The name of the token shards of this build and tokenizer (the template is part of the build's fingerprint)."""
    facts = [VERSION, build.manifest["fingerprint"], build.manifest["template"], tokenizer.sha256]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Tokens:
    """Whole token shards of a build."""

    path: Path
    """The manifest KEY.json; the shards lie beside it."""
    manifest: dict[str, Any]

    def table(self, split: str) -> pa.Table:
        """The rows of a split, mapped into memory: nothing is read before it is used. FormatError where they are damaged."""
        path = self._shard(split)
        try:
            return map_table(path)
        except (pa.ArrowException, OSError) as error:
            raise FormatError(f"{path}: is damaged or missing ({error}); remove {self.path.name} and tokenize again") from error

    def lengths(self, split: str) -> NDArray[np.int64]:
        """Ids of each row of a split, in its order."""
        chunks = self.table(split)["input_ids"].chunks
        return np.concatenate([np.zeros(0, np.int64), *(np.diff(to_numpy(chunk.offsets)) for chunk in chunks)])

    def _shard(self, split: str) -> Path:
        if split not in self.manifest["files"]:
            raise FormatError(f"{self.path}: has no split {split!r}, wanted one of {', '.join(self.manifest['files'])}")
        return self.path.parent / str(self.manifest["files"][split]["path"])


def read_tokens(out: Path, tokenizer: Tokenizer) -> Tokens:
    """The token shards of a build for this tokenizer.

    Raises FormatError where there are none, with the command that makes them, or where they are damaged.
    """
    build = open_build(out)
    path = tokens_path(build, tokenizer)
    if not path.is_file():
        others = len(list(path.parent.glob("*.json")))
        why = f"; there are {others} of another tokenizer or an earlier build" if others else ""
        command = f"datamix tokenize {out} --tokenizer {tokenizer.where}"
        raise FormatError(f"{out}: has no token shards of {tokenizer.where}{why}; make them with {command}")
    return open_tokens(path)


def tokens_path(build: Build, tokenizer: Tokenizer) -> Path:
    """Where the manifest of the token shards stands, or is to stand."""
    return build.path / FOLDER / f"{key_of(build, tokenizer)}.json"


def open_tokens(path: Path) -> Tokens:
    """Token shards by their manifest: whole, of a known version, each of the size that the manifest says; else FormatError."""
    manifest = _parse(path)
    for split in SPLITS:
        shard = path.parent / manifest["files"][split]["path"]
        found = shard.stat().st_size if shard.is_file() else None
        if found != manifest["files"][split]["bytes"]:
            state = (
                "is missing" if found is None else f"has {found} bytes, {path.name} says {manifest['files'][split]['bytes']}"
            )
            raise FormatError(f"{shard}: {state}; tokenize again")
    return Tokens(path, manifest)


def verify_tokens(out: Path) -> list[str]:
    """Check the digests of all token shards beside a build; return what is wrong, a line each."""
    return [problem for path in sorted((out / FOLDER).glob("*.json")) for problem in _problems(path)]


def _problems(path: Path) -> list[str]:
    try:
        tokens = open_tokens(path)
    except FormatError as error:
        return [str(error)]
    digests = {path.parent / file["path"]: file["sha256"] for file in tokens.manifest["files"].values()}
    wrong = [(shard, sha256) for shard, sha256 in digests.items() if file_sha256(shard) != sha256]
    return [
        f"{shard}: its SHA-256 is not {sha256}, which {path.name} says; remove that and tokenize again"
        for shard, sha256 in wrong
    ]


def _parse(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_bytes())
        format_, version, files = manifest["format"], manifest["version"], manifest["files"]
        whole = all(
            isinstance(files[split]["bytes"], int) and files[split]["path"] and files[split]["sha256"] for split in SPLITS
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise FormatError(f"{path}: is damaged or missing ({type(error).__name__}: {error}); tokenize again") from error
    if not whole or (format_, version) != (FORMAT, VERSION):
        raise FormatError(f"{path}: is {format_!r} version {version}, wanted {FORMAT!r} version {VERSION}; tokenize again")
    return dict(manifest)


def write_tokens_manifest(path: Path, facts: Mapping[str, Any]) -> Tokens:
    """Declare the shards whole."""
    manifest = {"format": FORMAT, "version": VERSION, **facts}
    write_bytes(path, f"{json.dumps(manifest, ensure_ascii=False, indent=1)}\n".encode())
    return Tokens(path, manifest)
