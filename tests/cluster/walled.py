"""Runs a module that the kernel kills (SIGSYS) the moment it opens a socket: `python -m tests.cluster.walled MODULE`.

Owns the seccomp filter. Invariant: socket() and socketpair() end the whole process, whoever calls them, Python or C;
every other call is untouched. Must not know what it runs.
"""

from __future__ import annotations

import ctypes
import platform
import runpy
import struct
import sys

# (AUDIT_ARCH, socket, socketpair) of linux/audit.h and asm/unistd.h
MACHINES = {"x86_64": (0xC000003E, 41, 53), "aarch64": (0xC00000B7, 198, 199)}
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
ALLOW, KILL_PROCESS = 0x7FFF0000, 0x80000000
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K


class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def wall() -> None:
    """From now on no socket, in this process and all it becomes. Raises OSError where the kernel cannot."""
    arch, *calls = MACHINES[platform.machine()]
    steps = [
        (LOAD, 0, 0, 4),  # seccomp_data.arch
        (JUMP_IF_EQUAL, 0, 4, arch),
        (LOAD, 0, 0, 0),  # seccomp_data.nr
        (JUMP_IF_EQUAL, 2, 0, calls[0]),
        (JUMP_IF_EQUAL, 1, 0, calls[1]),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, KILL_PROCESS),  # also the calls of a foreign architecture
    ]
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    libc = ctypes.CDLL(None, use_errno=True)
    program = Program(len(steps), code)
    for option, *values in ((PR_SET_NO_NEW_PRIVS, 1, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program))):
        if libc.prctl(option, *values, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    wall()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
