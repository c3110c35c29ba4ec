"""Answers over time, and the gaps between them: the one measure of an outage (design.md 2.5).

Owns `Tally` (in a probing process) and `Record` (in the lab), joined by `Slice`, one JSON line every 100 ms.
Times are CLOCK_MONOTONIC seconds, alike in every process of the machine. Invariant: every gap of at least
`SHORTEST_S` is kept with its ends, shorter ones as the longest of their slice. Must not know sockets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

SHORTEST_S = 0.004  # two lost echoes at one each 2 ms
SLICE_S = 0.1
KEPT = 100_000  # slices, 2.7 hours; as many gaps


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

    def asked(self, now: float) -> None:
        self.sent += 1
        if self._asked is not None:
            self._stall = max(self._stall, now - self._asked)
        self._asked = now

    def answer(self, now: float, node: str) -> None:
        self.answered += 1
        self._nodes[node] = self._nodes.get(node, 0) + 1
        if self.last is not None:
            gap = Gap(self.last, now, self.by, node, self._stall)
            if gap.seconds >= SHORTEST_S or node != self.by:
                self._gaps.append(gap)
            elif self._longest is None or gap.seconds > self._longest.seconds:
                self._longest = gap
        self.last, self.by, self._stall = now, node, 0.0

    def slice(self, now: float) -> dict[str, Any]:
        gaps = self._gaps + ([self._longest] if self._longest else [])
        out = {
            "t": now,
            "sent": self.sent,
            "answered": self.answered,
            "nodes": self._nodes,
            "last": self.last,
            "gaps": [(g.start, g.end, g.before, g.after, g.stall_s) for g in sorted(gaps, key=lambda g: g.start)],
        }
        self._gaps, self._longest, self._nodes = [], None, {}
        return out


@dataclass(frozen=True, slots=True)
class Slice:
    """`sent` and `answered` count from the beginning; `nodes`: answers in this slice by node."""

    t: float
    sent: int
    answered: int
    nodes: Mapping[str, int]


@dataclass(slots=True)
class Record:
    """All that one kind of question brought, in the lab."""

    slices: deque[Slice] = field(default_factory=lambda: deque(maxlen=KEPT))
    gaps: deque[Gap] = field(default_factory=lambda: deque(maxlen=KEPT))
    last: float | None = None

    def add(self, message: Mapping[str, Any]) -> None:
        self.slices.append(Slice(message["t"], message["sent"], message["answered"], message["nodes"]))
        self.gaps.extend(Gap(*g) for g in message["gaps"])
        if message["last"] is not None:
            self.last = message["last"]

    @property
    def known(self) -> float:
        """Up to when all is told."""
        return self.slices[-1].t if self.slices else 0.0

    def longest(self, since: float, until: float) -> Gap | None:
        """The longest gap that ended after `since` and began before `until`, the one still open included. None where
        nothing was ever answered."""
        if self.last is None:
            return None
        found = [g for g in _newest(self.gaps, since) if g.start < until]
        if min(until, self.known) > self.last:
            found.append(Gap(self.last, min(until, self.known), self.gaps[-1].after if self.gaps else "", ""))
        return max(found, key=lambda g: g.seconds, default=None)

    def answers(self, since: float, until: float) -> dict[str, int]:
        """Answers by node in the slices of this time."""
        total: dict[str, int] = {}
        for piece in _newest_slices(self.slices, since):
            if piece.t <= until:
                for node, number in piece.nodes.items():
                    total[node] = total.get(node, 0) + number
        return total

    def counts(self, since: float, until: float) -> tuple[int, int]:
        """(questions, answers) between the slices nearest to these times."""
        before = max((s for s in self.slices if s.t <= since), key=lambda s: s.t, default=None)
        after = max((s for s in self.slices if s.t <= until), key=lambda s: s.t, default=None)
        if after is None:
            return 0, 0
        start = (before.sent, before.answered) if before else (0, 0)
        return after.sent - start[0], after.answered - start[1]


def _newest(gaps: deque[Gap], since: float) -> Iterable[Gap]:
    """Gaps that ended after `since`, newest first; they are in order."""
    for gap in reversed(gaps):
        if gap.end <= since:
            return
        yield gap


def _newest_slices(slices: deque[Slice], since: float) -> Iterable[Slice]:
    for piece in reversed(slices):
        if piece.t <= since:
            return
        yield piece
