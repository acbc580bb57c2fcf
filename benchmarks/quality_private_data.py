"""What the stage `private_data` finds of private data planted into the rows of a build, and how fast, beside detect-secrets.

    python benchmarks/quality_private_data.py BUILD --peer-python PYTHON

A third of the planted values is broken on purpose: a wrong check digit, a reserved network, an example's domain, a number that
nobody is given. Those count against precision when they are found. Precision on the rows as they are is a person's work: with
`--show` all findings there are printed for reading.
"""

from __future__ import annotations

import argparse
import json
import string
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final

import polars as pl

from data_mix.private_data import KINDS, detect

MIXED: Final = string.ascii_letters + string.digits
DIGITS: Final = string.digits
PEER_KINDS: Final = {"aws_key", "github_token", "gitlab_token", "json_web_token", "npm_token", "openai_key", "private_key"} | {
    *("slack_token", "slack_webhook", "stripe_key", "url_password"),
}
"""What detect-secrets 1.5.0 has a plugin for."""

PEER: Final = """
import json, sys, time
from detect_secrets.core.scan import scan_line
from detect_secrets.settings import default_settings
texts = json.load(open(sys.argv[1]))
with default_settings() as settings:
    settings.disable_plugins("Base64HighEntropyString", "HexHighEntropyString", "KeywordDetector")
    start = time.perf_counter()
    found = [[[s.type, s.secret_value] for line in text.splitlines() for s in scan_line(line)] for text in texts]
    print(json.dumps([time.perf_counter() - start, found]))
"""

CONTEXTS: Final = ("It is {}.", "see {} for more", "({})", "\n{}\n", "Bitte an {} senden", "联系{}谢谢")


def luhn(digits: str) -> str:
    """The digits and their check digit, worked out apart from the stage's own formula."""
    total = sum(int("0246813579"[int(digit)]) if place % 2 == 0 else int(digit) for place, digit in enumerate(reversed(digits)))
    return digits + str(-total % 10)


def iban(country: str, account: str) -> str:
    """An IBAN with its check digits."""
    number = int("".join(str(int(letter, 36)) for letter in f"{account}{country}00"))
    return f"{country}{98 - number % 97:02}{account}"


def spoil(value: str) -> str:
    """The value with another last digit."""
    return value[:-1] + str((int(value[-1]) + 1) % 10)


class Planter:
    """Makes values of every kind, good and broken, from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def drawn(self, letters: str, count: int) -> str:
        """Letters by lot."""
        return "".join(self.random.choices(letters, k=count))

    def value(self, kind: str, *, good: bool) -> str:
        """One value of a kind; not `good`, one that only looks like it."""
        make: Callable[[bool], str] | None = getattr(self, f"make_{kind}", None)
        return make(good) if make else self.token(kind, good=good)

    def make_email(self, good: bool) -> str:
        """A mailbox; else an example's, or no domain that has mail."""
        name = f"{self.drawn(string.ascii_lowercase, 6)}.{self.drawn(string.ascii_lowercase, 5)}"
        ends = ("mail.org", "web.de", "company.co.uk", "почта.рф") if good else ("example.com", "2x.png", "localhost", "1.2.3")
        return f"{name}@{self.random.choice(ends)}"

    def make_ipv4(self, good: bool) -> str:
        """A public address; else one of a private network, of an example, or a version."""
        if good:
            octets = (
                self.random.randint(11, 99),
                *(self.random.randint(0, 255) for _ in range(2)),
                self.random.randint(1, 254),
            )
            return ".".join(map(str, octets))
        return self.random.choice(
            (f"10.{self.random.randint(0, 255)}.0.{self.drawn('123', 2)}", "192.168.1.138", "203.0.113.9", "4.12.0.1")
        )

    def make_ipv6(self, good: bool) -> str:
        """A public address; else one for documentation."""
        groups = ":".join(self.drawn("123456789abcdef", 4) for _ in range(6))
        return f"2a02:{groups[:4]}:{groups}" if good else f"2001:db8:{groups}"

    def make_phone(self, good: bool) -> str:
        """A number that may be given out; else fiction, or a part of something."""
        line = self.drawn("23456789", 4)
        forms = (f"(415) 28{line[0]}-{line}", f"212-73{line[0]}-{line}", f"+1 312 66{line[0]} {line}", f"+49 30 90{line}0")
        broken = (f"(415) 555-01{line[:2]}", f"112-73{line[0]}-{line}", f"+999 312 66{line}", f"x{line}-{line}")
        return self.random.choice(forms if good else broken)

    def make_payment_card(self, good: bool) -> str:
        """Sixteen digits with their check digit; else with another."""
        start = self.random.choice(("4", "51", "55", "6011"))
        card = luhn(start + self.drawn(DIGITS, 15 - len(start)))
        card = card if good else spoil(card)
        mark = self.random.choice(("", " ", "-"))
        return mark.join(card[place : place + 4] for place in range(0, 16, 4))

    def make_iban(self, good: bool) -> str:
        """A German or British account; else with another last digit."""
        made = self.random.choice((iban("DE", self.drawn(DIGITS, 18)), iban("GB", "NWBK" + self.drawn(DIGITS, 14))))
        made = made if good else spoil(made)
        return made if self.random.random() < 0.5 else " ".join(made[place : place + 4] for place in range(0, len(made), 4))

    def make_us_ssn(self, good: bool) -> str:
        """A number that may be given out; else of an area that is none."""
        area = str(self.random.choice((219, 401, 532, 665)) if good else self.random.choice((900, 666)))
        return f"{area}-{self.drawn('123456789', 2)}-{self.drawn('123456789', 4)}"

    def make_private_key(self, good: bool) -> str:
        """A key in PEM; else without a body."""
        body = "\n".join(self.drawn(MIXED, 64) for _ in range(4)) if good else "..."
        return f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----"

    def make_json_web_token(self, good: bool) -> str:
        """A token; else one whose header is no JSON."""
        header = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" if good else "eyJ" + self.drawn(MIXED, 33)
        return f"{header}.eyJzdWIiOiI4NzIifQ.{self.drawn(MIXED, 43)}"

    def make_url_password(self, good: bool) -> str:
        """A password in a URL; else one that says what it is."""
        return f"postgres://app:{self.drawn(MIXED, 12) if good else 'password'}@db.internal:5432/app"

    def make_slack_webhook(self, good: bool) -> str:
        """A webhook; else the one of the documentation."""
        end = self.drawn(MIXED, 24) if good else "X" * 24
        return f"https://hooks.slack.com/services/T{self.drawn('ABC12389', 8)}/B{self.drawn('ABC12389', 8)}/{end}"

    def token(self, kind: str, *, good: bool) -> str:
        """A token with a prefix; a broken one is too short, or an example's."""
        prefix, letters, count = {
            "hugging_face_token": ("hf_", string.ascii_letters, 34),
            "github_token": ("ghp_", MIXED, 36),
            "gitlab_token": ("glpat-", MIXED, 20),
            "aws_key": ("AKIA", string.ascii_uppercase + "234567", 16),
            "anthropic_key": ("sk-ant-api03-", MIXED, 95),
            "openai_key": ("sk-proj-", MIXED, 48),
            "slack_token": ("xoxb-", DIGITS, 12),
            "google_api_key": ("AIza", MIXED, 35),
            "stripe_key": ("sk_live_", MIXED, 24),
            "npm_token": ("npm_", MIXED, 36),
        }[kind]
        end = f"-{self.drawn(MIXED, 24)}" if kind == "slack_token" and good else ""
        return prefix + (self.drawn(letters, count) if good else self.random.choice((letters[0] * count, "example"))) + end


def read_texts(build: Path, most: int) -> list[str]:
    """Contents of all messages of a build, up to a number of rows."""
    rows = pl.scan_ipc(build / "train" / "*.arrow").select("messages").head(most).collect()
    texts: list[str] = rows.explode("messages")["messages"].struct.field("content").to_list()
    return texts


def plant(texts: list[str], each: int, seed: int) -> tuple[list[str], list[tuple[str, str, bool]]]:
    """One value into each of the first texts: `each` good ones of every kind and half as many broken ones."""
    planter = Planter(seed)
    wanted = [(kind, good) for kind in KINDS for good in (True, True, False) for _ in range(each // 2)]
    planted = [(kind, planter.value(kind, good=good), good) for kind, good in wanted]
    hosts = planter.random.sample(texts, len(planted))
    filled = [
        f"{text[:200]} {planter.random.choice(CONTEXTS).format(value)}"
        for text, (_, value, _) in zip(hosts, planted, strict=True)
    ]
    return filled, planted


def find_ours(texts: list[str]) -> tuple[float, list[list[tuple[str, str]]]]:
    """Seconds, and (kind, value) of what is found in each text."""
    column = pl.Series(texts)
    start = time.perf_counter()
    found = detect(column, KINDS.values())
    seconds = time.perf_counter() - start
    return seconds, [[(claim.kind.name, claim.value) for claim in found.get(place, [])] for place in range(len(texts))]


def find_by_peer(python: str, texts: list[str]) -> tuple[float, list[list[tuple[str, str]]]]:
    """The same by detect-secrets; its types stand in place of kinds."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(texts, file)
        file.flush()
        done = subprocess.run([python, "-c", PEER, file.name], capture_output=True, text=True, check=True)
    seconds, found = json.loads(done.stdout)
    return seconds, [[(kind, value or "") for kind, value in each] for each in found]


def score(planted: list[tuple[str, str, bool]], found: list[list[tuple[str, str]]]) -> dict[str, tuple[float, float]]:
    """(recall, precision) by kind: a find is right where a good value was planted, and is it.

    Of the peer, whose types are others, any find counts.
    """
    counts: Counter[tuple[str, bool, bool]] = Counter()
    for (kind, value, good), hits in zip(planted, found, strict=True):
        named = [(name, hit) for name, hit in hits if name not in KINDS or (name == kind and hit in value)]
        counts[kind, good, bool(named) if good else bool(hits)] += 1
    return {kind: _rates(counts, kind) for kind in KINDS}


def _rates(counts: Counter[tuple[str, bool, bool]], kind: str) -> tuple[float, float]:
    hits, false = counts[kind, True, True], counts[kind, False, True]
    return hits / (hits + counts[kind, True, False]), hits / (hits + false) if hits + false else float("nan")


def main() -> None:
    """Print the table."""
    arguments = parse()
    texts = read_texts(arguments.build, arguments.rows)
    filled, planted = plant(texts, arguments.each, arguments.seed)
    ours = score(planted, find_ours(filled)[1])
    peer = score(planted, find_by_peer(arguments.peer_python, filled)[1]) if arguments.peer_python else None
    print(f"| kind | recall | precision |{' detect-secrets: recall | precision |' if peer else ''}")
    print("|---|---|---|" + ("---|---|" if peer else ""))
    for kind, (recall, precision) in ours.items():
        beside = (
            "" if peer is None else " – | – |" if kind not in PEER_KINDS else f" {peer[kind][0]:.3f} | {peer[kind][1]:.3f} |"
        )
        print(f"| {kind} | {recall:.3f} | {precision:.3f} |{beside}")
    print_unplanted(texts, arguments)


def print_unplanted(texts: list[str], arguments: Any) -> None:
    """Speed, and what is found in the rows as they are."""
    find_ours(texts[:1000])  # the patterns are compiled before the clock starts
    seconds, found = min((find_ours(texts) for _ in range(3)), key=lambda run: run[0])
    print(f"\nas they are: {len(texts):,} messages in {seconds:.2f} s, {len(texts) / seconds:,.0f} a second")
    print("found:", dict(Counter(kind for each in found for kind, _ in each)))
    if arguments.peer_python:
        sample = texts[: arguments.peer_messages]
        seconds, by_peer = find_by_peer(arguments.peer_python, sample)
        print(f"detect-secrets: {len(sample):,} messages in {seconds:.2f} s, {len(sample) / seconds:,.0f} a second")
        print("found:", dict(Counter(kind for each in by_peer for kind, _ in each)))
    if arguments.show:
        for kind, value in (hit for each in found for hit in each):
            print(f"{kind:20} {value!r}")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the train split that are read")
    parser.add_argument("--each", type=int, default=200, help="good values of each kind, and half as many broken ones")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peer-python", help="a Python that can import detect_secrets")
    parser.add_argument("--peer-messages", type=int, default=2000, help="messages on which its speed is measured")
    parser.add_argument("--show", action="store_true", help="print what is found in the rows as they are")
    return parser.parse_args()


if __name__ == "__main__":
    main()
