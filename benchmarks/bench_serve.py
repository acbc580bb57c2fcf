"""How long `datamix serve` and `datamix report` take on a large build of synthetic conversations.

    python benchmarks/bench_serve.py                      the table of 1,000,000 rows
    python benchmarks/bench_serve.py --rows 100000        of fewer
    python benchmarks/bench_serve.py --build FOLDER       of a build of your own

The server is a process of its own, started anew each round; a request is timed from a client on this machine. The files of the
build are in the memory of the system (page cache), for they have just been written or read.
"""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import polars as pl
import pyarrow as pa

from data_mix.schema import CONVERSATION
from data_mix.shards import Part, part_records, write_manifest, write_part

SOURCES, LANGUAGES = 8, ("en", "de", "ja", "zh", "fr", "es", "ru", "th")
BATCH = 10_000
WORDS = "we will go to the river tomorrow and read what stands in the old book about light water and stone"
START = (
    "import sys; from pathlib import Path; from data_mix.cli.reporting import serve; serve(Path(sys.argv[1]), 0, '127.0.0.1')"
)
REPORT = "import sys; from pathlib import Path; from data_mix.cli.reporting import report; report(Path(sys.argv[1]))"
QUERIES = {
    "the page": "/",
    "first page": "/api/rows",
    "of one source": "/api/rows?source=source-5",
    "of a rare language": "/api/rows?lang=is",
    "by length": "/api/rows?min=700&max=720",
    "search, frequent word": "/api/rows?q=tomorrow",
    "search, nothing to find: first answer": "/api/rows?q=nowhere+to+be+found",
    "lengths and turns": "/api/figures",
}


def main() -> None:
    """Make the build, ask the server, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--build", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = options.build or make_build(Path(folder), options.rows)
        size = sum(path.stat().st_size for path in out.rglob("*.arrow"))
        rounds = [measure(out) for _ in range(options.rounds)]
        print(f"{options.rows:,} rows, {size / 1e9:.2f} GB, medians of {options.rounds} rounds\n")
        for name in rounds[0]:
            print(f"{name:42} {median(found[name] for found in rounds):8.3f} s")
        print(f"{'report.html':42} {report_seconds(out):8.3f} s")


def make_build(out: Path, rows: int) -> Path:
    """A build of short conversations, a source after the other; the last row of all is in Icelandic."""
    parts = []
    for place in range(SOURCES):
        path, name = f"train/source-{place}-00000.arrow", f"source-{place}"
        (out / "train").mkdir(parents=True, exist_ok=True)
        count, size, sha256 = write_part(out / path, CONVERSATION, batches(name, rows // SOURCES, place), durable=False)
        parts.append(Part(path=path, split="train", source=name, rows=count, bytes=size, sha256=sha256))
    write_manifest(out, manifest(parts))
    return out


def batches(source: str, rows: int, place: int) -> Iterator[pa.RecordBatch]:
    """Rows of one source: sentences of drawn words."""
    draws = np.random.default_rng(place)
    words = np.array(WORDS.split())
    for start in range(0, rows, BATCH):
        count = min(BATCH, rows - start)
        texts = [" ".join(words[draws.integers(0, len(words), size)]) for size in draws.integers(10, 180, 2 * count)]
        yield batch(source, start, texts, "is" if (place, start + count) == (SOURCES - 1, rows) else LANGUAGES[place])


def batch(source: str, start: int, texts: list[str], last: str) -> pa.RecordBatch:
    """Conversations of a question and an answer."""
    count, lang = len(texts) // 2, LANGUAGES[hash_free(source)]
    flat = pl.DataFrame({"role": ["user", "assistant"] * count, "content": texts, "train": [False, True] * count})
    messages = flat.to_struct().reshape((count, 2)).arr.to_list()
    frame = pl.DataFrame(
        {
            "id": [f"{source}/{start + row}" for row in range(count)],
            "source": [source] * count,
            "lang": [lang] * (count - 1) + [last],
            "messages": messages,
            "text": [f"{texts[2 * row]}\n{texts[2 * row + 1]}" for row in range(count)],
        }
    )
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(CONVERSATION).combine_chunks().to_batches()[0]


def hash_free(source: str) -> int:
    """The number at the end of a source's name."""
    return int(source.rpartition("-")[2])


def manifest(parts: list[Part]) -> dict[str, Any]:
    """What the page needs to know of such a build."""
    template = {"name": "openassistant", "eos": "<|endoftext|>"}
    sources = {
        part.source: {
            "source": "synthetic", "licence": "CC0-1.0", "homepage": "", "files": [], "notices": [],
            "rows": {"read": part.rows, "dropped": {}, "kept": {"train": part.rows, "validation": 0}},
            "languages": {LANGUAGES[place]: part.rows},
        }
        for place, part in enumerate(parts)
    }  # fmt: skip
    facts = {"name": "synthetic", "mix": {}, "template": template, "sources": sources, "fingerprint": "0" * 64}
    return facts | {"licence_warnings": [], "parts": part_records(parts), "files": {}}


def measure(out: Path) -> dict[str, float]:
    """Seconds from the start of the command to its address, to the first page of rows, and of each request after that."""
    begun = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", START, str(out)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        line = server.stdout.readline()
        port = urlsplit(next(word for word in line.split() if word.startswith("http"))).port
        found = {"start of the command": time.perf_counter() - begun}
        assert port
        for name, path in QUERIES.items():
            asked = time.perf_counter()
            ask(port, path)
            found[name] = time.perf_counter() - asked
        found["search, nothing to find: all of it"] = search_all(port)
        server.terminate()
    return found


def ask(port: int, path: str) -> bytes:
    """The body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, body
    connection.close()
    return body


def search_all(port: int) -> float:
    """Seconds until a search that finds nothing has gone through all rows, answer by answer."""
    begun, after = time.perf_counter(), 0
    while after is not None:
        after = json.loads(ask(port, f"/api/rows?q=nowhere+to+be+found&after={after}"))["next"]
    return time.perf_counter() - begun


def report_seconds(out: Path) -> float:
    """Seconds of `datamix report`, imports included."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", REPORT, str(out)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
