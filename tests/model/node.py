"""One node in lockstep: the real Heart and Engine over the simulator's kernel, one tick at a time.

Owns the order in which a tick carries things between pulse, daemon and kernel, as sim/machine.py does, but without a
heap of closures, so that a state can be written down (codec.py). Invariant: all that is under way is data here; a
frozen node does nothing, its queues fill. Must not know the other node, faults or what is right.

A tick is a keepalive. Probe rounds, starts and stops take one; a ping, the disk and a status none; of beats see pair.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum

from hbcore.engine import engine
from hbcore.engine.beat import Beat, Service
from hbcore.engine.config import (
    MS,
    SECOND,
    Address,
    Care,
    ClusterConfig,
    GroupDef,
    Link,
    Media,
    Resource,
    Timing,
    Weight,
)
from hbcore.engine.effects import Announce, Effect, Gone, Hold, Note, Persist, Probe, Prove, Run, Say
from hbcore.engine.engine import Engine
from hbcore.engine.events import (
    AddressGone,
    Answered,
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
)
from hbcore.engine.heart import Heart
from hbcore.engine.lease import lease_of
from hbcore.engine.leases import Answer, Swap, Ticket, renewal
from hbcore.engine.pulse_effects import AskPing, PulseEffect, Rebuild, Refresh, Renew, Send, Shut, TakeOff, Tell
from hbcore.sim.kernel import Kernel

TICK = 100 * MS
TIMING = Timing(TICK, 250 * MS, 490 * MS, 790 * MS, 490 * MS)  # off the grid of ticks: < and <= mean the same
NAMES = ("node1", "node2")
VIP = "192.168.100.100"
PING = "192.168.100.254"
LIFE = 1000  # incarnation of a node's present life; its earlier ones are below
WALL = 1_700_000_000 * SECOND
SEQS = 6  # numbers of beats a tick may use; even, since a new life of the peer is echoed by every other number
INBOX = 6  # ticks: a frozen process' socket keeps all beats of so long, and the newest
STEPS = 24
NEVER = 3600 * SECOND


class Settings:
    """What does not change in a search: the cluster and its one group.

    `kind`: "light" (an address) | "web" (with a service that may run twice) | "heavy" (with one that may not) | "bare"
    (such a service, no address).

    `paced`: nodes without need ask now and then, as they do; else not at all, so that a pair at rest stays as it is.
    """

    def __init__(
        self, kind: str, device: str, *, controlled: bool = True, paced: bool = False, failback: bool = True
    ) -> None:
        vip = Resource(VIP, "address", "IPaddr", (), Address(VIP, 24, "eth0"))
        script = Resource("service", "script", "service", care=Care(monitor_ns=0))
        parts = {"light": (vip,), "bare": (script,)}.get(kind, (vip, script))
        self.kind, self.link, self.paced = kind, device, paced
        self.light = kind in ("light", "web")
        self.group = GroupDef("web", NAMES, parts, Weight.LIGHT if self.light else Weight.HEAVY)
        pings = (PING,) if controlled else ()
        links = (Link(device, Media.MCAST, device, "225.100.0.1", 694),)
        self.config = ClusterConfig("model", NAMES, links, pings, (self.group,), TIMING, failback)
        self.lease = lease_of(TIMING)
        self.control = PING if controlled else ""
        self.ips = frozenset(a.ip for a in self.group.addresses)
        self.gated = self.group.gated
        self.calm = engine.HEALTHY_PROBE_NS // TICK if paced else 0

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """The engine's paces are its module's; within this they are as `paced` says."""
        before = engine.OWNER_PROBE_NS, engine.HEALTHY_PROBE_NS
        if not self.paced:
            engine.OWNER_PROBE_NS = engine.HEALTHY_PROBE_NS = NEVER
        try:
            yield
        finally:
            engine.OWNER_PROBE_NS, engine.HEALTHY_PROBE_NS = before

    @staticmethod
    def mac(number: int) -> bytes:
        return bytes((2, 0, 0, 0, 0, number + 1))

    @staticmethod
    def base(number: int) -> str:
        return f"base-{number}"

    @staticmethod
    def nonce(number: int, life: int) -> int:
        return life * 10 + number + 1


class Running(IntEnum):
    """How our two processes run; the last two: they were let go on in this very moment, and who gets the processor."""

    YES = 0
    FROZEN = 1
    PULSE_FIRST = 2
    DAEMON_FIRST = 3


@dataclass(slots=True)
class Given:
    """What reaches a node in one tick. `answered`: the ping node did; `vip`, `base`: the other node's answers to the
    question asked in the tick before; `neighbour`: anybody's; `asked`: the other one asked for the address."""

    beats: list[Beat] = field(default_factory=list)
    answered: bool = False
    vip: bool = False
    base: bool = False
    neighbour: bool = False
    asked: bool = False


class Node:
    """`heart` None: off. What is under way: `probe`, `runs`; what waits for a frozen process: `inbox`, `events`."""

    def __init__(self, settings: Settings, number: int) -> None:
        self.settings, self.number, self.name = settings, number, NAMES[number]
        self.kernel = Kernel()
        self.heart: Heart | None = None
        self.engine: Engine | None = None
        self.run = Running.YES
        self.now = 0
        self.probe: tuple[Probe, int] | None = None
        self.runs: list[Run] = []
        self.inbox: list[tuple[int, Beat]] = []
        self.events: list[Event] = []
        self.sent: list[Beat] = []
        self.asks = False
        self._answered = False
        self.notes: list[Note] = []
        self._to_pulse: deque[Say | Hold | Prove] = deque()

    # -- life ----------------------------------------------------------------------------------------------------------

    def boot(self, now: int) -> None:
        settings, config = self.settings, self.settings.config
        self.now = now
        self.heart = Heart(
            me=self.number, cluster=config.cluster_id, incarnation=LIFE, generation=0,
            nonce=settings.nonce(self.number, LIFE), timing=config.timing, pings=config.pings, now_ns=now, guard="",
        )  # fmt: skip
        self.heart.daemon_came(now)
        self.engine = Engine(config, self.name, self.kernel.stored, now, born_ns=now)
        facts = GroupFacts(settings.group.name, "eth0", settings.base(self.number), settings.control)
        service = Service(settings.mac(self.number), settings.base(self.number))
        self.events = [Guarded(""), Wall(WALL + now), Facts((service,), (facts,))]

    def off(self) -> None:
        self.kernel.power_off()
        self.heart = self.engine = None
        self.run = Running.YES
        self.probe, self.asks = None, False
        for queue in (self.runs, self.inbox, self.events):
            queue.clear()

    # -- what is true --------------------------------------------------------------------------------------------------

    @property
    def answers_vip(self) -> bool:
        return any(self.kernel.answers(self.settings.group.name, ip, self.now) for ip in self.settings.ips)

    @property
    def serves(self) -> bool:
        return bool(self.kernel.services)

    # -- one tick ------------------------------------------------------------------------------------------------------

    def tick(self, now: int, given: Given) -> None:
        """On by one; what leaves is in `sent` and `asks`."""
        self.now = now
        self.sent, self.asks, self._answered = [], False, given.answered
        heart = self.heart
        if heart is None:
            return
        heart._seq = max(heart._seq, now // TICK * SEQS)  # a number says in which tick it was sent
        self._scripts_end()
        self._probe_ends(given)
        if given.asked:
            self.events.append(Seen("eth0", VIP, self.settings.mac(1 - self.number), "probe", now))
        self.inbox += [(now, beat) for beat in given.beats]
        if self.run is Running.FROZEN:
            self.inbox = [(at, b) for at, b in self.inbox[:-1] if now - at < INBOX * TICK] + self.inbox[-1:]
            return
        self._addresses()
        if self.run is Running.DAEMON_FIRST or (self.events and self.run is Running.YES):
            self._step()
        self.run = Running.YES
        for at, beat in self.inbox:
            if (tell := heart.hear(self.settings.link, at, beat)[1]) is not None:
                self.events.append(tell.event)
        self.inbox.clear()
        self._obey()
        self._pulse(heart.timer(now))
        self._pump()
        heart._next_beat_ns = now + TICK  # after a stop its rhythm would run between the ticks
        heart._pings = dict.fromkeys(heart._pings, now + TICK)

    def _pump(self) -> None:
        assert self.heart is not None
        self.events.append(Tick())
        for _ in range(STEPS):
            if self._to_pulse:
                self._obey()
                self._pulse(self.heart.timer(self.now))
            elif self.events:
                self._step()
            else:
                return
        raise AssertionError("a tick that does not end")

    def _obey(self) -> None:
        assert self.heart is not None
        while self._to_pulse:
            self._pulse(self.heart.obey(self.now, self._to_pulse.popleft()))

    def _step(self) -> None:
        assert self.engine is not None
        waiting = tuple(self.events) or (Tick(),)
        self.events.clear()
        for effect in self.engine.step(self.now, *waiting):
            self._do(effect)

    # -- pulse ---------------------------------------------------------------------------------------------------------

    def _pulse(self, effects: list[PulseEffect]) -> None:
        assert self.heart is not None
        for effect in effects:
            match effect:
                case Send(beat):
                    self.sent.append(beat)
                case AskPing(name):
                    if self._answered:
                        self._pulse([self.heart.answered(Answered(name, self.now, self.now))])
                case Tell(event):
                    self.events.append(event)
                case Renew():
                    self._pulse(self.heart.gated(self.now, effect, self._renew(effect)))
                case Rebuild():
                    self._pulse(self.heart.leases.rebuilt(self.now, self.kernel.install([self.settings.group.name])))
                case Shut(groups):
                    for group in groups:
                        self.kernel.shut(group)
                case TakeOff(groups):
                    for group in groups:
                        self.kernel.shut(group)
                    self.events += [AddressGone(ip, self.now) for ip in sorted(self.kernel.addresses)]
                    self.kernel.addresses.clear()
                case Refresh():
                    pass  # the slow second layer is not modelled: all must be right without it

    def _renew(self, renew: Renew) -> Answer:
        if renew.fresh:
            self.kernel.install([renew.group])
        steps = renewal(renew, self.settings.lease.ticket_ns)
        step = next(steps)
        while True:
            match step:
                case Ticket(timeout):
                    answer = self.kernel.ticket(renew.group, self.now, timeout)
                case Swap(remaining, fresh):
                    answer = self.kernel.swap(renew.group, self.now, remaining, fresh=fresh)
            try:
                step = steps.send((answer, self.now))
            except StopIteration as done:
                return Answer(done.value)

    # -- the daemon ----------------------------------------------------------------------------------------------------

    def _do(self, effect: Effect) -> None:
        match effect:
            case Say() | Hold() | Prove():
                self._to_pulse.append(effect)
            case Run(operation="status"):
                self.events.append(Done(effect.op, Outcome.RUNNING if self._runs(effect) else Outcome.STOPPED))
            case Run():
                self.runs.append(effect)
            case Probe():
                self.probe = effect, self.now
                self.asks = self.asks or VIP in effect.targets
            case Persist(number, stored):
                self.kernel.stored = stored
                self.events.append(Persisted(number))
            case Note():
                self.notes.append(effect)
            case Announce():
                pass
            case Gone():
                raise AssertionError("nobody asked it to leave")

    def _runs(self, run: Run) -> bool:
        if run.resource.address is not None:
            return run.resource.address.ip in self.kernel.addresses
        return bool(self.kernel.services)

    def _scripts_end(self) -> None:
        """A script goes on while we are stopped."""
        for run in [r for r in self.runs if r.resource.address is None]:
            self.runs.remove(run)
            if run.operation == "start":
                self.kernel.services.add((run.group, run.resource.name))
            else:
                self.kernel.services.discard((run.group, run.resource.name))
            self.events.append(Done(run.op, Outcome.OK))

    def _addresses(self) -> None:
        """By the daemon's own hand."""
        for run in self.runs:
            assert run.resource.address is not None
            outcome = Outcome.OK
            if run.operation == "stop":
                self.kernel.addresses.discard(run.resource.address.ip)
                self.kernel.lift(run.group)
            elif run.not_after_ns and self.now > run.not_after_ns:
                outcome = Outcome.LATE
            else:
                if self.settings.gated:
                    self.kernel.install([run.group])
                self.kernel.addresses.add(run.resource.address.ip)
            self.events.append(Done(run.op, outcome))
        self.runs.clear()

    def _probe_ends(self, given: Given) -> None:
        if self.probe is None:
            return
        (probe, begun), self.probe = self.probe, None
        other = 1 - self.number
        mac = self.settings.mac(other)
        said = {VIP: given.vip, self.settings.base(other): given.base}
        answers = tuple(Sighting(ip, mac, True) for ip in probe.targets if said.get(ip))
        self.events.append(Probed(probe.probe, begun, self.now, answers, probe.neighbours and given.neighbour))
