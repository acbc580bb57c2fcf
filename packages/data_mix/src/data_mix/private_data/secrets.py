"""Tokens and keys, by the prefixes that services give them so that they can be found.

A password without a form of its own (`password = …`) is not looked for: in lessons it is nearly always made up.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import Final

from data_mix.private_data.patterns import Candidate

TOKENS: Final = {
    "hugging_face_token": ("hf_", r"hf_[A-Za-z0-9]{30,40}"),
    "github_token": (
        r"gh[pousr]_|github_pat_",
        r"(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59})",
    ),
    "gitlab_token": ("glpat-", r"glpat-[A-Za-z0-9_\-]{20,64}"),
    "aws_key": ("AKIA|ASIA", r"(?:AKIA|ASIA)[A-Z0-9]{16}"),
    "anthropic_key": ("sk-ant-", r"sk-ant-[a-z0-9]+-[A-Za-z0-9_\-]{24,200}"),
    "openai_key": ("sk-", r"sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_\-]{32,220}"),
    "slack_token": ("xox[abeprs]-", r"xox[abeprs]-[A-Za-z0-9\-]{20,250}"),
    "slack_webhook": ("hooks.slack", r"https://hooks\.slack\.com/services/T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{20,}"),
    "google_api_key": ("AIza", r"AIza[A-Za-z0-9_\-]{35}"),
    "stripe_key": ("k_live_", r"[sr]k_live_[A-Za-z0-9]{24,250}"),
    "npm_token": ("npm_", r"npm_[A-Za-z0-9]{36}"),
}
"""The hint and the pattern of each kind of token."""

PEM_PATTERN: Final = (
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-[^-])*-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
    r"|-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?:\s+[A-Za-z0-9+/=]{40,80})+"
)
JWT_PATTERN: Final = r"eyJ[A-Za-z0-9_\-]{10,}\.eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{16,}"
URL_PATTERN: Final = (
    r"(?P<a>[A-Za-z][A-Za-z0-9+.\-]*://)(?P<v>[^\s/:@<>\x22'`]{1,128}:[^\s/:@<>\x22'`]{1,256})(?P<z>@[A-Za-z0-9\[])"
)

_MADE_UP: Final = re.compile(
    r"example|sample|dummy|placeholder|your|secret|password|passwd|xxxx|0000|1234|abcd|test|foo|bar|^pass$|^pwd$|^p@ss|[{}$*…]|\.\.\.",
    re.IGNORECASE,
)
_EXAMPLE: Final = re.compile(r"example|dummy|placeholder|your|xxxx|00000|12345678|abcdefgh", re.IGNORECASE)


def check_token(found: Candidate) -> str:
    """A token whose letters were drawn, and that ends where its pattern does."""
    is_part = _is_word(found.before[-1:]) or _is_word(found.after[:1]) or found.before[-1:] == "-"
    return found.value if not is_part and _is_drawn(found.value) else ""


def check_openai(found: Candidate) -> str:
    """As any token, but with capitals and digits: `sk-` also begins words that a style sheet joins by hyphens."""
    body = found.value.rpartition("-")[2] if found.value.count("-") > 4 else found.value[3:]
    has_both = any(letter.isupper() for letter in body) and any(letter.isdigit() for letter in body)
    return check_token(found) if has_both and not found.value.startswith("sk-ant-") else ""


def _is_drawn(value: str) -> bool:
    """Whether the letters at the end look drawn by lot: many different ones, and no word by which people mark an example."""
    return len(set(value[-16:])) >= 8 and not _EXAMPLE.search(value)


def _is_word(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character == "_")


def check_pem(found: Candidate) -> str:
    """A key with a body: what stands between the lines is long, and was drawn."""
    body = "".join(re.findall(r"[A-Za-z0-9+/=]{20,}", found.value))
    return found.value if len(body) >= 64 and len(set(body)) >= 16 and "..." not in found.value else ""


def check_jwt(found: Candidate) -> str:
    """A token whose header decodes to JSON that names an algorithm (RFC 7519)."""
    header = found.value.partition(".")[0]
    try:
        decoded = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return ""
    return found.value if isinstance(decoded, dict) and "alg" in decoded else ""


def check_url(found: Candidate) -> str:
    """A user and a password that do not say that they are made up."""
    user, _, password = found.value.partition(":")
    return "" if _MADE_UP.search(password) or password == user or len(password) < 4 else found.value


CHECKS: Final[dict[str, Callable[[Candidate], str]]] = {"openai_key": check_openai}
"""The kinds of token that need more than `check_token`."""
