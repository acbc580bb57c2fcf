"""Token shards and packs → batches: rows of ids, their positions, and the tokens that are trained on.

A row is a pack: its pieces one after the other, positions restarting at each, padding only at the end. Positions that restart
are all that keeps the conversations of a row apart (transformers derives the attention from them), so there is never an
attention mask: any two-dimensional one would switch that off without a word. A model that takes no positions (Bloom) gets each
piece in a row of its own.

Tokens stay where they are, in memory-mapped files; a batch copies its own and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data_mix.errors import FormatError, TrainingError
from data_mix.packing import NO_PACK, Packs, epoch_order, global_batch, share
from data_mix_trainer.schedule import Cursor, Schedule

Numbers = NDArray[np.int64]
Batch = dict[str, Any]
"""Of packs, `width` tokens to a row:

    input_ids      (rows, width) int64
    position_ids   (rows, width) int64; not for models that take none
    is_trained     (rows, width) bool: whether the next token is trained on
    targets        (trained,) int64: those next tokens, row by row
    sources        (trained,) int64: the source of each, a place in `TokenRows.sources`
"""

Arrangement = Literal["rows", "flat", "apart"]
"""A pack to a row; all packs in one row, for flash attention, which keeps conversations apart only where a batch has one row; a
piece to a row, for models that take no positions."""

_MULTIPLE: Final = 64
"""Rows are padded to a multiple of this, the size in which matrix units compute."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A pack as tokens."""

    ids: Numbers
    positions: Numbers
    is_trained: NDArray[np.bool_]
    """Whether the next token is trained on."""
    sources: NDArray[np.int16]


class TokenRows:
    """The conversations of a split's token shard, to be read piece by piece."""

    def __init__(self, table: pa.Table) -> None:
        ids, loss = table["input_ids"].chunks, table["loss"]
        self._tokens = [chunk.values.to_numpy() for chunk in ids]
        self._chunk = np.repeat(np.arange(len(ids), dtype=np.int32), [len(chunk) for chunk in ids])
        self._first = _joined([chunk.offsets.to_numpy()[:-1] for chunk in ids], np.int64)
        self._span_offsets = np.concatenate(([0], np.cumsum(_joined(pc.list_value_length(loss).chunks, np.int64))))
        spans = pc.list_flatten(loss)
        self._span_starts, self._span_ends = (
            _joined(pc.struct_field(spans, name).chunks, np.int64) for name in ("start", "end")
        )
        named = table["source"].unify_dictionaries()
        self.sources: tuple[str, ...] = tuple(named.chunk(0).dictionary.to_pylist()) if named.num_chunks else ()
        self.source_of: NDArray[np.int16] = _joined([chunk.indices for chunk in named.chunks], np.int16)

    def __len__(self) -> int:
        return len(self._first)

    def row(self, pieces: NDArray[np.void]) -> Row:
        """The pieces of a pack, one after the other."""
        conversations, starts, heads = (pieces[name].astype(np.int64) for name in ("conversation", "start", "head"))
        sizes = pieces["end"] - starts + heads
        places = np.cumsum(sizes) - sizes
        ids = np.empty(int(sizes.sum()), np.int64)
        for piece, place in zip(pieces.tolist(), places.tolist(), strict=True):
            self._copy(piece, ids[place:])
        return Row(
            ids=ids,
            positions=np.arange(len(ids)) - np.repeat(places, sizes),
            is_trained=self._trained(conversations, starts, pieces["end"], places - starts + heads, len(ids)),
            sources=np.repeat(self.source_of[conversations], sizes),
        )

    def ids(self, conversation: int, end: int) -> Numbers:
        """The first tokens of a conversation."""
        first = self._first[conversation]
        return np.asarray(self._tokens[self._chunk[conversation]][first : first + end], np.int64)

    def last_span(self, conversation: int) -> tuple[int, int]:
        """Where the last trained part of a conversation begins and ends; (0, 0) where none is trained."""
        last = self._span_offsets[conversation + 1] - 1
        if last < self._span_offsets[conversation]:
            return 0, 0
        return int(self._span_starts[last]), int(self._span_ends[last])

    def _copy(self, piece: tuple[int, int, int, int, int], ids: Numbers) -> None:
        conversation, start, end, head, _ = piece
        tokens, first = self._tokens[self._chunk[conversation]], self._first[conversation]
        if head:
            ids[:head] = tokens[first : first + head]
        ids[head : head + end - start] = tokens[first + start : first + end]

    def _trained(self, conversations: Numbers, starts: Numbers, ends: Numbers, shifts: Numbers, size: int) -> NDArray[np.bool_]:
        """Where the next token is in a loss span of its piece; `shifts` leads from a conversation's places to the row's."""
        begin, counts = self._span_offsets[conversations], np.diff(self._span_offsets)[conversations]
        spans = np.repeat(begin - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        span_starts, span_ends = self._span_starts[spans], self._span_ends[spans]
        is_in = (span_starts >= np.repeat(starts, counts)) & (span_ends <= np.repeat(ends, counts))
        shift = np.repeat(shifts, counts)[is_in] - 1
        edges = np.zeros(size + 1, np.int32)
        edges[span_starts[is_in] + shift] += 1  # spans of a row do not touch: a control token stands between them
        edges[span_ends[is_in] + shift] -= 1
        return np.cumsum(edges[:-1]).astype(bool)


def _joined(arrays: Sequence[Any], dtype: Any) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype), *(np.asarray(array, dtype=dtype) for array in arrays)])


@dataclass(frozen=True, kw_only=True)
class Collator:
    """Packs → batches."""

    rows: TokenRows
    packs: Packs
    pad: int
    """The id that fills rows up."""
    arrangement: Arrangement = "rows"

    def __call__(self, numbers: Numbers) -> Batch:
        """The batch of these packs; `NO_PACK` is a row of padding."""
        rows = [row for number in numbers.tolist() for row in self._rows(number)]
        width = _rounded(max((len(row.ids) for row in rows if row is not None), default=1))
        arrays = _padded(rows, width, self.pad)
        shape = (1, -1) if self.arrangement == "flat" else (len(rows), width)
        batch = _as_tensors({name: array.reshape(shape) for name, array in arrays.items()})
        if self.arrangement == "apart":
            del batch["position_ids"]
        return batch

    def _rows(self, number: int) -> list[Row | None]:
        if number == NO_PACK:
            return [None]
        pieces = self.packs[number]
        if self.arrangement == "apart":
            return [self.rows.row(pieces[place : place + 1]) for place in range(len(pieces))]
        return [self.rows.row(pieces)]


def _rounded(width: int) -> int:
    return -(-width // _MULTIPLE) * _MULTIPLE


def _padded(rows: Sequence[Row | None], width: int, pad: int) -> dict[str, NDArray[Any]]:
    """The rows below each other; padding is one more conversation, its positions from 0."""
    count = len(rows)
    ids, positions = np.full((count, width), pad, np.int64), np.tile(np.arange(width), (count, 1))
    is_trained, sources = np.zeros((count, width), np.bool_), np.zeros((count, width), np.int64)
    for place, row in enumerate(rows):
        if row is not None:
            size = len(row.ids)
            ids[place, :size], positions[place, :size], is_trained[place, :size] = row.ids, row.positions, row.is_trained
            sources[place, :size] = row.sources
            positions[place, size:] -= size
    return {"input_ids": ids, "position_ids": positions, "is_trained": is_trained, "sources": sources}


def _as_tensors(arrays: dict[str, NDArray[Any]]) -> Batch:
    import torch  # noqa: PLC0415  heavy; whoever makes a batch has it

    is_trained = arrays["is_trained"]
    targets = np.roll(arrays["input_ids"], -1, axis=1)[is_trained]
    return {
        "input_ids": torch.from_numpy(arrays["input_ids"]),
        "position_ids": torch.from_numpy(arrays["position_ids"]),
        "is_trained": torch.from_numpy(is_trained),
        "targets": torch.from_numpy(targets),
        "sources": torch.from_numpy(arrays["sources"][is_trained]),
    }


@dataclass(frozen=True, kw_only=True)
class StepBatch:
    """The share of one process in an optimizer step."""

    epoch: int
    packs: Numbers
    """All of the process's packs, `NO_PACK` for none."""
    batches: tuple[Batch, ...]
    """One per forward pass."""
    trained: int
    """Trained tokens of the whole global batch: what its loss is divided by."""
    tokens: int
    """Tokens of the whole global batch, padding not counted."""
    rows: int
    """Packs of the whole global batch."""
    waited: float
    """Seconds that reading took, or, where steps are read ahead, that it was waited for."""


@dataclass(frozen=True, kw_only=True)
class StepReader:
    """The optimizer steps of a run, from a cursor on to the end."""

    collate: Collator
    schedule: Schedule
    seed: int
    rank: int
    world: int
    passes: int
    """Forward passes per step."""
    clock: Callable[[], float] = time.perf_counter

    def steps(self, cursor: Cursor, done: int) -> Iterator[StepBatch]:
        """The steps after the first `done` ones; raises TrainingError where a step would train on nothing."""
        epoch, order = -1, np.zeros(0, np.int64)
        for _ in range(done, self.schedule.steps):
            if cursor.epoch != epoch:
                epoch, order = cursor.epoch, epoch_order(self.schedule.packs, seed=self.seed, epoch=cursor.epoch)
            yield self._step(global_batch(order, size=self.schedule.global_batch, cursor=cursor.packs), epoch)
            cursor = self.schedule.after(cursor)

    def _step(self, batch: Numbers, epoch: int) -> StepBatch:
        before = self.clock()
        packs = self.collate.packs
        trained = packs.trained_tokens(batch)
        if not trained:
            raise TrainingError(
                f"packs {batch.tolist()} of epoch {epoch} hold no trained token; remove OUT/tokens, tokenize anew"
            )
        mine = share(batch, size=self.schedule.global_batch, rank=self.rank, world=self.world)
        batches = tuple(self.collate(numbers) for numbers in np.split(mine, self.passes))
        return StepBatch(
            epoch=epoch,
            packs=mine,
            batches=batches,
            trained=trained,
            tokens=sum(_tokens(packs[number]) for number in batch.tolist()),
            rows=len(batch),
            waited=self.clock() - before,
        )


def ahead(steps: Iterator[StepBatch], clock: Callable[[], float] = time.perf_counter) -> Iterator[StepBatch]:
    """The same steps, each read in a thread while the one before it is computed; an error is raised where its step would be."""
    with ThreadPoolExecutor(max_workers=1) as reading:
        coming = reading.submit(next, steps, None)
        while True:
            before = clock()
            step = coming.result()
            if step is None:
                return
            coming = reading.submit(next, steps, None)
            yield replace(step, waited=clock() - before)


def _tokens(pieces: NDArray[np.void]) -> int:
    return int((pieces["end"] - pieces["start"] + pieces["head"]).sum())


def check_fits(packs: Packs, rows: TokenRows) -> None:
    """Refuse packs that point past the token shards; FormatError."""
    last = int(packs.pieces["conversation"].max(initial=-1))
    if last >= len(rows):
        raise FormatError(f"the packs name conversation {last}, the token shards have {len(rows)}; tokenize anew")
