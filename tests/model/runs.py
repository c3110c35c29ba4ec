"""The searches that are made: which network, which group, how many faults and heals.

Owns the list. Invariant: a run's name says all that it depends on but the code. Must not know what is found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.digest import digest
from tests.model.node import Settings
from tests.model.pair import Known, Pair
from tests.model.search import Finding, Result, Search
from tests.model.topology import T1, T2, T3B, TOPOLOGIES, WIRE, Topology

PARTS = ("topology", "node", "fields", "beats", "codec", "daemon_codec", "pair", "search")
CODE = ("hbcore/engine/*.py", "hbcore/sim/kernel.py", "hbcore/sim/network.py", *(f"tests/model/{p}.py" for p in PARTS))


@dataclass(frozen=True, slots=True)
class Run:
    """`first`: who moves first in a tick. `paced`: nodes also probe without need. `controlled`: there is a ping node;
    `neighbours`: and others, too. `failback`: auto_failback. `allowed`: only these events."""

    topology: str
    kind: str
    faults: int
    heals: int
    first: int = 0
    paced: bool = False
    controlled: bool = True
    neighbours: bool = True
    failback: bool = True
    allowed: frozenset[str] | None = None

    @property
    def name(self) -> str:
        words = [self.topology, self.kind, f"{self.faults}F{self.heals}H"]
        words += ["B-first"] * self.first + ["paced"] * self.paced + ["no-ping"] * (not self.controlled)
        words += ["alone"] * (not self.neighbours) + ["no-failback"] * (not self.failback)
        if self.allowed is not None:
            words.append("only: " + ", ".join(sorted(self.allowed)))
        return " ".join(words)

    @property
    def excused(self) -> frozenset[str]:
        """The holes that may show; what has no such excuse is a fault of the rules."""
        return excused(self.kind, self.faults, controlled=self.controlled)

    def settings(self, link: str = WIRE) -> Settings:
        """`link`: the simulator's network has to know it; to the engine any is the same."""
        return Settings(self.kind, link, controlled=self.controlled, paced=self.paced, failback=self.failback)

    @property
    def family(self) -> tuple[object, ...]:
        """Runs in which a node does the same in the same state: the same question to the same engine."""
        return self.kind, self.first, self.paced, self.controlled, self.neighbours, self.failback

    def pair(self, known: Known | None = None) -> Pair:
        topology = TOPOLOGIES[self.topology]
        breaks = {name: what for name, what in topology.breaks.items() if self.controlled or what[0] != "ping"}
        topology = Topology(topology.name, topology.link, breaks, self.controlled, self.neighbours)
        return Pair(self.settings(), topology, self.first, known)

    def search(self, known: Known | None = None, *, tell: Callable[[str], None] | None = None) -> Result:
        """`known`: of searches of this family; it grows."""
        with self.settings().in_force():
            return Search(self.pair(known), self.faults, self.heals, allowed=self.allowed).run(tell=tell)

    def first_bad(self) -> Finding | None:
        """The first that is not excused, where there is one."""
        with self.settings().in_force():
            try:
                _ToFirst(self).run()
            except _Found as found:
                return found.finding
        return None


class _Found(Exception):
    def __init__(self, finding: Finding) -> None:
        super().__init__(finding)
        self.finding = finding


class _ToFirst(Search):
    def __init__(self, run: Run) -> None:
        super().__init__(run.pair(), run.faults, run.heals, allowed=run.allowed)
        self._excused = run.excused

    def _find(self, what: str, at: int, faults: int, heals: int, hole: str) -> None:
        super()._find(what, at, faults, heals, hole)
        if hole not in self._excused:
            raise _Found(next(f for f in self.found.values() if f.hole == hole))


def excused(kind: str, faults: int, *, controlled: bool) -> frozenset[str]:
    """safety.md: up to two faults a light group is never split; heavy and address-less ones by H1, H4 only."""
    three = {"H2"} if faults > 2 else set()
    if not controlled:
        three = {"H3"}
    return frozenset(three | (set() if kind in ("light", "web") else {"H1", "H4", "S7"}))


def each(kinds: str, faults: int, heals: int, **more: bool | int) -> list[Run]:
    """On every network, with groups of these kinds."""
    return [
        replace(Run(t.name, kind, faults, heals), **more)  # type: ignore[arg-type]
        for kind in kinds.split()
        for t in (T1, T2, T3B)
    ]


QUICK = [*each("light heavy bare", 1, 1), *each("light heavy bare", 2, 0)]
FULL = [
    *each("light heavy bare", 2, 2),
    *each("light heavy bare", 2, 2, first=1),
    *each("light heavy bare", 1, 1, paced=True),
    *each("light", 2, 2, failback=False),
    *each("web", 2, 1),
    *each("light", 2, 1, neighbours=False),
    *each("light", 2, 1, controlled=False),
    *each("light heavy bare", 3, 0),
]


def code() -> str:
    """Digest of all that a result depends on."""
    return digest(CODE)
