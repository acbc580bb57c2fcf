"""Files of a benchmark → their records, strictly: a benchmark that is read wrongly is scored wrongly, and nobody notices.

Every fault of a file is a FormatError with the file, the line (of Parquet: the row) and what was wanted.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from data_mix.errors import FormatError

GZIP: Final = b"\x1f\x8b"


Records = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Found:
    """One record of a benchmark as it was found."""

    path: Path
    subject: str
    split: str
    fields: Mapping[str, Any]


def gathered(found: Iterable[Found]) -> Records:
    """The records by subject, in their order, each with its `split`.

    Raises FormatError where a subject has a split in two files, unless these are parts of one table.
    """
    records: Records = {}
    homes: dict[tuple[str, str], Path] = {}
    for each in found:
        home = homes.setdefault((each.subject, each.split), each.path)
        if home != each.path and ("-of-" not in home.name or home.name == each.path.name):
            raise refusal(each.path, None, f"holds {each.split} of {each.subject!r}, which {home} holds already; keep one")
        records.setdefault(each.subject, []).append({**each.fields, "split": each.split})
    return dict(sorted(records.items()))


def of_split(records: Sequence[Mapping[str, Any]], split: str) -> list[Mapping[str, Any]]:
    """Those records of a subject that are of a split."""
    return [record for record in records if record["split"] == split]


def refusal(path: Path, line: int | None, what: str) -> FormatError:
    """The error for a fault of a file; without a line, of the file as a whole."""
    return FormatError(f"{path}{'' if line is None else f':{line}'}: {what}")


def read_text(path: Path) -> str:
    """The text of a file, plain or gzip, its line ends as they are. Raises FormatError where it is empty or no UTF-8."""
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if data.startswith(GZIP) else data
    except (OSError, EOFError, zlib.error) as error:
        raise refusal(path, None, f"cannot be read ({error}); get the file anew") from error
    if not data.strip():
        raise refusal(path, None, "is empty, wanted the records of a benchmark; get the file anew")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise refusal(path, line, f"byte {data[error.start]:#04x} is not UTF-8; save the file as UTF-8") from error


def csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file without a header, each with its first line from 1."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    line = 1
    try:
        for row in reader:
            yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise refusal(path, line, f"is no CSV: {error}; mend the row") from error


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSON Lines file, each with its line from 1; blank lines are none."""
    for line, text in enumerate(read_text(path).split("\n"), 1):
        if text.strip():
            yield line, _object(path, line, text)


def json_object(path: Path) -> dict[str, Any]:
    """The one object that a JSON file holds."""
    return _object(path, None, read_text(path))


def parquet_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a Parquet file with the columns asked for, numbered from 1."""
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise refusal(path, None, f"is no Parquet file ({str(error).splitlines()[0]}); get it anew") from error
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise refusal(path, None, f"has no column {missing[0]!r}, only {', '.join(table.column_names)}; get the file anew")
    if not table.num_rows:
        raise refusal(path, None, "is empty, wanted the records of a benchmark; get the file anew")
    yield from enumerate(table.select(list(columns)).to_pylist(), 1)


def text_of(record: Mapping[str, Any], key: str, path: Path, line: int | None) -> str:
    """The text under a key; FormatError where there is none."""
    if key not in record:
        raise refusal(path, line, f"has no {key!r}, only {', '.join(record) or 'nothing'}; get the file anew")
    if not isinstance(record[key], str):
        raise refusal(path, line, f"{key} is {json.dumps(record[key], default=str)[:80]}, wanted a text; mend the record")
    return str(record[key])


def _object(path: Path, line: int | None, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise refusal(path, line or error.lineno, f"is no JSON ({error.msg}); mend it") from error
    except RecursionError as error:
        raise refusal(path, line, "is nested too deeply to be a record; mend it") from error
    if not isinstance(found, dict):
        raise refusal(path, line, f"is {json.dumps(found)[:80]}, wanted a JSON object; mend it")
    return found
