"""The daemon as pulse's child: started at once, again when it dies, with backoff.

Owns the process, the socket pair and the count of its lives. Invariant: at most LIVES starts in a minute.
Must not know what the daemon does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

from hbcore.engine.config import MS, SECOND
from hbcore.host.pipe import LIFE_SIGN, Pipe, pair

LIVES = 10  # a minute, safety.md 7
MINUTE_NS = 60 * SECOND
AWAKEN_S = 60.0
BACKOFF_NS = (0, 0, 200 * MS, 500 * MS, SECOND, 2 * SECOND, 4 * SECOND)


class Child:
    """`pipe` is None while no daemon runs; `due_ns`: when the next one may start."""

    def __init__(self, arguments: list[str]) -> None:
        self._arguments = arguments
        self._births: list[int] = []
        self.pid = 0
        self.pipe: Pipe | None = None
        self.due_ns = 0

    def start(self, now_ns: int) -> Pipe:
        ours, theirs = pair()
        os.set_inheritable(theirs.fileno(), True)
        argv = [sys.executable, "-m", "hbcore.daemon", "--fd", str(theirs.fileno()), *self._arguments]
        self.pid = os.posix_spawn(sys.executable, argv, os.environ, setsigmask=[], setsigdef=[signal.SIGPIPE])
        theirs.close()
        self._births = [at for at in self._births if now_ns - at < MINUTE_NS] + [now_ns]
        self.pipe = Pipe(ours)
        return self.pipe

    def awaken(self) -> bool:
        """Waits until it has imported all it needs, and only waits for its first message. False where it ended."""
        assert self.pipe is not None
        self.pipe.sock.settimeout(AWAKEN_S)
        try:
            signs = [self.pipe.sock.recv(64) for _ in range(2)]
        except OSError:
            return False
        self.pipe.sock.setblocking(False)
        return signs == [LIFE_SIGN] * 2

    def ended(self, now_ns: int) -> None:
        """It is gone: reap it, and say when the next one may come."""
        if self.pipe is not None:
            self.pipe.close()
        self.pipe = None
        self._births = [at for at in self._births if now_ns - at < MINUTE_NS]
        if len(self._births) >= LIVES:
            self.due_ns = self._births[0] + MINUTE_NS
        else:
            self.due_ns = now_ns + BACKOFF_NS[min(len(self._births), len(BACKOFF_NS) - 1)]
        self.reap()

    def kill(self) -> None:
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def reap(self) -> None:
        """Take in every ended child, also scripts a former daemon left behind."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, _ = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                if pid == self.pid:
                    self.pid = 0
