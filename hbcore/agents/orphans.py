"""Scripts that a dead daemon left running: nobody waits for them, times them, or knows what they will have done.

Owns one small file a running script in the runtime directory, and the end of those whose daemon is gone. Invariant:
when `end` returns, no script of a former daemon changes anything any more, so what is asked then is true; a service
that has a session of its own is never touched. Must not know what the scripts are.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

WAIT_S = 2.0  # for all of them: a killed process that does not end by then hangs in the kernel
_STEP_S = 0.01


def note(folder: Path, pid: int) -> None:
    """A script began, as the leader of its own session. The file's content tells it from a later process."""
    with contextlib.suppress(OSError):  # a full disk keeps no script from running
        (folder / str(pid)).write_text(_born(pid))


def forget(folder: Path, pid: int) -> None:
    """It ended, or was ended."""
    with contextlib.suppress(OSError):
        (folder / str(pid)).unlink()


def end(folder: Path, grace_s: float = 0.0) -> list[int]:
    """Kill what is left of noted scripts, and wait until it is gone. Their sessions' numbers.

    `grace_s`: seconds in which they may end by themselves, after a SIGTERM.
    """
    ended = []
    gentle = time.monotonic() + grace_s
    deadline = gentle + WAIT_S  # pulse vouches 5 s for a daemon that says nothing
    with contextlib.suppress(OSError):
        for file in folder.iterdir():
            with contextlib.suppress(OSError, ValueError):
                session, born = int(file.name), file.read_text()
                if _kill(session, born, gentle, deadline):
                    ended.append(session)
            with contextlib.suppress(OSError):
                file.unlink()
    return ended


def _kill(session: int, born: str, gentle: float, deadline: float) -> bool:
    """Whether there was anything of it. Nobody gets the number of a session that still has members."""
    leader = _born(session)
    if leader and leader != born:
        return False
    found = False
    while members := [pid for pid in _processes() if _session(pid) == session]:
        number = signal.SIGTERM if time.monotonic() < gentle else signal.SIGKILL
        for pid in members if number == signal.SIGKILL or not found else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        found = True
        if time.monotonic() > deadline:
            break
        time.sleep(_STEP_S)
    return found


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _stat(pid: int) -> list[str]:
    """The fields after the command's name (proc(5)), [] where it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return []
    return [] if fields[:1] == ["Z"] else fields


def _session(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[3]) if fields else 0


def _born(pid: int) -> str:
    """Start time in clock ticks since boot."""
    fields = _stat(pid)
    return fields[19] if fields else ""
