"""Private data in texts: what it looks like, what proves that it is some, and what is written in its place.

detection     one column of texts → what is found in each
kinds         the table of all kinds, in the order in which they take a piece of text
patterns      what a kind is, and finding its candidates by one linear-time pass
addresses     e-mail and IP addresses
numbers       telephone, payment card, bank account and social security numbers
secrets       tokens and keys of the known services
checksums     Luhn, IBAN, and the ranges of numbers that are given out
masks         placeholders that stand for a value
control_tokens  what looks like a token that a template owns
"""

from __future__ import annotations

from data_mix.private_data.control_tokens import count_control_tokens
from data_mix.private_data.detection import Found, detect
from data_mix.private_data.kinds import KINDS
from data_mix.private_data.masks import mask_text

__all__ = ["KINDS", "Found", "count_control_tokens", "detect", "mask_text"]
