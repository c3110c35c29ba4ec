"""Runs a module behind a filter of system calls: `python -m tests.cluster.walled [--without-nftables] MODULE ...`.

Owns the seccomp filters. Invariant: the filter is for the whole process and all it becomes, whoever calls, Python or C;
every other call is untouched. Either the kernel kills it (SIGSYS) the moment it opens any socket, or it just has no
netlink socket for nf_tables, as on a kernel without it (EPROTONOSUPPORT). Must not know what it runs.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import runpy
import struct
import sys

# (AUDIT_ARCH, socket, socketpair) of linux/audit.h and asm/unistd.h
MACHINES = {"x86_64": (0xC000003E, 41, 53), "aarch64": (0xC00000B7, 198, 199)}
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
ALLOW, KILL_PROCESS, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPROTONOSUPPORT
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
NUMBER, ARCH, FIRST, THIRD = 0, 4, 16, 32  # of struct seccomp_data; of an argument the lower half (little-endian)
AF_NETLINK, NETLINK_NETFILTER = 16, 12
Step = tuple[int, int, int, int]


class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def no_sockets() -> list[Step]:
    arch, *calls = MACHINES[platform.machine()]
    return [
        (LOAD, 0, 0, ARCH),
        (JUMP_IF_EQUAL, 0, 4, arch),
        (LOAD, 0, 0, NUMBER),
        (JUMP_IF_EQUAL, 2, 0, calls[0]),
        (JUMP_IF_EQUAL, 1, 0, calls[1]),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, KILL_PROCESS),  # also the calls of a foreign architecture
    ]


def no_nftables() -> list[Step]:
    arch, call, _ = MACHINES[platform.machine()]
    return [
        (LOAD, 0, 0, ARCH),
        (JUMP_IF_EQUAL, 0, 8, arch),
        (LOAD, 0, 0, NUMBER),
        (JUMP_IF_EQUAL, 0, 4, call),
        (LOAD, 0, 0, FIRST),
        (JUMP_IF_EQUAL, 0, 2, AF_NETLINK),
        (LOAD, 0, 0, THIRD),
        (JUMP_IF_EQUAL, 1, 0, NETLINK_NETFILTER),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, REFUSE),
        (RETURN, 0, 0, KILL_PROCESS),
    ]


def wall(steps: list[Step]) -> None:
    """From now on, in this process and all it becomes. Raises OSError where the kernel cannot."""
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    libc = ctypes.CDLL(None, use_errno=True)
    program = Program(len(steps), code)
    for option, *values in ((PR_SET_NO_NEW_PRIVS, 1, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program))):
        if libc.prctl(option, *values, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    del sys.argv[0]
    without = sys.argv[0] == "--without-nftables"
    del sys.argv[: int(without)]
    wall(no_nftables() if without else no_sockets())
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
