"""The simulated daemon: the real Engine, its queue, and the carrying out of its effects as the manager does it:
scripts, addresses, probes, the disk.

Owns the process from its imports to its end. Invariant: all that waits is given to the engine at once; effects are done
in order, and a crash between two of them leaves the rest undone. Must not know faults.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from hbcore.engine.beat import Service
from hbcore.engine.config import MS, SECOND
from hbcore.engine.effects import Announce, Effect, Gone, Hold, Note, Persist, Probe, Prove, Run, Say
from hbcore.engine.engine import Engine
from hbcore.engine.events import (
    Abandoned,
    Actor,
    Asked,
    Done,
    Event,
    Facts,
    GroupFacts,
    Guarded,
    Outcome,
    Persisted,
    Probed,
    Seen,
    Sighting,
    Tick,
    Wall,
)  # fmt: skip
from hbcore.engine.planner import Order
from hbcore.sim.pulse import NEVER, Pulse

if TYPE_CHECKING:
    from hbcore.sim.machine import Machine

UNIX = 1_700_000_000 * SECOND
ROUND_NS = 95 * MS  # a probe round of three questions (host.arp)
SECOND_LOOK_NS = 60 * MS
ADDRESS_NS = 2 * MS
FOREIGN, FOREIGN_MAC = "a foreign machine", b"\x02\0\0\0\0\x66"
STATUS_NS = MS
LOOK_NS = 5 * MS  # another look at the host


@dataclass(slots=True)
class Agent:
    """How one resource behaves on one machine. `fails`: operations that fail; `hangs`: that end in their timeout."""

    start_ns: int = 20 * MS
    stop_ns: int = 20 * MS
    fails: frozenset[str] = frozenset()
    hangs: frozenset[str] = frozenset()


@dataclass(slots=True)
class Edge:
    """A crash or a stop between two effects: after `after` effects of these kinds.

    `what`: "power" | "daemon" | "pulse" | "freeze" | "hang".
    """

    what: str
    kinds: frozenset[str]
    after: int


class Daemon:
    """`due`: when its timer goes (true time). `resumed`: the pulse above it has had a daemon before."""

    def __init__(self, machine: Machine, pulse: Pulse, *, resumed: bool) -> None:
        self.machine = machine
        self.due = NEVER
        self.waiting: deque[Event] = deque()
        self.said: deque[Say | Hold | Prove] = deque()
        self._ticket = 0
        self._do: dict[type[Effect], Callable[..., None]] = {
            Say: self.said.append, Hold: self.said.append, Prove: self.said.append, Run: self._run,
            Probe: self._probe, Persist: self._persist, Note: partial(machine.world.note, machine),
            Announce: lambda _: None, Gone: self._gone,
        }  # fmt: skip
        heart = pulse.heart
        self.engine = Engine(
            machine.config, machine.name, machine.kernel.stored, machine.now, born_ns=pulse.born_ns,
            heard_ns=heart.silence_ns, asked_ns=heart.asked_ns, resumed=resumed,
        )  # fmt: skip
        self.waiting += (Guarded(heart.leases.guard), Wall(UNIX + machine.now))
        if heart.released:
            self.waiting.append(Abandoned(tuple(heart.released.items())))
        self._looked = self.engine.definitions
        self.waiting.append(self._facts())

    @property
    def alive(self) -> bool:
        return self.machine.daemon is self

    def tell(self, event: Event) -> None:
        self.waiting.append(event)
        self.machine.pump()

    def timer(self) -> None:
        self.tell(Tick())

    def order(self, verb: str, node: str, group: str, scope: str) -> str:
        plan = self.engine.plan(self.machine.now, Order(verb, node, group, scope))
        if not plan.refused:
            self._ticket += 1
            self.tell(Asked(self._ticket, verb, node, group, scope, Actor(0, name="root")))
        return plan.refused

    def step(self) -> None:
        """All that waits, then what the engine wants done."""
        machine = self.machine
        events = tuple(self.waiting)
        self.waiting.clear()
        effects = self.engine.step(machine.now, *events)
        machine.world.judge.stepped(machine, self.engine, effects)
        for effect in effects:
            edge = machine.edge
            if edge is not None and type(effect).__name__ in edge.kinds:
                if edge.after == 0:
                    machine.edge = None
                    machine.world.crash(machine, edge.what)
                    if not self.alive:
                        return
                edge.after -= 1
            self._do[type(effect)](effect)
        self.due = machine.true(self.engine.next_deadline()) + 1
        if self._looked != self.engine.definitions:
            self._looked = self.engine.definitions
            self._later(LOOK_NS, lambda: self.tell(self._facts()))

    def _facts(self) -> Facts:
        machine = self.machine
        device, pings = machine.world.network.service, machine.config.pings
        groups = tuple(GroupFacts(g.name, device, machine.base, pings[0] if pings else "") for g in self._looked)
        return Facts((Service(machine.mac, machine.base),), groups)

    def _gone(self, gone: Gone) -> None:
        machine = self.machine
        machine.left = gone.clean
        if machine.pulse is not None:
            for _ in range(3):
                machine.pulse.do(machine.pulse.heart.say_bye(machine.now))
        machine.later_ours(MS, machine.end_ours)

    # -- the disk ------------------------------------------------------------------------------------------------------

    def _persist(self, persist: Persist) -> None:
        """The write reaches the disk whole after a while; with the power it is lost, unless it was there already."""
        machine, kernel = self.machine, self.machine.kernel
        if machine.disk_full:
            self._later(machine.disk_ns, partial(self.tell, Persisted(persist.number, "ENOSPC")))
            return

        def written() -> None:
            machine.world.judge.persisted(machine, kernel.stored, persist.stored)
            kernel.stored = persist.stored

        begun = max(machine.world.now, machine.disk_free_ns)  # writes reach the disk one after the other
        machine.disk_free_ns = begun + machine.disk_ns
        took = machine.disk_free_ns - machine.world.now
        machine.later_kernel(took - machine.disk_ns // 10, written)
        self._later(took, partial(self.tell, Persisted(persist.number)))

    # -- agents --------------------------------------------------------------------------------------------------------

    def _run(self, run: Run) -> None:
        if run.resource.agent == "address":
            self._run_address(run)
        else:
            self._run_script(run)

    def _run_address(self, run: Run) -> None:
        machine, kernel, group = self.machine, self.machine.kernel, run.group
        assert run.resource.address is not None
        ip = run.resource.address.ip
        if run.operation == "status":
            self._done(STATUS_NS, run, Outcome.RUNNING if ip in kernel.addresses else Outcome.STOPPED)
            return
        ordered_ns = machine.now

        def act() -> None:
            if not self.alive:
                return
            if run.operation == "start":
                if run.not_after_ns and machine.now > run.not_after_ns:
                    self.tell(Done(run.op, Outcome.LATE))
                    return
                machine.world.judge.order.begins(machine, run, ordered_ns)
                if any(d.name == group and d.gated for d in self.engine.definitions):
                    kernel.install([group])
                kernel.addresses.add(ip)
                machine.world.judge.answers(machine, group)
                self._broadcast(ip, "announce")
            else:
                kernel.addresses.discard(ip)
                if not kernel.addresses & machine.world.ips[group]:
                    kernel.lift(group)
            self.tell(Done(run.op, Outcome.OK, "", ADDRESS_NS))

        machine.later_ours(ADDRESS_NS, act, still=lambda: machine.hung)

    def _run_script(self, run: Run) -> None:
        machine, kernel, key = self.machine, self.machine.kernel, (run.group, run.resource.name)
        agent = machine.agents.get(key) or Agent()
        if run.operation in agent.hangs:
            self._done(run.timeout_ns, run, Outcome.UNKNOWN)
        elif run.operation in agent.fails:
            self._done(STATUS_NS, run, Outcome.FAILED)
        elif run.operation == "status":
            self._done(STATUS_NS, run, Outcome.RUNNING if key in kernel.services else Outcome.STOPPED)
        elif run.not_after_ns and machine.now > run.not_after_ns:
            self._done(STATUS_NS, run, Outcome.LATE)
        else:
            took = agent.start_ns if run.operation == "start" else agent.stop_ns
            machine.later_kernel(took, partial(machine.ran, run.operation == "start", key, machine.ups))
            self._done(took + MS, run, Outcome.OK, took)

    def _done(self, after_ns: int, run: Run, outcome: Outcome, took_ns: int = MS) -> None:
        self._later(after_ns, partial(self.tell, Done(run.op, outcome, "", took_ns)))

    # -- probes --------------------------------------------------------------------------------------------------------

    def _probe(self, probe: Probe) -> None:
        begun = self.machine.now
        found: set[str] = set()
        self._ask(probe, found)
        self._later(SECOND_LOOK_NS, partial(self._ask, probe, found))
        self._later(ROUND_NS, partial(self._probed, probe, begun, found))

    def _ask(self, probe: Probe, found: set[str]) -> None:
        machine, world, other = self.machine, self.machine.world, self.machine.other
        for ip in probe.targets:
            self._broadcast(ip, "probe")
        if world.network.foreign in probe.targets and world.network.on_lan(machine.number):
            found.add(FOREIGN)
        if not other.powered or other.paused or not world.network.lan(machine.number, other.number):
            return
        for ip in probe.targets:
            answers = ip == other.base or other.kernel.answers(world.group_of.get(ip, ""), ip, other.now)
            if answers and not world.frame_lost():
                found.add(ip)

    def _probed(self, probe: Probe, begun_ns: int, found: set[str]) -> None:
        machine, network = self.machine, self.machine.world.network
        answers = tuple(Sighting(ip, machine.other.mac, True) for ip in probe.targets if ip in found)
        if FOREIGN in found:
            answers = (*answers, Sighting(network.foreign, FOREIGN_MAC, False))
        failed = not network.carrier(machine.number, network.service)
        neighbours = probe.neighbours and network.any_neighbour(machine.number)
        self.tell(Probed(probe.probe, begun_ns, machine.now, answers, neighbours, failed))

    def _broadcast(self, ip: str, kind: str) -> None:
        """ARP about an address, heard by the other machine's daemon."""
        machine, other, network = self.machine, self.machine.other, self.machine.world.network
        if ip in machine.world.group_of and network.asks(machine.number, other.number):
            other.tell(Seen(network.service, ip, machine.mac, kind, other.now))

    def _later(self, after_ns: int, call: Callable[[], None]) -> None:
        """For this daemon alone; its queue takes it while it is stopped."""
        self.machine.later_kernel(after_ns, lambda: call() if self.alive else None)
