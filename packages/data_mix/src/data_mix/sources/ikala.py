"""The private conversations of the reference mix: whoever has the file names it with `input_file_path`.

Nobody outside iKala has seen it; its name, `export_conversation_v4.4.jsonl`, is all that the mix tells. So any file that
`conversations` can read takes its place, one JSON object per line:

    {"id": "c0", "conversations": [{"from": "human", "value": "When did …?"}, {"from": "gpt", "value": "It commenced …"}]}
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
    name="ikala",
    licence="LicenseRef-private",
    homepage="https://huggingface.co/ikala/redpajama-3b-chat",
    languages=(),
    rows=None,
    files=no_upstream,
    read=_read,
    together=True,
    sample_options={"input_file_path": "export_conversation.jsonl"},
)
