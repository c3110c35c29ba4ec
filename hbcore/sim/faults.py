"""The catalogue of faults (anchors B2): what each does to the world, and how it is taken back.

Owns the kinds. Invariant: a fault is data; the same list on the same seed gives the same run, and any part of the list
is a run, too, so that a long one can be shrunk. Must not know what should come of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from hbcore.engine.config import MS, SECOND
from hbcore.engine.effects import Stored
from hbcore.engine.events import Wall
from hbcore.sim import wires
from hbcore.sim.daemon import UNIX, Agent, Edge
from hbcore.sim.machine import Machine
from hbcore.sim.wires import Undo
from hbcore.sim.world import World


@dataclass(frozen=True, slots=True)
class Fault:
    """`at_ns`: after the begin. `for_ns`: how long it lasts (0: until all is healed). `node`: whom it strikes (0, 1).

    `device`: which segment. `detail`: what else there is to say, by kind. `amount`: of the kind's own unit.
    """

    at_ns: int
    kind: str
    node: int = 0
    device: str = ""
    for_ns: int = 0
    amount: int = 0
    detail: str = ""


VARIED = frozenset({"beats", "card", "noise", "power", "disk", "agent", "ping"})


def code(fault: Fault) -> str:
    """For words: kinds with variants are told by their variant."""
    variant = fault.detail.split()[0] if fault.detail and fault.kind in VARIED else ""
    return f"fault-{fault.kind}-{variant}" if variant else f"fault-{fault.kind}"


def args(world: World, fault: Fault) -> tuple[tuple[str, str], ...]:
    return (
        ("node", world.machines[fault.node].name), ("device", fault.device), ("detail", fault.detail),
        ("ms", str(fault.amount)), ("permille", str(fault.amount)),
    )  # fmt: skip


def strike(world: World, fault: Fault) -> None:
    """Put it in force now, and plan its end."""
    machine = world.machines[fault.node]
    world.tell("", code(fault), "warning", *args(world, fault))
    world.judge.count(f"fault {fault.kind}")
    undo = KINDS[fault.kind](world, machine, fault)
    world.judge.look()
    if undo is not None and fault.for_ns:
        world.later(fault.for_ns, partial(_end, world, fault, undo))


def _end(world: World, fault: Fault, undo: Undo) -> None:
    world.judge.look()
    world.tell("", "fault-ends", "info", ("what", code(fault)), *args(world, fault))
    undo()
    world.judge.look()


def heal(world: World) -> None:
    """Everything that can be mended is: nets, disks, agents, power, stopped processes."""
    world.judge.look()
    world.tell("", "sim-healed")
    network = world.network
    for device in dict.fromkeys((*network.links, network.service)):
        for machine in world.machines:
            wires.card_up(world, machine, device)
    network.heal()
    del world.noises[1:]
    world.noises[0].loss = min(world.noises[0].loss, 0.01)
    for machine in world.machines:
        machine.edge, machine.disk_ns, machine.disk_full = None, MS, False
        for key, agent in machine.agents.items():
            machine.agents[key] = replace(agent, fails=frozenset(), hangs=frozenset())
        if machine.paused:
            machine.resume()
        if machine.hung:
            machine.unhang()
        if machine.still:
            machine.walk()
        if machine.frozen:
            machine.thaw()
        if not machine.powered:
            machine.boot()
        elif machine.leaving or (machine.heart is None and not machine.returning):
            _again(world, machine)
    world.judge.look()


# -- time: in a machine that its hypervisor paused nobody stops or kills anything --------------------------------------


def _freeze(world: World, machine: Machine, fault: Fault) -> Undo | None:
    if machine.paused:
        return None
    machine.freeze()
    return lambda: machine.thaw() if machine.frozen else None


def _hang(world: World, machine: Machine, fault: Fault) -> Undo | None:
    if machine.paused:
        return None
    machine.hang()
    return machine.unhang


def _still(world: World, machine: Machine, fault: Fault) -> Undo | None:
    if machine.pulse is None or machine.paused:
        return None
    machine.stand()
    return lambda: machine.walk() if machine.still else None


def _pause(world: World, machine: Machine, fault: Fault) -> Undo | None:
    if not machine.powered:
        return None
    machine.pause()
    return lambda: machine.resume() if machine.paused else None


def _renew_pause(world: World, machine: Machine, fault: Fault) -> None:
    """The next renewal of a gate stops for `amount` ms between its ticket and its swap."""
    if machine.pulse is not None:
        machine.pulse.pause_ns = fault.amount * MS


def _wall(world: World, machine: Machine, fault: Fault) -> None:
    """The wall clock jumps by `amount` s."""
    machine.tell(Wall(UNIX + machine.now + fault.amount * SECOND))


# -- machines ----------------------------------------------------------------------------------------------------------


def _power(world: World, machine: Machine, fault: Fault) -> Undo:
    """detail "wiped" | "stale": what the disk has when it comes back."""
    old = machine.kernel.stored
    if machine.powered:
        machine.power_off()

    def on() -> None:
        if machine.powered:
            return
        if fault.detail == "wiped":
            machine.kernel.stored, machine.kernel.incarnation = Stored(), 0
        elif fault.detail == "stale":
            machine.kernel.stored = world.first_stored.get(machine.number, old)
        machine.boot()

    return on


def _daemon(world: World, machine: Machine, fault: Fault) -> None:
    if not machine.paused:
        machine.kill_daemon()


def _pulse(world: World, machine: Machine, fault: Fault) -> None:
    if machine.heart is not None and not machine.paused:
        machine.kill_pulse()


def _ours(world: World, machine: Machine, fault: Fault) -> Undo | None:
    """All of ours killed; what runs goes on without us, until hbcored is started again."""
    if machine.paused:
        return None
    machine.end_ours()
    return partial(_again, world, machine)


def _leave(world: World, machine: Machine, fault: Fault) -> Undo:
    """SIGTERM, and later a new start."""
    machine.leave()
    return partial(_again, world, machine)


def _again(world: World, machine: Machine) -> None:
    """hbcored is started, once the machine runs and the one before has left."""
    if machine.powered and (machine.paused or (machine.leaving and machine.heart is not None)):
        world.later(SECOND, partial(_again, world, machine))
    elif machine.powered and machine.heart is None:
        machine.start_ours()


def _edge(world: World, machine: Machine, fault: Fault) -> Undo:
    """A crash or a stop between two effects: detail "WHAT EFFECT EFFECT ...", after `amount` of them."""
    what, *kinds = fault.detail.split()
    machine.edge = Edge(what, frozenset(kinds), fault.amount)

    def on() -> None:
        machine.edge = None
        if not machine.powered:
            machine.boot()
        elif machine.frozen and what == "freeze":
            machine.thaw()
        elif machine.hung and what == "hang":
            machine.unhang()

    return on


# -- disks, kernels, scripts -------------------------------------------------------------------------------------------


def _disk(world: World, machine: Machine, fault: Fault) -> Undo:
    """detail "slow": `amount` ms a write; "full": nothing is written."""
    if fault.detail == "full":
        machine.disk_full = True
    else:
        machine.disk_ns = fault.amount * MS

    def mended() -> None:
        machine.disk_full, machine.disk_ns = False, MS

    return mended


def _flush(world: World, machine: Machine, fault: Fault) -> None:
    if machine.powered:
        machine.flush_guard()


def _address(world: World, machine: Machine, fault: Fault) -> None:
    for ip in sorted(machine.kernel.addresses):
        machine.remove_address(ip)


def _service(world: World, machine: Machine, fault: Fault) -> None:
    machine.services_die()


def _agent(world: World, machine: Machine, fault: Fault) -> Undo:
    """detail "fails OPERATION" | "hangs OPERATION": every script of this node."""
    way, operation = fault.detail.split()
    for group in world.config.groups:
        for resource in group.resources:
            key = (group.name, resource.name)
            agent = machine.agents.get(key) or Agent()
            struck = frozenset({operation})
            machine.agents[key] = replace(agent, fails=struck) if way == "fails" else replace(agent, hangs=struck)

    def mended() -> None:
        for key, agent in machine.agents.items():
            machine.agents[key] = replace(agent, fails=frozenset(), hangs=frozenset())

    return mended


def _order(world: World, machine: Machine, fault: Fault) -> None:
    """An operator on this node: detail "VERB [GROUP]". Of a machine that is on he does not say that it is off."""
    verb, _, group = fault.detail.partition(" ")
    if verb == "fence" and machine.other.powered:
        return
    node = {"standby": machine.name, "online": machine.name, "fence": machine.other.name}.get(verb, "")
    refused = machine.order(verb, node, group)
    world.judge.count("orders refused" if refused else f"order {verb}")


KINDS: dict[str, Callable[[World, Machine, Fault], Undo | None]] = {
    **wires.KINDS,
    "freeze": _freeze,
    "hang": _hang,
    "still": _still,
    "pause": _pause,
    "renew-pause": _renew_pause,
    "wall": _wall,
    "power": _power,
    "daemon": _daemon,
    "pulse": _pulse,
    "ours": _ours,
    "leave": _leave,
    "edge": _edge,
    "disk": _disk,
    "flush": _flush,
    "address": _address,
    "service": _service,
    "agent": _agent,
    "order": _order,
}
