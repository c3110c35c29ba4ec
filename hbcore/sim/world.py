"""The simulated world: true time, two machines, the network between them, and what happens when.

Owns the order of events. Invariant: one seed and one plan give one course, to the nanosecond; truth is kept here and in
the machines, never taken from an engine. Must not know what is right (judge.py) nor which faults come (faults.py).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from hbcore.engine.beat import Beat
from hbcore.engine.config import MS, SECOND, ClusterConfig
from hbcore.engine.effects import Note, Stored
from hbcore.sim.chance import Stream
from hbcore.sim.daemon import Daemon
from hbcore.sim.machine import Machine
from hbcore.sim.network import Network, service_of
from hbcore.sim.pulse import NEVER, Pulse

if TYPE_CHECKING:
    from hbcore.sim.judge import Judge

BEGUN_NS = 1000 * SECOND
WIRE_NS = 300_000


@dataclass(slots=True)
class Noise:
    """What the network does to frames: shares of them, and milliseconds."""

    loss: float = 0.0
    twice: float = 0.0
    jitter_ms: float = 0.0
    slow_ms: float = 0.0  # added to all beats while a link is slow


@dataclass(slots=True)
class Happened:
    """One line of a run: code and arguments for words. `who`: a node, or "" for the world."""

    at_ns: int
    who: str
    code: str
    args: tuple[tuple[str, str], ...] = ()
    severity: str = "info"


@dataclass(slots=True)
class Timers:
    heap: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)
    count: int = 0


class World:
    def __init__(
        self, config: ClusterConfig, judge: Judge, *, seed: int = 0, configs: tuple[ClusterConfig, ...] = (),
        ppm: tuple[float, float] = (0.0, 0.0), offset_ns: tuple[int, int] = (0, 0), service: str = "",
    ) -> None:  # fmt: skip
        self.begun = self.now = BEGUN_NS
        self.config = config
        self.judge = judge
        devices = tuple(dict.fromkeys(link.device for link in config.links))
        self.network = Network(service or service_of(config), devices, controlled=bool(config.pings))
        self.noises = [Noise()]  # the wire's own, then those of faults
        self.ips = {g.name: frozenset(a.ip for a in g.addresses) for g in config.groups}
        self.group_of = {ip: name for name, ips in self.ips.items() for ip in ips}
        self.gated = {g.name: g.gated for g in config.groups}
        self.by_address = {g.name: g.can_be_gated for g in config.groups}  # light: its services alone serve nobody
        self.machines = [
            Machine(self, n, (configs or (config, config))[n], ppm=ppm[n], offset_ns=offset_ns[n]) for n in (0, 1)
        ]
        self.happened: list[Happened] = []
        self.first_stored: dict[int, Stored] = {}  # a backup of each disk, taken early
        self._timers = Timers()
        self._beats = Stream(seed, "beats")
        self._frames = Stream(seed, "frames")
        judge.begin(self)

    # -- time ----------------------------------------------------------------------------------------------------------

    def later(self, after_ns: int, call: Callable[[], None]) -> None:
        timers = self._timers
        timers.count += 1
        heapq.heappush(timers.heap, (self.now + after_ns, timers.count, call))

    def run(self, seconds: float) -> None:
        """On for so long."""
        self.run_to(self.now + int(seconds * SECOND))

    def run_to(self, end: int) -> None:
        heap = self._timers.heap
        while True:
            due = NEVER
            process: Pulse | Daemon | None = None
            for machine in self.machines:
                if machine.powered and not machine.paused and not machine.frozen:
                    if (pulse := machine.pulse) is not None and pulse.due < due and not machine.still:
                        due, process = pulse.due, pulse
                    if (daemon := machine.daemon) is not None and daemon.due < due and not machine.hung:
                        due, process = daemon.due, daemon
            if heap and heap[0][0] <= due:
                if heap[0][0] > end:
                    break
                self.now, _, call = heapq.heappop(heap)
                call()
                continue
            if process is None or due > end:
                break
            self.now = max(self.now, due)
            process.due = NEVER
            process.timer()
        self.now = end

    def until(self, truth: Callable[[], bool], seconds: float = 30) -> float:
        """Run until `truth()`; the seconds it took. AssertionError after `seconds`."""
        begun = self.now
        while not truth():
            assert self.now - begun < seconds * SECOND, f"not within {seconds} s"
            self.run(0.001)
        return (self.now - begun) / SECOND

    # -- the wire ------------------------------------------------------------------------------------------------------

    def send(self, source: Machine, beat: Beat) -> None:
        network = self.network
        loss, twice = (max(getattr(n, what) for n in self.noises) for what in ("loss", "twice"))
        target = self.machines[1 - source.number]
        for link in self.config.links:
            if not network.beat(link.device, source.number, target.number):
                continue
            if loss and self._beats.chance(loss):
                continue
            self.later(self._delay(), partial(self._arrive, target, link.name, beat))
            if twice and self._beats.chance(twice):
                self.later(self._delay(), partial(self._arrive, target, link.name, beat))

    def _arrive(self, target: Machine, link: str, beat: Beat) -> None:
        if target.pulse is not None and not target.paused:
            target.pulse.arrive(link, beat)

    def _delay(self) -> int:
        slow_ns, jitter = self.slow_ns, self.noises[0].jitter_ms
        if not jitter and not slow_ns:
            return WIRE_NS
        draw = self._beats.u01()
        heavy = 8.0 if draw > 0.98 else 1.0
        return WIRE_NS + slow_ns + int(jitter * draw * heavy * MS)

    def ping(self, machine: Machine, name: str) -> None:
        if machine.pulse is not None and self.network.control(machine.number) and not self.frame_lost():
            self.later(WIRE_NS, partial(self._pinged, machine.pulse, name, machine.now))

    def _pinged(self, pulse: Pulse, name: str, sent_ns: int) -> None:
        if pulse.alive and not pulse.machine.paused:
            pulse.pinged(name, sent_ns)

    def daemon_first(self) -> bool:
        return self._frames.chance(0.5)

    @property
    def slow_ns(self) -> int:
        """By so much every heartbeat is later than the wire makes it."""
        return int(sum(n.slow_ms for n in self.noises) * MS)

    def frame_lost(self) -> bool:
        """Whether noise takes this frame on the service segment."""
        loss = max(n.loss for n in self.noises)
        return loss > 0 and self._frames.chance(loss)

    # -- what is told --------------------------------------------------------------------------------------------------

    def note(self, machine: Machine, note: Note) -> None:
        self.judge.noted(machine, note)
        self.tell(machine.name, note.code, note.severity, *note.args)

    def tell(self, who: str, code: str, severity: str = "info", *args: tuple[str, str]) -> None:
        self.happened.append(Happened(self.now, who, code, args, severity))

    def crash(self, machine: Machine, what: str) -> None:
        """In the middle of what it is doing."""
        self.judge.count("crashes at edges")
        self.tell("", f"sim-edge-{what}", "warning", ("node", machine.name))
        {
            "power": machine.power_off, "daemon": machine.kill_daemon, "pulse": machine.kill_pulse,
            "freeze": machine.freeze, "hang": machine.hang,
        }[what]()  # fmt: skip

    # -- truth ---------------------------------------------------------------------------------------------------------

    def active(self, machine: Machine, group: str) -> bool:
        """The group really runs there: an address that answers; or, of a heavy group or one without an address, any
        service (anchors B3).
        """
        if not machine.powered or machine.paused:
            return False
        kernel = machine.kernel
        if any(kernel.answers(group, ip, machine.now) for ip in self.ips[group]):
            return True
        if self.by_address[group]:
            return False
        return any(owner == group for owner, _ in kernel.services)

    def holds(self, machine: Machine, group: str) -> bool:
        """Something of the group is on this machine, whether or not it answers now."""
        kernel = machine.kernel
        return bool(kernel.addresses & set(self.ips[group])) or any(name == group for name, _ in kernel.services)

    def owners(self, group: str) -> list[int]:
        return [m.number for m in self.machines if self.active(m, group)]
