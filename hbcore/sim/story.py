"""A run as a story: a few lines that a person writes, and what happens then, told by the nodes and by the world.

Owns the text of a scenario and the telling. Invariant: the same text gives the same tale; the tale is codes and
arguments, its sentences are words'. Must not know how a tale is printed.

    cluster light          light | heavy | plain | bare, one word a group
    links eth0             devices that carry heartbeats; addresses, ping node and clients are on eth0
    without ping guard     what this cluster does not have: ping, guard, failback
    with neighbours        other machines on eth0 answer, too
    scripts 900            how long a start and a stop take, in ms; disk 50: a write
    10.0 freeze node1 for 5
    12.0 beats node1 eth0 to
    20.0 order node2 takeover
    ends 30
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from hbcore.engine.config import MS, SECOND, ClusterConfig, Link, Media, Timing
from hbcore.sim import draw, faults
from hbcore.sim.daemon import Agent
from hbcore.sim.draw import NAMES, SERVICE, Plan
from hbcore.sim.faults import Fault
from hbcore.sim.judge import Judge
from hbcore.sim.run import boot, build
from hbcore.sim.world import Happened, World

LOOK_NS = MS  # how often the world is asked who answers


class Unreadable(ValueError):
    """A line that is none of a story: (line number, the line)."""


def parse(text: str) -> tuple[Plan, float]:
    """The plan of a scenario, and its length in seconds. Raises Unreadable."""
    kinds, devices, without, end = ["light"], [SERVICE], set[str](), 30.0
    neighbours, agent, disk_ns = False, Agent(), MS
    struck: list[Fault] = []
    boots = [0, 0]
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].split()
        try:
            match words:
                case []:
                    pass
                case ["cluster", *kinds]:
                    pass
                case ["links", *devices]:
                    pass
                case ["without", *gone]:
                    without.update(gone)
                case ["with", "neighbours"]:
                    neighbours = True
                case ["scripts", ms]:
                    agent = Agent(int(ms) * MS, int(ms) * MS)
                case ["disk", ms]:
                    disk_ns = int(ms) * MS
                case ["ends", seconds]:
                    end = float(seconds)
                case [at, "boot", node]:
                    boots[NAMES.index(node)] = int(float(at) * SECOND)
                case [at, kind, *rest]:
                    struck.append(_fault(int(float(at) * SECOND), kind, rest))
        except (ValueError, KeyError, IndexError) as wrong:
            raise Unreadable(number, line) from wrong
    groups = tuple(draw.group(n, kind, NAMES) for n, kind in enumerate(kinds))
    links = tuple(Link(device, Media.MCAST, device, "225.100.0.1", 694) for device in devices)
    pings = () if "ping" in without else (draw.PING,)
    config = ClusterConfig("story", NAMES, links, pings, groups, Timing(), "failback" not in without)
    guards = ("guard" not in without,) * 2
    plan = Plan(
        0, config, neighbours=neighbours, capable=guards, boots_ns=(boots[0], boots[1]), disk_ns=(disk_ns, disk_ns),
        agent=agent, faults=tuple(struck),
    )  # fmt: skip
    return plan, end


def _fault(at_ns: int, kind: str, words: list[str]) -> Fault:
    fault = Fault(at_ns, kind, device=SERVICE)
    if kind not in faults.KINDS:
        raise KeyError(kind)
    detail: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in NAMES:
            fault = replace(fault, node=NAMES.index(word))
        elif word in (draw.SERVICE, draw.WIRE):
            fault = replace(fault, device=word)
        elif word == "for":
            fault = replace(fault, for_ns=int(float(next(rest)) * SECOND))
        elif word == "ms":
            fault = replace(fault, amount=int(next(rest)))
        else:
            detail.append(word)
    return replace(fault, detail=" ".join(detail))


def play(plan: Plan, seconds: float, *, watch: Callable[[World], None] = lambda _: None) -> tuple[World, Judge]:
    """The world after `seconds`, with what happened in it: nodes' events, faults, and who answered for what."""
    judge = Judge(accurate=False)
    world = build(plan, judge)
    watch(world)
    for number, at in enumerate(plan.boots_ns):
        world.later(at, partial(boot, world, number))
    for fault in plan.faults:
        world.later(fault.at_ns, partial(faults.strike, world, fault))
    end = world.now + int(seconds * SECOND)
    owners: dict[str, list[int]] = {g.name: [] for g in plan.config.groups}
    while world.now < end:
        world.run_to(min(end, world.now + LOOK_NS))
        judge.measure()
        for group, before in owners.items():
            now = world.owners(group)
            for number in (0, 1):
                if (number in now) is not (number in before):
                    code = "sim-answers" if number in now else "sim-silent"
                    world.tell("", code, "info", ("node", world.machines[number].name), ("group", group))
            owners[group] = now
    judge.look()
    return world, judge


def tale(world: World) -> list[Happened]:
    """What happened, without what a reader need not know."""
    return [one for one in world.happened if one.code not in DULL]


DULL = frozenset({"rules-changed", "daemon-started"})
