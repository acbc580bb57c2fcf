"""Trees of messages, and the threads that are read out of them.

Many people answer one prompt, and each answer is answered again, so such a data set is made of trees. A thread is a way from
the root down to an assistant message; each leaf of a tree gives one thread, kept or dropped with a reason:

    root (user)                    thread: root, a1
    ├── a1 (assistant)             thread: root, a2, u1, a3
    └── a2 (assistant)
        ├── u1 (user) ── a3        a3 is the thread's last message and gives it its key
        └── u2 (user)              dropped: root, a2 is but the beginning (`prefix`) of the thread above

Nothing here recurses, and the time is linear in the messages of the tree and of the threads that come out. Of a comb (a leaf
at every level) these are many: 5,000 levels give 12.5 million messages, which is why threads are yielded one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from data_mix.errors import BadRecordError
from data_mix.schema import Role

_ABOVE_ROOT = -1


class Message(NamedTuple):
    """One message of a tree."""

    id: str
    parent: str | None
    """Id of the message that it answers; None: it is the root."""
    role: Role
    text: str
    lang: str | None
    """BCP-47 tag."""
    rank: int | None
    """Place among its siblings by people's judgement, 0 the best; None: not ranked."""
    cut: str | None
    """Why it and everything below it is left out; None: it stays."""
    where: str
    """Where it was read, e.g. `export.jsonl:17`."""


@dataclass(frozen=True)
class Tree:
    """Messages in an order that depends on the tree alone: a parent before its children, siblings by rank, then by id."""

    messages: tuple[Message, ...]
    parents: tuple[int, ...]
    """The place of each message's parent in `messages`; -1 for the root, which comes first."""


class Thread(NamedTuple):
    """What becomes of one leaf of a tree."""

    key: str
    """Id of the thread's last message; of a dropped one, that of the leaf. No two threads of a tree share it."""
    messages: list[Message]
    """From the root; of a dropped thread, down to the leaf."""
    drop: str | None
    """Why it is dropped; None: it is kept."""


def build(messages: Sequence[Message]) -> Tree:
    """Put the messages of one tree, given in any order, into a tree.

    Raises BadRecordError where they are none: an id that comes twice, an orphan, no root or several, a cycle, or roles
    that do not alternate from a user at the root.
    """
    children, root = _families(messages, _places(messages))
    order, parents = _walk(messages, children, root)
    if len(order) < len(messages):
        lost = messages[min(set(range(len(messages))) - set(order))]
        raise BadRecordError(lost.where, f"message {lost.id!r} is in a cycle of replies; wanted a way up to the root")
    tree = Tree(tuple(messages[place] for place in order), tuple(parents))
    _check_roles(tree)
    return tree


def threads(tree: Tree, top_k: int | None = None) -> Iterator[Thread]:
    """Every leaf's thread.

    What is left of a branch above a cut, or above an unanswered user turn, is kept unless another thread goes on from
    there. `top_k` keeps, of the replies to one message, those whose rank is below it.
    """
    reasons = _reasons(tree, _outranked(tree, top_k) if top_k is not None else set())
    ends = _ends(tree, reasons)
    chosen = _chosen(tree, reasons, ends)
    for leaf in _leaves(tree):
        end = ends[leaf]
        if chosen.get(end) == leaf:
            yield Thread(tree.messages[end].id, _path(tree, end), None)
        else:
            rest = "no_assistant" if end == _ABOVE_ROOT else "prefix"
            yield Thread(tree.messages[leaf].id, _path(tree, leaf), reasons[leaf] or rest)


def dropped_threads(tree: Tree, reason: str) -> Iterator[Thread]:
    """Every leaf's thread, where the tree as a whole is dropped."""
    for leaf in _leaves(tree):
        yield Thread(tree.messages[leaf].id, _path(tree, leaf), reason)


def _places(messages: Sequence[Message]) -> dict[str, int]:
    """Each message's place by its id."""
    places: dict[str, int] = {}
    for place, message in enumerate(messages):
        if places.setdefault(message.id, place) != place:
            raise BadRecordError(message.where, f"message id {message.id!r} comes twice in its tree; wanted each once")
    return places


def _families(messages: Sequence[Message], places: dict[str, int]) -> tuple[list[list[int]], int]:
    """Find the places of each message's children, and that of the root."""
    children: list[list[int]] = [[] for _ in messages]
    roots: list[int] = []
    for place, message in enumerate(messages):
        if message.parent is None:
            roots.append(place)
        elif message.parent in places:
            children[places[message.parent]].append(place)
        else:
            raise BadRecordError(message.where, f"message {message.id!r} answers {message.parent!r}, which is not in its tree")
    if len(roots) != 1:
        odd = messages[roots[1] if roots else 0]
        raise BadRecordError(odd.where, f"the tree of message {odd.id!r} has {len(roots)} roots, wanted one")
    return children, roots[0]


def _walk(messages: Sequence[Message], children: list[list[int]], root: int) -> tuple[list[int], list[int]]:
    """Places in depth-first order, and for each the place of its parent in that order."""
    order: list[int] = []
    parents: list[int] = []
    stack = [(root, _ABOVE_ROOT)]
    while stack:
        place, parent = stack.pop()
        below = sorted(children[place], key=lambda child: _worst_last(messages[child]), reverse=True)
        stack.extend((child, len(order)) for child in below)
        order.append(place)
        parents.append(parent)
    return order, parents


def _worst_last(message: Message) -> tuple[bool, int, str]:
    return message.rank is None, message.rank or 0, message.id


def _check_roles(tree: Tree) -> None:
    """Refuse a tree in which user and assistant do not take turns, the user first."""
    for message, parent in zip(tree.messages, tree.parents, strict=True):
        before = "assistant" if parent == _ABOVE_ROOT else tree.messages[parent].role
        if message.role == before:
            place = "at the root" if parent == _ABOVE_ROOT else f"below another {before} message"
            raise BadRecordError(
                message.where, f"message {message.id!r} is of role {message.role} {place}; wanted the other role"
            )


def _outranked(tree: Tree, top_k: int) -> set[int]:
    """Places of the replies that are not among the best `top_k`.

    An unranked reply is known to be among them only where no other reply is left beside it.
    """
    replies: dict[int, list[int]] = {}
    for place, (message, parent) in enumerate(zip(tree.messages, tree.parents, strict=True)):
        if message.role == "assistant" and message.cut is None:
            replies.setdefault(parent, []).append(place)
    return {place for siblings in replies.values() for place in siblings if _is_outranked(tree, place, len(siblings), top_k)}


def _is_outranked(tree: Tree, place: int, siblings: int, top_k: int) -> bool:
    rank = tree.messages[place].rank
    return siblings > 1 if rank is None else rank >= top_k


def _reasons(tree: Tree, outranked: set[int]) -> list[str | None]:
    """Why each message is left out, by itself or with one above it; None: it stays."""
    reasons: list[str | None] = []
    for place, (message, parent) in enumerate(zip(tree.messages, tree.parents, strict=True)):
        above = None if parent == _ABOVE_ROOT else reasons[parent]
        reasons.append(above or message.cut or ("rank" if place in outranked else None))
    return reasons


def _ends(tree: Tree, reasons: list[str | None]) -> list[int]:
    """For each message, the place of the last assistant message that stays on the way down to it; -1: there is none."""
    ends: list[int] = []
    for place, (message, parent) in enumerate(zip(tree.messages, tree.parents, strict=True)):
        stays = message.role == "assistant" and reasons[place] is None
        ends.append(place if stays else _end_above(ends, parent))
    return ends


def _end_above(ends: list[int], parent: int) -> int:
    return _ABOVE_ROOT if parent == _ABOVE_ROOT else ends[parent]


def _chosen(tree: Tree, reasons: list[str | None], ends: list[int]) -> dict[int, int]:
    """For each end that no other end goes on from: the leaf whose thread it is, an uncut one where there is one."""
    continued = {_end_above(ends, parent) for place, parent in enumerate(tree.parents) if ends[place] == place}
    chosen: dict[int, int] = {}
    for leaf in sorted(_leaves(tree), key=lambda leaf: reasons[leaf] is not None):
        if ends[leaf] not in continued and ends[leaf] != _ABOVE_ROOT:
            chosen.setdefault(ends[leaf], leaf)
    return chosen


def _leaves(tree: Tree) -> list[int]:
    answered = set(tree.parents)
    return [place for place in range(len(tree.messages)) if place not in answered]


def _path(tree: Tree, place: int) -> list[Message]:
    """Return the messages from the root down to a place."""
    path: list[Message] = []
    while place != _ABOVE_ROOT:
        path.append(tree.messages[place])
        place = tree.parents[place]
    return path[::-1]
