"""How an answer is read out of a reply, of a chain of thought and of a chat."""

from __future__ import annotations

import pytest

from data_mix_eval.replies import answer_in, answer_in_chat, is_same_in_chat


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("We add. So the answer is 42.", "42"),
        ("the answer is 42", "42"),
        ("So the answer is (D)", "(D)"),
        ("So the answer is (D).", "(D)"),
        ("So the answer is (B). ", "(B)"),
        ("The answer is False.", "False"),
        ("So the answer is ] ) >", "] ) >"),
        ("So the answer is ] ) >.\nThat is all.", "] ) >"),
        ("So the answer is -219.", "-219"),
        ("So the answer is 3.5.", "3.5"),
        ("So the answer is Yes. So the answer is No.", "Yes. So the answer is No"),
        ("So the answer is (A).\nSo the answer is (B).", "(A)"),
        ("I do not know.", ""),
        ("the answer is", ""),
        ("", ""),
    ],
)
def test_an_answer_is_the_rest_of_the_line(text: str, answer: str) -> None:
    """One full stop and blanks go, and nothing else, whatever ends the line."""
    assert answer_in(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("First … So the answer is (B).", "(B)"),
        ("**The answer is:** (B)", "(B)"),
        ("So **the answer is (B)**.", "(B)"),
        ("Perhaps the answer is (A). No: the answer is (C).", "(C)"),
        ("Perhaps the answer is (A).\nNo, the answer is (C).", "(C)"),
        ("The correct answer is:\n\n(D) Friday", "(D) Friday"),
        ("Yes.", "Yes"),
        ("Let me see.\n`True`", "True"),
        ("", ""),
    ],
)
def test_an_answer_of_a_chat_is_what_is_said_last(text: str, answer: str) -> None:
    """After the last line that gives an answer, else the last line; bold type, quotes and a full stop are not of it."""
    assert answer_in_chat(text) == answer


@pytest.mark.parametrize(
    ("said", "target", "is_same"),
    [
        ("(B)", "(B)", True),
        ("B", "(B)", True),
        ("B)", "(B)", True),
        ("B: Tuesday", "(B)", True),
        ("(B) Tuesday", "(B)", True),
        ("(A) or (B)", "(B)", False),
        ("A bird", "(A)", False),
        ("Before noon", "(B)", False),
        ("yes", "Yes", True),
        ("Yes, it is", "Yes", False),
        ("] >", "] >", True),
        ("12", "1", False),
    ],
)
def test_a_chat_may_write_an_option_in_its_own_way(said: str, target: str, is_same: bool) -> None:
    """The letter of an option counts with and without brackets and text; other answers count by their words."""
    assert is_same_in_chat(said, target) is is_same
