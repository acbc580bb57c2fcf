"""`datamix sandbox-check`: prints what holds on this machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import typer

from data_mix.errors import UsageError
from data_mix_eval.sandbox.examination import Examined, examine
from data_mix_eval.sandbox.selftest import Finding

_HELP: Final = """Usage: datamix sandbox-check [--json]

Print what of the sandbox holds on this machine: each property under each back end, for root and for who is not. The exit code
is 0 where code of a model can be run by who asks, else 1.

--json  Print JSON in place of the table.
"""


def sandbox_check(argv: Sequence[str]) -> int:
    """Print what of the sandbox holds on this machine.

    Returns 0 where code of a model can be run by who asks, else 1. Raises UsageError.
    """
    if "--help" in argv:
        typer.echo(_HELP, nl=False)
        return 0
    if unknown := [word for word in argv if word != "--json"]:
        raise UsageError(f"found {unknown[0]!r}, wanted nothing or --json: {_HELP.splitlines()[0]}")
    found = examine()
    typer.echo(json.dumps([asdict(each) for each in found], indent=1) if argv else table(found))
    return 0 if any(each.holds for each in found if each.mode == found[0].mode) else 1


def table(found: Sequence[Examined]) -> str:
    """One line per property, one column per back end and mode, then what is missing."""
    properties = list(dict.fromkeys(one.what for each in found for one in each.findings))
    heads = [f"{each.back_end} {each.mode}" for each in found]
    width = max(map(len, ("what must hold", *properties)))
    lines = [" ".join([f"{'what must hold':{width}}", *(f"{head:>17}" for head in heads)])]
    lines += [" ".join([f"{each:{width}}", *(f"{mark(one, each):>17}" for one in found)]) for each in properties]
    lines += ["", *(f"{head}: {sentence(each)}" for head, each in zip(heads, found, strict=True))]
    return "\n".join(lines)


def mark(examined: Examined, what: str) -> str:
    """What is said of one property in one column."""
    finding = next((each for each in examined.findings if each.what == what), None)
    if finding is None:
        return "not tried"
    return "holds" if finding.holds else "NO" if finding.is_needed else "no, not needed"


def sentence(examined: Examined) -> str:
    """What it comes to."""
    if examined.refusal:
        return f"cannot be used: {examined.refusal}"
    if examined.holds:
        return "code of a model can be run"
    return "code of a model is not run, since these do not hold: " + "; ".join(filter(None, map(failure, examined.findings)))


def failure(finding: Finding) -> str:
    """A property that does not hold, with how it was seen."""
    return f"{finding.what} ({finding.detail})" if finding.is_needed and not finding.holds else ""
