"""One run: the world of a plan, its faults, then everything healed and the demand that all is well again.

Owns the course of a run and its verdict. Invariant: `run(plan)` is a pure function of the plan.
Must not know how results are shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from hbcore.engine.config import SECOND
from hbcore.sim import faults
from hbcore.sim.draw import Plan
from hbcore.sim.judge import AFTERMATH_NS, Broken, Judge, Overlap
from hbcore.sim.outages import Outage
from hbcore.sim.world import Happened, World

SAMPLE_S, MEASURE_S = 0.5, 0.01
QUIET_NS = 5 * SECOND  # at least, of a cluster that is well again
CONFIRM_NS = 3 * SECOND  # after the healing an operator takes all orders back


@dataclass(slots=True)
class Result:
    """`outages` where the run was measured. `happened` where it broke something: else nobody will read it.

    `length_ns`: how long it was.
    """

    plan: Plan
    broken: list[Broken]
    overlaps: list[Overlap]
    counts: Counter[str]
    happened: list[Happened]
    outages: list[Outage]
    length_ns: int

    @property
    def good(self) -> bool:
        return not self.broken


def run(
    plan: Plan, *, watch: Callable[[World], None] | None = None, to_first: bool = False, measured: bool = False
) -> Result:
    """Play it. `watch` is given the world before it begins. `to_first`: no further than the first invariant broken.

    `measured`: look every 10 ms who serves, for the lengths of outages.
    """
    judge = Judge(accurate=plan.accurate, aftermath_ns=int(AFTERMATH_NS * plan.pace))
    world = build(plan, judge)
    if watch is not None:
        watch(world)
    begun = world.now
    for number, at in enumerate(plan.boots_ns):
        world.later(at, partial(boot, world, number))
    for fault in plan.faults:
        world.later(fault.at_ns, partial(faults.strike, world, fault))
    judge.serve_ns = serve_ns(plan)
    while world.now < begun + plan.heal_ns and not (to_first and judge.broken):
        _on(world, SAMPLE_S, MEASURE_S * plan.pace if measured else SAMPLE_S)
        judge.sample()
    if to_first and judge.broken:
        return _result(plan, judge, world, begun)
    judge.bounds()
    judge.outages.before_healing(world)
    faults.heal(world)
    for _ in range(round(CONFIRM_NS / SECOND / SAMPLE_S)):
        world.run(SAMPLE_S)
        judge.look()
    settled = _settle(world, bound_ns(plan))
    if settled:
        judge.quiet_since_ns = world.now
    world.run_to(max(begun + plan.length_ns, world.now + QUIET_NS))
    judge.look()
    judge.bounds()
    return _result(plan, judge, world, begun)


def _result(plan: Plan, judge: Judge, world: World, begun_ns: int) -> Result:
    happened = world.happened if judge.broken else []
    return Result(plan, judge.broken, judge.overlaps, judge.counts, happened, judge.outages.found, world.now - begun_ns)


def _on(world: World, seconds: float, measure_s: float) -> None:
    """Measured at each step, where that is shorter than all of it."""
    if measure_s >= seconds:
        world.run(seconds)
        return
    for _ in range(round(seconds / measure_s)):
        world.run(measure_s)
        world.judge.measure()


def build(plan: Plan, judge: Judge) -> World:
    world = World(plan.config, judge, seed=plan.seed, ppm=plan.ppm, offset_ns=plan.offset_ns)
    world.noises[0] = replace(plan.noise)
    world.network.neighbours = plan.neighbours
    for machine in world.machines:
        machine.kernel.capable = plan.capable[machine.number]
        machine.disk_ns = plan.disk_ns[machine.number]
        for group in plan.config.groups:
            for resource in group.resources:
                if resource.agent != "address":
                    machine.agents[group.name, resource.name] = replace(plan.agent)
    return world


def boot(world: World, number: int) -> None:
    if not world.machines[number].powered:
        world.machines[number].boot()


def serve_ns(plan: Plan) -> int:
    """D + claim + start and stop; a D more for the less preferred, and one for an address that must be silent."""
    timing = plan.config.timing
    scripts = sum(len(g.resources) for g in plan.config.groups)
    agents = 2 * scripts * (plan.agent.start_ns + plan.agent.stop_ns)
    return 6 * timing.deadtime_ns + 4 * timing.keepalive_ns + agents + 4 * SECOND


def bound_ns(plan: Plan) -> int:
    """L1's T: initdead + D + claim + start and stop timeouts (those of the plan's agents)."""
    return plan.config.timing.initdead_ns + serve_ns(plan)


def _settle(world: World, bound: int) -> bool:
    """Take all standing orders back, then wait for one owner each; L1 where it does not come in time."""
    end = world.now + bound
    ordered = 0
    while world.now < end:
        if ordered < 3:
            ordered += 1
            for machine in world.machines:
                machine.order("online", machine.name)
                for group in world.config.groups:
                    machine.order("group-start", "", group.name)
                    machine.order("group-clear", "", group.name)
        world.run(SAMPLE_S)
        world.judge.look()
        if ordered >= 3 and world.judge.converged():
            world.run(2 * world.config.timing.deadtime_ns / SECOND + 2)
            if world.judge.converged():
                return True
    world.judge.late()
    return False
