"""Best fit decreasing, over all pieces of a split at once: the longest first, each into the pack it leaves the least room in.

A segment tree over the room left (0 to `max_length`) finds that pack, so n pieces take O(n log max_length). Pieces of one
length are taken in the order of their row numbers, and of packs with the same room the one that came to it last is filled: the
packs depend on the lengths alone.

Rectangles are for models that keep conversations apart by rows alone: pieces of about one length, each in a row of its own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data_mix.compiled import compiled
from data_mix.packing.conversations import Numbers


def best_fit(lengths: Numbers, max_length: int) -> tuple[Numbers, Numbers]:
    """Packs as (offsets, pieces): pack `p` holds the pieces `pieces[offsets[p]:offsets[p + 1]]`, in ascending order.

    Each length must be 1 to `max_length`.
    """
    _, longest_first = _group(max_length - lengths, max_length)
    pack_of, packs = _fit(lengths, longest_first, max_length)
    return _group(pack_of, packs)


def rectangles(lengths: Numbers, max_length: int) -> tuple[Numbers, Numbers]:
    """Packs, as of `best_fit`, of which the pieces times the longest of them are at most `max_length`.

    The longest first: pieces of one pack are of about one length, so that padding them to the longest costs little.
    """
    _, longest_first = _group(max_length - lengths, max_length)
    pack_of, packs = _stack(lengths, longest_first, max_length)
    return _group(pack_of, packs)


@compiled
def _stack(lengths: Numbers, longest_first: Numbers, max_length: int) -> tuple[Numbers, int]:
    """The pack of each piece, and the number of packs."""
    pack_of, packs, room = np.empty(len(lengths), np.int64), 0, 0
    for piece in longest_first:
        if room == 0:
            packs, room = packs + 1, max_length // lengths[piece]
        pack_of[piece] = packs - 1
        room -= 1
    return pack_of, packs


@compiled
def _group(keys: Numbers, groups: int) -> tuple[Numbers, Numbers]:
    """The places of each group's keys, as offsets and places in ascending order: a counting sort."""
    offsets = np.zeros(groups + 1, np.int64)
    for key in keys:
        offsets[key + 1] += 1
    offsets = np.cumsum(offsets)
    free, places = offsets[:-1].copy(), np.empty(len(keys), np.int64)
    for place in range(len(keys)):
        key = keys[place]
        places[free[key]] = place
        free[key] += 1
    return offsets, places


@compiled
def _fit(lengths: Numbers, longest_first: Numbers, max_length: int) -> tuple[Numbers, int]:
    """The pack of each piece, and the number of packs.

    Packs with the same room are a stack: `last[room]` is on top, `below[pack]` under it, -1 the ground.
    """
    leaves = 1
    while leaves <= max_length:
        leaves *= 2
    tree = np.zeros(2 * leaves, np.bool_)  # node i stands over 2i and 2i + 1, leaf leaves + room over the packs with that room
    last, below = np.full(max_length + 1, -1), np.empty(len(lengths), np.int64)
    pack_of, packs = np.empty(len(lengths), np.int64), 0
    for piece in longest_first:
        room = _least_room(tree, lengths[piece])
        if room < 0:
            pack, room, packs = packs, max_length, packs + 1
        else:
            pack = last[room]
            last[room] = below[pack]
            _mark(tree, leaves + room, last[room] >= 0)
        room -= lengths[piece]
        below[pack], last[room] = last[room], pack
        _mark(tree, leaves + room, True)
        pack_of[piece] = pack
    return pack_of, packs


@compiled
def _least_room(tree: NDArray[np.bool_], length: int) -> int:
    """The least room that a pack has and that is enough; -1 where there is none."""
    leaves = len(tree) // 2
    node = leaves + length
    if tree[node]:
        return length
    while node > 1 and (node % 2 == 1 or not tree[node + 1]):
        node //= 2
    if node <= 1:
        return -1
    node += 1
    while node < leaves:
        node = 2 * node if tree[2 * node] else 2 * node + 1
    return node - leaves


@compiled
def _mark(tree: NDArray[np.bool_], node: int, there_is: bool) -> None:
    """Note at a leaf, and at the nodes over it, whether there is a pack with that room."""
    while node > 0 and tree[node] != there_is:
        tree[node] = there_is
        there_is = there_is or tree[node ^ 1]
        node //= 2
