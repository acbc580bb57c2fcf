"""Runs code written by a model; no other place does.

with open_sandbox() as sandbox:
    verdicts = sandbox.run([Program(prompt=…, completion=…, test=…, entry_point=…), …])

program      what goes in and comes out
room         the folder that its processes run out of
users        users that are nobody, for root
backends     bubblewrap or Landlock: how the processes are started
slot         one place where programs run
selftest     what must hold before any does
opening      open_sandbox
rootless     how root sees what others would
examination  what holds on this machine, all of it
check        `datamix sandbox-check` prints that
inside       what runs in the processes
"""

from __future__ import annotations

from data_mix_eval.sandbox.examination import Examined, examine
from data_mix_eval.sandbox.opening import Sandbox, open_sandbox
from data_mix_eval.sandbox.program import Limits, Outcome, Program, Verdict

__all__ = ["Examined", "Limits", "Outcome", "Program", "Sandbox", "Verdict", "examine", "open_sandbox"]
