"""Telephone, payment card, bank account and social security numbers, as people write them.

Telephone numbers must be given out somewhere (by libphonenumber's tables) and be written as one: with `+` and the country, or
as in North America with brackets or hyphens. Bare digits are left alone: in lessons and code they are mostly something else.
"""

from __future__ import annotations

import re
from typing import Final

import phonenumbers

from data_mix.private_data.checksums import iban_length, is_card, is_iban, is_social_security_number
from data_mix.private_data.patterns import Candidate

PHONE_PATTERN: Final = (
    r"\+[1-9][0-9 ().\-/\u{a0}]{5,24}[0-9]"
    r"|\([2-9][0-9]{2}\) ?[2-9][0-9]{2}[\-. ][0-9]{4}(?-u:\b)"
    r"|(?-u:\b)(?:1-)?[2-9][0-9]{2}-[2-9][0-9]{2}-[0-9]{4}(?-u:\b)"
)
CARD_PATTERN: Final = (
    r"(?-u:\b)(?:[2-6][0-9]{3} [0-9]{4} [0-9]{4} [0-9]{1,7}|[2-6][0-9]{3}-[0-9]{4}-[0-9]{4}-[0-9]{1,7}"
    r"|3[0-9]{3}[ \-][0-9]{6}[ \-][0-9]{4,5}|[2-6][0-9]{12,18})(?-u:\b)"
)
IBAN_PATTERN: Final = r"(?-u:\b)[A-Z]{2}[0-9]{2}(?:[ \u{a0}]?[A-Z0-9]{2,4}){3,8}"
SSN_PATTERN: Final = r"(?-u:\b)[0-9]{3}-[0-9]{2}-[0-9]{4}(?-u:\b)"

_NUMBER_BEFORE: Final = re.compile(r"[0-9][ \t]+\Z")
_NUMBER_AFTER: Final = re.compile(r"[ \t]+[0-9]{3,}(?![/0-9])")

_JOINING: Final = frozenset("-./_=#&%$€£+*^:")
"""What makes a number part of a longer number, a path, a parameter or a formula."""


def digits_of(value: str) -> str:
    """The digits alone."""
    return re.sub(r"[^0-9]", "", value)


def letters_of(value: str) -> str:
    """Letters and digits alone."""
    return re.sub(r"[^A-Z0-9]", "", value)


def check_phone(found: Candidate) -> str:
    """A number that is given out somewhere; where digits behind it were taken along, without them."""
    if _is_part(found) or _is_sum(found):
        return ""
    region = None if found.value.startswith("+") else "US"
    pieces = re.split(r"(?<=[0-9)])(?=[^0-9])", found.value)
    for count in range(len(pieces), max(0, len(pieces) - 4), -1):
        value = "".join(pieces[:count])
        if len(digits_of(value)) >= 8 and _is_given_out(value, region):
            return value
    return ""


def _is_given_out(value: str, region: str | None) -> bool:
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return False
    national = str(number.national_number)
    is_fiction = number.country_code == 1 and national[3:8] in {"55501", "55512"}
    return not is_fiction and len(set(national)) > 2 and phonenumbers.is_valid_number(number)


def _is_sum(found: Candidate) -> bool:
    """`(415) 555-2671 =` and `x +49…` are arithmetic."""
    return found.after.lstrip()[:1] in {"=", "*", "×"} or found.before.rstrip()[-1:] in {"=", "*", "×", "^"}


def _is_part(found: Candidate) -> bool:
    before, after = found.before[-1:], found.after[:1]
    if (before in _JOINING and before != ":") or _is_word(before) or _is_word(after):
        return True
    return after in _JOINING and _is_word(found.after[1:2])


def _is_word(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character == "_")


def check_card(found: Candidate) -> str:
    """A payment card's number that stands by itself, and not in a row or table of numbers."""
    is_one_of_many = _NUMBER_BEFORE.search(found.before) or _NUMBER_AFTER.match(found.after)
    return found.value if is_card(digits_of(found.value)) and not is_one_of_many and not _is_part(found) else ""


def check_iban(found: Candidate) -> str:
    """As many letters and digits as an IBAN of the country has, where words in capitals were taken along."""
    value, count = "", 0
    for character in found.value:
        if count == iban_length(found.value[:2]):
            break
        value, count = value + character, count + character.isalnum()
    behind = (found.value[len(value) :] + found.after)[:1]
    return value if not _is_word(behind) and is_iban(letters_of(value)) else ""


def check_ssn(found: Candidate) -> str:
    """A social security number that stands by itself."""
    return found.value if is_social_security_number(digits_of(found.value)) and not _is_part(found) else ""


def same_phone(value: str) -> str:
    """The international spelling (E.164)."""
    number = phonenumbers.parse(value, None if value.startswith("+") else "US")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
