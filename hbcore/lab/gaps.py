"""Answers over time, and the gaps between them: the one measure of an outage (design.md 2.5).

Owns `Tally` (in a probing process) and `Record` (in the lab), joined by `Slice`, one JSON line every 100 ms.
Times are CLOCK_MONOTONIC seconds, alike in every process of the machine. Invariant: every gap of at least
`SHORTEST_S` is kept with its ends, shorter ones as the longest of their slice. Must not know sockets.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SHORTEST_S = 0.004  # two lost echoes at one each 2 ms
SLICE_S = 0.1
WAITING_S = 0.2  # a question this old is lost, unless its answer comes later after all
KEPT = 50_000  # slices, 1.4 hours; as many gaps


@dataclass(frozen=True, slots=True)
class Gap:
    """Silence between two answers, and who gave them. `stall_s`: the longest pause of the asker itself within it."""

    start: float
    end: float
    before: str
    after: str
    stall_s: float = 0.0

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(slots=True)
class Tally:
    """Counts in a probing process; `slice` empties it."""

    sent: int = 0
    answered: int = 0
    last: float | None = None
    by: str = ""
    _asked: float | None = None
    _stall: float = 0.0
    _longest: Gap | None = None
    _gaps: list[Gap] = field(default_factory=list)
    _nodes: dict[str, int] = field(default_factory=dict)
    _open: dict[int, float] = field(default_factory=dict)

    def asked(self, now: float) -> int:
        """The number of this question."""
        self.sent += 1
        self._open[self.sent] = now
        if self._asked is not None:
            self._stall = max(self._stall, now - self._asked)
        self._asked = now
        return self.sent

    def answer(self, now: float, node: str, number: int) -> None:
        self.answered += 1
        self._open.pop(number, None)
        self._nodes[node] = self._nodes.get(node, 0) + 1
        if self.last is not None:
            gap = Gap(self.last, now, self.by, node, self._stall)
            if gap.seconds >= SHORTEST_S or node != self.by:
                self._gaps.append(gap)
            elif self._longest is None or gap.seconds > self._longest.seconds:
                self._longest = gap
        self.last, self.by, self._stall = now, node, 0.0

    def slice(self, now: float) -> dict[str, Any]:
        self._open = {number: t for number, t in self._open.items() if now - t < WAITING_S}
        gaps = self._gaps + ([self._longest] if self._longest else [])
        out = {
            "t": now,
            "sent": self.sent,
            "answered": self.answered,
            "lost": self.sent - self.answered - len(self._open),
            "nodes": self._nodes,
            "last": self.last,
            "gaps": [(g.start, g.end, g.before, g.after, g.stall_s) for g in sorted(gaps, key=lambda g: g.start)],
        }
        self._gaps, self._longest, self._nodes = [], None, {}
        return out


@dataclass(frozen=True, slots=True)
class Slice:
    """`sent`, `answered`, `lost` count from the beginning; `nodes`: answers in this slice by node."""

    t: float
    sent: int
    answered: int
    lost: int
    nodes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Counts:
    """Questions sent, answered, and given up, in so many seconds."""

    sent: int
    answered: int
    lost: int
    seconds: float

    @property
    def rate(self) -> float:
        """Answers per second."""
        return round(self.answered / self.seconds, 1) if self.seconds else 0.0


@dataclass(slots=True)
class Record:
    """All that one kind of question brought, in the lab; both lists in the order of time."""

    slices: list[Slice] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    last: float | None = None

    def add(self, message: Mapping[str, Any]) -> None:
        self.slices.append(Slice(message["t"], message["sent"], message["answered"], message["lost"], message["nodes"]))
        self.gaps.extend(Gap(*g) for g in message["gaps"])
        if message["last"] is not None:
            self.last = message["last"]
        trim(self.slices)
        trim(self.gaps)

    @property
    def known(self) -> float:
        """Up to when all is told."""
        return self.slices[-1].t if self.slices else 0.0

    def longest(self, since: float, until: float) -> Gap | None:
        """The longest gap that ended after `since` and began before `until`, the one still open included. None where
        nothing was ever answered."""
        if self.last is None:
            return None
        found = [g for g in self.gaps[bisect_right(self.gaps, since, key=lambda g: g.end) :] if g.start < until]
        if min(until, self.known) > self.last:
            found.append(Gap(self.last, min(until, self.known), self.gaps[-1].after if self.gaps else "", ""))
        return max(found, key=lambda g: g.seconds, default=None)

    def within(self, since: float, until: float) -> list[Slice]:
        """The slices told after `since`, up to `until`."""
        return self.slices[self._at(since) : self._at(until)]

    def answers(self, since: float, until: float) -> dict[str, int]:
        """Answers by node in the slices of this time."""
        total: dict[str, int] = {}
        for piece in self.within(since, until):
            for node, number in piece.nodes.items():
                total[node] = total.get(node, 0) + number
        return total

    def counts(self, since: float, until: float) -> Counts:
        """Between the last slices told by these times."""
        a, b = (self.slices[i - 1] if i else Slice(since, 0, 0, 0, {}) for i in (self._at(since), self._at(until)))
        return Counts(b.sent - a.sent, b.answered - a.answered, b.lost - a.lost, b.t - a.t)

    def _at(self, t: float) -> int:
        return bisect_right(self.slices, t, key=lambda s: s.t)


def trim(things: list[Any], kept: int = KEPT) -> None:
    """Bounds a list to twice `kept`; in halves, so that it costs nothing each time."""
    if len(things) > 2 * kept:
        del things[:kept]
