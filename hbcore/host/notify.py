"""What a service manager is told of us: sd_notify(3), one datagram to the socket in NOTIFY_SOCKET.

Owns the words READY, STOPPING, RELOADING, MAINPID and WATCHDOG, and when the last is due. Invariant: it never waits and
never raises; where nobody asked, nothing is sent. Must stay small (pulse imports it). Must not know when we are well.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping

_NEVER = 1 << 62


class Notifier:
    """`environ`: NOTIFY_SOCKET, a path or "@" and an abstract name. WATCHDOG_USEC and WATCHDOG_PID: as in
    sd_watchdog_enabled(3).

    `successor`: this process took over from one that the manager knew; then the manager is told its number, and
    WATCHDOG_PID, which names the former, does not count. `silent`: its number is told by another one, once the manager,
    which stops the unit just now, starts it again.
    """

    def __init__(
        self, environ: Mapping[str, str] = os.environ, *, successor: bool = False, silent: bool = False
    ) -> None:
        self._sock: socket.socket | None = None
        where = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + where[1:] if where.startswith("@") else where
        self._tells = successor and not silent
        self._period_ns = _period_ns(environ, successor=successor)
        self._due_ns = 0 if self._period_ns else _NEVER
        if where.startswith(("/", "@")):
            self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)

    def ready(self) -> None:
        """We serve; also after `reloading`."""
        self._send("READY=1", *([f"MAINPID={os.getpid()}"] if self._tells else []))

    def adopt(self, pid: int) -> bool:
        """The one to watch is another process of ours, which serves already. Whether there is a manager at all."""
        self._send("READY=1", f"MAINPID={pid}")
        return self._sock is not None

    def reloading(self) -> None:
        """`ready` follows."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def well(self, now_ns: int) -> None:
        """To be called while all is well, oftener than the manager asks; twice in its time it is told."""
        if now_ns >= self._due_ns:
            self._due_ns = now_ns + self._period_ns
            self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if self._sock is not None:
            with contextlib.suppress(OSError):  # a manager that does not read, or is gone
                self._sock.sendto("\n".join(lines).encode(), self._address)


def _period_ns(environ: Mapping[str, str], *, successor: bool) -> int:
    """Half of what the manager waits, as sd_watchdog_enabled(3) has it; 0: it does not watch us."""
    text, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not (text.isascii() and text.isdigit()) or (pid and pid != str(os.getpid()) and not successor):
        return 0
    return int(text) * 1000 // 2
