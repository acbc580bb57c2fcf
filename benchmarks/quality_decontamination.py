"""How many planted benchmark items are found in the card's nine sources, what else is found, and how fast, beside 13-grams.

    python benchmarks/quality_decontamination.py                          builds the mix from --hub and --local first
    python benchmarks/quality_decontamination.py --build BUILD            on the rows of this build
    python benchmarks/quality_decontamination.py --peer-python PYTHON     also by datatrove's NGramsDecontFilter

Items of MMLU, BBH, HumanEval and GSM8K's test split are planted as the user's turn of conversations: as they are; laid out
otherwise (case, blanks, punctuation); the question alone (no choices, a docstring without its code); inside a longer prompt;
with 5 % of the words replaced, one at least. Every row of the sources that is found is printed, to be judged by eye.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl

from data_mix.decontamination.audit import audit_lines, counts
from data_mix.decontamination.index import prepare
from data_mix.decontamination.items import read_items
from data_mix.decontamination.settings import BenchmarkFile, DecontaminationOptions
from data_mix.measures.contamination import Contamination
from data_mix.schema import FRAME, SPLITS
from data_mix.shards import open_build
from data_mix.source import LocalFile
from data_mix_eval.config import EvalSettings
from data_mix_eval.prompts_export import export_prompts
from planted_items import instructions, plant

HUB, LOCAL, EVAL = Path("../shared/hub"), Path("../shared/local"), Path("../shared/eval")
HERE = Path(__file__).resolve().parent
SERVER = HERE.parent / "tests/hub_server.py"
GSM8K = "datasets/openai/gsm8k/main/test-00000-of-00001.parquet"
ROUNDS = 5
PEER_ROWS = 1000


def main() -> None:
    """Print a table of what is found of what was planted, what else is found, and the rows a second."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        items = read_benchmarks(Path(folder), options)
        prepared = prepare(items, DecontaminationOptions(), Path(folder))
        measure = Contamination(prepared.path, prepared.digest)
        rows = rows_of(options.build or make_build(options, Path(folder) / "build"))
        print(f"{len(rows):,} rows; items {dict(prepared.items)}, never found {dict(prepared.left_out)}\n")
        planted = plant(items)
        grams = Grams(items)
        natural = print_natural(measure, rows, grams)
        peer = run_peer(options, items, planted, rows, Path(folder)) if options.peer_python else None
        print_recall(planted, measure, natural, grams, peer)
        print_instructions(instructions(items), measure, grams, peer)
        print_speed(measure, rows, grams, peer)


def read_benchmarks(folder: Path, options: argparse.Namespace) -> pl.DataFrame:
    """The items: the export of `datamix eval`, and GSM8K's test split."""
    export_prompts(folder / "prompts.jsonl", EvalSettings(eval_benchmark_path=str(options.eval)))
    exported = read_items(BenchmarkFile(path="-"), [_local(folder / "prompts.jsonl")])
    gsm8k = BenchmarkFile(path="-", name="gsm8k-test", columns=["question", "answer"])
    return pl.concat([exported, read_items(gsm8k, [_local(options.hub / GSM8K)])])


def rows_of(build: Path) -> pl.DataFrame:
    """The rows of both splits as a measure is given them, and their source."""
    tables = [pl.DataFrame(table) for split in SPLITS for _, table in open_build(build).tables(split)]
    rows = pl.concat([table.with_columns(pl.col("source").cast(pl.String)) for table in tables])
    return rows.select("id", "lang", pl.col("messages").cast(FRAME["messages"]), "source", drop=pl.lit(None, pl.String))


def make_build(options: argparse.Namespace, out: Path) -> Path:
    """The card's mix."""
    command = [sys.executable, "-m", "data_mix", "build", "--quiet", "--configs", "datasets", "-o", str(out)]
    more = ["--datasets.webgpt.input_file_path", "webgpt/comparisons.jsonl"]
    with _served(options.hub) as url:
        own = {"HF_ENDPOINT": url, "DATAMIX_HOME": str(out.parent / "home"), "HF_HUB_DISABLE_TELEMETRY": "1"}
        subprocess.run([*command, *more], cwd=options.local, env=os.environ | own, check=True)
    return out


@contextmanager
def _served(hub: Path) -> Iterator[str]:
    with subprocess.Popen([sys.executable, SERVER, hub], stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().strip() if server.stdout else ""
        finally:
            server.terminate()


class Grams:
    """The peer in plain Python: a text that shares any 13 words in a row with an item holds it."""

    def __init__(self, items: pl.DataFrame) -> None:
        texts = items.filter(pl.col("kind") != "question").select("benchmark", "text").rows()
        self._held = {gram: name for name, text in texts for gram in _grams(text)}

    def benchmark(self, text: str) -> str | None:
        """The benchmark of the first item that the text shares 13 words with."""
        return next((self._held[gram] for gram in _grams(text) if gram in self._held), None)


def _grams(text: str) -> Iterator[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return zip(*(words[place:] for place in range(13)), strict=False)


def as_rows(texts: pl.Series) -> pl.DataFrame:
    """A conversation for each text."""
    rows = [[{"role": "user", "content": text}, {"role": "assistant", "content": "I see."}] for text in texts]
    ids = [str(place) for place in range(len(texts))]
    return pl.DataFrame({"id": ids, "messages": pl.Series(rows, dtype=FRAME["messages"])})


def print_natural(measure: Contamination, rows: pl.DataFrame, grams: Grams) -> Counter[str]:
    """Print the rows of the sources in which items are found; return how many they are by benchmark."""
    keys = pl.concat([rows, measure.take(rows)], how="horizontal")
    print("found in the sources, nothing planted:")
    for line in audit_lines(keys):
        print(f"  {line['id']:<40} {line['benchmark']} {line['item']}: {shown(line['text'])}")
    found = counts(keys)
    print(f"  {found}")
    by_grams = Counter(name for text in flat(rows) if (name := grams.benchmark(text)) is not None)
    print(f"  by any 13 words in a row: {dict(by_grams)}\n")
    return Counter({name: each["rows"] for name, each in found.items()})


def shown(text: str) -> str:
    """The beginning of a text on one line."""
    return json.dumps(text, ensure_ascii=False)[:160]


def print_recall(
    planted: pl.DataFrame, measure: Contamination, natural: Counter[str], grams: Grams, peer: dict[str, Any] | None
) -> None:
    """Print the share of planted items that is found by benchmark and change, and the precision of each benchmark."""
    found = measure.take(as_rows(planted["text"]))["contamination"].to_list()
    own = [
        any(each["benchmark"] == name and each["item"] == item for each in of_row or [])
        for of_row, name, item in zip(found, planted["benchmark"], planted["item"], strict=True)
    ]
    of_benchmark = [
        any(each["benchmark"] == name for each in of_row or [])
        for of_row, name in zip(found, planted["benchmark"], strict=True)
    ]
    by_grams = [grams.benchmark(text) is not None for text in planted["text"]]
    table = planted.with_columns(row=pl.Series(of_benchmark), item=pl.Series(own), grams=pl.Series(by_grams))
    table = table.with_columns(peer=pl.Series(peer["planted"]) if peer else pl.lit(None, pl.Boolean))
    print(f"{'planted':<12}{'how':<16}{'rows':>6}{'row found':>11}{'that item':>11}{'13-grams':>10}{'datatrove':>11}")
    groups = table.group_by("benchmark", "how", maintain_order=True)
    for name, how, count, *shares in groups.agg(pl.len(), pl.col("row", "item", "grams", "peer").mean()).rows():
        print(f"{name:<12}{how:<16}{count:>6}" + "".join(f"{'' if each is None else f'{each:.3f}':>11}" for each in shares))
    print("\nprecision, every row that is found in the sources taken for false:")
    for name, right in table.group_by("benchmark", maintain_order=True).agg(pl.col("row").sum()).rows():
        print(f"  {name:<12}{right / (right + natural[name]):.4f} ({natural[name]} rows of the sources)")


def run_peer(
    options: argparse.Namespace, items: pl.DataFrame, planted: pl.DataFrame, rows: pl.DataFrame, folder: Path
) -> dict[str, Any]:
    """What datatrove's filter finds, and how long it takes for `PEER_ROWS` rows; its index has queries and labels."""
    texts = {(name, item, kind): text for name, item, kind, text in items.rows()}
    pairs = [
        (name, text, texts.get((name, item, "answer"), "")) for (name, item, kind), text in texts.items() if kind == "prompt"
    ]
    given = {
        "items": pairs,
        "planted": planted["text"].to_list(),
        "instructions": instructions(items),
        "timed": flat(few(rows)),
    }
    (folder / "given.json").write_text(json.dumps(given), encoding="utf8")
    (folder / "peer").mkdir()
    command = [str(options.peer_python), str(HERE / "decontaminate_peer.py"), str(folder / "given.json"), str(folder / "peer")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def few(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that slow contestants are timed on."""
    return rows.sample(PEER_ROWS, seed=0)


def flat(rows: pl.DataFrame) -> list[str]:
    """All messages of a row as one text."""
    return rows["messages"].list.eval(pl.element().struct.field("content")).list.join("\n").to_list()


def print_speed(measure: Contamination, rows: pl.DataFrame, grams: Grams, peer: dict[str, Any] | None) -> None:
    """Print rows a second: medians, ours and plain Python by turns."""
    slow = flat(few(rows))
    measure.take(rows[:10])
    ours, plain = [], []
    for _ in range(ROUNDS):
        ours.append(_timed(lambda: measure.take(rows)))
        plain.append(_timed(lambda: [grams.benchmark(text) for text in slow]))
    size = sum(len(text.encode()) for text in flat(rows))
    print(f"\nrows a second, one thread ({size / len(rows):,.0f} bytes a row), medians of {ROUNDS}:")
    print(f"  datamix              {len(rows) / median(ours):>10,.0f}   {size / median(ours) / 1e6:,.0f} MB/s")
    print(f"  plain Python, 13-grams{PEER_ROWS / median(plain):>9,.0f}")
    if peer:
        print(
            f"  datatrove            {PEER_ROWS / peer['seconds']:>10,.0f}   (of {PEER_ROWS:,} rows it finds {peer['flagged']})"
        )


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def print_instructions(texts: list[str], measure: Contamination, grams: Grams, peer: dict[str, Any] | None) -> None:
    """Print how many rows that hold an instruction, and no item, are found all the same."""
    ours = measure.take(as_rows(pl.Series(texts)))["contamination"].is_not_null().sum()
    plain = sum(grams.benchmark(text) is not None for text in texts)
    by_peer = f", datatrove {sum(peer['instructions'])}" if peer else ""
    print(f"\nof {len(texts)} rows with an instruction and no item: datamix {ours}, 13-grams {plain}{by_peer}")


def _local(path: Path) -> LocalFile:
    return LocalFile(name=path.name, path=path, sha256="")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, help="a build whose rows are searched; by default the card's mix is built")
    parser.add_argument("--hub", type=Path, default=HUB, help="its public sources, in the layout of the Hub")
    parser.add_argument("--local", type=Path, default=LOCAL, help="the files that it names")
    parser.add_argument("--eval", type=Path, default=EVAL, help="a folder with the files of MMLU, BBH and HumanEval")
    parser.add_argument("--peer-python", type=Path, help="a Python that can import datatrove and spacy")
    return parser.parse_args()


if __name__ == "__main__":
    main()
