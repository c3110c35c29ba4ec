"""The client of the service: its probing processes, their records, and the figures made of them.

Owns the client's machine in the lab. Invariant: figures come from what the client saw, never from what a daemon says.
Must not know nodes beyond the names and MACs it was told.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from hbcore.lab import kernel
from hbcore.lab.cell import CODE, PATH, Cell
from hbcore.lab.gaps import KEPT, Gap, Record
from hbcore.lab.owners import Sighting, episodes, two_owners

LINE_LIMIT = 1 << 20
WINDOW_S = 0.3
SETTLED_S = 0.15  # a slice may be this late


@dataclass(frozen=True, slots=True)
class Served:
    """Who answers now. `node` and `page` are None where nobody did in the last 0.3 s; `owners` by ARP."""

    node: str | None
    page: str | None
    answers_per_s: float
    pages_per_s: float
    owners: tuple[str, ...]


class Client:
    """`names`: what a MAC or a host name is called, e.g. "node1"."""

    def __init__(self, cell: Cell, address: str, echo_port: int, names: Mapping[str, str]) -> None:
        self._cell = cell
        self._address = address
        self._echo_port = echo_port
        self._names = names
        self.echo = Record()
        self.page = Record()
        self.sightings: deque[Sighting] = deque(maxlen=KEPT)
        self._tasks: list[asyncio.Task[None]] = []
        self.failed: str | None = None

    async def start(self) -> None:
        for module, arguments, record in (
            ("watch", (self._address, str(self._echo_port)), self.echo),
            ("page", (self._address,), self.page),
        ):
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                f"hbcore.lab.{module}",
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                limit=LINE_LIMIT,
                env={"PATH": PATH, "PYTHONPATH": str(CODE)},
                preexec_fn=self._prepare,
            )
            self._tasks.append(asyncio.create_task(self._read(module, process, record)))

    def _prepare(self) -> None:
        os.setsid()
        self._cell.enter(kernel.NEWNET)

    async def _read(self, name: str, process: asyncio.subprocess.Process, record: Record) -> None:
        assert process.stdout is not None
        try:
            async for line in process.stdout:
                message = json.loads(line)
                message["nodes"] = {self.name(n): count for n, count in message["nodes"].items()}
                message["gaps"] = [(a, b, self.name(x), self.name(y), s) for a, b, x, y, s in message["gaps"]]
                record.add(message)
                self.sightings.extend(Sighting(*s) for s in message.get("sightings", ()))
            self.failed = f"{name} ended with {await process.wait()}"
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def caught_up(self, until: float) -> None:
        """Returns when both eyes have told what they saw up to then, or do not tell any more (1 s)."""
        late = time.monotonic() + 1.0
        while min(self.echo.known, self.page.known) < until and time.monotonic() < late and not self.failed:
            await asyncio.sleep(0.01)

    def name(self, said: str) -> str:
        return self._names.get(said, said)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def served(self) -> Served:
        now = time.monotonic()
        since = now - WINDOW_S - SETTLED_S
        echo = self.echo.answers(since, now)
        page = self.page.answers(since, now)
        owners = {s.mac for s in self._seen(since, now)}
        return Served(
            max(echo, key=lambda n: echo[n], default=None),
            max(page, key=lambda n: page[n], default=None),
            round(sum(echo.values()) / (WINDOW_S + SETTLED_S), 1),
            round(sum(page.values()) / (WINDOW_S + SETTLED_S), 1),
            tuple(sorted(self.name(mac) for mac in owners)),
        )

    def _seen(self, since: float, until: float) -> list[Sighting]:
        found = []
        for seen in reversed(self.sightings):
            if seen.t <= since:
                break
            if seen.t <= until:
                found.append(seen)
        return found[::-1]

    async def wait_served(self, by: str | None, timeout_s: float, steady_s: float = 0.5, page: bool = True) -> bool:
        """Whether within `timeout_s` the address (and the page) was answered for `steady_s` by this node (None: by any
        one node) without a gap of 100 ms."""
        end = time.monotonic() + timeout_s
        while (now := time.monotonic()) < end:
            if all(steady(r, by, now - SETTLED_S - steady_s, now) for r in (self.echo, self.page)[: 1 + page]):
                return True
            if self.failed:
                return False
            await asyncio.sleep(0.02)
        return False

    def report(self, since: float, until: float | None = None) -> dict[str, object]:
        """The figures of this time: see the protocol in serve.py."""
        until = time.monotonic() if until is None else until
        seen = self._seen(since, until)
        pairs = two_owners(seen)
        sent, answered = self.echo.counts(since, until)
        tried, pages = self.page.counts(since, until)
        return {
            "since": since,
            "until": until,
            "echo": self._gap(self.echo.longest(since, until)),
            "page": self._gap(self.page.longest(since, until)),
            "sent": sent,
            "answered": answered,
            "fetches": tried,
            "pages": pages,
            "owners": [
                {"node": self.name(e.mac), "mac": e.mac, "from": e.start, "to": e.end, "seen": e.count}
                for e in episodes(seen)
            ],
            "two_owners": bool(pairs),
            "conflicts": [{"t": t, "nodes": sorted((self.name(a), self.name(b)))} for t, a, b in pairs],
        }

    def _gap(self, gap: Gap | None) -> dict[str, object] | None:
        if gap is None:
            return None
        return {
            "ms": round(gap.seconds * 1000, 1),
            "from": gap.start,
            "to": gap.end,
            "before": gap.before,
            "after": gap.after or None,
            "open": not gap.after,
            "stall_ms": round(gap.stall_s * 1000, 1),
        }


def steady(record: Record, by: str | None, since: float, until: float) -> bool:
    """Answered throughout by one node, and no gap of 100 ms that is the service's (not the asker's own pause)."""
    nodes = record.answers(since, until)
    if len(nodes) != 1 or (by is not None and by not in nodes):
        return False
    covered = [s.t for s in list(record.slices)[-20:] if s.t > since and s.nodes]
    longest = record.longest(since, until - SETTLED_S)
    return len(covered) >= (until - since) / 0.1 * 0.6 and (longest is None or longest.seconds < 0.1)
