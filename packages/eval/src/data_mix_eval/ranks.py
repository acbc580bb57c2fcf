"""Several processes that share the work of a run.

`torchrun --nproc_per_node 4 -m data_mix eval …` names the processes by environment variables. Each takes whole batches, so that
the digits of an answer do not depend on how many they are, and the first joins what they have written in the cache; nothing
else passes between them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from data_mix.errors import EvalError

PATIENCE: Final = 3600.0
"""Seconds after which a process that has added nothing is given up."""
_PAUSE: Final = 0.1


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """A process among those that share its work."""

    rank: int = 0
    world: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process marks answers and writes results."""
        return self.rank == 0

    def own(self, costs: Sequence[float]) -> range:
        """The places of this process's batches: neighbours, since they share beginnings, of about the same cost for all."""
        ends = list(accumulate(costs))
        owners = [int(self.world * (end - cost / 2) / ends[-1]) for cost, end in zip(costs, ends, strict=True)]
        own = [place for place, owner in enumerate(owners) if owner == self.rank]
        return range(own[0], own[-1] + 1) if own else range(0)


def these_ranks() -> Ranks:
    """What the launcher says that this process is; alone without one."""
    return Ranks(rank=int(os.environ.get("RANK", "0")), world=int(os.environ.get("WORLD_SIZE", "1")))


def wait_for(missing: Callable[[], int], *, patience: float = PATIENCE) -> None:
    """Wait until nothing is missing of what the other processes compute; EvalError where for long nothing has been added."""
    least, since = missing(), time.monotonic()
    while (now := missing()) > 0:
        if now < least:
            least, since = now, time.monotonic()
        if time.monotonic() - since > patience:
            raise EvalError(
                f"{now} answers of other ranks are missing, and for {patience:g} seconds none was added; "
                "set DATAMIX_HOME to a folder that all of them share, and run again"
            )
        time.sleep(_PAUSE)
