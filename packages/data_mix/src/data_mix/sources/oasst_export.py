"""OpenAssistant's message trees: prompts by volunteers, replies of several to each, ranked and labelled.

https://huggingface.co/datasets/OpenAssistant/oasst1, or an export of one's own: JSON Lines of trees, of flat messages or of
both mixed, or the hub's Parquet rows, in any order. A tree:

    {"message_tree_id": "6ab2", "tree_state": "ready_for_export", "prompt":
      {"message_id": "6ab2", "text": "¿Qué es una ola?", "role": "prompter", "lang": "es", "review_count": 3,
       "review_result": true, "deleted": false, "synthetic": false, "labels": {"spam": {"value": 0.0, "count": 3}, …},
       "replies": [
        {"message_id": "c41f", "parent_id": "6ab2", "text": "Una ola es …", "role": "assistant", "lang": "es",
         "review_result": true, "deleted": false, "rank": 0, "synthetic": false, "replies": []}, …]}}

A flat message is the same object with `message_tree_id` and `tree_state` of its own. Each leaf of a tree is a row read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal, NamedTuple, cast

import polars as pl
from pydantic import BeforeValidator, Field, WithJsonSchema

from data_mix.errors import BadRecordError, ConfigError
from data_mix.language import parse_languages
from data_mix.oasst_record import LABELS, Rules, optional, read_messages, required
from data_mix.records import BadRecord, is_parquet, json_values, parquet_records
from data_mix.records.json_record import shown
from data_mix.records.record_frame import BAD_RECORD, record_place
from data_mix.schema import FRAME
from data_mix.source import Entry, Hub, LocalFile, RawFile, Source, SourceOptions
from data_mix.trees import Message, build, dropped_threads, threads

_REPO: Final = "OpenAssistant/oasst1"
_REVISION: Final = "fdf72ae0827c1cda404aff25b6603abec9e3399b"
_PATH: Final = "2023-04-12_oasst_ready.trees.jsonl.gz"

_READY: Final = "ready_for_export"
_TEXTS: Final = ("message_id", "parent_id", "message_tree_id", "tree_state", "text", "role", "lang")
_COLUMNS: Final[Mapping[str, pl.DataType]] = {
    **dict.fromkeys(_TEXTS, pl.String()),
    **dict.fromkeys(("review_result", "deleted", "synthetic"), pl.Boolean()),
    "rank": pl.Float64(),  # some writers make numbers with gaps into floats
}
_LABELS: Final = {"name": pl.List(pl.String), "value": pl.List(pl.Float64), "count": pl.List(pl.Int64)}

_FRAME_CHARACTERS: Final = 16_000_000
_MESSAGE_CHARACTERS: Final = 100  # what a message costs beside its text


def _joined(value: object) -> object:
    """Turn a YAML list of tags into one string with commas between them."""
    return ",".join(map(str, value)) if isinstance(value, list) else value


_Languages = Annotated[
    str | None,
    BeforeValidator(_joined),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"}]}),
]
_Limits = dict[str, Annotated[float, Field(ge=0, le=1)]]


class OasstOptions(SourceOptions):
    """What an entry of this source may say."""

    lang: _Languages = Field(None, description="Languages wanted: tags with commas between them, or a list; pt finds pt-BR.")
    lang_mode: Literal["every", "root"] = Field("every", description="Which message must be in a wanted language.")
    top_k: int | None = Field(None, ge=1, description="Keep, of the replies to one prompt, so many of the best by rank.")
    include_synthetic: bool = Field(False, description="Keep messages that a model wrote.")
    max_labels: _Limits = Field(default_factory=dict, description="Cut messages with a label above this: {spam: 0.5}.")
    min_labels: _Limits = Field(default_factory=dict, description="Cut messages with a label below this: {quality: 0.3}.")
    train: Literal["once", "every"] = Field("once", description="Train a message in one of its threads, or in every one.")

    def rules(self) -> Rules:
        """Tell what cuts a message by these options; raises ConfigError where `lang` holds what is no tag."""
        return Rules(
            languages=None if self.lang is None else parse_languages(self.lang),
            root_only=self.lang_mode == "root",
            include_synthetic=self.include_synthetic,
            max_labels=self.max_labels,
            min_labels=self.min_labels,
        )


class _Row(NamedTuple):
    key: str
    group: str | None
    messages: Sequence[Message]
    drop: str | None


class _Flat(NamedTuple):
    message: Message
    is_ready: bool


class _Reader:
    """Turns the records of one entry into rows, and remembers which trees and messages it has seen."""

    def __init__(self, entry: Entry) -> None:
        self._entry, self._options = entry, cast(OasstOptions, entry.options)
        self._rules = self._options.rules()
        self._times: Counter[str] = Counter()
        self._ids: set[str] = set()
        self._flat: dict[str, list[_Flat]] = {}

    def rows(self, files: Iterable[LocalFile]) -> Iterator[_Row]:
        """Yield the rows of trees as they come, then of those made up of flat messages: any line may hold the last of one."""
        for file in files:
            for record, value in self._values(file):
                yield from self._attempt(self._record, record_place(file, record), value)
        for tree_id, flat in self._flat.items():
            for number, copy in enumerate(_copies(flat)):
                yield from self._attempt(self._repeated if number else self._gathered, tree_id, copy)

    def _values(self, file: LocalFile) -> Iterator[tuple[int, object]]:
        """Yield a file's records with their numbers; the file's first bytes tell what it is, whatever its name."""
        if not is_parquet(file):
            yield from json_values(file, self._entry)
            return
        columns = {**_COLUMNS, "labels": pl.Struct(_LABELS)} if self._rules.asks_labels else _COLUMNS
        for frame in parquet_records(file, self._entry, columns):
            for row in frame.iter_rows(named=True):
                yield row["record"], BadRecord("a broken row") if row["drop"] else row

    def _attempt(self, read: Callable[[str, Any], Iterable[_Row]], name: str, value: object) -> Iterable[_Row]:
        """Read a record or a tree; give a dropped row for a bad one, where the entry allows it."""
        try:
            return read(name, value)
        except BadRecordError as error:
            if self._options.on_bad_record == "error":
                raise
            return [_bad_row(error.where)]

    def _record(self, where: str, value: object) -> Iterable[_Row]:
        if isinstance(value, BadRecord):
            raise BadRecordError(where, value.what)
        if not isinstance(value, dict) or not value.keys() & {"message_id", "message_tree_id"}:
            raise BadRecordError(
                where, f"{shown(value)} is neither a tree (message_tree_id, prompt) nor a message (message_id)"
            )
        tree_id, is_ready = required(value, "message_tree_id", where), value.get("tree_state") == _READY
        if "message_id" not in value:
            return self._threads(tree_id, list(read_messages(value.get("prompt"), None, self._rules, where)), is_ready)
        messages = list(read_messages(value, optional(value, "parent_id", str, where), self._rules, where))
        self._flat.setdefault(tree_id, []).extend(_Flat(message, is_ready) for message in messages)
        return []

    def _gathered(self, tree_id: str, copy: Sequence[_Flat]) -> Iterable[_Row]:
        return self._threads(tree_id, [flat.message for flat in copy], all(flat.is_ready for flat in copy))

    def _repeated(self, tree_id: str, copy: Sequence[_Flat]) -> Iterable[_Row]:
        try:
            return self._gathered(tree_id, copy)
        except BadRecordError as error:
            first = copy[0].message
            raise BadRecordError(
                first.where, f"message id {first.id!r} comes twice in tree {tree_id!r}, wanted once"
            ) from error

    def _threads(self, tree_id: str, messages: Sequence[Message], is_ready: bool) -> Iterable[_Row]:
        tree = build(messages)
        if tree_id in self._times:
            self._times[tree_id] += 1
            mark = f"#{self._times[tree_id]}"  # its leaves are those of the first copy, and ids are unique
            return (
                _Row(thread.key + mark, tree_id, thread.messages, thread.drop)
                for thread in dropped_threads(tree, "duplicate_tree")
            )
        self._claim(messages)
        self._times[tree_id] = 1
        found = threads(tree, self._options.top_k) if is_ready else dropped_threads(tree, "tree_state")
        return (_Row(thread.key, tree_id, thread.messages, thread.drop) for thread in found)

    def _claim(self, messages: Iterable[Message]) -> None:
        """Remember the messages' ids, which are the keys of rows; refuse one that another tree has."""
        for message in messages:
            if message.id in self._ids:
                raise BadRecordError(message.where, f"message id {message.id!r} stands in another tree as well, wanted in one")
        self._ids.update(message.id for message in messages)


def _copies(flat: Iterable[_Flat]) -> list[list[_Flat]]:
    """Tell apart the copies of a tree that comes more than once: an id's second time belongs to the second copy."""
    copies: list[list[_Flat]] = []
    times: Counter[str] = Counter()
    for one in flat:
        if times[one.message.id] == len(copies):
            copies.append([])
        copies[times[one.message.id]].append(one)
        times[one.message.id] += 1
    return copies


def _bad_row(where: str) -> _Row:
    name, _, line = where.rpartition(":")
    return _Row(f"{name.split('.', 1)[0]}:{int(line) - 1}", None, (), BAD_RECORD)


def _frames(rows: Iterable[_Row], train: str) -> Iterator[pl.DataFrame]:
    """Put the rows into frames of bounded size: one holds at most a thread more than `_FRAME_CHARACTERS`."""
    held: list[_Row] = []
    characters = 0
    for row in rows:
        held.append(row)
        characters += sum(len(message.text) + _MESSAGE_CHARACTERS for message in row.messages)
        if characters > _FRAME_CHARACTERS:
            yield _frame(held, train)
            held, characters = [], 0
    yield _frame(held, train)


def _frame(rows: Sequence[_Row], train: str) -> pl.DataFrame:
    columns = {"key": [row.key for row in rows], "group": [row.group for row in rows], "drop": [row.drop for row in rows]}
    frame = pl.DataFrame(columns, schema={name: FRAME[name] for name in columns}).with_row_index("place")
    frame = frame.join(_conversations(rows), on="place", how="left", maintain_order="left").drop("place")
    return frame if train == "once" else frame.drop("turn_ids")


def _conversations(rows: Sequence[_Row]) -> pl.DataFrame:
    """Gather the messages of every row that has any, by the row's place, and what the row takes from them."""
    told = [
        (place, message.role, message.text, message.id, message.lang)
        for place, row in enumerate(rows)
        for message in row.messages
    ]
    schema = {"place": pl.UInt32(), **dict.fromkeys(("role", "content", "id", "lang"), pl.String())}
    replies = pl.col("role") == "assistant"
    return (
        pl.DataFrame(told, schema=schema, orient="row")
        .group_by("place", maintain_order=True)
        .agg(
            messages=pl.struct("role", "content"),
            turn_ids=pl.col("id").filter(replies),
            lang=pl.col("lang").filter(replies).last(),
        )
    )


def _files(entry: Entry, _hub: Hub) -> list[RawFile]:
    return [RawFile(repo=_REPO, revision=entry.options.revision or _REVISION, path=_PATH)]


def _read(entry: Entry, files: tuple[LocalFile, ...]) -> Iterator[pl.DataFrame]:
    return _frames(_Reader(entry).rows(files), cast(OasstOptions, entry.options).train)


def _check(entry: Entry) -> None:
    try:
        rules = cast(OasstOptions, entry.options).rules()
    except ConfigError as error:
        raise ConfigError(f"entry {entry.name!r}: lang: {error}") from error
    for label in (*rules.max_labels, *rules.min_labels):
        if label not in LABELS:
            nearest = get_close_matches(label, LABELS, n=1, cutoff=0)[0]
            raise ConfigError(
                f"entry {entry.name!r}: unknown label {label!r}, wanted one of {', '.join(LABELS)}; did you mean {nearest!r}?"
            )


SOURCE = Source(
    name="oasst_export",
    licence="Apache-2.0",
    homepage="https://huggingface.co/datasets/OpenAssistant/oasst1",
    languages=(
        *(
            "ar",
            "bg",
            "bn",
            "ca",
            "cs",
            "da",
            "de",
            "el",
            "en",
            "eo",
            "es",
            "eu",
            "fa",
            "fi",
            "fr",
            "gl",
            "he",
            "hu",
            "id",
            "it",
        ),
        *("ja", "ko", "nb-NO", "nl", "pl", "pt-BR", "ro", "ru", "sk", "sv", "th", "tr", "uk-UA", "vi", "zh"),
    ),
    rows=10_364,
    files=_files,
    read=_read,
    options=OasstOptions,
    together=True,
    filters_lang=True,
    check=_check,
)
