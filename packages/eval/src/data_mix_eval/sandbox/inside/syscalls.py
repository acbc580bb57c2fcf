"""The system calls that code of a model may make: what Python needs to compute, read its own library and start threads.

All others fail: no new process or program, no socket, no file linked, renamed or removed, no signal to others, nothing of
namespaces, mounts, tracing, keys, io_uring, bpf. Columns: x86_64 and aarch64; a dash where the architecture has no such call.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

ARCHITECTURES: Final[Mapping[str, int]] = MappingProxyType({"x86_64": 0xC000003E, "aarch64": 0xC00000B7})
"""Machine, as uname tells it → what the kernel calls it (AUDIT_ARCH_*). Their order is that of the columns."""

TABLE: Final = """
read               0    63
write              1    64
readv             19    65
writev            20    66
pread64           17    67
open               2     -
openat           257    56
close              3    57
fstat              5    80
newfstatat       262    79
stat               4     -
lstat              6     -
statx            332   291
lseek              8    62
getdents64       217    61
getcwd            79    17
readlink          89     -
readlinkat       267    78
access            21     -
faccessat        269    48
faccessat2       439   439
chdir             80    49
umask             95   166
dup               32    23
dup2              33     -
dup3             292    24
mmap               9   222
munmap            11   215
mprotect          10   226
mremap            25   216
madvise           28   233
brk               12   214
rt_sigaction      13   134
rt_sigprocmask    14   135
rt_sigreturn      15   139
rt_sigpending    127   136
rt_sigtimedwait  128   137
rt_sigsuspend    130   133
sigaltstack      131   132
pause             34     -
getpid            39   172
gettid           186   178
getppid          110   173
getuid           102   174
geteuid          107   175
getgid           104   176
getegid          108   177
getresuid        118   148
getresgid        120   150
getpgrp          111     -
getpgid          121   155
getsid           124   156
getgroups        115   158
uname             63   160
sysinfo           99   179
getrusage         98   165
times            100   153
getrlimit         97   163
getitimer         36   102
setitimer         38   103
alarm             37     -
nanosleep         35   101
clock_nanosleep  230   115
clock_gettime    228   113
clock_getres     229   114
gettimeofday      96   169
time             201     -
poll               7     -
ppoll            271    73
select            23     -
pselect6         270    72
getrandom        318   278
getcpu           309   168
futex            202    98
sched_yield       24   124
sched_getaffinity 204  123
set_tid_address  218    96
set_robust_list  273    99
rseq             334   293
arch_prctl       158     -
restart_syscall  219   128
exit              60    93
exit_group       231    94
clone             56   220
kill              62   129
tgkill           234   131
fcntl             72    25
ioctl             16    29
prlimit64        302   261
"""
"""Those from `clone` on are allowed for certain arguments only (see `seccomp.CONDITIONS`)."""

UNHEARD_OF: Final = 440
"""System calls from this number on, and clone3 (435), are answered as if the kernel were older: libraries then do without."""

CLONE3: Final = 435


def numbers(machine: str) -> dict[str, int]:
    """Name → number of every call in the table that this machine has."""
    column = 1 + list(ARCHITECTURES).index(machine)
    rows = [line.split() for line in TABLE.split("\n") if line]
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}
