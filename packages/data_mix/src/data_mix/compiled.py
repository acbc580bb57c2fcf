"""Loops over numbers that numba compiles, once per machine: the machine code is kept beside the module or in the user's cache.

Numba knows that a module has changed by its own file alone, so compiled functions that call each other stand in one module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from numba import njit

P = ParamSpec("P")
T = TypeVar("T")


def compiled(function: Callable[P, T]) -> Callable[P, T]:
    """The function as machine code, compiled when it is first called.

    Where no cache folder can be written it is compiled anew in every process, which takes a second or two.
    """
    try:
        return cast(Callable[P, T], njit(cache=True)(function))
    except RuntimeError:  # numba's word for it: no locator available
        return cast(Callable[P, T], njit(function))
