"""Finds private data in the contents of all messages, and reports it, drops its row or masks it: `private_data`, `secret`.

Every role is read, and so are rows that are dropped already: they can be looked at too. What is found is appended to `findings`
by the name of its kind, whatever is done with it, and so are strings that look like control tokens, which are never changed.
With the defaults nothing is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Final, Literal

import polars as pl
from pydantic import AfterValidator, Field, PlainSerializer

from data_mix.private_data.control_tokens import count_control_tokens
from data_mix.private_data.detection import Found, detect
from data_mix.private_data.kinds import KINDS
from data_mix.private_data.masks import mask_text, placeholder
from data_mix.private_data.patterns import Kind
from data_mix.schema import map_contents
from data_mix.stage import Stage, StageOptions, drop_where

Action = Literal["off", "report", "drop", "mask"]

_KEY_CHARACTERS: Final = 32

REASONS: Final = {"secrets": "secret", "pii": "private_data"}
"""Why a row is dropped, by the group of what was found in it; the first goes first."""


def _known(kinds: Mapping[str, Action]) -> Mapping[str, Action]:
    unknown = [name for name in kinds if name not in KINDS]
    if unknown:
        raise ValueError(f"unknown kind {unknown[0]!r}; the kinds are {', '.join(sorted(KINDS))}")
    return kinds


def _fingerprint(key: str | None) -> str | None:
    """What a manifest says of the key: which one it was, not what it is."""
    return None if key is None else f"sha256:{sha256(key.encode()).hexdigest()}"


def _checked_key(key: str | None) -> str | None:
    """The key, if it can be one; what is refused is a secret all the same, and not shown."""
    if key is not None and key.startswith("sha256:"):
        raise ValueError("this is the fingerprint of a key, from a manifest; give the key itself")
    if key is not None and len(key) < _KEY_CHARACTERS:
        raise ValueError(f"found a key of {len(key)} characters, wanted at least {_KEY_CHARACTERS}: openssl rand -hex 32")
    return key


class PrivateDataOptions(StageOptions):
    """What is looked for, and what is done with it."""

    pii: Action = Field(default="off", description="E-mail, IP, telephone, card, bank account and social security numbers.")
    secrets: Action = Field(default="off", description="Tokens and keys of known services, private keys, passwords in URLs.")
    kinds: Annotated[dict[str, Action], AfterValidator(_known)] = Field(
        default={}, description="What is done with single kinds instead, such as phone: off."
    )
    control_tokens: Literal["off", "report"] = Field(
        default="off", description="Strings that look like control tokens, such as <|im_start|>; they are never changed."
    )
    mask_key: Annotated[str | None, AfterValidator(_checked_key), PlainSerializer(_fingerprint)] = Field(
        default=None,
        repr=False,
        description="A secret without which nobody can tell whose placeholder one is; a manifest holds its fingerprint only.",
    )

    def action(self, kind: Kind) -> Action:
        """What is done with a kind."""
        general = self.pii if kind.group == "pii" else self.secrets
        return self.kinds.get(kind.name, general)


def apply(frame: pl.DataFrame, options: PrivateDataOptions) -> pl.DataFrame:
    """Append to `findings`, mask the contents, and fill `drop`."""
    wanted = [kind for kind in KINDS.values() if options.action(kind) != "off"]
    if not wanted and options.control_tokens == "off":
        return frame
    flat = _flat(frame)
    found = detect(flat["content"], wanted)
    names = _names(flat, found, count_tokens=options.control_tokens == "report")
    frame = _append(frame, names)
    return _drop(_mask(frame, flat["content"], found, options), names, options)


def _flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Every message: the place of its row, and its content."""
    rows = frame.select("messages").with_row_index("row").filter(pl.col("messages").list.len() > 0)
    return rows.explode("messages").select("row", content=pl.col("messages").struct.field("content"))


def _names(flat: pl.DataFrame, found: Mapping[int, list[Found]], *, count_tokens: bool) -> dict[int, list[str]]:
    """The names of what was found, by row: those of a message in the order of its text, then its control tokens."""
    names = {place: [claim.kind.name for claim in claims] for place, claims in found.items()}
    if count_tokens:
        counts = count_control_tokens(flat["content"])
        for place in (counts > 0).arg_true():
            names[place] = names.get(place, []) + ["control_token"] * counts[place]
    by_row: dict[int, list[str]] = {}
    for place in sorted(names):
        by_row.setdefault(flat["row"][place], []).extend(names[place])
    return by_row


def _append(frame: pl.DataFrame, names: Mapping[int, list[str]]) -> pl.DataFrame:
    if not names:
        return frame
    rows = list(names)
    added = pl.Series(rows, dtype=pl.UInt32).to_frame("row").with_columns(added=pl.Series(list(names.values())))
    joined = frame.with_row_index("row").join(added, on="row", how="left", maintain_order="left")
    both = pl.concat_list(pl.col("findings").fill_null([]), "added")
    return joined.with_columns(findings=pl.when(pl.col("added").is_null()).then("findings").otherwise(both)).drop(
        "row", "added"
    )


def _mask(
    frame: pl.DataFrame, contents: pl.Series, found: Mapping[int, list[Found]], options: PrivateDataOptions
) -> pl.DataFrame:
    """Write placeholders. What stands in a text decides what becomes of it, so texts that are the same are changed alike."""
    masked = {contents[place]: _masked(contents[place], claims, options) for place, claims in found.items()}
    changed = {text: mask for text, mask in masked.items() if text != mask}
    if not changed:
        return frame
    return frame.with_columns(map_contents(lambda texts: texts.replace(list(changed), list(changed.values()))))


def _masked(text: str, claims: list[Found], options: PrivateDataOptions) -> str:
    spans = (
        (claim.start, claim.end, placeholder(claim.kind.name, claim.kind.same(claim.value), options.mask_key))
        for claim in claims
        if options.action(claim.kind) == "mask"
    )
    return mask_text(text, spans)


def _drop(frame: pl.DataFrame, names: Mapping[int, list[str]], options: PrivateDataOptions) -> pl.DataFrame:
    for group, reason in REASONS.items():
        dropping = {kind.name for kind in KINDS.values() if kind.group == group and options.action(kind) == "drop"}
        rows = [row for row, found in names.items() if not dropping.isdisjoint(found)]
        if rows:
            condition = pl.int_range(pl.len(), dtype=pl.UInt32).is_in(pl.Series(rows, dtype=pl.UInt32).implode())
            frame = frame.with_columns(drop_where(condition, reason))
    return frame


STAGE = Stage(name="private_data", order=60, apply=apply, options=PrivateDataOptions)
