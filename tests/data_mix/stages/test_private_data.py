"""The stage `private_data`: what becomes of what is found."""

from __future__ import annotations

import multiprocessing
import re
from unicodedata import is_normalized, normalize

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from conversation_frames import conversations, drops, talk, turns_of
from data_mix.private_data import KINDS, count_control_tokens
from data_mix.private_data.masks import placeholder
from data_mix.stages.private_data import STAGE, PrivateDataOptions

MAIL, PHONE = "jane.roe@mail.org", "(415) 285-2671"
TOKEN = "hf_" + "QwErTyUiOpAsDfGhJkLzXcVbNmPoIuYtRe"
EVERYTHING = {"pii": "mask", "secrets": "mask"}


def staged(*rows: object, findings: object = None, drop: object = None, **options: object) -> pl.DataFrame:
    """The frame after the stage."""
    frame = conversations(*rows, findings=findings, drop=drop, lang="en")  # type: ignore[arg-type]
    return STAGE.apply(frame, PrivateDataOptions.model_validate(options))


def masked(text: str, **options: object) -> str:
    """A question after the stage."""
    (row,) = turns_of(staged(talk(text, "Yes."), **(EVERYTHING | options)))
    assert row is not None
    return str(row[0][1])


def test_nothing_is_done_unless_asked() -> None:
    """With the defaults the frame is as it was."""
    frame = conversations(talk(MAIL, f"{TOKEN} <|im_end|>"), None)
    assert STAGE.apply(frame, PrivateDataOptions()) is frame


def test_report_writes_down_what_is_found() -> None:
    """Findings are named once per occurrence, in the order of the row, behind those of others; all else stays."""
    rows = [talk(f"{MAIL} {PHONE} {MAIL}", TOKEN), talk("Hello.", "Hi."), None]
    found = staged(*rows, findings=[["toxic"], None, None], pii="report", secrets="report")
    assert found["findings"].to_list() == [["toxic", "email", "phone", "email", "hugging_face_token"], None, None]
    assert found.drop("findings").equals(conversations(*rows, lang="en").drop("findings"))


def test_drop_gives_the_reason() -> None:
    """A row with a secret is dropped as `secret`, one with other private data as `private_data`, an earlier reason stays."""
    rows = [talk(MAIL, "Yes."), talk(f"{MAIL} {TOKEN}", "Yes."), talk("?", "!"), talk(MAIL, "Yes.")]
    found = staged(*rows, drop=[None, None, None, "earlier"], pii="drop", secrets="drop")
    assert drops(found) == ["private_data", "secret", None, "earlier"]
    assert turns_of(found) == [list(row) for row in rows]


@pytest.mark.parametrize("role", ["system", "user", "assistant"])
def test_every_role_is_read(role: str) -> None:
    """A message is masked whoever speaks."""
    (row,) = turns_of(staged([(role, f"Write to {MAIL}, {MAIL}!")], pii="mask"))
    assert row is not None
    assert re.fullmatch(r"Write to (\[email-[0-9a-f]{6}\]), \1!", str(row[0][1]))


def test_a_value_has_one_placeholder_however_it_is_written() -> None:
    """Case of an address and blanks of a number are of no account; another value has another placeholder."""
    assert masked(MAIL) == masked(MAIL.title())
    assert masked("4539 1488 0343 6467") == masked("4539148803436467")
    assert masked(PHONE) == masked("+1 415 285 2671") != masked("(415) 285-2672")


def test_workers_agree_on_placeholders() -> None:
    """Another process writes the same placeholder."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(placeholder, ("email", MAIL, None)) == masked(MAIL)


def test_single_kinds_may_be_treated_otherwise() -> None:
    """`kinds` goes before `pii` and `secrets`, and nothing is found of a kind that is off."""
    found = staged(talk(f"{MAIL} {PHONE}", "Yes."), pii="mask", kinds={"phone": "off"})
    assert found["findings"].to_list() == [["email"]]
    assert masked(f"{PHONE} {TOKEN}", kinds={"phone": "off"}).startswith(PHONE)


def test_an_unknown_kind_is_refused() -> None:
    """A name that is none says so, with the names that are."""
    with pytest.raises(ValidationError, match="unknown kind 'mail'; the kinds are anthropic_key"):
        PrivateDataOptions.model_validate({"kinds": {"mail": "mask"}})


def test_a_key_changes_placeholders_and_is_never_told() -> None:
    """With a key the placeholder is another, and the dumped options hold the key's fingerprint, which is refused as a key."""
    key = "k" * 32
    assert masked(MAIL, mask_key=key) != masked(MAIL)
    options = PrivateDataOptions(mask_key=key)
    assert key not in repr(options) + options.model_dump_json()
    for wrong in (options.model_dump()["mask_key"], "short"):
        with pytest.raises(ValidationError):
            PrivateDataOptions(mask_key=wrong)


def test_control_tokens_are_counted_and_left() -> None:
    """What looks like a control token is a finding per occurrence, and stays as it is; tags and comparisons are none."""
    rows = [talk("<|im_start|>user <s>[INST] <<SYS>>", "</s> <eos>"), talk("a <| b |> c, <b>x</b>, a[i] << 2", "[1] <p>")]
    found = staged(*rows, control_tokens="report")
    assert found["findings"].to_list() == [["control_token"] * 6, None]
    assert turns_of(found) == [list(row) for row in rows]


AROUND = st.text(st.sampled_from("ab <>|[]/sINT@.-:;\n\u0301e\u0327中") | st.characters(codec="utf-8"), max_size=12)


@given(AROUND, AROUND, st.sampled_from([MAIL, PHONE, TOKEN, "4539148803436467"]))
def test_a_mask_changes_nothing_else(before: str, after: str, value: str) -> None:
    """All other characters stay, the text is NFC where it was, and no control token comes of it."""
    text = normalize("NFC", f"{before} {value} {after}")
    new = masked(text)
    pieces = re.split(r"\[(?:email|phone|hugging-face-token|payment-card)-[0-9a-f]{6}\]", new)
    rest, place = text, 0
    for piece in pieces:
        place = rest.find(piece, place)
        assert place >= 0
        place += len(piece)
    assert is_normalized("NFC", new)
    before_count, after_count = count_control_tokens(pl.Series([text, new]))
    assert after_count <= before_count


def test_no_placeholder_looks_like_a_control_token() -> None:
    """Of no kind."""
    masks = pl.Series([placeholder(kind, "value", None) for kind in KINDS])
    assert count_control_tokens(masks).sum() == 0
    assert masks.str.contains(r"^\[[a-z0-9-]+-[0-9a-f]{6}\]$").all()


def test_a_masked_row_holds_nothing_more() -> None:
    """Masking twice is masking once, and the second time nothing is found."""
    once = staged(talk(f"{MAIL}; {PHONE}; {TOKEN}", "Yes."), **EVERYTHING)
    again = STAGE.apply(
        once.with_columns(findings=pl.lit(None, pl.List(pl.String))), PrivateDataOptions.model_validate(EVERYTHING)
    )
    assert again["findings"].to_list() == [None]
    assert again["messages"].equals(once["messages"])
