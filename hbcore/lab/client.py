"""The client of the service: its probing processes, their records, and the figures made of them.

Owns the client and the observer of the lab. Invariant: figures come from what these saw, never from what a
daemon says. Must not know nodes beyond the names and MACs it was told.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hbcore.lab.cell import CODE, PATH, Cell, Process
from hbcore.lab.gaps import SLICE_S, Gap, Record, trim
from hbcore.lab.owners import Sighting, verdict

Message = dict[str, Any]  # a line of an eye
SIGHTINGS = 150_000  # at 50 a second 50 minutes
LINE_LIMIT = 1 << 20
NOW_S = 0.35  # "who answers now": three slices
QUIET_S = 0.1  # a gap that `wait_served` does not call steady
TOLD_S = 3.0  # a probing process that says nothing for so long is not waited for


@dataclass(frozen=True, slots=True)
class Served:
    """Who answers now: None where nobody does. `owners`: by ARP."""

    node: str | None
    page: str | None
    answers_per_s: float
    pages_per_s: float
    owners: tuple[str, ...]


class Client:
    """`names`: what a MAC or a host name is called, e.g. "node1"."""

    def __init__(self, cell: Cell, observer: Cell, address: str, echo_port: int, names: Mapping[str, str]) -> None:
        self._cell = cell
        self._observer = observer
        self._address = address
        self._echo_port = echo_port
        self._names = names
        self.echo = Record()
        self.page = Record()
        self.sightings: list[Sighting] = []
        self._arp_known = 0.0
        self.failed: str | None = None
        self._processes: list[Process] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._told = asyncio.Event()

    async def start(self) -> None:
        """Opens the three eyes; each is a process of its own, for one would delay the other."""
        await self._open("watch", self._cell, (str(self._echo_port),), lambda m: self._answers(self.echo, m))
        await self._open("page", self._cell, (), lambda m: self._answers(self.page, m))
        await self._open("arp", self._observer, (), self._see)

    async def _open(self, eye: str, cell: Cell, more: Sequence[str], take: Callable[[Message], None]) -> None:
        told, tell = os.pipe()
        argv = [sys.executable, "-m", f"hbcore.lab.{eye}", self._address, *more]
        process = cell.start(argv, {"PATH": PATH, "PYTHONPATH": str(CODE)}, tell)
        os.close(tell)
        self._processes.append(process)
        reader = asyncio.StreamReader(limit=LINE_LIMIT)
        pipe = os.fdopen(told, "rb")
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        self._tasks.append(asyncio.create_task(self._read(eye, reader, take)))

    def _answers(self, record: Record, message: Message) -> None:
        message["nodes"] = {self.name(n): count for n, count in message["nodes"].items()}
        message["gaps"] = [(a, b, self.name(x), self.name(y), s) for a, b, x, y, s in message["gaps"]]
        record.add(message)

    def _see(self, message: Message) -> None:
        self.sightings.extend(Sighting(*s) for s in message["sightings"])
        self._arp_known = message["t"]
        trim(self.sightings, SIGHTINGS)

    async def _read(self, eye: str, reader: asyncio.StreamReader, take: Callable[[Message], None]) -> None:
        async for line in reader:
            if not line.startswith(b"{"):  # its last words
                self.failed = f"{eye}: {line.decode(errors='replace').strip()}"
                continue
            take(json.loads(line))
            self._told.set()
        self.failed = self.failed or f"{eye} ended"
        self._told.set()

    async def close(self) -> None:
        for process in self._processes:
            process.signal(signal.SIGKILL)
        for task in self._tasks:
            await task  # its pipe has ended

    def name(self, said: str) -> str:
        return self._names.get(said, said)

    def served(self) -> Served:
        now = min(self.echo.known, self.page.known)
        since = now - NOW_S
        by, rates = [], []
        for record in (self.echo, self.page):
            answers = record.answers(since, now)
            by.append(max(answers, key=lambda n: answers[n], default=None))
            rates.append(record.counts(since, now).rate)
        owners = {self.name(s.mac) for s in self._seen(since, now)}
        return Served(by[0], by[1], rates[0], rates[1], tuple(sorted(owners)))

    def _seen(self, since: float, until: float) -> list[Sighting]:
        return [s for s in self.sightings[bisect_right(self.sightings, since, key=lambda s: s.t) :] if s.t <= until]

    async def _hear(self, until: float) -> bool:
        """Waits for the next slice; False where that did not come by `until` (or within 3 s)."""
        self._told.clear()
        try:
            await asyncio.wait_for(self._told.wait(), max(0.0, min(TOLD_S, until - time.monotonic())))
        except TimeoutError:
            return False
        return self.failed is None

    async def caught_up(self, until: float) -> None:
        """Returns when all eyes have told what they saw up to then, or do not tell any more."""
        while min(self.echo.known, self.page.known, self._arp_known) < until and await self._hear(until + TOLD_S):
            pass

    async def wait_served(self, by: str | None, timeout_s: float, steady_s: float = 0.5, page: bool = True) -> bool:
        """Whether within `timeout_s` the address (and the page) was answered for `steady_s` by this node (None: by any
        one node) without a gap of 100 ms."""
        records = (self.echo, self.page) if page else (self.echo,)
        end = time.monotonic() + timeout_s
        while not all(steady(record, by, steady_s) for record in records):
            if not await self._hear(end):
                return False
        return True

    def report(self, since: float, until: float) -> dict[str, object]:
        """The figures of this time: see the protocol in serve.py."""
        seen = self._seen(since, until)
        echo, page = self.echo.counts(since, until), self.page.counts(since, until)
        return {
            "since": since,
            "until": until,
            "echo": gap(self.echo.longest(since, until)),
            "page": gap(self.page.longest(since, until)),
            "sent": echo.sent,
            "answered": echo.answered,
            "lost": echo.lost,
            "fetches": page.sent,
            "pages": page.answered,
            "pages_lost": page.lost,
            **verdict(seen, self.name),
        }


def gap(found: Gap | None) -> dict[str, object] | None:
    if found is None:
        return None
    return {
        "ms": round(found.seconds * 1000, 1),
        "from": found.start,
        "to": found.end,
        "before": found.before,
        "after": found.after or None,
        "open": not found.after,
        "stall_ms": round(found.stall_s * 1000, 1),
    }


def steady(record: Record, by: str | None, seconds: float) -> bool:
    """Answered throughout the last `seconds` by one node, without a long gap; one slice may be missing (a busy CPU)."""
    now = record.known
    pieces = record.within(now - seconds, now)
    nodes = {node for piece in pieces for node in piece.nodes}
    longest = record.longest(now - seconds, now)
    return (
        len(nodes) == 1
        and (by is None or by in nodes)
        and sum(bool(piece.nodes) for piece in pieces) >= int(seconds / SLICE_S) - 1
        and (
            longest is None or longest.seconds - longest.stall_s < QUIET_S
        )  # what the asker slept is not the service's
    )
