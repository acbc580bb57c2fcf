"""The order of packs in an epoch, and how processes share it."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_mix.errors import ConfigError
from data_mix.packing import NO_PACK, epoch_order, global_batch, share

SEEDS, COUNTS = st.integers(0, 2**64), st.integers(0, 200)


def batches(packs: int, *, size: int, world: int, cursor: int = 0) -> Iterator[list[int]]:
    """The global batches from `cursor` on, put together from what each process gets."""
    order = epoch_order(packs, seed=1, epoch=0)
    while len(batch := global_batch(order, size=size, cursor=cursor)):
        shares = [share(batch, size=size, rank=rank, world=world) for rank in range(world)]
        yield sorted(pack for each in shares for pack in each.tolist() if pack != NO_PACK)
        cursor += len(batch)


@settings(deadline=None)
@given(COUNTS, SEEDS, st.integers(0, 9))
def test_an_epoch_has_every_pack_once(packs: int, seed: int, epoch: int) -> None:
    """The order is a permutation of all packs."""
    assert sorted(epoch_order(packs, seed=seed, epoch=epoch).tolist()) == list(range(packs))


@settings(deadline=None)
@given(SEEDS, st.integers(0, 9))
def test_epochs_and_seeds_have_orders_of_their_own(seed: int, epoch: int) -> None:
    """The next epoch and the next seed go through the packs in another order."""
    here = epoch_order(100, seed=seed, epoch=epoch).tolist()
    assert here != epoch_order(100, seed=seed, epoch=epoch + 1).tolist()
    assert here != epoch_order(100, seed=seed + 1, epoch=epoch).tolist()


def test_the_order_is_the_same_for_ever() -> None:
    """It is written down here: a run that resumes under other versions goes through the same packs."""
    assert epoch_order(12, seed=42, epoch=0).tolist() == [1, 4, 6, 3, 0, 11, 2, 5, 7, 9, 10, 8]


def test_all_orders_are_about_as_likely() -> None:
    """Over 2,000 epochs each of four packs stands in each place about 500 times."""
    orders = np.array([epoch_order(4, seed=0, epoch=epoch) for epoch in range(2000)])
    counts = np.array([[(orders[:, place] == pack).sum() for pack in range(4)] for place in range(4)])
    assert (abs(counts - 500) < 100).all()


@settings(deadline=None)
@given(st.integers(1, 100), st.integers(1, 6))
def test_global_batches_do_not_depend_on_the_world_size(packs: int, quarter: int) -> None:
    """One, two and four processes train on the same sequence of global batches."""
    alone, two, four = (list(batches(packs, size=4 * quarter, world=world)) for world in (1, 2, 4))
    assert alone == two == four


@settings(deadline=None)
@given(st.integers(1, 100), st.data())
def test_a_run_resumed_in_the_middle_by_another_world_sees_the_rest(packs: int, data: st.DataObject) -> None:
    """After any number of steps, another number of processes sees exactly the packs not yet seen."""
    whole = list(batches(packs, size=4, world=2))
    steps = data.draw(st.integers(0, len(whole)))
    assert list(batches(packs, size=4, world=1, cursor=4 * steps)) == whole[steps:]


@settings(deadline=None)
@given(st.integers(1, 100), st.sampled_from([1, 2, 4]))
def test_every_pack_is_seen_once_per_epoch(packs: int, world: int) -> None:
    """The global batches of an epoch, the short one at its end included, hold every pack once."""
    seen = [pack for batch in batches(packs, size=8, world=world) for pack in batch]
    assert sorted(seen) == list(range(packs))


def test_processes_take_as_many_packs_each_in_a_short_batch() -> None:
    """Where a batch has too few packs, shares are filled up with NO_PACK, so that no process takes a step less."""
    shares = [share(np.array([5, 6, 7]), size=8, rank=rank, world=4).tolist() for rank in range(4)]
    assert shares == [[5, NO_PACK], [6, NO_PACK], [7, NO_PACK], [NO_PACK, NO_PACK]]


@pytest.mark.parametrize(("size", "world"), [(6, 4), (0, 1), (2, 4)])
def test_a_global_batch_that_does_not_divide_is_refused(size: int, world: int) -> None:
    """The error names both numbers and the keys to change."""
    with pytest.raises(
        ConfigError, match=rf"^a global batch of {size} packs cannot be shared by {world} processes, wanted a mul"
    ):
        share(np.arange(size), size=size, rank=0, world=world)
