"""A null modem cable: two pseudo terminals, between which bytes pass as fast as a baud rate lets them and no faster.

Owns that process and its two names (symbolic links, so that a cable plugged in again is found under the same). For
tests: pseudo terminals alone know no speed. Must not know what passes.
"""

from __future__ import annotations

import contextlib
import os
import pty
import random
import select
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster.stalls import ROOT

QUEUE = 4096  # bytes a sender's driver holds
STEP_S = 0.002


class Cable:
    """`a`, `b`: the two ends, at any path. Leaving the `with` ends the process."""

    def __init__(self, a: Path, b: Path, baud: int) -> None:
        self._argv = [sys.executable, "-m", "tests.nullmodem", str(a), str(b), str(baud)]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self._answer()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def do(self, word: str) -> list[int]:
        """ "cut", "join", "unplug", "plug", "noise", "quiet", "stick" (takes nothing), or "count": bytes sent by a and
        by b so far."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n".encode())
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> list[int]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the cable broke"
        return [int(n) for n in line.split()]


class _End:
    """One end: `name` leads to the terminal whose other side we hold."""

    def __init__(self, name: Path, byte_s: float) -> None:
        self.name = name
        self.byte_s = byte_s
        self.waiting: deque[tuple[float, int]] = deque()  # what it sent, each byte with the time it arrives
        self.sent = 0
        self.master = self.slave = -1
        self.plug()

    def plug(self) -> None:
        self.master, self.slave = pty.openpty()
        os.set_blocking(self.master, False)
        new = self.name.with_name(self.name.name + ".new")
        new.symlink_to(os.ttyname(self.slave))
        new.rename(self.name)
        # this side stays open, so that a node that closes its own hangs nobody up; raw, so that nothing is echoed
        subprocess.run(["stty", "-F", os.ttyname(self.slave), "raw", "-echo"], check=True)

    def unplug(self) -> None:
        for fd in (self.master, self.slave):
            os.close(fd)
        self.name.unlink()
        self.master = self.slave = -1
        self.waiting.clear()

    def collect(self, now: float) -> None:
        if self.master < 0 or len(self.waiting) >= QUEUE:
            return
        with contextlib.suppress(BlockingIOError, OSError):
            for byte in os.read(self.master, QUEUE - len(self.waiting)):
                last = self.waiting[-1][0] if self.waiting else now
                self.waiting.append((max(last, now) + self.byte_s, byte))
                self.sent += 1

    def due(self, now: float) -> bytes:
        out = bytearray()
        while self.waiting and self.waiting[0][0] <= now:
            out.append(self.waiting.popleft()[1])
        return bytes(out)

    def deliver(self, data: bytes) -> None:
        if data and self.master >= 0:
            with contextlib.suppress(BlockingIOError, OSError):
                os.write(self.master, data)


def main(a: Path, b: Path, baud: int) -> None:
    ends = (_End(a, 10 / baud), _End(b, 10 / baud))
    joined, noisy, stuck = True, False, False
    chance = random.Random(baud)
    print(flush=True)
    while True:
        if select.select([0], [], [], STEP_S)[0]:
            line = os.read(0, 64)
            if not line:
                return
            match line.decode().strip():
                case "cut" | "join" as word:
                    joined = word == "join"
                case "noise" | "quiet" as word:
                    noisy = word == "noise"
                case "stick":
                    stuck = True
                case "unplug":
                    for end in ends:
                        end.unplug()
                case "plug":
                    for end in ends:
                        end.plug()
            print(*(end.sent for end in ends), flush=True)
        now = time.monotonic()
        for end, other in (ends, ends[::-1]):
            if not stuck:
                end.collect(now)
            data = end.due(now)
            if noisy and chance.random() < 0.02:
                data += chance.randbytes(chance.randrange(1, 30))
            if noisy and data and chance.random() < 0.05:
                data = data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 0x20]) + data[len(data) // 2 + 1 :]
            if joined:
                other.deliver(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
