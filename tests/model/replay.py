"""A path of the model, played in the simulator: times to the nanosecond, agents that take theirs, its own judge.

Owns the translation. Invariant: nothing of the model but names of events is used. Must not know what to expect.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from hbcore.engine.config import MS, SECOND
from hbcore.sim.judge import Judge
from hbcore.sim.world import World
from tests.model.node import TICK
from tests.model.runs import Run
from tests.model.topology import SERVICE, TOPOLOGIES

SETTLED_NS = 20 * SECOND
LOOK_NS = MS


def replay(run: Run, path: Iterable[Sequence[Any]], *, offset_ns: int = 0, seconds: float = 10) -> tuple[World, Judge]:
    """The world some seconds after the last event. `offset_ns`: how far after node 1's beats the events are."""
    topology = TOPOLOGIES[run.topology]
    settings = run.settings(topology.link)
    judge = Judge(accurate=False)
    world = World(settings.config, judge, service=SERVICE)
    world.network = topology.network(0)
    for machine in world.machines:
        machine.boot()
    broken, last = [0], 0

    def strike(event: str) -> None:
        judge.look()
        what, _, which = event.partition(" ")
        if what in ("break", "heal"):
            broken[0] ^= 1 << topology.faults.index(which)
            world.network = topology.network(broken[0])
        else:
            machine = world.machines["AB".index(which)]
            {"off": machine.power_off, "boot": machine.boot, "freeze": machine.freeze}.get(what, machine.thaw)()
        judge.look()

    for tick, event in path:
        last = SETTLED_NS + tick * TICK + offset_ns
        world.later(last, partial(strike, event))
    end = world.now + last + int(seconds * SECOND)
    while world.now < end:
        world.run_to(min(end, world.now + LOOK_NS))
        judge.measure()
    judge.look()
    return world, judge
