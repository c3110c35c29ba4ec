"""Scripts that a dead daemon left running: nobody waits for them, times them, or knows what they will have done.

Owns one small file a running script in the runtime directory, and the end of those whose daemon is gone. Invariant:
when `end` returns, no script of a former daemon changes anything any more but those it names as hanging, so what is
asked then is true; a service that has a session of its own is never touched. Must not know what the scripts are.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

WAIT_S = 2.0  # for all of them: a killed process that does not end by then hangs in the kernel
_STEP_S = 0.01


@dataclass(frozen=True, slots=True)
class Orphan:
    """`about`: as it was noted. `left`: numbers of its processes that SIGKILL did not end."""

    session: int
    about: tuple[str, ...] = ()
    left: tuple[int, ...] = ()


def note(folder: Path, pid: int, about: Sequence[str] = ()) -> None:
    """A script began, as the leader of its own session. The file's first line tells it from a later process; `about`:
    what it belongs to, without NUL.
    """
    with contextlib.suppress(OSError):  # a full disk keeps no script from running
        (folder / str(pid)).write_text("\n".join((_born(pid), "\0".join(about))))


def forget(folder: Path, pid: int) -> None:
    """It ended, or was ended."""
    with contextlib.suppress(OSError):
        (folder / str(pid)).unlink()


def end(folder: Path, grace_s: float = 0.0) -> list[Orphan]:
    """Kill what is left of noted scripts, and wait until it is gone. The file of one that hangs stays.

    `grace_s`: seconds in which they may end by themselves, after a SIGTERM.
    """
    ended = []
    gentle = time.monotonic() + grace_s
    deadline = gentle + WAIT_S  # pulse vouches 5 s for a daemon that says nothing
    with contextlib.suppress(OSError):
        for file in folder.iterdir():
            with contextlib.suppress(OSError, ValueError):
                session = int(file.name)
                born, _, about = file.read_text().partition("\n")
                left = _kill(session, born, gentle, deadline)
                if left is not None:
                    ended.append(Orphan(session, tuple(about.split("\0")) if about else (), left))
                if left:
                    continue
            with contextlib.suppress(OSError):
                file.unlink()
    return ended


def _kill(session: int, born: str, gentle: float, deadline: float) -> tuple[int, ...] | None:
    """What is left of it, None where there was nothing. Nobody gets the number of a session that still has members."""
    leader = _born(session)
    if leader and leader != born:
        return None
    found = False
    while members := [pid for pid in processes() if _session(pid) == session]:
        number = signal.SIGTERM if time.monotonic() < gentle else signal.SIGKILL
        for pid in members if number == signal.SIGKILL or not found else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        found = True
        if time.monotonic() > deadline:
            return tuple(members)
        time.sleep(_STEP_S)
    return () if found else None


def processes() -> list[int]:
    """Numbers of all processes."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _stat(pid: int) -> list[str]:
    """The fields after the command's name (proc(5)), [] where it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return []
    return [] if fields[:1] == ["Z"] else fields


def sleeps(pid: int) -> bool:
    """In uninterruptible sleep, where no signal reaches it."""
    return _stat(pid)[:1] == ["D"]


def group_of(pid: int) -> int:
    """Its process group, 0 where it has ended."""
    fields = _stat(pid)
    return int(fields[2]) if fields else 0


def _session(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[3]) if fields else 0


def _born(pid: int) -> str:
    """Start time in clock ticks since boot."""
    fields = _stat(pid)
    return fields[19] if fields else ""
