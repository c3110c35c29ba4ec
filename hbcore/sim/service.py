"""Who could serve a group, as the world sees it: what L1 of anchors B3 asks for while a run goes on.

Owns that judgement. Invariant: pure; it reads the truth of the world, and of an engine only what operator and scripts
told it. Must not know how long is too long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hbcore.engine.group import Phase

if TYPE_CHECKING:
    from hbcore.sim.machine import Machine
    from hbcore.sim.world import World

STOPPING = (Phase.STOPPING, Phase.BLOCKED)  # a script takes its time, or a stop failed: then nobody may start


def should(world: World, machine: Machine, group: str) -> bool:
    """This node is well and may run it, and clients reach the other one by no means."""
    network, other, engine = world.network, machine.other, machine.engine
    if engine is None or not machine.awake or machine.hung or machine.still or not network.on_lan(machine.number):
        return False
    if network.controlled and not network.control(machine.number):
        return False
    own = engine.world.groups[group]
    if engine.world.cannot_here(own, machine.now) or own.phase is Phase.BLOCKED:
        return False  # an operator, or a stop that failed: only an operator knows what is left of it
    if own.phase is Phase.PROBING and _mute_status(machine, group):
        return False  # what a status does not say is unknown, and unknown is never stopped
    if not world.gated[group] and not engine.world.peer_bases:
        return False  # a machine that was never heard cannot be asked whether it is off: the operator says so
    if not other.powered:
        return True
    gated = world.gated[group] and other.kernel.capable and other.kernel.guard
    if other.paused:
        return gated or not network.controlled  # its machine does not answer; a heavy one is taken, too (H1)
    if other.frozen or other.still or (other.heart is None and not other.returning):
        return gated
    return world.gated[group] and network.controlled and not network.on_lan(other.number) and _lets_go(other, group)


def _mute_status(machine: Machine, group: str) -> bool:
    """Some script of the group does not say whether it runs."""
    agents = (agent for (name, _), agent in machine.agents.items() if name == group)
    return any("status" in agent.fails | agent.hangs for agent in agents)


def _lets_go(other: Machine, group: str) -> bool:
    """It lives, nobody reaches it, and nothing keeps it from handing over or from letting its lease end."""
    engine = other.engine
    return engine is not None and not other.hung and engine.world.groups[group].phase not in STOPPING
