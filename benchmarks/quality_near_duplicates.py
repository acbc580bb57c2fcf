"""What the search for near-duplicates finds: of planted ones the recall and precision, of real rows what they are.

    python benchmarks/quality_near_duplicates.py HOME              HOME is the $DATAMIX_HOME of a build of the reference mix
    python benchmarks/quality_near_duplicates.py HOME --show 10    and so many of the pairs that real rows hold

The rows are the staged ones, and FLORES-200 as conversations of two sentences and the two that follow, in every language. Of
each language as many rows are drawn, copied with a change, and put behind all others. A copy counts as found where it is
dropped for the row that it was made from, or for the one that row was dropped for. What is dropped beside them, and beside what
is found without any copies, is a false alarm.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa

from data_mix.measures.minhash import MinHash
from data_mix.near_duplicates.search import find_near_duplicates
from data_mix.near_duplicates.settings import NearDuplicateSettings
from data_mix.schema import MESSAGE

FLORES: Final = Path("../shared/langid/flores200")
SCHEMA: Final = {
    "id": pl.String(),
    "group": pl.String(),
    "lang": pl.String(),
    "messages": pl.List(MESSAGE),
    "drop": pl.String(),
}
TAGS: Final = {"zho_Hans": "zh", "zho_Hant": "zh-TW", "jpn_Jpan": "ja", "tha_Thai": "th", "eng_Latn": "en"}

Change = Callable[[list[str], random.Random, list[str]], list[str]]
"""(contents of the messages, draws, words of the language) → contents."""


def main() -> None:
    """Print the table, and on demand pairs of the real rows."""
    options = _options()
    settings = NearDuplicateSettings(**json.loads(options.settings))
    rows = pl.concat([*_staged(options.home), *_flores(options.flores)])
    before = _found(rows, settings)
    print(f"{len(rows):,} real rows, {len(before):,} found in them; {settings!r}\n")
    if options.show:
        _show(rows, before, options.show)
    print(f"{'planted':<22}{'language':<10}{'copies':>8}{'found':>8}{'recall':>9}{'false alarms':>14}{'precision':>11}")
    for name, change in CHANGES.items():
        _print_planted(name, rows, change, before, settings, options.copies)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path, help="$DATAMIX_HOME of a build of the reference mix")
    parser.add_argument("--flores", type=Path, default=FLORES, help="FLORES-200, a file per language")
    parser.add_argument("--copies", type=int, default=100, help="rows of each language that are copied")
    parser.add_argument("--show", type=int, default=0, help="pairs of real rows to print")
    parser.add_argument("--settings", default="{}", help="settings of near-duplicates, as JSON")
    return parser.parse_args()


def _staged(home: Path) -> Iterator[pl.DataFrame]:
    for folder in sorted((home / "staged").glob("*/*"), key=_first_id):
        rows, keys = (pl.DataFrame(pa.ipc.open_file(folder / name).read_all()) for name in ("rows.arrow", "keys.arrow"))
        yield rows.with_columns(keys["group"]).select(*SCHEMA).cast(pl.Schema(SCHEMA))


def _first_id(folder: Path) -> str:
    ids = pa.ipc.open_file(folder / "rows.arrow").read_all()["id"]
    return ids[0].as_py() if len(ids) else ""


def _flores(folder: Path) -> Iterator[pl.DataFrame]:
    for path in sorted(folder.glob("*.devtest")):
        lines = path.read_text(encoding="utf8").splitlines()
        rows = [_row(f"flores/{path.stem}:{at}", path.stem, lines[at : at + 4]) for at in range(0, len(lines) - 3, 4)]
        yield pl.DataFrame(rows, schema=SCHEMA)


def _row(name: str, language: str, lines: list[str]) -> dict[str, Any]:
    texts = {"user": "\n".join(lines[:2]), "assistant": "\n".join(lines[2:])}
    messages = [{"role": role, "content": content} for role, content in texts.items()]
    return {"id": name, "lang": TAGS.get(language, language[:3]), "messages": messages}


def _found(rows: pl.DataFrame, settings: NearDuplicateSettings) -> pl.DataFrame:
    sketches = [MinHash(settings).take(part) for part in rows.iter_slices(20_000)]
    return find_near_duplicates(pl.concat([rows, pl.concat(sketches)], how="horizontal"), settings)


def _print_planted(
    name: str, rows: pl.DataFrame, change: Change, before: pl.DataFrame, settings: NearDuplicateSettings, copies: int
) -> None:
    """A line per language that is looked at by itself, and one for all."""
    compared = MinHash(settings).take(rows)["minhash"].is_not_null()
    drawn = rows.with_row_index("row").filter(compared & (pl.col("lang").count().over("lang") >= copies))
    drawn = drawn.filter(pl.int_range(pl.len()).shuffle(seed=0).over("lang") < copies)
    copied = [_copied(row, change, words) for row, words in _with_words(drawn)]
    found = _found(pl.concat([rows, pl.DataFrame(copied, schema=SCHEMA)]), settings)
    owner = dict(zip(before["row"], before["kept"], strict=True))
    kept = dict(found.select("row", "kept").iter_rows())
    hits = [kept.get(len(rows) + at) in (row, owner.get(row, row)) for at, row in enumerate(drawn["row"])]
    alarms = len(found) - len(before) - sum(hits)
    table = drawn.select(lang=pl.when(pl.col("lang").is_in(["en", "zh", "ja", "th"])).then("lang").otherwise(pl.lit("others")))
    table = table.with_columns(hit=pl.Series(hits))
    for lang, count, hit in table.group_by("lang").agg(pl.len(), pl.col("hit").sum()).sort("lang").iter_rows():
        print(f"{name:<22}{lang:<10}{count:>8,}{hit:>8,}{hit / count:>9.3f}")
    share = sum(hits) / max(1, sum(hits) + alarms)
    print(
        f"{name:<22}{'all':<10}{len(hits):>8,}{sum(hits):>8,}{sum(hits) / len(hits):>9.3f}{alarms:>14,}{share:>11.3f}",
        flush=True,
    )


def _with_words(drawn: pl.DataFrame) -> Iterator[tuple[dict[str, Any], list[str]]]:
    words: dict[str, list[str]] = {}
    for row in drawn.iter_rows(named=True):
        words.setdefault(row["lang"], []).extend(part for each in row["messages"] for part in _parts(each["content"]))
    yield from ((row, words[row["lang"]]) for row in drawn.iter_rows(named=True))


def _copied(row: dict[str, Any], change: Change, words: list[str]) -> dict[str, Any]:
    contents = change([each["content"] for each in row["messages"]], random.Random(row["id"]), words)
    messages = [each | {"content": content} for each, content in zip(row["messages"], contents, strict=True)]
    return {"id": "copy/" + row["id"], "lang": row["lang"], "messages": messages}


def _parts(text: str) -> list[str]:
    """Words; in scripts without blanks runs of as many characters as a word has."""
    return re.findall(
        r"[\u3040-\u30ff\u4e00-\u9fff]{1,2}|[\u0e00-\u0e7f]{1,4}|[^\W\d_\u0e00-\u0e7f\u3040-\u30ff\u4e00-\u9fff]+|\d+", text
    )


def _edit_words(contents: list[str], draw: random.Random, words: list[str]) -> list[str]:
    """One word of twenty, anywhere: another in its place, left out, or written twice."""
    places = [(at, part) for at, text in enumerate(contents) for part in _spans(text)]
    changed = list(contents)
    for at, (begin, end) in sorted(draw.sample(places, max(1, round(len(places) / 20))), reverse=True):
        word = changed[at][begin:end]
        new = draw.choice((draw.choice(words), "", f"{word} {word}"))
        changed[at] = changed[at][:begin] + new + changed[at][end:]
    return changed


def _spans(text: str) -> list[tuple[int, int]]:
    spans, at = [], 0
    for part in _parts(text):
        begin = text.index(part, at)
        at = begin + len(part)
        spans.append((begin, at))
    return spans


def _punctuate(contents: list[str], draw: random.Random, _words: list[str]) -> list[str]:
    return [re.sub(r"[.,;:!?。、，！？]", lambda _: draw.choice(("", "…", " - ", "; ")), text) + "!" for text in contents]


def _space(contents: list[str], draw: random.Random, _words: list[str]) -> list[str]:
    return ["  " + re.sub(r"\s", lambda _: draw.choice(("  ", "\n", "\u00a0", "\t ")), text) + "\n" for text in contents]


CHANGES: Final[dict[str, Change]] = {
    "nothing (exact)": lambda contents, _draw, _words: contents,
    "case": lambda contents, _draw, _words: [text.upper() for text in contents],
    "punctuation": _punctuate,
    "white space": _space,
    "5 % of the words": _edit_words,
}


def _show(rows: pl.DataFrame, found: pl.DataFrame, count: int) -> None:
    for row, kept, similarity in found.sample(min(count, len(found)), seed=0, shuffle=True).iter_rows():
        for place, mark in ((kept, f"{similarity:.2f} kept   "), (row, "     dropped")):
            contents = " | ".join(each["content"][:150].replace("\n", " ") for each in rows["messages"][place])
            print(f"{mark} {rows['id'][place]}: {contents}")
    print()


if __name__ == "__main__":
    main()
