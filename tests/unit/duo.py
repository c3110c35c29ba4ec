"""Two real engines with their real hearts on a little wire of function calls: for tests that read like stories.

Owns virtual time, the wire, and what the two kernels hold (addresses, services). The decisions are all the engine's.
Not a simulator: no drift, loss or crash points, one group layout, times exact. Must not decide anything.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from hbcore.engine.beat import Beat, Service
from hbcore.engine.config import MS, SECOND, Address, ClusterConfig, GroupDef, Link, Media, Resource, Timing, Weight
from hbcore.engine.effects import Announce, Effect, Gone, Hold, Note, Persist, Probe, Prove, Run, Say, Stored
from hbcore.engine.engine import Engine
from hbcore.engine.events import (
    Actor,
    Answered,
    Asked,
    Done,
    Event,
    Facts,
    GroupFacts,
    Leave,
    Outcome,
    Persisted,
    Probed,
    Sighting,
    Tick,
    Wall,
)  # fmt: skip
from hbcore.engine.heart import AskPing, Heart, PulseEffect, Send, TakeOff, Tell
from hbcore.engine.planner import Order, Plan

NAMES = ("node1", "node2")
VIP = "192.168.100.100"
PING = "192.168.100.254"
WIRE_NS = 300_000
PROBE_NS = 95 * MS
FOREIGN = b"\x02\0\0\0\0\x66"


def config(weight: Weight = Weight.LIGHT, *, pings: tuple[str, ...] = (PING,), failback: bool = True) -> ClusterConfig:
    """The tutorial's cluster, by hand."""
    vip = Resource(VIP, "address", VIP, (), Address(VIP, 24, "eth0"))
    web = Resource("httpd", "script", "httpd")
    group = GroupDef("web", NAMES, (vip, web), weight)
    link = Link("eth0", Media.MCAST, "eth0", "225.100.0.1", 694)
    return ClusterConfig("test", NAMES, (link,), pings, (group,), Timing(), failback)


@dataclass
class Box:
    """One machine: `running` is the kernel's truth, `disk` survives power."""

    name: str
    number: int
    heart: Heart | None = None
    engine: Engine | None = None
    running: set[str] = field(default_factory=set)
    disk: Stored = field(default_factory=Stored)
    incarnation: int = 0
    powered: bool = False
    awake: bool = True
    notes: list[Note] = field(default_factory=list)
    gone: bool | None = None
    start_ns: int = 20 * MS
    stop_ns: int = 20 * MS
    fails: set[str] = field(default_factory=set)  # "start httpd", "stop httpd"
    disk_ns: int = MS
    life: int = 0

    @property
    def mac(self) -> bytes:
        return bytes((2, 0, 0, 0, 0, self.number + 1))

    @property
    def base(self) -> str:
        return f"192.168.100.{self.number + 1}"

    def codes(self) -> list[str]:
        return [n.code for n in self.notes]


class Duo:
    """`beats[a, b]`: heartbeats from a to b pass. `control[a]`: a reaches the ping node. `lan`: ARP passes between."""

    def __init__(self, configuration: ClusterConfig | None = None) -> None:
        self.config = configuration or config()
        self.configs = [self.config, self.config]  # what each node's files say
        self.now = 1000 * SECOND
        self.boxes = [Box(name, number) for number, name in enumerate(NAMES)]
        self.beats = {(0, 1): True, (1, 0): True}
        self.control = {0: True, 1: True}
        self.lan = True
        self.foreign = False
        self.neighbours = False
        self.owners: list[tuple[int, tuple[int, ...]]] = []
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0

    # -- machines ------------------------------------------------------------------------------------------------------

    def boot(self, number: int, *, running: set[str] | None = None) -> None:
        box = self.boxes[number]
        box.powered, box.awake, box.gone = True, True, None
        box.running = set(running or ())
        box.incarnation = max(box.incarnation + 1, self.now // SECOND)
        box.life += 1
        box.heart = Heart(
            me=number, cluster=self.config.cluster_id, incarnation=box.incarnation, generation=0,
            nonce=box.incarnation * 1000 + number + 1, timing=self.configs[number].timing, pings=self.config.pings,
            now_ns=self.now,
        )  # fmt: skip
        self.new_daemon(number, resumed=False)

    def new_daemon(self, number: int, *, resumed: bool) -> None:
        """A daemon comes up beside the box's heart and looks at the host."""
        box = self.boxes[number]
        assert box.heart is not None
        box.heart.daemon_came(self.now)
        box.engine = Engine(
            self.configs[number], box.name, box.disk, self.now, heard_ns=box.heart.heard_ns, resumed=resumed
        )
        self.step(number, Wall(1_700_000_000 * SECOND + self.now))
        control = self.config.pings[0] if self.config.pings else ""
        facts = tuple(GroupFacts(g.name, "eth0", box.base, control) for g in self.config.groups)
        self.step(number, Facts((Service(box.mac, box.base),), facts))

    def power_off(self, number: int) -> None:
        box = self.boxes[number]
        box.powered, box.engine, box.heart = False, None, None
        box.running.clear()
        box.life += 1
        self._look()

    def freeze(self, number: int) -> None:
        """All of ours stops; the kernel goes on."""
        self.boxes[number].awake = False

    def thaw(self, number: int) -> None:
        self.boxes[number].awake = True

    def cut(self, *ways: tuple[int, int]) -> None:
        for way in ways or ((0, 1), (1, 0)):
            self.beats[way] = False

    def heal(self) -> None:
        self.beats = dict.fromkeys(self.beats, True)
        self.control = dict.fromkeys(self.control, True)
        self.lan = True

    # -- operators -----------------------------------------------------------------------------------------------------

    def order(self, number: int, verb: str, node: str = "", group: str = "", scope: str = "all") -> Plan:
        engine = self.boxes[number].engine
        assert engine is not None
        order = Order(verb, node, group, scope)
        plan, effects = engine.ask(self.now, order, Asked(self.now, verb, node, group, scope, Actor(0, name="root")))
        self._do(number, effects)
        return plan

    def leave(self, number: int) -> None:
        self.step(number, Leave())

    # -- time ----------------------------------------------------------------------------------------------------------

    def run(self, seconds: float) -> None:
        end = self.now + int(seconds * SECOND)
        while True:
            due = min([end, *self._deadlines()])
            if self._heap and self._heap[0][0] <= min(due, end):
                self.now, _, call = heapq.heappop(self._heap)
                call()
            elif due >= end:
                self.now = end
                return
            else:
                self.now = max(self.now, due)
                self._timers()

    def until(self, truth: Callable[[], bool], seconds: float = 30) -> float:
        """Run until `truth()`; the seconds it took. Fails after `seconds`."""
        begun = self.now
        while not truth():
            assert self.now - begun < seconds * SECOND, f"not within {seconds} s: {self.where()}"
            self.run(0.001)
        return (self.now - begun) / SECOND

    def where(self) -> tuple[int, ...]:
        """Who has the address now."""
        return tuple(b.number for b in self.boxes if VIP in b.running)

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

    # -- inside --------------------------------------------------------------------------------------------------------

    def _at(self, delay_ns: int, call: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._heap, (self.now + delay_ns, self._count, call))

    def _live(self) -> list[Box]:
        return [b for b in self.boxes if b.powered and b.awake and b.heart is not None]

    def _deadlines(self) -> list[int]:
        out = []
        for box in self._live():
            assert box.heart is not None
            out.append(box.heart.next_deadline(self.now))
            if box.engine is not None:
                out.append(box.engine.next_deadline())
        return [max(d, self.now + 10_000) for d in out]

    def _timers(self) -> None:
        for box in self._live():
            assert box.heart is not None
            if box.heart.next_deadline(self.now) <= self.now + 10_000:
                self._pulse(box.number, box.heart.timer(self.now))
            if box.engine is not None and box.engine.next_deadline() <= self.now + 10_000:
                self.step(box.number, Tick())

    def step(self, number: int, event: Event) -> None:
        engine = self.boxes[number].engine
        if engine is not None:
            self._do(number, engine.step(self.now, event))

    def _later(self, number: int, delay_ns: int, make: Callable[[], Event]) -> None:
        """An event for this life of the box; one that is frozen gets it when it wakes."""
        box = self.boxes[number]
        life = box.life

        def arrive() -> None:
            if box.life != life:
                return
            if box.awake:
                self.step(number, make())
            else:
                self._at(50 * MS, arrive)

        self._at(delay_ns, arrive)

    def _do(self, number: int, effects: list[Effect]) -> None:
        box = self.boxes[number]
        for effect in effects:
            match effect:
                case Say() | Hold() | Prove():
                    assert box.heart is not None
                    self._pulse(number, box.heart.obey(self.now, effect))
                case Persist(persist, stored):
                    box.disk = stored
                    self._later(number, box.disk_ns, partial(Persisted, persist))
                case Run():
                    self._run(number, effect)
                case Probe():
                    begun = self.now
                    self._later(number, PROBE_NS, partial(self._probed, number, effect, begun))
                case Note():
                    box.notes.append(effect)
                case Gone(clean):
                    box.gone = clean
                case Announce():
                    pass

    def _run(self, number: int, run: Run) -> None:
        box = self.boxes[number]
        name = run.resource.name
        address = run.resource.agent == "address"
        if run.operation == "status":
            outcome = Outcome.RUNNING if name in box.running else Outcome.STOPPED
            outcome = Outcome.UNKNOWN if f"status {name}" in box.fails else outcome
            self._later(number, MS, lambda: Done(run.op, outcome))
            return
        if f"{run.operation} {name}" in box.fails:
            self._later(number, MS, lambda: Done(run.op, Outcome.FAILED, "told to fail", MS))
            return
        took = 2 * MS if address else box.start_ns if run.operation == "start" else box.stop_ns

        def finish() -> Event:
            (box.running.add if run.operation == "start" else box.running.discard)(name)
            self._look()
            return Done(run.op, Outcome.OK, "", took)

        self._later(number, took, finish)

    def _probed(self, number: int, probe: Probe, begun: int) -> Probed:
        other = self.boxes[1 - number]
        answers = []
        reaches = self.lan and other.powered
        for ip in probe.targets:
            if reaches and (ip == other.base or ip in other.running):
                answers.append(Sighting(ip, other.mac, True))
            if self.foreign and ip == VIP:
                answers.append(Sighting(ip, FOREIGN, False))
        return Probed(probe.probe, begun, self.now, tuple(answers), self.neighbours or self.control[number])

    def _pulse(self, number: int, effects: list[PulseEffect]) -> None:
        box = self.boxes[number]
        for effect in effects:
            match effect:
                case Send(beat):
                    if self.beats[number, 1 - number]:
                        self._at(WIRE_NS, partial(self._arrive, 1 - number, beat))
                case AskPing(name):
                    if self.control[number]:
                        self._at(WIRE_NS, partial(self._pinged, number, box.life, name, self.now))
                case Tell(event):
                    self.step(number, event)
                case TakeOff():
                    box.running.discard(VIP)
                    self._look()

    def _arrive(self, number: int, beat: Beat, at_ns: int = 0) -> None:
        box = self.boxes[number]
        if not box.powered:
            return
        at_ns = at_ns or self.now
        if not box.awake:
            self._at(50 * MS, lambda: self._arrive(number, beat, at_ns))
            return
        assert box.heart is not None
        _, tell = box.heart.hear("eth0", at_ns, beat)
        if tell is not None:
            self._pulse(number, [tell])

    def _pinged(self, number: int, life: int, name: str, sent_ns: int) -> None:
        box = self.boxes[number]
        if box.life == life and box.awake and box.heart is not None:
            self._pulse(number, [box.heart.answered(Answered(name, sent_ns, self.now))])

    def _look(self) -> None:
        self.owners.append((self.now, self.where()))
