"""Batches: every token in its place, positions that restart, nothing trained that is not to be."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data_mix.errors import FormatError, TrainingError
from data_mix.packing import NO_PACK
from data_mix_trainer.dataset import Batch, Collator, StepBatch, StepReader, TokenRows, ahead, check_fits
from data_mix_trainer.schedule import Cursor, Schedule
from training import PAD, Conversation, all_packs, collator, exchanges, token_table


def conversations_of(batch: Batch) -> list[tuple[list[int], list[int]]]:
    """The ids of each conversation of a batch and those of them that are trained, padding left out."""
    found = []
    targets = iter(batch["targets"].tolist())
    for ids, positions, trained in zip(batch["input_ids"], batch["position_ids"], batch["is_trained"], strict=True):
        starts = [*torch.nonzero(positions == 0).flatten().tolist(), len(ids)]
        for start, end in pairwise(starts):
            own = [next(targets) for _ in range(int(trained[start:end].sum()))]
            if own or set(ids[start:end].tolist()) != {PAD}:
                found.append((ids[start:end].tolist(), own))
    return found


def expected(conversations: list[Conversation]) -> list[tuple[list[int], list[int]]]:
    """The same of the conversations themselves."""
    return [(list(ids), [id_ for start, end in spans for id_ in ids[start:end]]) for _, ids, spans in conversations]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(0, 5), st.sampled_from([1, 3, 1000]))
def test_a_batch_of_all_packs_holds_every_conversation_once(count: int, seed: int, chunk: int) -> None:
    """Every conversation stands whole in a row, in whatever record batch of the shard it is, with its own trained tokens."""
    conversations = exchanges(count, seed=seed)
    collate = collator(conversations, 64, chunk=chunk)
    assert sorted(conversations_of(collate(all_packs(collate.packs)))) == sorted(expected(conversations))


def test_positions_restart_and_padding_is_a_conversation_of_its_own() -> None:
    """Positions count from 0 in each piece and in the padding, which stands at the end alone."""
    collate = collator([("a", [10, 11, 12], [(1, 3)]), ("a", [20, 21], [(1, 2)])], 8)
    (batch,) = [collate(all_packs(collate.packs))]
    assert batch["input_ids"][0, :6].tolist() == [10, 11, 12, 20, 21, PAD]
    assert batch["position_ids"][0, :8].tolist() == [0, 1, 2, 0, 1, 0, 1, 2]
    assert batch["is_trained"][0, :6].tolist() == [True, True, False, True, False, False]
    assert batch["targets"].tolist() == [11, 12, 21]


def test_there_is_no_attention_mask() -> None:
    """A two-dimensional mask would switch the isolation of conversations off without a word."""
    batch = collator(exchanges(5), 64)(np.array([0]))
    assert set(batch) == {"input_ids", "position_ids", "is_trained", "targets", "sources"}


def test_each_trained_token_knows_its_source() -> None:
    """The sources of trained tokens are those of their conversations."""
    collate = collator([("a", [10, 11], [(1, 2)]), ("b", [20, 21, 22], [(1, 3)])], 8)
    batch = collate(all_packs(collate.packs))
    names = [collate.rows.sources[source] for source in batch["sources"].tolist()]
    assert sorted(zip(batch["targets"].tolist(), names, strict=True)) == [(11, "a"), (21, "b"), (22, "b")]


def test_a_row_without_a_pack_is_padding_alone() -> None:
    """`NO_PACK` gives a row in which nothing is trained."""
    batch = collator(exchanges(5), 64)(np.array([NO_PACK, NO_PACK]))
    assert set(batch["input_ids"].flatten().tolist()) == {PAD}
    assert (batch["is_trained"].any().item(), len(batch["targets"])) == (False, 0)


def test_a_flat_batch_is_one_row_of_the_same() -> None:
    """For flash attention all packs lie in one row, conversations and trained tokens as before."""
    rows, flat = collator(exchanges(40), 64), collator(exchanges(40), 64, arrangement="flat")
    one, other = (collate(all_packs(collate.packs)) for collate in (rows, flat))
    assert other["input_ids"].shape[0] == 1
    assert sorted(conversations_of(one)) == sorted(conversations_of(other))
    assert one["targets"].tolist() == other["targets"].tolist()


def test_a_model_without_positions_gets_each_piece_in_a_row_of_its_own() -> None:
    """Every conversation is a row, without positions, and the rows of a pack are no more tokens than a row may have."""
    apart = collator(exchanges(40), 64, arrangement="apart")
    batches = [apart(np.array([number])) for number in all_packs(apart.packs).tolist()]
    assert sum(len(batch["input_ids"]) for batch in batches) == 40
    assert "position_ids" not in batches[0]
    assert sum(len(batch["targets"]) for batch in batches) == apart.packs.statistics.trained_tokens
    sizes = [apart.packs[number]["end"].max() * len(apart.packs[number]) for number in range(len(apart.packs))]
    assert max(sizes) <= 64


def test_a_piece_behind_its_head_repeats_it() -> None:
    """A conversation that policy `split` cuts goes on behind its system turn, and trains what is in the piece alone."""
    ids = list(range(10, 30))
    rows = TokenRows(token_table([("a", ids, [(4, 8), (10, 14), (16, 20)])]))
    piece = np.array([(0, 8, 14, 2, 4)], dtype=[(name, "<i4") for name in ("conversation", "start", "end", "head", "trained")])
    row = rows.row(piece)
    assert row.ids.tolist() == [10, 11, *range(18, 24)]
    assert np.roll(row.ids, -1)[row.is_trained].tolist() == [20, 21, 22, 23]


def reader(collate: Collator, *, rank: int = 0, world: int = 1, size: int = 4, steps: int = 20, seed: int = 0) -> StepReader:
    """A reader of steps."""
    schedule = Schedule(packs=len(collate.packs), global_batch=size, steps=steps)
    return StepReader(collate=collate, schedule=schedule, seed=seed, rank=rank, world=world, passes=size // world)


def test_processes_share_each_step_and_epochs_are_orders_of_their_own() -> None:
    """One process, and two together, take the same packs at each step, every pack once an epoch; epochs differ."""
    collate = collator(exchanges(100), 64)
    per_epoch = -(-len(collate.packs) // 4)
    alone = [set(step.packs.tolist()) - {NO_PACK} for step in reader(collate, steps=2 * per_epoch).steps(Cursor(), 0)]
    two = [list(reader(collate, rank=rank, world=2, steps=2 * per_epoch).steps(Cursor(), 0)) for rank in (0, 1)]
    together = [set(a.packs.tolist()) | set(b.packs.tolist()) - {NO_PACK} for a, b in zip(*two, strict=True)]
    assert [packs - {NO_PACK} for packs in together] == alone
    assert set.union(*alone[:per_epoch]) == set.union(*alone[per_epoch:]) == set(range(len(collate.packs)))
    assert alone[:per_epoch] != alone[per_epoch:]


def test_a_reader_goes_on_from_a_cursor() -> None:
    """From the cursor after five steps the packs are those of the sixth and later ones."""
    whole = reader(collator(exchanges(200), 64))
    steps, cursor = list(whole.steps(Cursor(), 0)), Cursor()
    for _ in range(5):
        cursor = whole.schedule.after(cursor)
    assert [step.packs.tolist() for step in whole.steps(cursor, 5)] == [step.packs.tolist() for step in steps[5:]]


def test_the_trained_tokens_of_a_step_are_those_of_all_processes() -> None:
    """Each of two processes divides by the trained tokens of both."""
    collate = collator(exchanges(100), 64)
    one, two = (next(reader(collate, rank=rank, world=2).steps(Cursor(), 0)) for rank in (0, 1))
    targets = [len(batch["targets"]) for step in (one, two) for batch in step.batches]
    assert one.trained == two.trained == sum(targets)


def test_steps_read_ahead_are_the_same() -> None:
    """Read ahead or not, the steps are the same ones, to the last token."""
    collate = collator(exchanges(100), 64)
    plain, early = reader(collate).steps(Cursor(), 0), ahead(reader(collate).steps(Cursor(), 0))
    for one, other in zip(plain, early, strict=True):
        assert (one.epoch, one.packs.tolist(), one.trained) == (other.epoch, other.packs.tolist(), other.trained)
        for batch, same in zip(one.batches, other.batches, strict=True):
            assert all(torch.equal(batch[name], same[name]) for name in batch)


def slowly(steps: Iterator[StepBatch], read: threading.Semaphore) -> Iterator[StepBatch]:
    """The steps, each of which takes a twentieth of a second to read; `read` is released at each."""
    for step in steps:
        time.sleep(0.05)
        read.release()
        yield step


def test_the_next_step_is_read_while_one_is_computed() -> None:
    """A step is read, without being asked for, while the one before it is in use: then it is not waited for."""
    read = threading.Semaphore(0)
    steps = ahead(slowly(reader(collator(exchanges(100), 64), steps=3).steps(Cursor(), 0), read))
    first = next(steps)
    assert first.waited > 0.04
    assert read.acquire(timeout=60)
    assert read.acquire(timeout=60)
    assert next(steps).waited < first.waited


def test_an_error_is_raised_where_its_step_would_be() -> None:
    """Of steps read ahead, those before the one that cannot be read are given first."""

    def broken(steps: Iterator[StepBatch]) -> Iterator[StepBatch]:
        yield next(steps)
        raise TrainingError("nothing to train on")

    steps = ahead(broken(reader(collator(exchanges(100), 64)).steps(Cursor(), 0)))
    assert next(steps).trained > 0
    with pytest.raises(TrainingError, match="nothing to train on"):
        next(steps)


def test_steps_read_ahead_may_be_left() -> None:
    """A loop that ends early leaves no thread behind."""
    threads = threading.active_count()
    steps = ahead(reader(collator(exchanges(100), 64)).steps(Cursor(), 0))
    next(steps)
    assert threading.active_count() == threads + 1
    del steps
    assert threading.active_count() == threads


def test_packs_of_other_token_shards_are_refused() -> None:
    """Packs that name a conversation which is not there are an error, not a crash later."""
    many, few = collator(exchanges(20), 64), TokenRows(token_table(exchanges(3)))
    with pytest.raises(FormatError, match="the packs name conversation 19, the token shards have 3; tokenize anew"):
        check_fits(many.packs, few)
