"""Where a group should be: a pure function of the world, with its reason.

Owns failback, pins, standby and the operator's stop as seen by the holder. Invariant: a planned move is only proposed
to a peer that could take it. Must not know how a move is made.
"""

from __future__ import annotations

from dataclasses import dataclass

from hbcore.engine.group import UNSEEN, Group
from hbcore.engine.world import FAILBACKS_LIMIT, FAILBACKS_WINDOW_S, NAMESAKE, World

_BEGINS = (UNSEEN, NAMESAKE)  # these keep from a start alone


@dataclass(frozen=True, slots=True)
class Placement:
    """`node` None: nowhere, by the operator's word. `code`: why there."""

    node: str | None
    code: str


def place(world: World, group: Group, now_ns: int) -> Placement:
    """Where this holder's group should be now."""
    here = world.cannot_here(group, now_ns, but=() if group.stopped else _BEGINS)
    if here == "stopped-by-operator":
        return Placement(None, here)
    peer, there = world.peer.name, world.cannot_peer(group, now_ns)
    if here and not there:
        return Placement(peer, here)
    pinned = world.pin(group.name, now_ns)
    if pinned == peer and not there:
        return Placement(peer, "pinned")
    if pinned == world.me:
        return Placement(world.me, "pinned")
    if pinned == peer:
        return Placement(world.me, there)
    code = failback(world, group, now_ns)
    return Placement(peer, code) if code == "failback" else Placement(world.me, code or here)


def failback(world: World, group: Group, now_ns: int) -> str:
    """ "failback" where the group should go home now, else the code of why it stays, "" where it is at home."""
    if world.preferred(group):
        return ""
    if not world.config.auto_failback:
        return "failback-off"
    there = world.cannot_peer(group, now_ns)
    if there:
        return there
    if group.manual:
        return "failback-damped"
    steady_ns = 2 * world.lease.deadtime_ns
    since = group.peer_can_since_ns
    if not since or now_ns - since < steady_ns or world.peer.two_way_for_ns(now_ns) < steady_ns:
        return "failback-waits"
    return "failback"


def damped(world: World, group: Group, now_ns: int) -> bool:
    """Three failbacks of the group in ten minutes, each after an unplanned loss of its home (safety.md 4)."""
    now_s = world.unix_s(now_ns)
    return sum(1 for at in group.failbacks if now_s - at < FAILBACKS_WINDOW_S) >= FAILBACKS_LIMIT
