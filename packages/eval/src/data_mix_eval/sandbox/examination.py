"""What holds on this machine: every property, under each back end, as a user who is nobody and as your own."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import Final, Literal

from data_mix.errors import SandboxError
from data_mix_eval.sandbox import users
from data_mix_eval.sandbox.opening import BACK_ENDS, open_unexamined
from data_mix_eval.sandbox.program import BackEndName, Limits
from data_mix_eval.sandbox.rootless import run_as_nobody
from data_mix_eval.sandbox.selftest import Finding, examine_slot

Mode = Literal["root", "rootless"]
"""Who asks: root, who can run code as users who are nobody, or a user who can run it only as himself."""

HERE: Final = "data_mix_eval.sandbox.examination"


@dataclass(frozen=True, kw_only=True)
class Examined:
    """All findings of one back end in one mode."""

    back_end: BackEndName
    mode: Mode
    findings: list[Finding]
    refusal: str = ""
    """Why it cannot be started here, with what to do."""

    @property
    def holds(self) -> bool:
        """Whether code of a model may be run under it."""
        return not self.refusal and all(each.holds for each in self.findings if each.is_needed)


def examine() -> list[Examined]:
    """Every back end in the modes that can be tried: for root both, his own first."""
    own = examine_own()
    return [*own, *examine_rootless()] if users.is_root() else own


def examine_own() -> list[Examined]:
    """Every back end as who we are."""
    return [examine_back_end(name, "root" if users.is_root() else "rootless") for name in BACK_ENDS]


def examine_rootless() -> list[Examined]:
    """What a user who is not root would find, asked by root as a user who is nobody."""
    try:
        asked = run_as_nobody("-m", HERE)
    except SandboxError as error:
        return [Examined(back_end=name, mode="rootless", findings=[], refusal=str(error)) for name in BACK_ENDS]
    if asked.returncode:
        words = (asked.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        return [Examined(back_end=name, mode="rootless", findings=[], refusal=words) for name in BACK_ENDS]
    return [Examined(**each | {"findings": [Finding(**one) for one in each["findings"]]}) for each in json.loads(asked.stdout)]


def examine_back_end(name: BackEndName, mode: Mode) -> Examined:
    """One back end as who we are."""
    limits = Limits()
    try:
        with open_unexamined(name, limits, 1) as sandbox:
            findings = examine_slot(sandbox.slots[0], limits, as_your_user=sandbox.is_rootless)
    except SandboxError as error:
        return Examined(back_end=name, mode=mode, findings=[], refusal=str(error))
    return Examined(back_end=name, mode=mode, findings=findings)


if __name__ == "__main__":
    sys.stdout.write(json.dumps([asdict(each) for each in examine_own()]))
