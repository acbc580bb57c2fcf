"""Files of conversations: JSON Lines in any of the usual layouts, also mixed in one file.

Three layouts are told apart by the fields of a record: a list of turns, each from somebody (`from` and `value`, or `role` and
`content`); a prompt and a response; and either with a system message, a context or earlier turns beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from data_mix.arrays import from_numpy, strings
from data_mix.errors import ConfigError
from data_mix.records import BadRecord, json_values
from data_mix.records.json_record import BrokenRecordError, described, shown
from data_mix.records.record_frame import BAD_RECORD, Wanted
from data_mix.schema import FRAME, Role
from data_mix.source import Entry, Hub, LocalFile, RawFile

ROLES: Final[Mapping[str, Role]] = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter", "customer"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bot", "model", "bard", "bing", "claude"), "assistant"),
}
"""Who speaks, by the names that are in use; capitals do not matter."""

TURNS: Final = ("conversations", "messages", "conversation")
SPEAKER: Final = ("from", "role")
SAID: Final = ("value", "content", "text")
PROMPT: Final = ("prompt", "instruction", "question", "query", "input")
RESPONSE: Final = ("response", "output", "answer", "completion", "reply")
CONTEXT: Final = ("context", "input")
SYSTEM: Final = ("system", "system_prompt")

_LANGUAGE_TAG: Final = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")

_FRAME_ROWS: Final = 50_000
_FRAME_CHARACTERS: Final = 16_000_000

Record = Mapping[str, Any]
Turn = tuple[Role, str]


def no_upstream(entry: Entry, _hub: Hub) -> list[RawFile]:
    """Refuse to name files: where the entry names one of the user's own, nobody asks here."""
    raise ConfigError(
        f"entry {entry.name!r} has no input_file_path, and no upstream to take its place; "
        f"name a file of conversations there, or leave the entry out with --without {entry.name}"
    )


def read_conversations(entry: Entry, files: Sequence[LocalFile]) -> Iterator[pl.DataFrame]:
    """Read conversations of any layout, in frames of bounded size.

    The key of a row is its `id`, and where it has none, or an earlier row has it, the record's number.
    """
    rows = _Rows()
    for file in files:
        wanted = Wanted(file, entry, {})
        for number, value in json_values(file, entry):
            try:
                conversation = _conversation(value)
            except BrokenRecordError as error:
                wanted.refuse(number, error)
                conversation = _BAD
            rows.add(conversation, f"{file.stem}:{number}")
            if rows.is_full:
                yield rows.take()
    yield rows.take()


class _Conversation(NamedTuple):
    turns: list[Turn]
    id: str | None = None
    lang: str | None = None
    drop: str | None = None


_BAD: Final = _Conversation([], drop=BAD_RECORD)


def _conversation(record: object) -> _Conversation:
    if isinstance(record, BadRecord):
        return _BAD
    if not isinstance(record, dict):
        raise BrokenRecordError(f"holds {described(record)}, wanted an object")
    name = _first(record, TURNS)
    turns = _paired(record) if name is None else _listed(record[name], name)
    system = _first(record, SYSTEM)
    if system and _text(record, system).strip() and turns and turns[0][0] != "system":
        turns.insert(0, ("system", record[system]))
    return _Conversation(turns, id=_id(record.get("id")), lang=_lang(record.get("lang")))


def _listed(turns: object, name: str) -> list[Turn]:
    if not isinstance(turns, list):
        raise BrokenRecordError(f"{name} is {described(turns)}, wanted a list of turns")
    return [_turn(turn, place) for place, turn in enumerate(turns, start=1)]


def _turn(turn: object, place: int) -> Turn:
    if not isinstance(turn, dict):
        raise BrokenRecordError(f"turn {place} is {described(turn)}, wanted an object")
    speaker, said = _first(turn, SPEAKER), _first(turn, SAID)
    if speaker is None or said is None:
        raise BrokenRecordError(f"turn {place} has the fields {shown(list(turn))}, wanted from and value, or role and content")
    role = ROLES.get(name) or ROLES.get(name.lower()) if isinstance(name := turn[speaker], str) else None
    if role is None:
        raise BrokenRecordError(f"turn {place} is from {shown(turn[speaker])}, wanted one of {', '.join(ROLES)}")
    return role, _text(turn, said)


def _paired(record: Record) -> list[Turn]:
    prompt, response = _first(record, PROMPT), _first(record, RESPONSE)
    if prompt is None or response is None:
        wanted = f"{' or '.join(TURNS)}, or a prompt ({', '.join(PROMPT)}) and a response ({', '.join(RESPONSE)})"
        raise BrokenRecordError(f"has the fields {shown(list(record))}, wanted {wanted}")
    given = [_text(record, name).strip() for name in CONTEXT if name != prompt and record.get(name) is not None]
    asked = "\n\n".join([_text(record, prompt), *filter(None, given)])
    return [*_history(record.get("history")), ("user", asked), ("assistant", _text(record, response))]


def _history(history: object) -> Iterator[Turn]:
    """The turns before a prompt, which are listed as pairs."""
    if not isinstance(history, list | None):
        raise BrokenRecordError(f"history is {described(history)}, wanted a list of [prompt, response]")
    for pair in history or ():
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair)):
            raise BrokenRecordError(f"history holds {described(pair)}, wanted [prompt, response]")
        yield "user", pair[0]
        yield "assistant", pair[1]


def _first(record: Record, names: Sequence[str]) -> str | None:
    """The first of the names under which the record holds anything."""
    for name in names:
        if record.get(name) is not None:
            return name
    return None


def _text(record: Record, name: str) -> str:
    text = record[name]
    if not isinstance(text, str):
        raise BrokenRecordError(f"{name} is {described(text)}, wanted a string")
    return text


def _id(value: object) -> str | None:
    if value is None or (isinstance(value, str | int) and not isinstance(value, bool)):
        return None if value is None else str(value)
    raise BrokenRecordError(f"id is {described(value)}, wanted a string or a whole number")


def _lang(value: object) -> str | None:
    if value is None or value == "":
        return None
    if not (isinstance(value, str) and _LANGUAGE_TAG.fullmatch(value)):
        raise BrokenRecordError(f"lang is {described(value)}, wanted a BCP-47 tag such as en or zh-TW")
    return value


class _Rows:
    """Rows as they are read, laid out flat."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._clear()

    def _clear(self) -> None:
        self._keys: list[str] = []
        self._langs: list[str | None] = []
        self._drops: list[str | None] = []
        self._roles: list[str] = []
        self._texts: list[str] = []
        self._ends, self._characters = [0], 0

    def add(self, conversation: _Conversation, number: str) -> None:
        """Add a row; `number` is its key where it has no id of its own."""
        self._keys.append(self._key(conversation.id or number, number))
        self._langs.append(conversation.lang)
        self._drops.append(conversation.drop)
        for role, text in conversation.turns:
            self._roles.append(role)
            self._texts.append(text)
            self._characters += len(text)
        self._ends.append(len(self._texts))

    @property
    def is_full(self) -> bool:
        """Whether it is time to take the frame."""
        return len(self._keys) >= _FRAME_ROWS or self._characters >= _FRAME_CHARACTERS

    def take(self) -> pl.DataFrame:
        """The rows that were added since the last time."""
        columns = {"key": self._keys, "lang": self._langs, "messages": self._messages(), "drop": self._drops}
        frame = pl.DataFrame(columns, schema={name: FRAME[name] for name in columns})
        self._clear()
        return frame

    def _key(self, key: str, number: str) -> str:
        """The key, or the record's number where an earlier row has it; a quote sets it apart from an id that looks like it."""
        if key in self._seen:
            key = number
            while key in self._seen:
                key += "'"
        self._seen.add(key)
        return key

    def _messages(self) -> pl.Series:
        flat = pa.StructArray.from_arrays([strings(self._roles), strings(self._texts)], ["role", "content"])
        ends = from_numpy(np.array(self._ends, dtype=np.int64))
        return pl.Series(pa.LargeListArray.from_arrays(ends, flat), dtype=FRAME["messages"])
