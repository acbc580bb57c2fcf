"""The stage `text`: composed Unicode and line feeds."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation_frames import conversations, drawn_rows, talk, turns_of
from data_mix.stage import StageOptions
from data_mix.stages.text import STAGE

CONTENTS = st.none() | st.text(max_size=20) | st.text(alphabet="\r\na\u0301e\u0323éẹ\u212b가ᄀ\u1161\u11a8", max_size=12)


def mended(*contents: str | None) -> list[str | None]:
    """What becomes of the contents of a user's messages."""
    (row,) = turns_of(STAGE.apply(conversations([("user", content) for content in contents]), StageOptions()))
    return [content for _, content in row or []]


def reference(content: str | None) -> str | None:
    """The stage's rule, one text at a time."""
    return content and unicodedata.normalize("NFC", content.replace("\r\n", "\n").replace("\r", "\n"))


@given(drawn_rows(CONTENTS))
def test_every_message_is_mended_as_one_by_one(rows: list[list[tuple[str, str | None]] | None]) -> None:
    """Rows of any shape come out as Python's own normalisation gives them, roles and order kept."""
    found = turns_of(STAGE.apply(conversations(*rows), StageOptions()))
    assert found == [row if row is None else [(role, reference(content)) for role, content in row] for row in rows]


@given(drawn_rows(CONTENTS))
def test_a_second_run_changes_nothing(rows: list[list[tuple[str, str | None]] | None]) -> None:
    """Mended text is right already."""
    once = STAGE.apply(conversations(*rows), StageOptions())
    assert STAGE.apply(once, StageOptions()).equals(once)


@pytest.mark.parametrize(
    ("came", "goes"),
    [("a\r\nb\rc\nd", "a\nb\nc\nd"), ("\r\r\n\n", "\n\n\n"), ("e\u0301", "é"), ("\u212b", "Å"), ("\u1112\u1161\u11ab", "한")],
)
def test_line_ends_and_composition(came: str, goes: str) -> None:
    """Each kind of line end is one line feed, and letters with their marks are one character where there is one."""
    assert mended(came) == [goes]


@pytest.mark.parametrize("text", ["ﬁ", "①", "ｘ", "²", "\u00a0", "…", "ﷺ"])
def test_compatible_characters_are_kept(text: str) -> None:
    """Text is NFC, never NFKC: what only looks the same stays."""
    assert mended(text) == [text]


@pytest.mark.parametrize(
    "text", ["\x00", "a\x0bb\x0cc", "\x1b[31m", "\t x \t", "\u2028\u2029\x85", "\ufeff", "\u200b", "<|endoftext|>"]
)
def test_all_else_is_kept_as_it_came(text: str) -> None:
    """Control characters, blanks, other separators and control-like strings are the user's."""
    assert mended(text) == [text]


def test_what_is_not_asked_for_can_neither_change_nor_combine() -> None:
    """No character before U+0300, nor a mark from U+2002 to U+203F, is changed by composing or takes part in it."""
    skipped = [*map(chr, range(0x300)), *map(chr, range(0x2002, 0x2040))]
    pairs = (unicodedata.decomposition(chr(code)).split() for code in range(sys.maxunicode + 1))
    second = {chr(int(pair[1], 16)) for pair in pairs if len(pair) == 2 and not pair[0].startswith("<")}
    assert not second.intersection(skipped)
    assert all(unicodedata.combining(each) == 0 and unicodedata.is_normalized("NFC", each) for each in skipped)


@pytest.mark.parametrize("mark", ["\u2001", "\u2126", "\u0300", "\u0387", "\u1fef", "\u3099"])
def test_what_is_asked_for_is_found_wherever_it_stands(mark: str) -> None:
    """A character that composing changes is found at the end of the last text, and beside marks that it leaves alone."""
    contents = ["“é” – plain", f"“Œ…” か{mark}", "ascii", f"a{mark}"]
    assert mended(*contents) == [reference(content) for content in contents]


def test_other_columns_and_the_frame_given_stay() -> None:
    """Only contents change, dropped rows' too, and never in the frame that was given."""
    frame = conversations(talk("e\u0301", "a\r\nb"), talk("ok", "ok"), lang="fr", drop=["earlier", None])
    kept = frame.clone()
    found = STAGE.apply(frame, StageOptions())
    assert turns_of(found)[0] == [("user", "é"), ("assistant", "a\nb")]
    assert found.drop("messages").equals(kept.drop("messages"))
    assert frame.equals(kept)
    assert turns_of(frame) == turns_of(kept)


def test_a_part_of_a_frame_is_mended_alone() -> None:
    """Of a slice only its own rows come out, though it shares its memory with the rest."""
    frame = conversations(*(talk("e\u0301", f"{n}\r") for n in range(6)))
    assert turns_of(STAGE.apply(frame[2:4], StageOptions())) == [list(talk("é", f"{n}\n")) for n in (2, 3)]


def test_an_empty_frame_passes() -> None:
    """No rows in, no rows out."""
    assert STAGE.apply(conversations(), StageOptions()).is_empty()


def test_the_stage_comes_first() -> None:
    """Whatever looks at text sees it mended."""
    assert (STAGE.name, STAGE.order) == ("text", 10)
