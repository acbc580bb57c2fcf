"""Which rows stay and in which split, by hash of the row's own id: the step *decide* of a build.

It works on keys alone (`KEYS`), over all rows of a build at once, and in this order: drops → duplicates → split →
`fraction`/`size` → `max_*` → mixing (`data_mix.mixing`: shares, epochs, budgets of tokens). Caps choose conversations, and
mixing says how often those are trained on, so that shares hold whatever is capped.

A row's place depends on nothing but the row, the seed and the options of its entry, with three exceptions: of duplicates the
first in the order of the mix stays, a cap takes the lowest hashes of its split, and shares say how far an entry is taken, in
the order of the hashes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from data_mix.errors import BuildError
from data_mix.hashing import hash_strings
from data_mix.mixing import MixingSettings, draw_mix
from data_mix.schema import Split
from data_mix.source import SourceOptions
from data_mix.stage import drop_where

KEYS: Final[dict[str, pl.DataType]] = {
    "id": pl.String(),
    "group": pl.String(),  # null: the row alone
    "content_0": pl.UInt64(),  # two halves of a digest of roles and contents, equal for duplicates
    "content_1": pl.UInt64(),
    "lang": pl.String(),
    "turn_ids": pl.List(pl.String()),
    "drop": pl.String(),
    "bytes": pl.UInt32(),  # of the messages' contents
    "identified": pl.String(),
    "findings": pl.List(pl.String()),
}
"""What is known of each staged row without its text."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """How one entry's rows are chosen."""

    name: str
    options: SourceOptions
    has_upstream_validation: bool
    """Upstream's validation split is used in place of `val_split`."""


def decide(
    keys: pl.DataFrame,
    selections: Sequence[Selection],
    *,
    seed: int,
    mixing: MixingSettings | None = None,
) -> pl.DataFrame:
    """Give every row its `split`, or its `drop` reason.

    `keys` holds the columns of `KEYS`, `entry` (place in `selections`), `upstream_split`, and `tokens` and `trained_tokens`
    where the mixing counts tokens, in the order of the mix; the result has the same rows in the same order, with `split`,
    `drop`, `copies` (how often the row is written; 0: it is dropped) and `train` (for rows with `turn_ids`: whether each
    assistant turn is trained in this row; null: all are).
    """
    _refuse_repeated_ids(keys)
    parts = keys.partition_by("entry", maintain_order=True)
    chosen = [_select(part, selections[part["entry"][0]], seed) for part in parts]
    split = pl.concat(chosen) if chosen else keys.with_columns(split=pl.lit(None, pl.String))
    options = [selection.options for selection in selections]
    return _train_each_turn_once(draw_mix(split, options, mixing or MixingSettings(), seed))


def _refuse_repeated_ids(keys: pl.DataFrame) -> None:
    repeated = keys.filter(pl.col("id").is_duplicated())
    if len(repeated):
        raise BuildError(
            f"the id {repeated['id'][0]!r} stands for {len(repeated.filter(pl.col('id') == repeated['id'][0]))} rows, "
            "wanted one; records of one file must have ids of their own"
        )


def drop_duplicates(keys: pl.DataFrame) -> pl.DataFrame:
    """Of kept rows with the same roles and contents, only the first stays."""
    kept = keys.with_row_index("row").filter(pl.col("drop").is_null())
    repeated = kept.filter(~pl.struct("content_0", "content_1").is_first_distinct())["row"]
    is_repeated = np.zeros(len(keys), dtype=bool)
    is_repeated[repeated.to_numpy()] = True
    return keys.with_columns(drop_where(pl.lit(pl.Series(is_repeated)), "duplicate"))


def _select(part: pl.DataFrame, selection: Selection, seed: int) -> pl.DataFrame:
    """Split one entry's rows, then cut them down."""
    options = selection.options
    part = part.with_columns(
        split=_upstream_split() if selection.has_upstream_validation else _own_split(part, options.val_split, seed)
    )
    part = part.with_columns(split=pl.when(pl.col("drop").is_null()).then("split"))
    return _cut_down(part, options, seed)


def _cut_down(part: pl.DataFrame, options: SourceOptions, seed: int) -> pl.DataFrame:
    """Take one entry's rows away that are beyond its fraction and caps."""
    caps: list[tuple[Split, int | None, str]] = [
        ("train", options.size, "size"),
        ("train", options.max_train_set, "max_train_set"),
        ("validation", options.max_val_set, "max_val_set"),
    ]
    if options.fraction is None and all(most is None for _, most, _ in caps):
        return part  # nothing is drawn, so nothing need be hashed
    part = part.with_columns(pl.Series("hash", hash_strings(part["id"], seed, "cap")))
    if options.fraction is not None and options.fraction < 1:
        part = _cut(part, "train", pl.col("hash") >= int(options.fraction * 2.0**64), "fraction")
    for split, most, reason in caps:
        if most is not None:
            part = _cut(part, split, _rank_in(split) > most, reason)
    return part.drop("hash")


def _upstream_split() -> pl.Expr:
    return pl.col("upstream_split").fill_null("train")


def _own_split(part: pl.DataFrame, val_split: float, seed: int) -> pl.Expr:
    """Validation where the group's hash is below `val_split`; each split gets at least one of two groups.

    Only the kept rows' groups are counted, so that neither split is left empty by drops.
    """
    kept = part["drop"].is_null().to_numpy()
    if val_split == 0 or not kept.any():
        return pl.lit("train")
    hashes = hash_strings(part.select(group=pl.coalesce("group", "id"))["group"], seed, "split")
    is_validation = pl.Series(hashes < _threshold(hashes[kept], val_split))
    return pl.when(is_validation).then(pl.lit("validation")).otherwise(pl.lit("train"))


def _threshold(hashes: np.ndarray[tuple[int], np.dtype[np.uint64]], share: float) -> np.uint64:
    """The hash below which a group is in validation; `hashes` are those of all groups."""
    least, most = hashes.min(), hashes.max()
    if least == most:  # a single group
        return np.uint64(0)
    return np.clip(np.uint64(int(share * 2.0**64)), least + np.uint64(1), most)


def _rank_in(split: Split) -> pl.Expr:
    """The place of a row among its split's by ascending hash, from 1."""
    return pl.when(pl.col("split") == split).then("hash").rank("ordinal")


def _cut(part: pl.DataFrame, split: Split, condition: pl.Expr, reason: str) -> pl.DataFrame:
    """Drop a split's rows where the condition holds."""
    part = part.with_columns(drop_where((pl.col("split") == split) & condition, reason))
    return part.with_columns(split=pl.when(pl.col("drop").is_null()).then("split"))


def _train_each_turn_once(keys: pl.DataFrame) -> pl.DataFrame:
    """Of the kept rows of a group and split that share an assistant turn, the first trains it.

    A group (a tree) may come in by two entries; the turns of rows without a group are their entry's own.
    """
    if keys["turn_ids"].null_count() == len(keys):  # no entry has trees
        return keys.with_columns(train=pl.lit(None, pl.List(pl.Boolean)))
    turns = keys.with_row_index("row").filter(pl.col("drop").is_null() & pl.col("turn_ids").is_not_null())
    owner = pl.when(pl.col("group").is_null()).then("entry").alias("owner")
    turns = turns.select("row", "group", "split", "turn_ids", owner).explode("turn_ids")
    turns = turns.with_columns(train=pl.struct("owner", "group", "split", "turn_ids").is_first_distinct())
    trained = turns.group_by("row", maintain_order=True).agg("train")
    return keys.with_row_index("row").join(trained, on="row", how="left", maintain_order="left").drop("row")


def draw_row_groups(rows: Mapping[str, Sequence[int]], wanted: int, seed: int) -> list[tuple[str, int]]:
    """Choose row groups of a capped source's files so that about `wanted` rows can be had, (file, row group) each.

    Whole rounds are drawn, each of one row group per file (the file's groups in the order of their hashes), so that the
    draw is stratified over the files and a raised cap only adds to it. A quarter more rows than wanted are drawn, since
    some will be dropped.
    """
    groups = [(file, group, count) for file, counts in rows.items() for group, count in enumerate(counts)]
    order = pl.DataFrame(groups, schema={"file": pl.String, "group": pl.Int64, "rows": pl.Int64}, orient="row")
    hashes = hash_strings(order.select(name=pl.format("{}:{}", "file", "group"))["name"], seed, "row group")
    order = order.with_columns(hash=pl.Series(hashes)).with_columns(round=pl.col("hash").rank("ordinal").over("file"))
    per_round = order.group_by("round").agg(pl.col("rows").sum()).sort("round")
    before = per_round["rows"].cum_sum().shift(1, fill_value=0)
    needed = per_round.filter(before < wanted * 1.25)["round"]
    return order.filter(pl.col("round").is_in(needed.implode())).sort("file", "group").select("file", "group").rows()
