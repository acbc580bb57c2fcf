"""Builds made by hand, to be looked at: any texts, and any keys of the manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from data_mix.files import file_sha256, write_bytes
from data_mix.schema import CONVERSATION
from data_mix.shards import DROPPED, Build, Part, open_build, part_records, write_manifest, write_part
from data_mix.steps.writing import DROPPED_SCHEMA

HOSTILE: Final = (
    "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\"><!-- \u2028\u2029 @@data@@"
)

Message = tuple[str, str]
Made = tuple[str, str, list[Message]]
"""Key, language, messages."""


def pair(question: str, answer: str) -> list[Message]:
    """A question and its answer."""
    return [("user", question), ("assistant", answer)]


def plain(count: int, lang: str = "en") -> list[Made]:
    """So many conversations, no two alike."""
    return [
        (str(number), lang, pair(f"Question {number}?", f"Answer {number}. " * (1 + number % 7))) for number in range(count)
    ]


def make_build(out: Path, parts: Mapping[tuple[str, str], Sequence[Made]], **keys: Any) -> Build:
    """A whole build: rows by (split, source); `keys` join the manifest, those of `sources` each source's record."""
    made = [_part(out, split, source, rows) for (split, source), rows in parts.items()]
    names = dict.fromkeys(source for _, source in parts)
    given = keys.pop("sources", {})
    sources = {name: _record(name, parts) | given.get(name, {}) for name in names}
    audit = {path.relative_to(out).as_posix(): file_sha256(path) for path in sorted((out / "audit").glob("*"))}
    facts = {"name": "own-mix", "mix": {}, "template": {"name": "openassistant", "eos": "<|endoftext|>"}, "sources": sources}
    rest = {"fingerprint": "f" * 64, "licence_warnings": [], "parts": part_records(made), "files": audit}
    write_manifest(out, facts | rest | keys)
    return open_build(out)


def _part(out: Path, split: str, source: str, rows: Sequence[Made]) -> Part:
    schema = DROPPED_SCHEMA if split == DROPPED else CONVERSATION
    records = [_row(source, *row) | ({"drop": "too_long"} if split == DROPPED else {}) for row in rows]
    path = f"{split}/{source}-00000.arrow"
    (out / split).mkdir(parents=True, exist_ok=True)
    batches = [pa.RecordBatch.from_pylist(records[start : start + 300], schema=schema) for start in range(0, len(records), 300)]
    count, size, sha256 = write_part(out / path, schema, batches)
    return Part(path=path, split=split, source=source, rows=count, bytes=size, sha256=sha256)


def _row(source: str, key: str, lang: str, messages: list[Message]) -> dict[str, Any]:
    shown = [{"role": role, "content": content, "train": role == "assistant"} for role, content in messages]
    text = "".join(content for _, content in messages)
    return {"id": f"{source}/{key}", "source": source, "lang": lang, "messages": shown, "text": text}


def _record(name: str, parts: Mapping[tuple[str, str], Sequence[Made]]) -> dict[str, Any]:
    kept = {split: len(parts.get((split, name), ())) for split in ("train", "validation")}
    dropped = len(parts.get((DROPPED, name), ()))
    languages: dict[str, int] = {}
    for split in kept:
        for _, lang, _ in parts.get((split, name), ()):
            languages[lang] = languages.get(lang, 0) + 1
    rows = {"read": sum(kept.values()) + dropped, "dropped": {"too_long": dropped} if dropped else {}, "kept": kept}
    files = [{"url": "own.jsonl", "bytes": 1, "sha256": "0" * 64}]
    facts = {"source": "conversations", "licence": "MIT", "homepage": "https://example.org", "files": files}
    return facts | {"rows": rows, "languages": languages, "notices": []}


def write_audit(out: Path, name: str, lines: Sequence[Mapping[str, Any]]) -> None:
    """An audit list; write it before the manifest, which names it."""
    (out / "audit").mkdir(parents=True, exist_ok=True)
    write_bytes(out / "audit" / name, "".join(f"{json.dumps(line)}\n" for line in lines).encode())
