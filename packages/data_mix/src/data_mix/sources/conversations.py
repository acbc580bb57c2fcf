"""Conversations of one's own: JSON Lines (`.gz` and `.zst` too) in any of the usual layouts, also mixed in one file.

There is no upstream: an entry of any name that says `type: conversations` and `input_file_path` is read by this source. One
record of each layout:

    {"id": "c0", "conversations": [{"from": "human", "value": "When did …?"}, {"from": "gpt", "value": "It commenced …"}]}
    {"id": "c1", "lang": "en", "messages": [{"role": "system", "content": "You answer in one paragraph."},
                                            {"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}
    {"instruction": "Translate into Japanese.", "input": "Good morning.", "output": "おはようございます。", "lang": "ja"}
    {"prompt": "And in the evening?", "response": "こんばんは。", "history": [["Good morning, in Japanese?", "おはよう。"]]}

`conversation_file` says which names of fields and speakers are known.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import polars as pl

from data_mix.conversation_file import no_upstream, read_conversations
from data_mix.source import Entry, LocalFile, Source


def _read(entry: Entry, files: tuple[LocalFile, ...]) -> Iterator[pl.DataFrame]:
    return read_conversations(entry, files)


SOURCE: Final = Source(
    name="conversations",
    licence="LicenseRef-private",
    homepage="",
    languages=(),
    rows=None,
    files=no_upstream,
    read=_read,
    together=True,
    sample_options={"input_file_path": "export_conversation.jsonl"},
)
