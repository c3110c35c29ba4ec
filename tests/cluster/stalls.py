"""A witness of the machine itself: when nothing at all ran on one of its processors for a while, though it was time to.

Owns a process for each processor that sleeps and looks at the clock, in real time where that is granted (else the
neighbours' load counts as well): a hypervisor may stop one of them alone, and whoever runs there. Invariant: it says
what the machine did, whatever the cluster did. Must not know the cluster.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
EVERY_S = 0.005
SHORTEST_S = 0.02
PRIORITY = 20  # above pulse's


class Stalls:
    """Looks while inside."""

    def __enter__(self) -> Self:
        self._seen: list[tuple[float, float]] = []  # CLOCK_MONOTONIC: from, to
        argv = [sys.executable, "-m", "tests.cluster.stalls"]
        self._process = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        for _ in os.sched_getaffinity(0):
            while self._process.stdout.readline() not in (b"ready\n", b""):
                pass  # one that is ready may have stood still before the next is
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            begun, ended = map(float, line.split())
            self._seen.append((begun, ended))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._reader.join()

    def longest_ms(self, since: float, until: float = float("inf")) -> float:
        """The longest one that reached into this time; 0 where there was none of 20 ms."""
        found = [ended - begun for begun, ended in list(self._seen) if ended > since and begun < until]
        return round(max(found, default=0.0) * 1000, 1)


def main() -> None:
    """Until stdin ends."""
    first, *others = sorted(os.sched_getaffinity(0))
    children = [child for cpu in others if (child := _fork(cpu))]
    _watch(first)
    for child in children:
        os.waitpid(child, 0)


def _fork(cpu: int) -> int:
    if child := os.fork():
        return child
    _watch(cpu)
    os._exit(0)


def _watch(cpu: int) -> None:
    os.sched_setaffinity(0, {cpu})
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
    os.write(1, b"ready\n")
    last = time.monotonic()
    while not select.select([sys.stdin], [], [], EVERY_S)[0]:
        now = time.monotonic()
        if now - last > SHORTEST_S:
            os.write(1, f"{last} {now}\n".encode())  # whole: several write to one pipe
        last = now


if __name__ == "__main__":
    main()
