"""The kinds of private data, in the order in which they take a piece of text: what is longer and surer goes first."""

from __future__ import annotations

from typing import Final

from data_mix.private_data import addresses, numbers, secrets
from data_mix.private_data.patterns import Kind

_SECRETS: Final = (
    Kind(name="private_key", group="secrets", hint="PRIVATE KEY", pattern=secrets.PEM_PATTERN, check=secrets.check_pem),
    Kind(name="json_web_token", group="secrets", hint="eyJ", pattern=secrets.JWT_PATTERN, check=secrets.check_jwt),
    Kind(name="url_password", group="secrets", hint="://[^\\s/@]+@", pattern=secrets.URL_PATTERN, check=secrets.check_url),
    *(
        Kind(name=name, group="secrets", hint=hint, pattern=pattern, check=secrets.CHECKS.get(name, secrets.check_token))
        for name, (hint, pattern) in secrets.TOKENS.items()
    ),
)

_PII: Final = (
    Kind(
        name="iban",
        group="pii",
        hint=r"[0-9]{2}[ \u{a0}]?[A-Z0-9]{4}[ \u{a0}]?[A-Z0-9]{2}[0-9]",
        pattern=numbers.IBAN_PATTERN,
        check=numbers.check_iban,
        same=numbers.letters_of,
    ),
    Kind(
        name="payment_card",
        group="pii",
        hint=r"[0-9]{4}[ \-]?[0-9]{4}[ \-]?[0-9]{2}",
        pattern=numbers.CARD_PATTERN,
        check=numbers.check_card,
        same=numbers.digits_of,
    ),
    Kind(
        name="us_ssn",
        group="pii",
        hint="[0-9]-[0-9]{2}-[0-9]{4}",
        pattern=numbers.SSN_PATTERN,
        check=numbers.check_ssn,
        same=numbers.digits_of,
    ),
    Kind(
        name="email",
        group="pii",
        hint="@",
        pattern=addresses.EMAIL_PATTERN,
        check=addresses.check_email,
        same=addresses.same_email,
    ),
    Kind(
        name="ipv4",
        group="pii",
        hint=r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]",
        pattern=addresses.IPV4_PATTERN,
        check=addresses.check_ipv4,
        same=addresses.same_ip,
    ),
    Kind(
        name="ipv6",
        group="pii",
        hint="[23][0-9A-Fa-f]{3}:[0-9A-Fa-f:]{2}",
        pattern=addresses.IPV6_PATTERN,
        check=addresses.check_ipv6,
        same=addresses.same_ip,
    ),
    Kind(
        name="phone",
        group="pii",
        hint=r"\+[1-9][0-9 ().\-]{6}|[0-9]{3}[\-. ][0-9]{4}",
        pattern=numbers.PHONE_PATTERN,
        check=numbers.check_phone,
        same=numbers.same_phone,
    ),
)

KINDS: Final[dict[str, Kind]] = {kind.name: kind for kind in (*_SECRETS, *_PII)}
"""Every kind by its name."""
