"""The terminal may vanish (a closed window, a killed tmux, a lost SSH session): then the program ends.

Owns that one watch. Invariant: after the terminal is gone the process lives for GRACE_S at most. Textual alone goes on:
its input thread spins on the closed terminal and its painting waits for a writer that has died.
Must not know the app.
"""

from __future__ import annotations

import os
import select
import threading
import time

GRACE_S = 2.0  # SIGHUP ends the app in order, in the common case


def watch(fd: int) -> None:
    """Start a daemon thread that ends the process once `fd` has hung up."""
    threading.Thread(target=_wait, args=(fd,), name="hangup", daemon=True).start()


def _wait(fd: int) -> None:
    poll = select.poll()
    poll.register(fd, 0)  # hang-up and error are always reported
    poll.poll()
    time.sleep(GRACE_S)
    os._exit(129)  # as a shell reports a program that SIGHUP ended
