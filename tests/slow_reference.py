"""What a build must be, worked out again from its rows in plain Python: slow, plain, and with none of the code that builds.

All that it shares with a build is what is written down of it: the hash (XXH3 of the id, seeded by the purpose), the layouts of
the templates, and the format of the folder.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import xxhash

Row = dict[str, Any]

SPLITS: Final = ("train", "validation")
LATE: Final = ("fraction", "size", "max_train_set", "max_val_set")
"""Reasons of rows that were given a split before they were dropped."""


@dataclass(frozen=True)
class Folder:
    """A build folder, read."""

    manifest: dict[str, Any]
    rows: dict[str, dict[str, list[Row]]]
    """By split (dropped is one), then by source, in the order of the parts."""

    def of(self, source: str, *splits: str) -> list[Row]:
        """The rows of a source in these splits."""
        return [row for split in splits for row in self.rows[split].get(source, [])]

    def options(self, source: str) -> dict[str, Any]:
        """What the manifest says of an entry."""
        found: dict[str, Any] = next(entry[source] for entry in self.manifest["mix"]["datasets"] if source in entry)
        return found


def read_folder(out: Path) -> Folder:
    """Every row of a build, dropped ones included."""
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf8"))
    rows: dict[str, dict[str, list[Row]]] = {split: {} for split in (*SPLITS, "dropped")}
    for part in manifest["parts"]:
        with pa.OSFile(str(out / part["path"])) as file:
            table = pa.ipc.open_file(file).read_all()
        assert (table.num_rows, (out / part["path"]).stat().st_size) == (part["rows"], part["bytes"])
        rows[part["split"]].setdefault(part["source"], []).extend(table.to_pylist())
    return Folder(manifest, rows)


def number(text: str, seed: int, purpose: str) -> int:
    """The hash by which everything is drawn."""
    return xxhash.xxh3_64_intdigest(text.encode(), xxhash.xxh3_64_intdigest(f"{seed}:{purpose}".encode()))


def content(row: Row) -> tuple[tuple[str, str], ...]:
    """What makes two conversations the same: roles and contents."""
    return tuple((message["role"], message["content"]) for message in row["messages"])


def group(row: Row, trees: dict[str, str]) -> str:
    """What is never split: the talk, the tree, else the row alone; `trees` has the tree of each message of the export."""
    name = str(row["id"])
    key = name.split("/", 1)[1]
    if row["source"].startswith("ted_trans"):
        return key.split(":")[0]
    return trees.get(key.split("#")[0], name) if row["source"] == "oasst_export" else name


def counted(folder: Folder, source: str) -> dict[str, Any]:
    """Rows read, dropped by reason and kept by split, counted one by one."""
    dropped = Counter(row["drop"] for row in folder.of(source, "dropped"))
    kept = {split: len(folder.of(source, split)) for split in SPLITS}
    return {"read": sum(kept.values()) + dropped.total(), "dropped": dict(dropped), "kept": kept}


def expected_split(rows: Iterable[Row], val_split: float, seed: int, trees: dict[str, str]) -> dict[str, str]:
    """The split of each row by its id: the groups below the share are validation, one at least, and one at least is not."""
    groups = {row["id"]: number(group(row, trees), seed, "split") for row in rows}
    hashes = sorted(set(groups.values()))
    if val_split == 0 or len(hashes) < 2:
        return dict.fromkeys(groups, "train")
    below = [each for each in hashes if each < val_split * 2**64] or hashes[:1]
    validation = set(below if len(below) < len(hashes) else below[:-1])
    return {name: "validation" if found in validation else "train" for name, found in groups.items()}


def rendered(row: Row, name: str, eos: str) -> str:
    """The conversation as text, in the layout of a template."""
    said = [(message["role"], message["content"]) for message in row["messages"]]
    if name == "chatml":
        return "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in said)
    if name == "llama3":
        turns = (f"<|start_header_id|>{role}<|end_header_id|>\n\n{text}<|eot_id|>" for role, text in said)
        return "<|begin_of_text|>" + "".join(turns)
    tokens = {"system": "<|system|>", "user": "<|prompter|>", "assistant": "<|assistant|>"}
    return "".join(f"{tokens[role]}{text}{eos}" for role, text in said)


def is_in_order(row: Row) -> bool:
    """Whether the turns are a system turn or none, then user and assistant by turns, none of them empty."""
    roles = [message["role"] for message in row["messages"]]
    turns = roles[1:] if roles[:1] == ["system"] else roles
    in_order = len(turns) % 2 == 0 and turns == ["user", "assistant"] * (len(turns) // 2)
    return bool(turns) and in_order and all(message["content"].strip() for message in row["messages"])


def walk(tree: dict[str, Any]) -> Iterator[tuple[dict[str, Any], tuple[str, ...]]]:
    """Every message of a tree, with the ids from the root to it."""
    waiting: list[tuple[dict[str, Any], tuple[str, ...]]] = [(tree["prompt"], ())]
    while waiting:
        message, above = waiting.pop()
        path = (*above, message["message_id"])
        yield message, path
        waiting += [(reply, path) for reply in message.get("replies") or []]
