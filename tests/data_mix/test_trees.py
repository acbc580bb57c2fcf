"""Trees of messages: what is no tree, and which threads come out of one."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_mix.errors import BadRecordError
from data_mix.schema import Role
from data_mix.trees import Message, Thread, build, dropped_threads, threads

LEVELS = 10_000

ROLES: dict[str, Role] = {"u": "user", "a": "assistant"}


def message(name: str, parent: str | None = None, *, cut: str | None = None, rank: int | None = None) -> Message:
    """Make a message whose name tells its role, u… or a…, and stands as its id and its text."""
    return Message(name, parent, ROLES[name[0]], name, "en", rank, cut, f"tree.jsonl:{name[1:]}")


def outcome(*messages: Message, top_k: int | None = None) -> dict[str, str]:
    """Map the key of each thread of a tree to its messages if it is kept, else to why it is dropped."""
    found = threads(build(messages), top_k)
    return {thread.key: thread.drop or " ".join(of.id for of in thread.messages) for thread in found}


def chain(length: int) -> list[Message]:
    """User and assistant in turn, each answering the one before."""
    return [
        message("ua"[place % 2] + str(place), "ua"[place % 2 - 1] + str(place - 1) if place else None)
        for place in range(length)
    ]


@st.composite
def forests(draw: st.DrawFn) -> list[Message]:
    """Draw the messages of one well-formed tree of up to 30, with ranks and cuts at random."""
    messages = [message("u0", cut=draw(st.sampled_from([None, None, None, "deleted"])))]
    for number in range(1, draw(st.integers(1, 30))):
        parent = draw(st.sampled_from(messages))
        name = ("a" if parent.role == "user" else "u") + str(number)
        cut = draw(st.sampled_from([None, None, None, None, "deleted", "rejected"]))
        messages.append(message(name, parent.id, cut=cut, rank=draw(st.sampled_from([None, 0, 1, 2]))))
    return messages


def surviving(messages: list[Message]) -> set[str]:
    """Ids of the messages that neither they themselves nor one above cuts."""
    by_id = {of.id: of for of in messages}
    alive: set[str] = set()
    for of in messages:  # a parent comes before its children in what `forests` draws
        if of.cut is None and (of.parent is None or by_id[of.parent].id in alive):
            alive.add(of.id)
    return alive


def test_every_leaf_is_a_thread_of_its_own() -> None:
    """A tree without cuts gives one kept thread per assistant leaf."""
    assert outcome(message("u0"), message("a1", "u0"), message("a2", "u0")) == {"a1": "u0 a1", "a2": "u0 a2"}


def test_trailing_user_turn_is_popped() -> None:
    """A user turn that nobody answered is left out, and the thread ends with the assistant before it."""
    assert outcome(message("u0"), message("a1", "u0"), message("u2", "a1")) == {"a1": "u0 a1"}


def test_popped_thread_that_a_sibling_continues_is_a_prefix() -> None:
    """Where another branch goes on from the same assistant, an unanswered user turn gives no thread of its own."""
    found = outcome(message("u0"), message("a1", "u0"), message("u2", "a1"), message("u3", "a1"), message("a4", "u3"))
    assert found == {"a4": "u0 a1 u3 a4", "u2": "prefix"}


def test_two_unanswered_user_turns_give_one_thread() -> None:
    """Several leaves that leave the same thread over give it once."""
    found = outcome(message("u0"), message("a1", "u0"), message("u2", "a1"), message("u3", "a1"))
    assert found == {"a1": "u0 a1", "u3": "prefix"}


def test_cut_takes_the_message_and_all_below() -> None:
    """A cut message and everything below it are in no kept thread, while its siblings stay."""
    found = outcome(
        message("u0"), message("a1", "u0", cut="deleted"), message("u2", "a1"), message("a3", "u2"), message("a4", "u0")
    )
    assert found == {"a3": "deleted", "a4": "u0 a4"}


def test_rest_above_a_cut_is_a_thread() -> None:
    """What is left above a cut is kept where nothing else continues it."""
    found = outcome(message("u0"), message("a1", "u0"), message("u2", "a1", cut="rejected"), message("a3", "u2"))
    assert found == {"a1": "u0 a1"}


def test_rest_above_a_cut_that_a_sibling_continues_is_not() -> None:
    """What is left above a cut is dropped for the cut's reason where another branch continues it."""
    found = outcome(
        *(message("u0"), message("a1", "u0"), message("u2", "a1", cut="rejected"), message("a3", "u2")),
        *(message("u4", "a1"), message("a5", "u4")),
    )
    assert found == {"a5": "u0 a1 u4 a5", "a3": "rejected"}


def test_uncut_leaf_stands_for_the_thread() -> None:
    """Of a cut and an uncut leaf that leave the same thread over, the cut one is the drop, so that its reason is counted."""
    found = outcome(message("u0"), message("a1", "u0"), message("u2", "a1", cut="deleted"), message("u3", "a1"))
    assert found == {"a1": "u0 a1", "u2": "deleted"}


def test_several_leaves_below_one_cut_give_one_thread() -> None:
    """Of several leaves below one cut, one gives what is left above it and the others are drops with the cut's reason."""
    below = [message("u2", "a1", cut="synthetic"), message("a3", "u2"), message("a4", "u2"), message("a5", "u2")]
    assert Counter(outcome(message("u0"), message("a1", "u0"), *below).values()) == {"u0 a1": 1, "synthetic": 2}


def test_cut_root_leaves_nothing() -> None:
    """A cut at the root drops every thread of the tree for its reason."""
    found = outcome(message("u0", cut="language"), message("a1", "u0"), message("a2", "u0"))
    assert found == {"a1": "language", "a2": "language"}


def test_topmost_cut_gives_the_reason() -> None:
    """Of two cuts on the way to a leaf, the upper one is the reason."""
    assert outcome(message("u0"), message("a1", "u0", cut="rejected"), message("u2", "a1", cut="deleted")) == {"u2": "rejected"}


def test_prompt_without_reply_is_dropped() -> None:
    """A tree of a prompt alone gives one dropped row."""
    assert outcome(message("u0")) == {"u0": "no_assistant"}


def test_top_k_keeps_the_best_replies() -> None:
    """With `top_k`, the replies whose rank is at or above it are cut."""
    replies = [message("a1", "u0", rank=1), message("a2", "u0", rank=0), message("a3", "u0", rank=2)]
    assert outcome(message("u0"), *replies, top_k=2) == {"a2": "u0 a2", "a1": "u0 a1", "a3": "rank"}


def test_top_k_cuts_unranked_reply_beside_others() -> None:
    """With `top_k`, a reply without rank is cut where it stands beside others."""
    assert outcome(message("u0"), message("a1", "u0"), message("a2", "u0", rank=0), top_k=1) == {"a2": "u0 a2", "a1": "rank"}


def test_top_k_keeps_the_only_reply() -> None:
    """With `top_k`, a reply without rank is kept where it is the only one that is left."""
    found = outcome(message("u0"), message("a1", "u0"), message("a2", "u0", rank=0, cut="synthetic"), top_k=1)
    assert found == {"a1": "u0 a1", "a2": "synthetic"}


def test_top_k_holds_at_every_depth() -> None:
    """With `top_k: 1`, a tree gives the one way that follows the best reply throughout."""
    messages = [
        message("u0"),
        message("a1", "u0", rank=0),
        message("a2", "u0", rank=1),
        message("u3", "a1"),
        message("u4", "a2"),
    ]
    messages += [message("a5", "u3", rank=1), message("a6", "u3", rank=0), message("a7", "u4", rank=0)]
    assert outcome(*messages, top_k=1) == {"a6": "u0 a1 u3 a6", "a5": "rank", "a7": "rank"}


def test_dropped_thread_carries_its_messages() -> None:
    """A dropped thread holds the whole way down to its leaf, so that it can be read."""
    tree = build([message("u0"), message("a1", "u0", cut="deleted"), message("u2", "a1")])
    assert [of.id for of in next(threads(tree)).messages] == ["u0", "a1", "u2"]


def test_dropped_tree_has_a_row_per_leaf() -> None:
    """A tree that is dropped as a whole gives every leaf's thread with the one reason."""
    tree = build([message("u0"), message("a1", "u0"), message("a2", "u0", cut="deleted")])
    assert [(thread.key, thread.drop) for thread in dropped_threads(tree, "tree_state")] == [
        ("a1", "tree_state"),
        ("a2", "tree_state"),
    ]


@given(forests(), st.sampled_from([None, 1, 2]))
def test_a_row_per_leaf(messages: list[Message], top_k: int | None) -> None:
    """Any tree gives exactly as many threads, kept and dropped, as it has leaves, each under a key of its own."""
    found = list(threads(build(messages), top_k))
    leaves = {of.id for of in messages} - {of.parent for of in messages}
    assert len(found) == len({thread.key for thread in found}) == len(leaves)


@given(forests())
def test_every_surviving_reply_is_kept_once(messages: list[Message]) -> None:
    """Each assistant message that nothing cuts is in a kept thread, and nothing that is cut is in one."""
    kept = [thread for thread in threads(build(messages)) if thread.drop is None]
    spoken = {of.id for thread in kept for of in thread.messages}
    alive = surviving(messages)
    assert {of.id for of in messages if of.role == "assistant" and of.id in alive} <= spoken <= alive


@given(forests())
def test_no_kept_thread_begins_another(messages: list[Message]) -> None:
    """No kept thread is the beginning of another kept one, and each ends with its key's assistant message."""
    kept = [thread for thread in threads(build(messages)) if thread.drop is None]
    inner = {of.id for thread in kept for of in thread.messages[:-1]}
    assert not inner & {thread.key for thread in kept}
    assert all(thread.messages[-1].id == thread.key and thread.messages[-1].role == "assistant" for thread in kept)


@given(forests(), st.randoms(use_true_random=False))
def test_order_of_messages_does_not_matter(messages: list[Message], chance: random.Random) -> None:
    """The messages of a tree in any order give the same threads in the same order."""
    shuffled = chance.sample(messages, len(messages))
    assert list(threads(build(shuffled))) == list(threads(build(messages)))


def broken() -> Iterator[tuple[str, list[Message], str]]:
    """Messages that are no tree: a name, the messages, what the error says."""
    yield "orphan", [message("u0"), message("a1", "u9")], "'a1' answers 'u9', which is not in its tree"
    yield "two roots", [message("u0"), message("u1")], "has 2 roots, wanted one"
    yield "no root", [message("u0", "a1"), message("a1", "u0")], "has 0 roots, wanted one"
    yield "cycle beside the root", [message("u0"), message("a1", "u2"), message("u2", "a1")], "'a1' is in a cycle"
    yield "own parent", [message("u0"), message("a1", "a1")], "'a1' is in a cycle"
    yield "id twice", [message("u0"), message("a1", "u0"), message("a1", "u0")], "'a1' comes twice in its tree"
    yield "assistant first", [message("a0")], "'a0' is of role assistant at the root"
    yield "role twice", [message("u0"), message("u1", "u0")], "'u1' is of role user below another user message"


@pytest.mark.parametrize(("messages", "what"), [pytest.param(of, what, id=name) for name, of, what in broken()])
def test_broken_tree_is_a_bad_record(messages: list[Message], what: str) -> None:
    """Messages that make no tree are an error that names the place, the message and what is wrong with it."""
    with pytest.raises(BadRecordError, match=r"^tree\.jsonl:\d: ") as caught:
        build(messages)
    assert what in caught.value.what


def test_chain_of_many_levels() -> None:
    """A chain of 10,000 messages gives one thread of 10,000, without recursion."""
    (thread,) = threads(build(chain(LEVELS)))
    assert thread.drop is None
    assert len(thread.messages) == LEVELS


def test_comb_is_yielded_one_thread_at_a_time() -> None:
    """Of a tree with a leaf at each of 5,000 levels, the first thread is there before the others are made."""
    spine = chain(LEVELS // 2)
    teeth = [message(f"{'ua'[place % 2]}{LEVELS + place}", spine[place - 1].id) for place in range(1, len(spine))]
    found = threads(build(spine + teeth))
    assert isinstance(next(found), Thread)
