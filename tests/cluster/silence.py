"""Everything of ours on the owner is stopped: when its address falls silent, and when the other node answers. Somebody
removes the kernel's guard: when it is whole again.

Owns the plays and their figures: for the tests, and for the long run of them. Invariant: silence is judged by the
frames on the switch and counted from before the first process was stopped; an answer is the client's. Must not know the
engine, nor any limit.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from hbcore.lab import owners
from tests.cluster.asking import assert_one_owner, at_home
from tests.cluster.harness import Cluster


@dataclass(frozen=True, slots=True)
class Silence:
    """In ms after the freeze: the frozen node's last frame for the address, and the other's first answer. `outage`: the
    longest time without an answer then; `back`: when the service went home after the thaw."""

    silent: float
    answered: float
    outage: float
    back: float


def freeze_and_thaw(c: Cluster, stays_s: float = 1.5) -> Silence:
    """Freezes node1, which owns the service, for at least so long; ends with the service at home again.

    AssertionError where two ever spoke for the address, also one after the other, more often than it moved.
    """
    with c.capture() as seen:
        frozen = c.freeze("node1")["at"]
        c.wait_served(by="node2", timeout=15)
        time.sleep(max(0.0, frozen + stays_s - time.monotonic()))
        away = c.report(frozen)
        thawed = c.thaw("node1")["at"]
        at_home(c)  # by itself, but for the fourth time in ten minutes
    assert_one_owner(seen)
    assert_one_owner(c.report(frozen))
    assert [owner["node"] for owner in seen["owners"]] == ["node1", "node2", "node1"], seen["owners"]
    assert away["echo"]["before"] == "node1" and away["echo"]["after"] == "node2", away
    mine = [t for t in spoke(c, seen["file"], "node1") if t < thawed]
    home = c.report(thawed)
    return Silence(
        ms(max(mine, default=frozen) - frozen), ms(away["echo"]["to"] - frozen), away["echo"]["ms"], home["echo"]["ms"]
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hurt:
    """What came of something done to the guard: ms until it was whole, of the service's longest gap, and of the longest
    time that the machine stood still."""

    away_ms: float
    gap_ms: float
    lost: int
    stalled_ms: float


def remove_guard(c: Cluster, command: str) -> Hurt:
    """Runs a shell's command on node1 that does something to the guard; returns AFTER_S after it is whole again."""
    begun = time.monotonic()
    ran = c.run("node1", sys.executable, "-m", "tests.cluster.guarded", c.ready["address"], "sh", "-c", command)
    assert ran.code == 0, ran
    found = json.loads(ran.out)
    assert found["code"] == 0 and found["stands"], (found, ran.err)
    report = c.report(begun)
    stalled = max(report["machine_ms"], found["blind_ms"])
    return Hurt(found["away_ms"], report["echo"]["ms"], report["lost"], stalled)


def spoke(c: Cluster, pcap: str, node: str) -> list[float]:
    """When this node sent a frame for the address: CLOCK_MONOTONIC seconds."""
    mac = c.ready["nodes"][node]["mac"]
    frames = owners.capture(Path(pcap), c.ready["address"], time.monotonic() - time.time())
    return [frame.t for frame in frames if frame.mac == mac]


def ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
