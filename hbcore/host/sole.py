"""One hbcored for a runtime directory: a second one would beat in the same name, and hold nothing.

Owns RUNTIME/hbcored.lock. Invariant: it is locked as long as pulse or the daemon lives, for both have the descriptor,
also where one turns into the other; the file names the one that is pulse. No script ever gets it. Must not know why.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

NAME = "hbcored.lock"
WAIT_S = 5.0  # where pulse has just died, its daemon needs a moment to take its place
_STEP_S = 0.1
UNKNOWN = -1


def take(folder: Path) -> int:
    """0: it is ours, for as long as this process and its daemon live. Else the number of the process that is pulse, or
    UNKNOWN.

    Raises OSError. Blocks for WAIT_S where the one that is named is dead and the lock is held all the same.
    """
    end = time.monotonic() + WAIT_S
    while True:
        fd = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _named(fd)
            os.close(fd)
            if _lives(holder) or time.monotonic() > end:
                return holder or UNKNOWN
            time.sleep(_STEP_S)
            continue
        os.set_inheritable(fd, True)  # and stays open: the only child that gets it is the daemon
        _name(fd)
        return 0


def holder(folder: Path) -> int:
    """The number of the process that is pulse, 0 where none is."""
    try:
        fd = os.open(folder / NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        named = _named(fd)
    finally:
        os.close(fd)
    return named if _lives(named) else 0


def succeed(folder: Path) -> None:
    """The lock came with us, from the daemon that we were. A full disk is no reason not to go on."""
    with contextlib.suppress(OSError):
        fd = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        _name(fd)
        os.close(fd)


def _name(fd: int) -> None:
    os.pwrite(fd, f"{os.getpid():<10}\n".encode(), 0)  # always as long, so that it is never half there


def _named(fd: int) -> int:
    text = os.pread(fd, 20, 0).split(b"\n")[0].strip()
    return int(text) if text.isdigit() else 0


def _lives(pid: int) -> bool:
    if not pid:
        return False
    try:
        return b"hbcored" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
