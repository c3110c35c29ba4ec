"""Breadth first over all that can happen to a pair, and what must not be found there.

Owns the order of the search and its verdicts, read from kernels and network only. Invariant: every state that so many
faults and heals can lead to, one at a tick at most, at any tick, is looked at once; the first path found is a shortest.
Must not know why the engine does what it does.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.model.pair import LEAD, Event, Face, Pair, State
from tests.model.topology import Reach

AFTERMATH = 30  # ticks for which a hole may show after the world stopped being as it says (as sim/judge.py: 3 s)
REST = 400  # ticks within which a pair that is left alone must repeat itself
FAULTS = ("break", "off", "freeze")


@dataclass(slots=True)
class Finding:
    """`what`: "two-visible" | "two-apart" (clients do not reach both); and where the pair comes to rest: "two-for-ever"
    (though they hear each other), "outage" (after one fault), "unserved" (all is healed), "idle" (a healthy node could
    serve), "blocked" (one waits for the operator), "restless" (no rest). `hole`: of safety.md 4, "S7" for its block,
    "" = nothing excuses it. `path`: the shortest, (tick, event)."""

    what: str
    faults: int
    heals: int
    hole: str
    path: list[tuple[int, str]]
    ticks: int
    states: int = 0


@dataclass(slots=True)
class Result:
    topology: str
    kind: str
    first: int
    faults: int
    heals: int
    states: int = 0
    depth: int = 0
    node_states: int = 0
    engine_ticks: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)


class Search:
    """`allowed`: only these events (by name, as paths show them); None: all."""

    def __init__(self, pair: Pair, faults: int, heals: int, *, allowed: frozenset[str] | None = None) -> None:
        self.pair, self.faults, self.heals, self.allowed = pair, faults, heals, allowed
        self.came: dict[int, int] = {}  # state and what may still come -> the one before
        self.found: dict[tuple[str, int, int, str], Finding] = {}
        self._rests: dict[int, str] = {}
        self._holes: dict[int, str] = {}  # of states with two owners
        self._gated = pair.settings.gated
        self._served_without = all(r.agent == "address" for r in pair.settings.group.resources)

    # -- the search ----------------------------------------------------------------------------------------------------

    def run(self, *, tell: Callable[[str], None] | None = None) -> Result:
        """`tell`: called with a line now and then."""
        collects = gc.isenabled()
        gc.disable()  # nothing here is a circle, and millions of tuples are long to look through
        try:
            return self._run(tell)
        finally:
            if collects:
                gc.enable()

    def _run(self, tell: Callable[[str], None] | None) -> Result:
        pair = self.pair
        begun = time.monotonic()
        start = _pack(pair.start, self.faults, self.heals)
        self.came[start] = start
        front, depth, told = [start], 0, begun
        while front:
            following: list[int] = []
            for at in front:
                state, faults, heals = _unpack(at)
                self._visit(at, pair.tick(state), faults, heals, following, False)
                if faults:
                    for event in self._may(pair.faults(state)):
                        self._visit(at, pair.tick(pair.strike(state, event)), faults - 1, heals, following, True)
                if heals:
                    for event in self._may(pair.heals(state)):
                        self._visit(at, pair.tick(pair.strike(state, event)), faults, heals - 1, following, True)
            front, depth = following, depth + 1
            now = time.monotonic()
            if tell is not None and now - told > 60:
                told = now
                tell(f"tick {depth}: {len(self.came)} states, {len(front)} new, {pair.asked} ticks of the engine")
        result = Result(pair.topology.name, pair.settings.kind, pair.first, self.faults, self.heals)
        result.states, result.depth = len(self.came), depth
        result.node_states, result.engine_ticks = len(self._nodes()), pair.asked
        result.seconds = time.monotonic() - begun
        result.findings = sorted(self.found.values(), key=lambda f: (f.faults, f.heals, f.what, f.hole))
        return result

    def _nodes(self) -> set[int]:
        """States of one node that came up."""
        return {node for at in self.came for node in _unpack(at)[0][:2]}

    def _may(self, events: Iterator[Event]) -> Iterator[Event]:
        return (e for e in events if self.allowed is None or self.name(e) in self.allowed)

    def _visit(self, before: int, state: State, faults: int, heals: int, following: list[int], event: bool) -> None:
        at = _pack(state, faults, heals)
        if at in self.came:
            return
        self.came[at] = before
        following.append(at)
        one, two = self.pair.faces[state.a], self.pair.faces[state.b]
        if self._active(one) and self._active(two):
            hole = self._holes[at] = self._holes.get(before) or self._hole(at)
            both = all(self.pair.topology.reach(state.broken).client)
            self._find("two-visible" if both else "two-apart", at, faults, heals, hole)
        if event:
            what, _, hole = self._rest(state).partition(" ")
            once = self.faults - faults == 1 and heals == self.heals
            if what == "down" and once:
                what = "outage"
            if what and what != "down":
                self._find(what, at, faults, heals, hole)

    def _active(self, face: Face) -> bool:
        """As sim/world.py: an address that answers, or, of a group that is not gated, a service."""
        return face.on and (face.answers or (not self._gated and face.serves))

    # -- verdicts ------------------------------------------------------------------------------------------------------

    def _find(self, what: str, at: int, faults: int, heals: int, hole: str) -> None:
        key = what, self.faults - faults, self.heals - heals, hole
        finding = self.found.get(key)
        if finding is None:
            path = self.path(at)
            finding = self.found[key] = Finding(*key, path, self._ticks(at))
        finding.states += 1

    def _rest(self, state: State) -> str:
        """What is wrong where the pair comes to rest when nothing more happens, "" = nothing."""
        pair = self.pair
        trail: list[int] = []
        seen: dict[int, int] = {}
        known: str | None = None
        while known is None:
            at = _pack(state, 0, 0)
            known = self._rests.get(at)
            if known is None and at in seen:
                known = max((self._wrong(_unpack(one)[0]) for one in trail[seen[at] :]), key=len)
            elif known is None and len(trail) == REST:
                known = "restless"
            elif known is None:
                seen[at] = len(trail)
                trail.append(at)
                state = pair.tick(state)
        for at in trail:
            self._rests[at] = known
        return known

    def _wrong(self, state: State) -> str:
        """At rest."""
        reach = self.pair.topology.reach(state.broken)
        faces = self.pair.faces[state.a], self.pair.faces[state.b]
        well = [face.on and not face.frozen for face in faces]
        heard = all(well) and all(reach.beat)
        if heard and self._active(faces[0]) and self._active(faces[1]):
            return "two-for-ever"
        blocked = any(f.row == "S7" for n, f in enumerate(faces) if well[n])
        if any(self._serves(face) and reach.client[n] for n, face in enumerate(faces)):
            return "blocked S7" if blocked else ""
        hole = "S7" if blocked else ""
        if all(well) and not state.broken:
            return f"unserved {hole}"
        for n, other in enumerate((faces[1], faces[0])):
            alone = not other.on or (other.frozen and self._gated) or heard
            if well[n] and reach.client[n] and reach.control[n] and alone:
                return f"idle {hole}"
        hole = hole or ("" if self.pair.topology.controlled else "H3")  # nothing tells a node of its own dead card
        return f"down {hole}" if any(w and reach.client[n] for n, w in enumerate(well)) else ""

    def _serves(self, face: Face) -> bool:
        addressed = bool(self.pair.settings.ips)
        return face.on and (face.answers or not addressed) and (face.serves or self._served_without)

    def _hole(self, at: int) -> str:
        """Which hole of safety.md 4 the world was in, now or shortly before (as sim/judge.py asks)."""
        heavy, seen = not self._gated, set()
        for _ in range(AFTERMATH):
            state, _, _ = _unpack(at)
            reach = self.pair.topology.reach(state.broken)
            faces = self.pair.faces[state.a], self.pair.faces[state.b]
            seen |= _holes_of(reach, faces, self.pair.topology.controlled)
            before = self.came[at]
            if before == at:
                break
            at = before
        order = ("H4", "H1", "H2", "H3") if heavy else ("H2", "H3")
        return next((hole for hole in order if hole in seen), "")

    # -- paths ---------------------------------------------------------------------------------------------------------

    def name(self, event: Event) -> str:
        if event.what in ("break", "heal"):
            return f"{event.what} {self.pair.topology.faults[event.which]}"
        return f"{event.what} {'AB'[event.which]}"

    def _ticks(self, at: int) -> int:
        ticks = 0
        while (before := self.came[at]) != at:
            at, ticks = before, ticks + 1
        return ticks

    def path(self, at: int) -> list[tuple[int, str]]:
        """The events that lead there, each with its tick."""
        back: list[str] = []
        while (before := self.came[at]) != at:
            back.append(self._between(before, at))
            at = before
        return [(tick, name) for tick, name in enumerate(reversed(back)) if name]

    def _between(self, before: int, at: int) -> str:
        state, faults, heals = _unpack(before)
        target, *left = _unpack(at)
        if left == [faults, heals]:
            return ""
        events = self.pair.faults(state) if left[0] < faults else self.pair.heals(state)
        return next(self.name(e) for e in events if self.pair.tick(self.pair.strike(state, e)) == target)


def _holes_of(reach: Reach, faces: tuple[Face, Face], controlled: bool) -> set[str]:
    holes = set()
    frozen = any(f.frozen for f in faces)
    if all(f.on for f in faces) and not reach.lan and (frozen or not all(reach.beat)):
        holes.add("H1")  # it lives, and nothing of it is heard, nor does its machine answer
        if not controlled:
            holes.add("H3")
        elif all(reach.control) and not all(reach.beat):
            holes.add("H2")
    if any(f.frozen and not reach.client[n] for n, f in enumerate(faces)):
        holes.add("H4")
    return holes


def _pack(state: State, faults: int, heals: int) -> int:
    a, b, beats, lead, broken = state
    return (((a << 24 | b) << 20 | beats) << 5 | lead + LEAD) << 12 | broken << 4 | faults << 2 | heals


def _unpack(at: int) -> tuple[State, int, int]:
    faults, heals, broken = at >> 2 & 3, at & 3, at >> 4 & 255
    at >>= 12
    lead = (at & 31) - LEAD
    at >>= 5
    return State(at >> 44, at >> 20 & 0xFFFFFF, at & 0xFFFFF, lead, broken), faults, heals
