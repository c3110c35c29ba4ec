"""hbcored under a service manager: what a real one is told by a real socket, from the start to the last word.

Owns the manager's end of NOTIFY_SOCKET. Must not know the engine.
"""

from __future__ import annotations

import re
import socket
import time

from tests.cluster.asking import HBCORED, at_home, until
from tests.cluster.harness import Cluster

WATCHDOG_S = 2
MANAGED = ("env", "NOTIFY_SOCKET=/var/log/notify", f"WATCHDOG_USEC={WATCHDOG_S}000000", *HBCORED)


def test_ready_well_reloading_succeeded_and_stopping() -> None:
    with Cluster(command=MANAGED) as c, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(c.folder("node1", "log") / "notify"))
        ear.setblocking(False)
        heard: list[str] = []

        def told(word: str, after: int = 0) -> int:
            """How many messages until this one, those before it included; 0: not yet."""
            try:
                while True:
                    heard.append(ear.recv(1000).decode())
            except BlockingIOError:
                pass
            return next((n + 1 for n, text in enumerate(heard) if n >= after and re.fullmatch(word, text)), 0)

        c.start()
        ready = until(lambda: told("READY=1"))
        assert heard[ready - 1 :].count("READY=1") == 1, heard
        at_home(c)
        seen = len(heard)
        begun = time.monotonic()
        for _ in range(3):
            seen = until(lambda after=seen: told("WATCHDOG=1", after))  # type: ignore[misc]
        assert time.monotonic() - begun < 2 * WATCHDOG_S + 1
        c.kill("node1", "pulse", "HUP")
        seen = until(lambda: told(r"RELOADING=1\nMONOTONIC_USEC=\d+", seen))
        seen = until(lambda: told("READY=1", seen))
        c.kill("node1", "pulse")  # its daemon turns into the next one, which the manager must know by its number
        seen = until(lambda: told(r"READY=1\nMAINPID=\d+", seen))
        inside = int(heard[seen - 1].rpartition("=")[2])
        name = c.run("node1", "cat", f"/proc/{inside}/cmdline").out
        assert "hbcored" in name and "hbcore.daemon" not in name
        seen = until(lambda: told("WATCHDOG=1", seen))

        # the manager saw its process end, and starts another: that one shows it whom to watch, and goes
        ours = c.pids("node1", "ours")
        second = c.run("node1", *MANAGED)
        assert second.code == 0 and f"runs already (process {inside}," in second.err
        seen = until(lambda: told(rf"READY=1\nMAINPID={inside}", seen))
        byhand = c.run("node1", *HBCORED)
        assert byhand.code == 1 and "runs already" in byhand.err
        assert c.pids("node1", "ours") == ours

        c.kill("node1", "pulse", "TERM")
        seen = until(lambda: told("STOPPING=1", seen))
        until(lambda: not c.pids("node1", "ours"))
        assert not told(r"READY=1.*", seen), heard
