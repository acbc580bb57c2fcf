"""A digest of rows that does not depend on the file they lie in, on how they are cut into batches, or on Arrow's version."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict

import pyarrow as pa
import pyarrow.compute as pc

from data_mix.arrays import text_offsets


class ContentDigest:
    """Takes batches in; equal digests are equal rows, in the same order."""

    def __init__(self) -> None:
        self._columns = defaultdict[str, "hashlib._Hash"](hashlib.sha256)

    def update(self, batch: pa.RecordBatch) -> None:
        """Take the rows of a batch in."""
        for name in batch.schema.names:
            self._take(name, batch.column(name))

    def hexdigest(self) -> str:
        """The digest of all rows so far."""
        found = sorted((path, digest.hexdigest()) for path, digest in self._columns.items())
        return hashlib.sha256(json.dumps(found).encode()).hexdigest()

    def _take(self, path: str, values: pa.Array) -> None:
        kind = values.type
        self._add(f"{path} valid", _bytes(pc.is_valid(values)))
        if pa.types.is_dictionary(kind):
            self._take(f"{path}=", values.dictionary_decode())
        elif pa.types.is_list(kind):
            self._add(f"{path} lengths", _bytes(pc.fill_null(pc.list_value_length(values), 0)))
            self._take(f"{path}[]", values.flatten())
        elif pa.types.is_struct(kind):
            for place, field in enumerate(kind):
                self._take(f"{path}.{field.name}", values.flatten()[place])
        elif pa.types.is_string(kind):
            self._add(f"{path} lengths", _bytes(pc.fill_null(pc.binary_length(values), 0)))
            self._add(f"{path} text", _text(pc.fill_null(values, "")))
        else:
            self._add(f"{path} value", _bytes(pc.fill_null(values, False)))

    def _add(self, kind: str, data: bytes | memoryview) -> None:
        """Take data in with others of its kind alone, so that the digest does not know where a batch ends."""
        self._columns[kind].update(data)


def _bytes(values: pa.Array) -> bytes:
    """Flags as a byte each, numbers as they are."""
    numbers = values.cast(pa.uint8()) if pa.types.is_boolean(values.type) else values
    return bytes(numbers.to_numpy(zero_copy_only=False).tobytes())


def _text(values: pa.Array) -> memoryview:
    """The bytes of all texts, one after another."""
    if not len(values):
        return memoryview(b"")
    offsets, data = text_offsets(values), values.buffers()[2]
    return memoryview(data)[offsets[0] : offsets[-1]] if data else memoryview(b"")
