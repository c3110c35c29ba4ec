"""A long run that fails becomes a short one: faults fall away, times get round, noise and odd clocks go.

Owns the search. Invariant: what it returns fails as the first one did. Must not know why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from hbcore.engine.config import MS
from hbcore.sim.draw import Plan
from hbcore.sim.faults import Fault
from hbcore.sim.run import run
from hbcore.sim.world import Noise

ROUND_NS = (1000 * MS, 100 * MS, 10 * MS)
MOST = 400  # runs at most


def signature(plan: Plan) -> str:
    """What broke first, "" = nothing."""
    result = run(plan, to_first=True)
    return result.broken[0].invariant if result.broken else ""


def shrink(
    plan: Plan, *, fails: Callable[[Plan], bool] | None = None, told: Callable[[int], None] = lambda _: None
) -> Plan:
    """The smallest plan found that fails the same way; the plan itself where it fails no more. `told`: how many runs
    were tried.
    """
    if fails is None:
        wanted = signature(plan)
        if not wanted:
            return plan
        fails = lambda one: signature(one) == wanted  # noqa: E731
    left = MOST

    def better(one: Plan) -> bool:
        nonlocal left
        if not left:
            return False
        left -= 1
        told(MOST - left)
        return fails(one)

    again = True
    while again and left:
        again = False
        for smaller in _smaller(plan):
            if better(smaller):
                plan, again = smaller, True
                break
    return plan


def _smaller(plan: Plan) -> Iterator[Plan]:
    count = len(plan.faults)
    size = count // 2 or count
    while size:  # ddmin's complements (Zeller 2002): first halves, then ever smaller pieces
        for start in range(0, count, size):
            yield replace(plan, faults=plan.faults[:start] + plan.faults[start + size :])
        size //= 2
    if plan.noise != Noise():
        yield replace(plan, noise=Noise())
    for plain in (
        replace(plan, ppm=(0.0, 0.0)), replace(plan, offset_ns=(0, 0)), replace(plan, boots_ns=(0, 0)),
        replace(plan, capable=(True, True)), replace(plan, disk_ns=(MS, MS)), replace(plan, neighbours=False),
    ):  # fmt: skip
        if plain != plan:
            yield plain
    for number, fault in enumerate(plan.faults):
        for rounder in _rounder(fault):
            yield replace(plan, faults=(*plan.faults[:number], rounder, *plan.faults[number + 1 :]))


def _rounder(fault: Fault) -> Iterator[Fault]:
    for unit in ROUND_NS:
        at, lasts = fault.at_ns // unit * unit, -(-fault.for_ns // unit) * unit
        if (at, lasts) != (fault.at_ns, fault.for_ns):
            yield replace(fault, at_ns=at, for_ns=lasts)
