#!/usr/bin/python3 -IS
"""The first and only process of the emulated machine: loads modules, runs what it was told to, turns the machine off.

Owns the guest's /proc and /sys. Invariant: whatever happens, the last line is "status N" and the machine ends.
Must not know the guard.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
import traceback

_FINIT_MODULE = 313  # x86-64
_RB_AUTOBOOT = 0x1234567  # qemu -no-reboot: the end

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> int:
    for kind, at in ((b"proc", b"/proc"), (b"sysfs", b"/sys"), (b"tmpfs", b"/tmp")):
        if _libc.mount(kind, at, kind, 0, None) != 0:
            raise OSError(ctypes.get_errno(), at.decode())
    with open("/modules", encoding="ascii") as file:
        for path in file.read().split():
            fd = os.open(path, os.O_RDONLY)
            if _libc.syscall(_FINIT_MODULE, fd, b"", 0) != 0:
                raise OSError(ctypes.get_errno(), path)
            os.close(fd)
    print(f"up after {time.clock_gettime(time.CLOCK_BOOTTIME):.1f} s", flush=True)
    with open("/arguments", encoding="utf-8") as file:
        arguments = file.read().split("\n")
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": "/hbtui", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, *arguments], check=False, cwd="/hbtui", env=environment).returncode


if __name__ == "__main__":
    status = 1
    try:
        status = main()
    except BaseException:
        traceback.print_exc()
    print("status", status, flush=True)
    os.sync()
    _libc.reboot(ctypes.c_int(_RB_AUTOBOOT))
