"""Two nodes of the simulator without noise, by hand: for tests that read like stories and look inside.

Owns the names these tests use. Invariant: everything that happens is the simulator's and the engine's; nothing is
decided here. The kernels do not guard addresses: what is asked here is what the table does by itself.
"""

from __future__ import annotations

from collections.abc import Callable

from hbcore.engine.config import MS, SECOND, Address, ClusterConfig, GroupDef, Link, Media, Resource, Timing, Weight
from hbcore.engine.effects import Note, Stored
from hbcore.engine.engine import Engine
from hbcore.engine.events import Actor, Asked, Event
from hbcore.engine.heart import Heart
from hbcore.engine.planner import Order, Plan
from hbcore.sim.daemon import Agent
from hbcore.sim.judge import Judge
from hbcore.sim.machine import Machine
from hbcore.sim.world import World
from tests.unit.notes import assert_fit

NAMES = ("node1", "node2")
VIP = "192.168.100.100"
PING = "192.168.100.254"


def config(
    weight: Weight = Weight.LIGHT, *, pings: tuple[str, ...] = (PING,), failback: bool = True, bare: bool = False
) -> ClusterConfig:  # fmt: skip
    """The tutorial's cluster, by hand. `bare`: its group has no address."""
    vip = Resource(VIP, "address", VIP, (), Address(VIP, 24, "eth0"))
    web = Resource("httpd", "script", "httpd")
    group = GroupDef("web", NAMES, (web,) if bare else (vip, web), weight)
    link = Link("eth0", Media.MCAST, "eth0", "225.100.0.1", 694)
    return ClusterConfig("test", NAMES, (link,), pings, (group,), Timing(), failback)


class Watching(Judge):
    """Keeps what the nodes say, and holds it against the table of what may be said."""

    def noted(self, machine: Machine, note: Note) -> None:
        super().noted(machine, note)
        assert_fit(note, machine.name, machine.config)
        self.said.setdefault(machine.number, []).append(note)

    def __init__(self) -> None:
        super().__init__(accurate=False)
        self.said: dict[int, list[Note]] = {}


class Running:
    """What runs on a machine: addresses and scripts by name."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def names(self) -> set[str]:
        kernel = self._machine.kernel
        return kernel.addresses | {service for _, service in kernel.services}

    def __contains__(self, name: str) -> bool:
        return name in self.names()

    def __bool__(self) -> bool:
        return bool(self.names())

    def discard(self, name: str) -> None:
        kernel = self._machine.kernel
        kernel.addresses.discard(name)
        kernel.services = {(g, s) for g, s in kernel.services if s != name}


class Box:
    """One machine. `fails`, `hangs` (ends in its timeout): "start httpd", "status httpd"."""

    def __init__(self, duo: Duo, number: int) -> None:
        self.machine = duo.world.machines[number]
        self.number, self.name = number, NAMES[number]
        self.running = Running(self.machine)
        self.fails: set[str] = set()
        self.hangs: set[str] = set()
        self.start_ns = self.stop_ns = 20 * MS
        self._duo = duo

    @property
    def heart(self) -> Heart | None:
        return self.machine.heart

    @property
    def engine(self) -> Engine | None:
        return self.machine.engine

    @property
    def notes(self) -> list[Note]:
        return self._duo.judge.said.setdefault(self.number, [])

    @property
    def gone(self) -> bool | None:
        return self.machine.left

    @property
    def disk(self) -> Stored:
        return self.machine.kernel.stored

    @disk.setter
    def disk(self, stored: Stored) -> None:
        self.machine.kernel.stored = stored

    @property
    def disk_ns(self) -> int:
        return self.machine.disk_ns

    @disk_ns.setter
    def disk_ns(self, value: int) -> None:
        self.machine.disk_ns = value

    def codes(self) -> list[str]:
        return [n.code for n in self.notes]

    def settle(self) -> None:
        """Tell the simulator how this machine's scripts behave now."""
        for group in self.machine.config.groups:
            for resource in group.resources:
                fails, hangs = (
                    frozenset(text.split()[0] for text in texts if text.split()[1] == resource.name)
                    for texts in (self.fails, self.hangs)
                )
                self.machine.agents[group.name, resource.name] = Agent(self.start_ns, self.stop_ns, fails, hangs)


class Duo:
    """`control[a]`: a reaches the ping node. `lan`: ARP passes between. `configs`: what each node's files say."""

    def __init__(self, configuration: ClusterConfig | None = None) -> None:
        self.config = configuration or config()
        self.configs = [self.config, self.config]
        self.judge = Watching()
        self.world = World(self.config, self.judge)
        for machine in self.world.machines:
            machine.kernel.capable = False
        self.boxes = [Box(self, number) for number in (0, 1)]
        self.control = {0: True, 1: True}
        self.lan, self.foreign, self.neighbours = True, False, False
        self.owners: list[tuple[int, tuple[int, ...]]] = []

    @property
    def now(self) -> int:
        return self.world.now

    # -- machines ------------------------------------------------------------------------------------------------------

    def boot(self, number: int, *, running: set[str] | None = None) -> None:
        machine = self.world.machines[number]
        machine.config = self.configs[number]
        group = self.config.groups[0].name
        machine.kernel.services = {(group, name) for name in running or ()}
        machine.boot()

    def lose_daemon(self, number: int) -> None:
        """It dies, and no other comes up."""
        self.world.machines[number].lose_daemon()

    def new_daemon(self, number: int) -> None:
        self.world.machines[number].begin_daemon(resumed=True)

    def power_off(self, number: int) -> None:
        self.world.machines[number].power_off()

    def freeze(self, number: int) -> None:
        """All of ours stops; the kernel goes on."""
        self.world.machines[number].freeze()

    def thaw(self, number: int) -> None:
        self.world.machines[number].thaw()

    def cut(self, *ways: tuple[int, int]) -> None:
        for source, target in ways or ((0, 1), (1, 0)):
            self.world.network.beats_cut.add(("eth0", source, target))

    def heal(self) -> None:
        self.world.network.heal()
        self.control = {0: True, 1: True}
        self.lan = True

    # -- operators -----------------------------------------------------------------------------------------------------

    def order(self, number: int, verb: str, node: str = "", group: str = "", scope: str = "all") -> Plan:
        self._settle()
        machine = self.world.machines[number]
        assert machine.engine is not None
        plan = machine.engine.plan(machine.now, Order(verb, node, group, scope))
        if not plan.refused:
            machine.tell(Asked(self.now, verb, node, group, scope, Actor(0, name="root")))
        return plan

    def leave(self, number: int) -> None:
        self.world.machines[number].leave()

    def step(self, number: int, event: Event) -> None:
        self.world.machines[number].tell(event)

    # -- time ----------------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """What the tests set becomes the simulator's."""
        network = self.world.network
        network.pings_cut = {number for number, reached in self.control.items() if not reached}
        network.lan_cut = not self.lan
        network.foreign = VIP if self.foreign else ""
        network.neighbours = self.neighbours
        for box in self.boxes:
            box.settle()

    def run(self, seconds: float) -> None:
        self._settle()
        end = self.now + int(seconds * SECOND)
        while self.now < end:
            self.world.run_to(min(end, self.now + MS))
            where = self.where()
            if where != (self.owners[-1][1] if self.owners else ()):
                self.owners.append((self.now, where))

    def leap(self, seconds: float) -> None:
        """As `run`, many times faster: nobody looks meanwhile who has the address."""
        self._settle()
        self.world.run(seconds)

    def until(self, truth: Callable[[], bool], seconds: float = 30) -> float:
        """Run until `truth()`; the seconds it took. Fails after `seconds`."""
        begun = self.now
        while not truth():
            assert self.now - begun < seconds * SECOND, f"not within {seconds} s: {self.where()}"
            self.run(0.001)
        return (self.now - begun) / SECOND

    def where(self) -> tuple[int, ...]:
        """Who has the address now."""
        return tuple(m.number for m in self.world.machines if m.powered and VIP in m.kernel.addresses)

    def twice(self) -> bool:
        """Whether the address was ever on both."""
        return any(len(owners) > 1 for _, owners in self.owners)

    def outage(self, since_ns: int) -> float:
        """The longest time without the address since then, in seconds."""
        worst, silent = 0, None
        for at, owners in [*self.owners, (self.now, ())]:
            if silent is not None:
                worst = max(worst, at - max(silent, since_ns))
            silent = at if not owners else None
        return worst / SECOND
