"""E-mail and IP addresses: which are somebody's, and not a version number, a handle or an example's."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from data_mix.private_data.patterns import Candidate

# Scripts that are written with blanks between words: of the others, nothing would tell an address from the words beside it.
_LETTER: Final = r"\p{Latin}\p{Greek}\p{Cyrillic}\p{Mn}"
EMAIL_PATTERN: Final = (
    rf"[{_LETTER}0-9._%+'\-]*[{_LETTER}0-9_+\-]@(?:[\p{{L}}\p{{Mn}}0-9](?:[\p{{L}}\p{{Mn}}0-9\-]{{0,61}}[\p{{L}}\p{{Mn}}0-9])?\.)+"
    rf"(?:xn--[a-z0-9]+|[{_LETTER}]{{2,24}})"
)
IPV4_PATTERN: Final = r"[0-9]{1,3}(?:\.[0-9]+){3,}"
IPV6_PATTERN: Final = r"(?-u:\b)[23][0-9A-Fa-f]{3}:[0-9A-Fa-f:]{2,}"

_GENERIC: Final = (
    "com org net edu gov mil int info biz name pro aero coop museum jobs mobi travel tel cat asia post xxx app dev page "
    "blog shop store online site website tech space xyz club live life world email cloud digital agency company group team "
    "solutions services network systems software studio design media news today press wiki academy school university "
    "college health care clinic law legal bank finance money global international center institute foundation church berlin "
    "hamburg koeln wien paris london nyc tokyo amsterdam swiss scot wales eus gal bzh moscow москва рф укр срб бг ελ ею "
    "дети онлайн сайт орг ком"
)
_COUNTRIES: Final = (
    "ac ad ae af ag ai al am ao ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz ca cc cd cf cg "
    "ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga gd ge gf gg gh "
    "gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp "
    "kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc "
    "ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si "
    "sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg "
    "vi vn vu wf ws ye yt za zm zw"
)
_ENDINGS: Final = frozenset(f"{_GENERIC} {_COUNTRIES}".split())
"""Ends of domains that mail is sent to; a longer list would take more file names and attributes for addresses."""

_EXAMPLES: Final = re.compile(r"(?:^|\.)example\.[a-z.]{2,6}$")
"""Domains set apart for examples (RFC 2606), and those that are written like them."""

_SERVICES: Final = frozenset(
    ip_address(text)
    for text in (
        *("1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4", "9.9.9.9", "149.112.112.112", "208.67.222.222", "208.67.220.220"),
        *("114.114.114.114", "223.5.5.5", "223.6.6.6", "2606:4700:4700::1111", "2001:4860:4860::8888", "2001:4860:4860::8844"),
    )
)
"""Name servers that serve everybody, and so say nothing of anybody."""

_NOT_PUBLIC: Final = tuple(
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
        *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("224.0.0.0/3", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    )
)
"""Networks for special purposes (https://www.iana.org/assignments/iana-ipv4-special-registry). Written down here, because what
Python's `is_global` says depends on its version."""

_VERSION: Final = re.compile(r"(?:version|ver|v|release|build|firmware|section|chapter|rev|oid|§)[\s.:=/]*$", re.IGNORECASE)


def check_email(found: Candidate) -> str:
    """An address of a domain that may have mail; neither a handle (`@user@host`), a place for ssh or git, nor code."""
    local, _, domain = found.value.rpartition("@")
    domain = domain.lower()
    if domain.rpartition(".")[2] not in _ENDINGS and not domain.rpartition(".")[2].startswith("xn--"):
        return ""
    if _EXAMPLES.search(domain) or not 1 <= len(local) <= 64 or len(domain) > 253 or local == "git":
        return ""
    if (
        local.startswith(".")
        or ".." in local
        or (found.before[-1:] in {"@", "/", ":"} and not found.before.endswith(("mailto:", ": ")))
    ):
        return _after_colon(found)
    return "" if _is_code(found.after) else found.value


def _after_colon(found: Candidate) -> str:
    """`E-mail:jane@…` is one, `//user:password@…` is none."""
    is_label = found.before[-1:] == ":" and "/" not in found.before and found.before[-2:-1].isalpha()
    return found.value if is_label and not found.value.startswith(".") and not _is_code(found.after) else ""


def _is_code(after: str) -> bool:
    return after[:1] in {"(", "_", "[", "@", "="} or (after[:1] == ":" and after[1:2].strip() != "" and after[1:2].isascii())


def check_ipv4(found: Candidate) -> str:
    """A public address. Small numbers only are a version or a section, and so is what is called one."""
    parts = found.value.split(".")
    if len(parts) != 4 or any(len(part) > 3 or int(part) > 255 or part != str(int(part)) for part in parts):
        return ""
    if _is_small([int(part) for part in parts]):
        return ""
    if _touches(found, ".-_%") or (found.after[:1] == "/" and found.after[1:2].isdigit()) or _VERSION.search(found.before):
        return ""
    return found.value if _is_public(IPv4Address(found.value)) else ""


def _is_small(parts: list[int]) -> bool:
    """Whether the numbers are as small as those of versions and sections are."""
    least_long = 2 if max(parts) >= 100 else 3
    return max(parts) < 30 or sum(part >= 10 for part in parts) < least_long


def check_ipv6(found: Candidate) -> str:
    """A public unicast address: of 2000::/3."""
    value = found.value.rstrip(":") if not found.value.endswith("::") else found.value
    try:
        address = IPv6Address(value)
    except ValueError:
        return ""
    if _touches(found, ":.") or value.count(":") < 3 or found.after[:1] == "/":
        return ""
    return value if _is_public(address) else ""


def _touches(found: Candidate, joining: str) -> bool:
    """Whether a letter, a digit or what joins words stands beside it, so that it is part of something longer."""
    before, after = found.before[-1:], found.after[:1]
    if _is_word(before) or _is_word(after) or (before and before in joining):
        return True
    return bool(after) and after in joining and _is_word(found.after[1:2])


def _is_word(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    return address not in _SERVICES and not any(address in network for network in _NOT_PUBLIC)


def same_email(value: str) -> str:
    """Case is of no account to any mail server that matters."""
    return value.lower()


def same_ip(value: str) -> str:
    """The canonical spelling (RFC 5952)."""
    return str(ip_address(value))
