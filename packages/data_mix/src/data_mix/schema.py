"""The shape of a conversation, at each of the three places where conversations stand.

    FRAME       polars: what a source yields and a stage passes on
    STAGED      Arrow: the same rows with their id, as they wait in the cache
    CONVERSATION Arrow: a row of a shard, the contract with everybody outside

One conversation in a shard:

    {"id": "gsm8k/train-00000-of-00001:0", "source": "gsm8k", "lang": "en",
     "messages": [{"role": "user", "content": "Natalia sold …", "train": false},
                  {"role": "assistant", "content": "Natalia sold 48/2 = 24 …", "train": true}],
     "text": "<|prompter|>Natalia sold …<|endoftext|><|assistant|>Natalia sold 48/2 = 24 …<|endoftext|>"}
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, get_args

import numpy as np
import polars as pl
import pyarrow as pa

Role = Literal["system", "user", "assistant"]
"""Who speaks: a closed set, so that user text can never become a role."""

ROLES: Final[tuple[str, ...]] = get_args(Role)

Split = Literal["train", "validation"]
"""The two parts of a build."""

SPLITS: Final[tuple[str, ...]] = get_args(Split)

UNKNOWN_LANGUAGE: Final = "und"
"""BCP-47's tag for a language that is not known."""

MESSAGE: Final = pl.Struct({"role": pl.String, "content": pl.String})

FRAME: Final[dict[str, pl.DataType]] = {
    "key": pl.String(),  # the row's own name inside its entry: the publisher's id, else <file stem>:<record number>
    "group": pl.String(),  # rows of one group are never split between train and validation; null: the row alone
    "lang": pl.String(),  # BCP-47 tag of the last assistant message; null: unknown
    "messages": pl.List(MESSAGE),
    "turn_ids": pl.List(pl.String()),  # one per assistant message, equal where threads share it; null: all its own
    "drop": pl.String(),  # why the row is dropped; null: it is kept
    "identified": pl.String(),  # BCP-47 tag by which a stage verified `lang`; null: not verified
    "findings": pl.List(pl.String()),  # what stages found in the row, a name per occurrence; null: nothing
}

STAGED: Final = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("lang", pa.string(), nullable=False),
        pa.field("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])), nullable=False),
        pa.field("drop", pa.string()),
    ]
)

CONVERSATION: Final = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("source", pa.dictionary(pa.int32(), pa.string())),
        pa.field("lang", pa.string()),
        pa.field("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string()), ("train", pa.bool_())]))),
        pa.field("text", pa.string()),
    ]
)


def as_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with exactly the columns of `FRAME`, in order; a column that it lacks is null throughout."""
    missing = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in FRAME.items() if name not in frame.columns]
    return frame.with_columns(missing).select(pl.col(name).cast(dtype) for name, dtype in FRAME.items())


def message(role: Role, content: pl.Expr | str) -> pl.Expr:
    """One message as an expression; `content` is an expression or the name of a column."""
    return pl.struct(role=pl.lit(role), content=_text(content))


def turns(*turns: tuple[Role, pl.Expr | str]) -> pl.Expr:
    """Make conversations of the same roles in every row, as the column `messages`.

    A missing text is an empty turn. The texts are laid out flat, and only then cut into rows: ten times as fast as
    `pl.concat_list` of structs.
    """
    texts = pl.struct(_text(content).fill_null("").alias(str(place)) for place, (_, content) in enumerate(turns))
    roles = pl.Series([role for role, _ in turns])
    return texts.map_batches(lambda rows: _cut(rows, roles), return_dtype=FRAME["messages"]).alias("messages")


def pair(prompt: pl.Expr | str, response: pl.Expr | str) -> pl.Expr:
    """Make conversations of one user turn and one assistant turn, as the column `messages`."""
    return turns(("user", prompt), ("assistant", response))


def with_context(prompt: str, context: str) -> pl.Expr:
    """The text of the column `prompt`, and below a blank line the text that it is about, where there is one."""
    about = pl.col(context).str.strip_chars()
    return pl.when(about != "").then(pl.concat_str(prompt, pl.lit("\n\n"), about)).otherwise(prompt)


def unless_dropped(messages: pl.Expr) -> pl.Expr:
    """Leave the messages out of rows whose column `drop` holds a reason: a bad record has none."""
    return pl.when(pl.col("drop").is_null()).then(messages).alias("messages")


def map_contents(change: Callable[[pl.Series], pl.Series]) -> pl.Expr:
    """Change the content of every message, as the column `messages`.

    `change` is given the contents of all messages of all rows in one flat column, and answers with as many, in the same order.
    """
    content = pl.element().struct.field("content").map_batches(change, return_dtype=pl.String, is_elementwise=True)
    return pl.col("messages").list.eval(pl.element().struct.with_fields(content=content))


def change_where(texts: pl.Series, condition: pl.Series, change: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """Change only the texts for which the condition holds: the others, mostly nearly all, are not copied."""
    places = condition.arg_true()
    return texts.clone().scatter(places, change(texts.gather(places))) if len(places) else texts


def _text(content: pl.Expr | str) -> pl.Expr:
    return pl.col(content) if isinstance(content, str) else content


def _cut(rows: pl.Series, roles: pl.Series) -> pl.Series:
    """Messages from a struct of the texts of a row's turns."""
    count, turns = len(rows), len(roles)
    places = np.arange(count * turns, dtype=np.uint32)
    contents = pl.concat([rows.struct.field(name) for name in rows.struct.fields])
    flat = {"role": roles.gather(places % turns), "content": contents.gather(places % turns * count + places // turns)}
    return pl.DataFrame(flat).to_struct().reshape((count, turns)).arr.to_list()
