"""Many simulated runs on all processors: for the tests, and for the long run of them.

Owns the spreading, the sum, and the floors below which a sum means nothing: a cluster that starts nothing is safe.
Invariant: a batch is a pure function of its seeds, but for the seconds. Must not know how results are kept.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from hbcore.engine.config import SECOND
from hbcore.sim.draw import LENGTH_NS, plan
from hbcore.sim.run import run

RUN_S = LENGTH_NS // SECOND
# how often in 1000 runs each has to have happened, at least: far less than what is usual
FLOORS = {
    "starts": 2000, "takeovers": 200, "claims": 200, "claims dropped": 20, "handovers": 100, "lapses": 80,
    "lapses by the kernel": 10, "reopened": 10, "heals": 10, "losses": 400, "rejoins": 1000, "isolations": 20,
    "crashes at edges": 30, "guards lost": 50, "adopted": 60, "yields": 20, "abandoned": 1, "replays": 2000,
    "renewals refused": 20, "stalls": 60, "starts failed": 4, "stops failed": 4, "services failed": 10,
    "tokens passed": 10,
    "row O1": 300, "row O3": 10, "row O4": 200, "row O5": 3, "row O6": 50, "row O7": 20, "row O8": 6,
    "row S0": 20, "row S1": 300, "row S3": 60, "row S4": 50, "row S5": 200, "row S6": 60, "row S7": 30,
    "row S8": 3, "row S9": 5, "row F1": 2,
    "right by release": 100, "right by bye": 2, "right by found": 20, "right by stored": 3,
}  # fmt: skip


@dataclass(slots=True)
class Batch:
    """`broken`: (seed, invariant, text) of what held no more. `cpu_s`: of all processors; `wall_s`: of the clock."""

    runs: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[int, str, str]] = field(default_factory=list)
    cpu_s: float = 0.0
    wall_s: float = 0.0

    @property
    def hours(self) -> float:
        return self.runs * RUN_S / 3600

    @property
    def speed(self) -> float:
        """Simulated seconds in one of the clock, on all processors."""
        return self.runs * RUN_S / max(self.wall_s, 0.001)

    @property
    def per_processor(self) -> float:
        return self.runs * RUN_S / max(self.cpu_s, 0.001)

    def scarce(self) -> dict[str, tuple[int, int]]:
        """What happened too rarely: name -> (how often, its floor)."""
        wanted = {name: floor * self.runs // 1000 for name, floor in FLOORS.items()}
        return {name: (self.counts[name], floor) for name, floor in wanted.items() if self.counts[name] < floor}


def play(seeds: Iterable[int], processes: int = os.cpu_count() or 1) -> Batch:
    begun = time.monotonic()
    batch = Batch()
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        for counts, broken, cpu_s in pool.imap_unordered(_one, seeds):
            batch.runs += 1
            batch.counts += counts
            batch.broken += broken
            batch.cpu_s += cpu_s
        pool.close()  # its workers end by themselves; who is told to end says so at length
        pool.join()
    batch.wall_s = time.monotonic() - begun
    return batch


def _one(seed: int) -> tuple[Counter[str], list[tuple[int, str, str]], float]:
    begun = time.process_time()
    result = run(plan(seed))
    broken = [(seed, b.invariant, b.text) for b in result.broken[:1]]
    return result.counts, broken, time.process_time() - begun
