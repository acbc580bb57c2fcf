"""A process as on a kernel without Landlock and a machine without bubblewrap: nothing would hold code there."""

from __future__ import annotations

from typing import Final

WITHOUT_SANDBOX: Final = """
import ctypes, errno, os
from data_mix_eval.sandbox.inside import seccomp
code = b"".join([
    seccomp.instruction(seccomp.LOAD, 0),
    seccomp.instruction(seccomp.EQUAL, 444, 0, 1),
    seccomp.instruction(seccomp.RETURN, seccomp.FAIL | errno.ENOSYS),
    seccomp.instruction(seccomp.RETURN, seccomp.ALLOW),
])
seccomp.prctl(38, 1)
seccomp.prctl(22, 2, ctypes.pointer(seccomp._Program(len(code) // 8, code)))
os.environ["PATH"] = "/nowhere"
"""
"""The beginning of a program: what comes after it runs in such a process."""
