"""The peers of `bench_near_duplicates.py`, each on the same rows: read, n-grams, MinHash, index, the rows that are dropped.

The text is the question and the answer. Words are compared in lower case, by twos, with 128 permutations and a threshold of
0.7; a Chinese, Japanese or Thai character is a word. What of a pair is dropped is decided by the peer's own estimate of the
similarity, where it has one. None of them looks at answers by themselves, or has bands that do.
"""

from __future__ import annotations

import importlib
import re
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

THRESHOLD, PERMUTATIONS = 0.7, 128
_ALONE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\u0e00-\u0e7f]|[^\W_\u0e00-\u0e7f\u3040-\u30ff\u4e00-\u9fff]+")


def warm_up() -> None:
    """Import what the contestants need."""
    for name in ("datasketch", "rensa", "gaoya", "datatrove.pipeline.dedup"):
        try:
            importlib.import_module(name)
        except ImportError:
            continue


def _texts(path: Path) -> Iterator[str]:
    table = pq.read_table(path, columns=["prompt", "response"])
    for batch in table.to_batches(max_chunksize=20_000):
        prompts, responses = (batch.column(place).to_pylist() for place in range(2))
        yield from (f"{prompt}\n{response}" for prompt, response in zip(prompts, responses, strict=True))


def _ngrams(text: str) -> set[str]:
    """Pairs of words; a Chinese, Japanese or Thai character counts as one."""
    return {f"{one} {other}" for one, other in pairwise(_ALONE.findall(text.lower()))}


def datasketch(path: Path) -> list[int]:
    """`MinHash.bulk` over 1,000 rows at a time, `MinHashLSH` of the default weights; candidates by `jaccard`."""
    library: Any = importlib.import_module("datasketch")
    index = library.MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)
    kept: dict[int, Any] = {}
    dropped = []
    for row, sketch in enumerate(_sketches(path, library.MinHash)):
        if any(sketch.jaccard(kept[other]) >= THRESHOLD for other in index.query(sketch)):
            dropped.append(row)
        else:
            index.insert(row, sketch, check_duplication=False)
            kept[row] = sketch
    return dropped


def _sketches(path: Path, minhash: Any) -> Iterator[Any]:
    held: list[list[bytes]] = []
    for text in _texts(path):
        held.append([ngram.encode() for ngram in _ngrams(text)])
        if len(held) == 1000:
            yield from minhash.generator(held, num_perm=PERMUTATIONS)
            held = []
    yield from minhash.generator(held, num_perm=PERMUTATIONS)


def rensa(path: Path) -> list[int]:
    """`RMinHash` (Rust) and `RMinHashLSH` of 16 bands; candidates by `jaccard`."""
    library: Any = importlib.import_module("rensa")
    index = library.RMinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS, num_bands=16)
    kept: dict[int, Any] = {}
    dropped = []
    for row, text in enumerate(_texts(path)):
        sketch = library.RMinHash(num_perm=PERMUTATIONS, seed=0)
        sketch.update(list(_ngrams(text)))
        if any(sketch.jaccard(kept[other]) >= THRESHOLD for other in index.query(sketch)):
            dropped.append(row)
        else:
            index.insert(row, sketch)
            kept[row] = sketch
    return dropped


def gaoya(path: Path) -> list[int]:
    """`MinHashStringIndex` (Rust) of 16 bands of 8; it splits words by itself and verifies by its own sketches."""
    index = importlib.import_module("gaoya.minhash").MinHashStringIndex(
        hash_size=32,
        jaccard_threshold=THRESHOLD,
        num_bands=16,
        band_size=8,
        num_hashes=PERMUTATIONS,
        analyzer="word",
        lowercase=True,
        ngram_range=(2, 2),
    )
    dropped = []
    for row, text in enumerate(_texts(path)):
        if index.query(text):
            dropped.append(row)
        else:
            index.insert_document(row, text)
    return dropped


def datatrove(path: Path) -> list[int]:
    """The four steps of `datatrove.pipeline.dedup` in this process, with 16 buckets of 8 hashes and 2-grams."""
    steps: Any = importlib.import_module("datatrove.pipeline.dedup")
    document: Any = importlib.import_module("datatrove.data").Document
    minhash: Any = importlib.import_module("datatrove.pipeline.dedup.minhash")
    config = minhash.MinhashConfig(n_grams=2, num_buckets=16, hashes_per_bucket=8)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        signatures, buckets, clusters = (f"{folder}/{name}" for name in ("signatures", "buckets", "clusters"))
        steps.MinhashDedupSignature(output_folder=signatures, config=config).run(_documents(path, document))
        find = steps.MinhashDedupBuckets(input_folder=signatures, output_folder=buckets, config=config)
        for rank in range(config.num_buckets):
            find.run(rank=rank, world_size=config.num_buckets)
        steps.MinhashDedupCluster(input_folder=buckets, output_folder=clusters, config=config).run()
        kept = {int(each.id) for each in steps.MinhashDedupFilter(input_folder=clusters).run(_documents(path, document))}
    return [row for row in range(pq.read_metadata(path).num_rows) if row not in kept]


def _documents(path: Path, document: Any) -> Iterator[Any]:
    yield from (document(text=text, id=str(row)) for row, text in enumerate(_texts(path)))
