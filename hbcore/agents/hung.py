"""Processes of an operation that SIGKILL did not end: they sleep in the kernel, uninterruptibly (proc(5), state D).

Owns a pidfd of each, and the leader's Popen, so that its number stays its own. Invariant: while one of them lives, what
its operation will have done is open; nobody joins a process group that was killed, so there are never more.
Must not know what the operation was for.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
from collections.abc import Sequence

from hbcore.agents.orphans import group_of, processes


def members(group: int) -> list[int]:
    """Numbers of the processes of that process group that have not ended (a zombie has)."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return []  # the usual case, without a walk through /proc
    except PermissionError:
        pass  # another user's by now: it is there
    return [pid for pid in processes() if group_of(pid) == group]


class Hung:
    """`operation`: start | stop | status, what they were part of. `process`: the script itself, None where a former
    daemon ran it.
    """

    def __init__(self, operation: str, pids: Sequence[int], process: subprocess.Popen[bytes] | None = None) -> None:
        self.operation = operation
        self._process = process
        self._fds: dict[int, int] = {}
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                self._fds[pid] = os.pidfd_open(pid)

    def left(self) -> tuple[int, ...]:
        """Numbers of those that have not ended yet."""
        for pid, fd in list(self._fds.items()):
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            if poll.poll(0):
                os.close(self._fds.pop(pid))
        if self._process is not None:
            self._process.poll()  # reaped as soon as its pidfd says so, not before: it may end in between
        return tuple(self._fds)
