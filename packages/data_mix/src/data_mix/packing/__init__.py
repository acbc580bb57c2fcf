"""Token counts → packs: which conversations, or pieces of one, share a row of `max_length` tokens. An index: no token moves.

conversations   what is known of a split without its tokens: token counts, loss spans, user turns
cutting         conversations longer than `max_length`: cut, dropped or split
fitting         best fit decreasing over a whole split
index           packs in memory and on disk
order           the order of packs in an epoch, and each process's share of it
compiled        loops that numba compiles
"""

from data_mix.packing.conversations import Conversations, Ragged, find_turns, read_conversations
from data_mix.packing.cutting import PIECE, Policy, Statistics, cut
from data_mix.packing.fitting import best_fit
from data_mix.packing.index import Layout, PackKey, Packs, make_packs, open_packs, packs_of, save_packs
from data_mix.packing.order import NO_PACK, epoch_order, global_batch, share

__all__ = [
    "NO_PACK",
    "PIECE",
    "Conversations",
    "Layout",
    "PackKey",
    "Packs",
    "Policy",
    "Ragged",
    "Statistics",
    "best_fit",
    "cut",
    "epoch_order",
    "find_turns",
    "global_batch",
    "make_packs",
    "open_packs",
    "packs_of",
    "read_conversations",
    "save_packs",
    "share",
]
