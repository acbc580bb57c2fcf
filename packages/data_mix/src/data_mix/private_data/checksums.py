"""What tells a number that is given out from one that only looks like it: check digits, lengths, ranges."""

from __future__ import annotations

from typing import Final

_IBAN_LENGTHS: Final = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FO FI GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK", 21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS", 23: "AE GI IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
"""Characters of an IBAN by country (SWIFT's IBAN registry)."""

_CARDS: Final = (
    ("4", "4", (13, 16, 19)),  # Visa
    ("51", "55", (16,)),  # Mastercard
    ("2221", "2720", (16,)),
    ("34", "34", (15,)),  # American Express
    ("37", "37", (15,)),
    ("6011", "6011", (16, 19)),  # Discover
    ("644", "659", (16, 19)),
    ("3528", "3589", (16, 19)),  # JCB
    ("300", "305", (14, 16)),  # Diners Club
    ("36", "36", (14, 16)),
    ("38", "39", (14, 16)),
    ("62", "62", (16, 17, 18, 19)),  # UnionPay
)
"""First and last prefix of a scheme's cards (ISO/IEC 7812), and how many digits they have."""

_ADVERTISED: Final = frozenset({"078051120", "219099999", "123456789"})
"""Social security numbers that were printed for everybody to see, and are nobody's."""


def passes_luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1, Luhn's formula)."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def is_card(digits: str) -> bool:
    """Whether the digits are a payment card's: prefix and length of a scheme, and the check digit."""
    known = any(low <= digits[: len(low)] <= high and len(digits) in lengths for low, high, lengths in _CARDS)
    return known and len(set(digits)) > 2 and passes_luhn(digits)


def iban_length(country: str) -> int:
    """How many characters a country's IBAN has; 0 where it has none."""
    return _IBAN_LENGTHS.get(country, 0)


def is_iban(letters: str) -> bool:
    """Whether letters and digits without blanks are an IBAN: the length of its country, and modulo 97 (ISO 13616)."""
    if len(letters) != iban_length(letters[:2]):
        return False
    return int("".join(str(int(letter, 36)) for letter in letters[4:] + letters[:4])) % 97 == 1


def is_social_security_number(digits: str) -> bool:
    """Whether nine digits may be a number of the US Social Security Administration.

    No area 000, 666 or from 900 on, no group 00, no serial number 0000 (https://www.ssa.gov/employer/randomization.html).
    """
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000" and digits not in _ADVERTISED
