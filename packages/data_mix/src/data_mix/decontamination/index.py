"""All items that are looked for, made ready: built once, kept in a file, read by every worker.

An item's texts are read as words. What an item asks that words do not tell from others, such as brackets to be closed, is read
as symbols, and then only found whole.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from unicodedata import unidata_version

import numpy as np
import polars as pl
import xxhash

from data_mix.decontamination.layer import Layer, build_layer
from data_mix.decontamination.settings import DecontaminationOptions
from data_mix.decontamination.tables import Runs, Texts
from data_mix.errors import ConfigError
from data_mix.files import file_checksum, write_bytes


@dataclass(frozen=True, kw_only=True)
class Index:
    """What is looked for, and how alike it must be."""

    layers: tuple[Layer, ...]
    min_share: float
    min_words: int


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """An index that stands in a file."""

    path: Path
    digest: str
    """SHA-256 of all that the index depends on, wherever it stands."""
    items: Mapping[str, int]
    """Items by benchmark."""
    left_out: Mapping[str, int]
    """Items by benchmark that are never found: too short, or with nothing of their own."""


def prepare(items: pl.DataFrame, options: DecontaminationOptions, folder: Path) -> Prepared:
    """The index of these items (`items.ITEMS`) in a file below the folder, built unless it stands there whole.

    Raises ConfigError where no item can be found, OutputError where the file cannot be written.
    """
    digest = _digest(items, options)
    path = next((path for path in sorted(folder.glob(f"{digest}-*.npz")) if _is_whole(path)), None)
    if path is None:
        index, left_out = build_index(items, options)
        data = dump(index, {"items": _count(items), "left_out": left_out})
        path = folder / f"{digest}-{xxhash.xxh3_128_hexdigest(data)}.npz"
        write_bytes(path, data)
    with np.load(path) as arrays:
        about = json.loads(arrays["about"].tobytes())
    return Prepared(path=path, digest=digest, **about)


def _digest(items: pl.DataFrame, options: DecontaminationOptions) -> str:
    """Of all that an index depends on: the items, the options, the code of this package, the tables of Unicode."""
    digest = hashlib.sha256(_to_arrow(items))
    digest.update(f"{unidata_version} {options.model_dump_json(exclude={'action'})}".encode())
    for module in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(module.read_bytes())
    return digest.hexdigest()


def _is_whole(path: Path) -> bool:
    """Whether the file has the checksum that its name says."""
    return file_checksum(path) == path.stem.rpartition("-")[2]


def build_index(items: pl.DataFrame, options: DecontaminationOptions) -> tuple[Index, dict[str, int]]:
    """The index, and how many items of each benchmark are never found. Raises ConfigError where none of them would be."""
    items = items.unique(maintain_order=True)
    words, is_found = build_layer(items, options, symbols=False)
    found = items.filter(pl.Series(is_found, dtype=pl.Boolean))
    others = items.filter(pl.col("kind") != "answer").join(found, on=["benchmark", "item"], how="anti", maintain_order="left")
    layers = [words]
    if len(others):
        symbols, is_found = build_layer(others, options, symbols=True)
        layers.append(symbols)
        found = pl.concat([found, others.filter(pl.Series(is_found, dtype=pl.Boolean))])
    if found.is_empty():
        raise ConfigError(
            f"decontaminate_against: each of {len(items):,} texts has fewer than {options.min_words} words of its own; "
            "check the columns, or lower decontamination.min_words"
        )
    kept, counts = _count(found), _count(items)
    left_out = {name: count - kept.get(name, 0) for name, count in counts.items() if count > kept.get(name, 0)}
    return Index(layers=tuple(layers), min_share=options.min_share, min_words=options.min_words), left_out


def _count(items: pl.DataFrame) -> dict[str, int]:
    counts = items.group_by("benchmark", maintain_order=True).agg(pl.col("item").n_unique())
    return dict(counts.iter_rows())


def dump(index: Index, about: Mapping[str, Any]) -> bytes:
    """The index as the bytes of a file: numpy's archive of arrays, the items as Arrow and what is said of them among them."""
    arrays: dict[str, Any] = {"about": np.frombuffer(json.dumps(about).encode(), np.uint8)}
    arrays |= {"index": np.array([index.min_share, index.min_words, len(index.layers)])}
    for number, layer in enumerate(index.layers):
        of_layer = {
            "symbols": np.array(layer.symbols),
            "items": np.frombuffer(_to_arrow(layer.items), np.uint8),
            "skipped": layer.skipped,
            "counted": layer.counted,
            **{f"runs.{name}": np.asarray(value) for name, value in layer.runs._asdict().items()},
            **{f"texts.{name}": value for name, value in layer.texts._asdict().items()},
        }
        arrays |= {f"{number}.{name}": value for name, value in of_layer.items()}
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


@lru_cache(maxsize=2)
def load(path: Path) -> Index:
    """The index in a file that `prepare` has written; kept for the process's next call."""
    with np.load(path) as arrays:
        min_share, min_words, layers = arrays["index"].tolist()
        read = tuple(_layer(arrays, f"{number}.") for number in range(int(layers)))
    return Index(layers=read, min_share=min_share, min_words=int(min_words))


def _layer(arrays: Mapping[str, Any], prefix: str) -> Layer:
    runs = {name: arrays[f"{prefix}runs.{name}"] for name in Runs._fields}
    numbers = {"length": int(runs["length"]), "shift": np.uint64(runs["shift"])}
    return Layer(
        symbols=bool(arrays[f"{prefix}symbols"]),
        items=pl.read_ipc(io.BytesIO(arrays[f"{prefix}items"].tobytes())),
        runs=Runs(**(runs | numbers)),
        texts=Texts(*(arrays[f"{prefix}texts.{name}"] for name in Texts._fields)),
        skipped=arrays[f"{prefix}skipped"],
        counted=arrays[f"{prefix}counted"],
    )


def _to_arrow(items: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    items.write_ipc(out, compat_level=pl.CompatLevel.oldest())
    return out.getvalue()
