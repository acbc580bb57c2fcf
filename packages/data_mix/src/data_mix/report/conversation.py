"""A row of a build as the page is given it: plain data, its longest texts cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def as_shown(row: Mapping[str, Any], split: str, length: int | None, most: int) -> dict[str, Any]:
    """A row of a shard for the page; of a message longer than `most` characters the rest is left out and counted (`cut`)."""
    shown = {"id": row["id"], "source": row["source"], "lang": row["lang"], "split": split, "length": length}
    dropped = {"drop": row["drop"]} if row.get("drop") else {}
    return shown | dropped | {"messages": [_message(message, most) for message in row["messages"] or ()]}


def _message(message: Mapping[str, Any], most: int) -> dict[str, Any]:
    content = message["content"] or ""
    cut = {"cut": len(content) - most} if len(content) > most else {}
    return {"role": message["role"], "train": bool(message["train"]), "content": content[:most], **cut}
