"""Where Arrow's memory comes from while data is prepared.

Arrow's own pool (mimalloc) asks for huge pages. The kernel clears each of them whole, however little of it is used, and hands
the next process others: a process that prepares data and ends took 75 MB more by it, and an eighth more time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pyarrow as pa

_CHOICE: Final = "ARROW_DEFAULT_MEMORY_POOL"
"""The variable by which a user chooses Arrow's pool; then it stays (https://arrow.apache.org/docs/cpp/env_vars.html)."""


@contextmanager
def system_memory() -> Iterator[None]:
    """Have Arrow take memory from the system's allocator meanwhile, unless the user has chosen another."""
    before = pa.default_memory_pool()
    if not os.environ.get(_CHOICE):
        pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(before)
