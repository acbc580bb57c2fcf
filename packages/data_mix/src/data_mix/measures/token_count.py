"""How many tokens a row has, and how many of them count in the loss: what `datamix tokenize` would write of it.

Of a row that is dropped before it is measured there is no count. Trained tokens are those of every assistant turn, as if no
other row trained it: which row of a tree trains a turn is decided later, among the rows that are taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from data_mix.arrays import to_numpy
from data_mix.schema import ROLES
from data_mix.slices import slices
from data_mix.template import chat_template
from data_mix.tokens.encode import PlainText, encoder
from data_mix.tokens.proof import SAMPLE, SAMPLE_CHARACTERS, proven
from data_mix.tokens.rows import Rows, encode_rows
from data_mix.tokens.token_shards import VERSION
from data_mix.tokens.tokenizer import Tokenizer
from data_mix.tokens.tokenizing import Prepared, prepare


@dataclass(frozen=True)
class TokenCount:
    """The lengths of rows by one tokenizer and template."""

    tokenizer: Tokenizer
    template: str
    eos: str

    name: ClassVar[str] = "tokens"
    columns: ClassVar[Mapping[str, pl.DataType]] = {"tokens": pl.UInt32(), "trained_tokens": pl.UInt32()}

    def facts(self) -> dict[str, Any]:
        """The tokenizer, the template with its eos, and the version of the layout of token shards."""
        template = chat_template(self.template, self.eos).describe()
        return {"tokenizer": self.tokenizer.sha256, "template": template, "version": VERSION}

    def take(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Tokens and trained tokens of each row that is kept so far; null of the others.

        Raises ConfigError where the tokenizer does not fit the template.
        """
        prepared = prepare(self.tokenizer, self.template, self.eos)
        kept = frame.with_row_index("row").filter(pl.col("drop").is_null())
        counts = np.zeros((2, len(kept)), dtype=np.int64)
        if len(kept):
            messages = _messages(kept)
            plain, start = _proven(messages, prepared, self.tokenizer.where), 0
            for part in slices(pa.chunked_array([messages])):
                rows = encode_rows(part, prepared.layout, plain, np.uint32)
                counts[:, start : start + len(part)] = _lengths(rows)
                start += len(part)
        found = kept.select("row").with_columns(
            pl.Series(name, values, dtype) for (name, dtype), values in zip(self.columns.items(), counts, strict=True)
        )
        return _in_place(len(frame), found)


def _in_place(rows: int, found: pl.DataFrame) -> pl.DataFrame:
    """The counts at the places of their rows, null elsewhere."""
    places = pl.DataFrame({"row": pl.int_range(rows, dtype=pl.UInt32, eager=True)})
    return places.join(found, on="row", how="left", maintain_order="left").drop("row")


def _messages(rows: pl.DataFrame) -> pa.ListArray:
    """The messages as a build has them, every assistant turn trained."""
    message = pl.element().struct
    role, content = message.field("role"), message.field("content")
    flagged = pl.struct(role=role, content=content, train=role == "assistant")
    table = rows.select(pl.col("messages").list.eval(flagged)).to_arrow(compat_level=pl.CompatLevel.oldest())
    struct = pa.struct([("role", pa.string()), ("content", pa.string()), ("train", pa.bool_())])
    return table["messages"].combine_chunks().cast(pa.list_(struct))


def _lengths(rows: Rows) -> NDArray[np.int64]:
    """Ids of each row, and those of its loss spans."""
    spans = rows.loss.values
    sizes = to_numpy(spans.field("end")).astype(np.int64) - to_numpy(spans.field("start"))
    before = np.concatenate([[0], np.cumsum(sizes)])
    ends = to_numpy(rows.loss.offsets)
    return np.stack([np.diff(to_numpy(rows.input_ids.offsets)), before[ends[1:]] - before[ends[:-1]]])


def _proven(messages: pa.ListArray, prepared: Prepared, where: str) -> PlainText:
    """The encoder that gives the reference's ids for a sample of these messages; of one that is refused, the slow one."""
    plain = _accepted(prepared.plain)
    if not plain.is_fast:
        return plain
    flat = pl.Series(messages.flatten())
    chosen = flat.gather_every(max(len(flat) // SAMPLE, 1)).head(SAMPLE).to_list()
    literals = prepared.layout.literals
    sample = [literals[ROLES.index(each["role"])] + each["content"][:SAMPLE_CHARACTERS] for each in chosen]
    return proven(plain, prepared.reference, sample, where)


@cache
def _accepted(plain: PlainText) -> PlainText:
    """The fast encoder where it takes the tokenizer, asked once in each process."""
    try:
        encoder(plain)
    except RuntimeError:
        return plain._replace(is_fast=False)
    return plain
