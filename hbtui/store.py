"""The store: what each node last told us, how old that is, and what was measured lately.

Owns the snapshots by target, the merged events and the latency histories; everything a screen shows comes from here.
Invariant: one writer (the feed, on the event loop); snapshots are immutable and replaced whole; memory is bounded.
Must not know widgets or transports; time is handed in (monotonic seconds).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from hbcore.control.schema import Event, Role, Status
from hbtui.rows import link_key
from hbtui.spark import LOST, History

STALE_S = 3.0  # three missed seconds: the server speaks at least once a second (control.schema)
EVENTS_KEPT = 2000

Phase = Literal["connecting", "live", "lost"]
Health = Literal["ok", "degraded", "down"]


@dataclass(slots=True)
class Source:
    """One target and what we have from it. `retry_at`: when the next try is due, monotonic seconds."""

    target: str
    phase: Phase = "connecting"
    node: str = ""
    transport: str = ""
    role: Role = "viewer"
    status: Status | None = None
    received: float = 0.0
    reason: str = ""
    retry_at: float = 0.0
    tries: int = 0

    def age(self, now: float) -> float:
        return now - self.received

    def fresh(self, now: float) -> bool:
        return self.status is not None and self.phase == "live" and self.age(now) < STALE_S

    @property
    def name(self) -> str:
        """The node once it told its name, else the target as given."""
        return self.node or self.target


@dataclass(frozen=True, slots=True)
class Delta:
    """Keys that differ between two snapshots, by kind; what was removed counts as changed."""

    nodes: frozenset[str] = frozenset()
    links: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    other: bool = False

    def __bool__(self) -> bool:
        return bool(self.nodes or self.links or self.groups or self.other)


def _changed(old: dict[str, msgspec.Struct], new: dict[str, msgspec.Struct]) -> frozenset[str]:
    return frozenset(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))


def diff(old: Status | None, new: Status) -> Delta:
    """What a reader would see change. Timestamps and generation alone are no change."""
    if old is None:
        old = msgspec.structs.replace(new, nodes=[], links=[], groups=[])
    rest_old, rest_new = (
        msgspec.structs.replace(s, nodes=[], links=[], groups=[], at=0.0, generation=0) for s in (old, new)
    )
    return Delta(
        _changed({n.name: n for n in old.nodes}, {n.name: n for n in new.nodes}),
        _changed({link_key(x): x for x in old.links}, {link_key(x): x for x in new.links}),
        _changed({g.name: g for g in old.groups}, {g.name: g for g in new.groups}),
        rest_old != rest_new,
    )


def health(status: Status) -> Health:
    """ok: all runs and can move; degraded: something needs a look; down: a wanted group does not run.

    Unknown is not down: a node that lost sight of the owner cannot say.
    """
    if any(g.wanted == "started" and g.state in ("failed", "blocked", "stopped") for g in status.groups):
        return "down"
    troubled = (
        any(node.state in ("offline", "unclean", "fencing", "joining", "standby") for node in status.nodes)
        or any(link.state != "up" for link in status.links)
        or any(group.state not in ("started", "stopped") for group in status.groups)
        or any(ping.state == "down" for ping in status.pings)
    )
    return "degraded" if troubled or status.alarms or not status.quorum.quorate else "ok"


def _order(event: Event) -> tuple[float, str, int]:
    return event.at, event.node, event.id


@dataclass(slots=True)
class Store:
    sources: dict[str, Source] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    history: dict[str, History] = field(default_factory=dict)
    _looking_at: str = ""

    def add(self, target: str) -> Source:
        return self.sources.setdefault(target, Source(target))

    def publish(self, target: str, status: Status, now: float) -> Delta:
        source = self.sources[target]
        delta = diff(source.status, status)
        source.status, source.received, source.node = status, now, status.node
        if self.current(now) is source:
            self._measure(status, now)
        return delta

    def _measure(self, status: Status, now: float) -> None:
        alive = set()
        for key, state, rtt in (
            *((link_key(link), link.state, link.rtt_ms) for link in status.links),
            *((f"ping:{ping.name}", ping.state, ping.rtt_ms) for ping in status.pings),
        ):
            alive.add(key)
            self.history.setdefault(key, History()).add(now, LOST if state == "down" else rtt)
        for gone in self.history.keys() - alive:
            del self.history[gone]

    def add_events(self, events: Sequence[Event]) -> int:
        """Newest last, each once (a restarted daemon may count from 1 again); how many were new."""
        fresh = 0
        for event in events:
            key = (event.at, event.node, event.id)
            place = bisect_left(self.events, key, key=_order)
            if place == len(self.events) or _order(self.events[place]) != key:
                self.events.insert(place, event)
                fresh += 1
        del self.events[:-EVENTS_KEPT]
        return fresh

    def current(self, now: float) -> Source | None:
        """The source the screen shows: the one looked at as long as it is fresh, else the freshest, else the newest."""
        looked = self.sources.get(self._looking_at)
        if looked is not None and looked.fresh(now):
            return looked
        fresh = [s for s in self.sources.values() if s.fresh(now)]
        known = (
            fresh or ([looked] if looked and looked.status else []) or [s for s in self.sources.values() if s.status]
        )
        best = max(known, key=lambda s: s.received, default=None)
        if best is None:
            return next(iter(self.sources.values()), None)
        if best.target != self._looking_at:
            self._looking_at = best.target
            self.history.clear()  # another node's view of the links: not to be mixed into one curve
        return best
