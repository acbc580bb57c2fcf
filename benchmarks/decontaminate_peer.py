"""datatrove's NGramsDecontFilter on the texts of `quality_decontamination.py`: what it finds, and how long it takes.

    PYTHON decontaminate_peer.py GIVEN.json FOLDER    PYTHON can import datatrove and spacy; prints one line of JSON

Its index is made by its own indexer, of queries, labels and what overlaps both, without lighteval, which that needs for its own
tasks alone.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from statistics import median

from datatrove.data import Document  # type: ignore[import-not-found]  # of the peer's Python, not of ours
from datatrove.pipeline.decont.n_grams import (  # type: ignore[import-not-found]
    NGramsDecontConfig,
    NGramsDecontFilter,
    NGramsDecontIndexer,
)

ROUNDS = 3


def main() -> None:
    """Print the median seconds for the texts that are timed, how many of them are found, and which others."""
    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf8"))
    peer = NGramsDecontFilter(sys.argv[2], config=NGramsDecontConfig(find_query_ngrams=True))
    peer._index_hashes = {
        each: name for name, asked, answer in given["items"] for each in NGramsDecontIndexer.compute_hashes(peer, answer, asked)
    }
    found = {name: [flag(peer, text) for text in given[name]] for name in ("planted", "instructions", "timed")}
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for text in given["timed"]:
            flag(peer, text)
        seconds.append(time.perf_counter() - started)
    print(json.dumps({**found, "seconds": median(seconds), "flagged": sum(found["timed"])}))


def flag(peer: NGramsDecontFilter, text: str) -> bool:
    """Whether the filter would drop the text."""
    return peer.filter(Document(text=text, id="0")) is not True


if __name__ == "__main__":
    main()
