"""The peer of `bench_build.py`: the same work done row by row with `datasets.Dataset.map` and `filter`.

`passes` does a pass per step, as trainers commonly prepare their data; `fused` does every step in one function, which is
the best that row by row can be. Neither splits, takes digests nor writes a manifest.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Any

import datasets

Row = dict[str, Any]

CITATION = re.compile(r"\[(?:\d+|citation needed)\]")
CALCULATOR = re.compile(r"<<[^<>]*>>")
TEMPLATE = {"user": "<|prompter|>{}<|endoftext|>", "assistant": "<|assistant|>{}<|endoftext|>"}

datasets.disable_progress_bars()


def passes(raw: Path, out: Path) -> int:
    """A pass per step: messages, normalisation, rules, template, duplicates, writing; return the rows kept."""
    dolly, gsm8k = _load(raw, out)
    dolly = dolly.map(_from_dolly, with_indices=True, remove_columns=dolly.column_names)
    gsm8k = gsm8k.map(_from_gsm8k, with_indices=True, remove_columns=gsm8k.column_names)
    rows = datasets.concatenate_datasets([dolly, gsm8k])
    rows = rows.map(_normalised).filter(_is_conversation).map(_rendered).filter(_Unseen())
    rows.save_to_disk(out / "build")
    return len(rows)


def fused(raw: Path, out: Path) -> int:
    """One `map` per source that does every step, one `filter`, writing; return the rows kept."""
    dolly, gsm8k = _load(raw, out)
    dolly = dolly.map(lambda row, place: _whole(_from_dolly(row, place)), with_indices=True, remove_columns=dolly.column_names)
    gsm8k = gsm8k.map(lambda row, place: _whole(_from_gsm8k(row, place)), with_indices=True, remove_columns=gsm8k.column_names)
    rows = datasets.concatenate_datasets([dolly, gsm8k])
    unseen = _Unseen()
    rows = rows.filter(lambda row: _is_conversation(row) and unseen(row))
    rows.save_to_disk(out / "build")
    return len(rows)


def _load(raw: Path, out: Path) -> tuple[datasets.Dataset, datasets.Dataset]:
    cache = str(out / "cache")
    dolly = datasets.load_dataset("json", data_files=str(raw / "dolly.jsonl"), split="train", cache_dir=cache)
    gsm8k = datasets.load_dataset("parquet", data_files=str(raw / "gsm8k.parquet"), split="train", cache_dir=cache)
    return dolly, gsm8k


def _from_dolly(row: Row, place: int) -> Row:
    asked = f"{row['instruction']}\n\n{row['context']}" if row["context"] else row["instruction"]
    return _pair("dolly15k", place, CITATION.sub("", asked), CITATION.sub("", row["response"]))


def _from_gsm8k(row: Row, place: int) -> Row:
    return _pair("gsm8k", place, row["question"], CALCULATOR.sub("", row["answer"]))


def _pair(source: str, place: int, asked: str, answer: str) -> Row:
    user = {"role": "user", "content": asked, "train": False}
    assistant = {"role": "assistant", "content": answer, "train": True}
    return {"id": f"{source}/raw:{place}", "source": source, "lang": "en", "messages": [user, assistant]}


def _normalised(row: Row) -> Row:
    return {"messages": [message | {"content": _clean(message["content"])} for message in row["messages"]]}


def _clean(text: str) -> str:
    return unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")


def _is_conversation(row: Row) -> bool:
    """No empty turn; user and assistant take turns, the assistant last."""
    roles = [message["role"] for message in row["messages"]]
    alternates = roles == ["user", "assistant"] * (len(roles) // 2)
    return alternates and all(message["content"].strip() for message in row["messages"])


def _rendered(row: Row) -> Row:
    return {"text": "".join(TEMPLATE[message["role"]].format(message["content"]) for message in row["messages"])}


def _whole(row: Row) -> Row:
    row |= _normalised(row)
    return row | _rendered(row)


class _Unseen:
    """Whether no row with the same roles and contents came before."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, ...]] = set()

    def __call__(self, row: Row) -> bool:
        key = tuple(part for message in row["messages"] for part in (message["role"], message["content"]))
        is_new = key not in self.seen
        self.seen.add(key)
        return is_new
