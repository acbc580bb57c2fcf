"""Which texts hold private data, and which only look like it."""

from __future__ import annotations

import base64
import json
import string
from random import Random

import polars as pl
import pytest

from data_mix.private_data import KINDS, Found, detect


def found(*texts: str | None) -> dict[int, list[Found]]:
    """What all kinds find."""
    column = pl.Series(texts, dtype=pl.String)
    return detect(column, KINDS.values())


def drawn(letters: str, count: int) -> str:
    """Letters by lot, the same in every run."""
    return "".join(Random(count).choices(letters, k=count))


MIXED = string.ascii_letters + string.digits
HEADER, CLAIMS = (
    base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
    for part in ({"alg": "HS256", "typ": "JWT"}, {"sub": "8"})
)
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{drawn(MIXED, 64)}\n{drawn(MIXED, 63)}=\n-----END RSA PRIVATE KEY-----"

PRIVATE = {
    "email": ["jane.roe@mail.org", "jörg@müller.de", "иван@почта.рф", "o'neil+news@dept.uni-x.ac.uk", "A_B@x-y.io"],
    "ipv4": ["81.92.103.14", "201.34.7.55", "37.97.22.66"],
    "ipv6": ["2a02:8109:9a40:1e2c:1:2:3:4", "2a02:8109:9a40:1e2c::17"],
    "phone": ["+49 30 901820", "+44 20 7946 1234", "(415) 285-2671", "415-285-2671", "+14152852671", "+81-3-3213-1111"],
    "payment_card": ["4539 1488 0343 6467", "4539148803436467", "3714-496353-98431", "5425-2334-3010-9903"],
    "iban": ["DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819", "NO93 8601 1117 947"],
    "us_ssn": ["219-45-6789"],
    "hugging_face_token": ["hf_" + drawn(string.ascii_letters, 34)],
    "github_token": ["ghp_" + drawn(MIXED, 36), "gho_" + drawn(MIXED, 36), f"github_pat_{drawn(MIXED, 22)}_{drawn(MIXED, 59)}"],
    "gitlab_token": ["glpat-" + drawn(MIXED, 20)],
    "aws_key": ["AKIA" + drawn(string.ascii_uppercase + "234567", 16), "ASIA" + drawn(string.ascii_uppercase, 16)],
    "openai_key": ["sk-" + drawn(MIXED, 48), "sk-proj-" + drawn(MIXED + "_", 120)],
    "anthropic_key": ["sk-ant-api03-" + drawn(MIXED, 93) + "AA"],
    "slack_token": ["xoxb-348291046582-1938204756123-" + drawn(MIXED, 24)],
    "slack_webhook": ["https://hooks.slack.com/services/T8KD03JQ2/B7WMZ61LX/" + drawn(MIXED, 24)],
    "google_api_key": ["AIza" + drawn(MIXED, 35)],
    "stripe_key": ["sk_live_" + drawn(MIXED, 24)],
    "npm_token": ["npm_" + drawn(MIXED, 36)],
    "private_key": [PEM, PEM.partition("\n-----END")[0]],
    "json_web_token": [f"{HEADER}.{CLAIMS}.{drawn(MIXED, 43)}"],
    "url_password": ["alice:kT9vQ2mX"],
}
"""Private data of every kind; none of it is anybody's."""

INSIDE = {"url_password": "postgres://{}@db.internal:5432/app"}
"""What must stand around a value."""

LOOK_ALIKES = [
    *("icon@2x.png", "@property", "a @ b", "user@example.com", "me@mail.example.org", "git@github.com:a/b.git", "x@w.to(gpu)"),
    *("@jane@mastodon.social", "name@localhost", "a..b@@c", "https://u:p@h", "lodash@4.17.21", "jane@", "@media.com"),
    *(
        "1.2.3.4",
        "6.0.12.31",
        "12.11.10.9",
        "version 1.22.133.4",
        "v1.2.3.4",
        "10.0.0.138",
        "192.168.1.101",
        "127.0.0.1",
        "203.0.113.77",
        "8.8.8.8",
    ),
    *("256.100.12.1", "1.3.6.1.4.1.311.10", "81.92.103.0/24", "012.134.056.7", "255.255.255.0", "Chrome/91.0.4472.124"),
    *("2001:db8::1", "::1", "fe80::1", "12:34:56", "std::vec::Vec", "2020:12:31", "00:1a:2b:3c:4d:5e", "2024:01"),
    *(
        "555-1234",
        "x+14152852671",
        "2023-10-15",
        "+1 + 2 + 3 + 4 + 5 + 6",
        "3.14159265358979",
        "(415) 555-0123",
        "000-000-0000",
    ),
    *("415-285-2671 = -2541", "415 285 2671", "1-2-3", "978-3-16-148410-0", "+000 123 4567 890", "ID 4152852671"),
    *("4539 1488 0343 6468", "1234 5678 9012 3456", "4007 4013 4019 4021 4027 4049", "0.4539148803436467", "4444444444444448"),
    *("DE88 3704 0044 0532 0130 00", "GB29NWBK6016133192681", "ZZ89370400440532013000", "AB12 CDEF GHIJ KLMN"),
    *("000-45-6789", "666-45-6789", "987-65-4321", "219-00-6789", "219-45-0000", "078-05-1120", "123-45-6789", "219-45-67890"),
    *(
        "hf_hub_download",
        "hf_" + "x" * 34,
        "sk-ant-api03-" + "a" * 95,
        "ghp_short",
        "AKIAIOSFODNN7EXAMPLE",
        "sk-circle-fade-dot-and-bounce-delay-child",
    ),
    *("sk-your-api-key-goes-here-0123456789AB", "xoxb-your-token-goes-here-please", "AIza" + "0" * 35, "sk_test_" + "a1" * 12),
    *("-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----", "eyJhbGciOiJub.eyJhbGciOi.abcdefghijklmnopq"),
    *("https://user:password@host.org", "ftp://user:${PASS}@host", "http://localhost:8080/@here", "https://hooks.slack.com/"),
]
"""What is nobody's, or no address, number or key at all."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("around", ["{}", "see {} or so", "（{}）。", "联系{}谢谢", "\n{}\n", "<b>{}</b>"])
def test_each_kind_is_found_where_it_stands(kind: str, around: str) -> None:
    """A value is found once, as its own kind and exactly from its first to its last character, whatever stands around it."""
    for value in PRIVATE[kind]:
        text = around.format(INSIDE.get(kind, "{}").format(value))
        (claims,) = found(text).values()
        assert [(claim.kind.name, text[claim.start : claim.end], claim.value) for claim in claims] == [(kind, value, value)]


@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_look_alikes_are_not_found(text: str) -> None:
    """Versions, dates, sums, reserved addresses, examples and numbers with a wrong check digit are no private data."""
    assert found(text, f"It was {text} then.") == {}


def test_what_stands_beside_one_another_is_found_apart() -> None:
    """All values in one text are found in its order, at their places, and never two at one place."""
    values = [value for kind in KINDS for value in PRIVATE[kind] if kind != "url_password"]
    text = "; ".join(values)
    (claims,) = found(text).values()
    assert [claim.value for claim in claims] == values
    assert all(text[claim.start : claim.end] == claim.value for claim in claims)


def test_a_check_digit_decides() -> None:
    """Of ten cards and of a hundred bank accounts that differ in their check digits, one each is found."""
    assert len(found(*(f"453914880343646{digit}" for digit in range(10)))) == 1
    assert len(found(*(f"DE{digits:02}370400440532013000" for digits in range(2, 99)))) == 1


def test_missing_and_empty_texts_hold_nothing() -> None:
    """Null and the empty text are read over, and the places of the others stay."""
    assert list(found(None, "", "jane.roe@mail.org")) == [2]


def test_a_text_may_hold_the_mark() -> None:
    """The noncharacter by which matches are marked may stand in a text: the places stay right."""
    text = "\U0010ffff jane.roe@mail.org \U0010ffff\U0010ffff"
    assert [text[claim.start : claim.end] for claim in found(text)[0]] == ["jane.roe@mail.org"]


@pytest.mark.parametrize(
    "unit", ["@", "a@", "a.", "1", "1.", "1 ", "+1 ", "4539 ", "2:", "A1", "eyJ", "-----BEGIN PRIVATE KEY-----", "x://a:"]
)
def test_a_long_hostile_text_is_read_to_its_end(unit: str) -> None:
    """A megabyte of what nearly matches holds nothing, and what stands behind it is found."""
    text = unit * (1_000_000 // len(unit)) + " | jane.roe@mail.org"
    assert found(text)[0][-1].value == "jane.roe@mail.org"
