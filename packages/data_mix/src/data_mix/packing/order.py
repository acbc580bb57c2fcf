"""The order of packs in an epoch: a function of (seed, epoch) alone, in global batches that do not depend on the world size.

Packs are sorted by numbers of SplitMix64 (https://prng.di.unimi.it/splitmix64.c), started from the project's hash of seed and
epoch. It is five operations on integers, written out here, so that a run resumes in the same order whatever the version of a
library: numpy promises the stream of a bit generator, but not what its `permutation` makes of it. Its numbers are all different
within an epoch, so the order has no ties.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from data_mix.errors import ConfigError
from data_mix.hashing import purpose_seed

NO_PACK: Final = -1
"""Stands in a share for a row of padding alone, so that all processes take as many steps in the last batch of an epoch."""

_STEP: Final = np.uint64(0x9E3779B97F4A7C15)


def epoch_order(packs: int, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """The numbers of all packs, each once, in the order of this epoch."""
    start = np.uint64(purpose_seed(seed, f"packs of epoch {epoch}"))
    states = np.arange(1, packs + 1, dtype=np.uint64) * _STEP + start
    states = (states ^ (states >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    states = (states ^ (states >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.argsort(states ^ (states >> np.uint64(31)))


def global_batch(order: NDArray[np.int64], *, size: int, cursor: int) -> NDArray[np.int64]:
    """The packs of the next optimiser step: `size` of them, fewer at the end of the epoch, none after it.

    `cursor` counts the packs of the epoch that were trained on before; the next cursor is `cursor + len(result)`.
    """
    return order[cursor : cursor + size]


def share(batch: NDArray[np.int64], *, size: int, rank: int, world: int) -> NDArray[np.int64]:
    """One process's packs of a global batch, `size / world` of them, `NO_PACK` where a short batch has none left.

    All processes' shares together are the batch. Raises ConfigError where `size` is no multiple of `world`.
    """
    if size < 1 or size % world:
        raise ConfigError(
            f"a global batch of {size} packs cannot be shared by {world} processes, wanted a multiple of {world}; "
            "change per_device_train_batch_size, gradient_accumulation_steps or the number of processes"
        )
    filled = np.full(size, NO_PACK, dtype=np.int64)
    filled[: len(batch)] = batch
    return filled[rank::world]
