"""What must hold in every run, read from the world's truth (anchors B3), and how often the rare things happened.

Owns the invariants S1, S2, S6, S7, S8, L1, L2, L3 and the coverage counters. Invariant: it only looks. A second owner
is excused by a hole of safety.md 4 alone, and only while the world really is as that hole says.
Must not know how faults are made, nor what the engine thinks of itself beyond what it did.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hbcore.engine.beat import Mode
from hbcore.engine.config import MS, SECOND
from hbcore.engine.effects import Effect, Note, Run, Stored
from hbcore.engine.engine import TRACE, Engine
from hbcore.engine.group import Group, Phase
from hbcore.engine.heart import LIVES_KEPT, SENT_KEPT
from hbcore.engine.planner import MAX_TICKETS
from hbcore.engine.pulse_effects import Renew
from hbcore.engine.rules import MAX_KEPT
from hbcore.sim.order import Order
from hbcore.sim.outages import Outages
from hbcore.sim.service import should

if TYPE_CHECKING:
    from hbcore.sim.machine import Machine
    from hbcore.sim.world import World

AFTERMATH_NS = 3 * SECOND  # how long a hole may show after the world stopped being as it says
MAX_EFFECTS = 256  # of one step
CLAIMS = frozenset({"S3", "S5", "S8", "F1"})


@dataclass(frozen=True, slots=True)
class Broken:
    """An invariant that did not hold. `hole`: the one of safety.md 4 that explains it, "" = none does."""

    at_ns: int
    invariant: str
    group: str
    text: str
    hole: str = ""


@dataclass(slots=True)
class Overlap:
    """Two owners. `until_ns` 0: still. `calm_ns`: since when they hear each other and should not be two any more."""

    group: str
    from_ns: int
    hole: str
    until_ns: int = 0
    calm_ns: int = 0


@dataclass(slots=True)
class Judge:
    """`broken`: outside every hole. `overlaps`: two owners, excused or not. `counts`: coverage."""

    broken: list[Broken] = field(default_factory=list)
    overlaps: list[Overlap] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    accurate: bool = True  # L3 is asked: no fault that may rightly make a node LOST was put in
    quiet_since_ns: int = 0  # L2 is asked from then on (0 = not)
    outages: Outages = field(default_factory=Outages)
    aftermath_ns: int = AFTERMATH_NS
    serve_ns: int = 0  # L1 while it runs: within so long a healthy node serves what the other cannot
    _should_since: dict[tuple[int, str], int] = field(default_factory=dict)
    _rows: dict[tuple[int, str], str] = field(default_factory=dict)
    _world: World | None = None
    _holes: dict[tuple[str, str], int] = field(default_factory=dict)  # (hole, group, "" = all): when it last was so
    _paused: dict[int, int] = field(default_factory=dict)  # machine: when it was last paused
    _mine: dict[tuple[int, str], bool] = field(default_factory=dict)

    order: Order = field(init=False)

    def __post_init__(self) -> None:
        self.order = Order(self._break)

    def begin(self, world: World) -> None:
        self._world = world

    @property
    def world(self) -> World:
        assert self._world is not None
        return self._world

    def count(self, what: str) -> None:
        self.counts[what] += 1

    def _break(self, invariant: str, group: str, text: str) -> None:
        if len(self.broken) < 100:
            self.broken.append(Broken(self.world.now, invariant, group, text))
        self.world.tell("", "sim-broken", "error", ("invariant", invariant), ("group", group), ("text", text))

    # -- S1: one owner -------------------------------------------------------------------------------------------------

    def answers(self, machine: Machine, group: str) -> None:
        """Something of the group came to life on this machine: is it alone?"""
        world = self.world
        other = world.machines[1 - machine.number]
        if not world.active(machine, group) or not world.active(other, group):
            return
        self.look()
        if any(o.group == group and not o.until_ns for o in self.overlaps):
            return
        hole = self._excuse(group)
        self.overlaps.append(Overlap(group, world.now, hole))
        world.tell("", "sim-two-owners", "error", ("group", group), ("hole", hole or "-"))
        self.count(f"hole {hole}" if hole else "two owners")
        if not hole:
            self._break("S1", group, f"both run {group}")

    def gate(self, machine: Machine, renew: Renew) -> None:
        """The kernel set a gate."""
        if renew.fresh:
            self.answers(machine, renew.group)
        self.order.gate(machine, renew)

    def look(self) -> None:
        """Note which holes the world is in, and which overlaps are over. Called whenever the world is changed."""
        world = self.world
        self._end_overlaps()
        network, now = world.network, world.now
        alive = [m for m in world.machines if m.powered]
        late = world.slow_ns >= world.machines[0].lease.deadtime_ns and not network.lan(0, 1)  # as good as cut
        if len(alive) == 2 and (network.parted or late or (network.split and any(map(self._stranger, alive)))):
            if not network.controlled:
                self._holes["H3", ""] = now
            elif all(network.control(m.number) for m in alive):
                self._holes["H2", ""] = now
        if len(alive) == 2 and (network.split or late):
            self._holes["H1", ""] = now
        for m in alive:
            if m.paused:
                self._paused[m.number] = now
            stopped = m.frozen or m.still or m.heart is None
            for group in world.config.groups:
                name = group.name
                if not world.holds(m, name):
                    continue
                if m.paused:
                    self._holes["H5", name] = self._holes["H1", name] = now
                if stopped and world.by_address[name] and name not in m.kernel.gated:
                    self._holes["H6", name] = now
                if (stopped or m.hung) and not network.lan(0, 1):
                    self._holes["H1", name] = now
                if (stopped or m.hung) and not network.on_lan(m.number):
                    self._holes["H4", name] = now

    @staticmethod
    def _stranger(machine: Machine) -> bool:
        """No beat of the other was proved in this life, nor can one be while a direction is cut: nobody's words count,
        and the cut is a full one.
        """
        return not (machine.heart and machine.heart.heard_ns)

    def _end_overlaps(self) -> None:
        for overlap in self.overlaps:
            if not overlap.until_ns and len(self.world.owners(overlap.group)) < 2:
                overlap.until_ns = self.world.now

    def _excuse(self, group: str) -> str:
        world = self.world
        asked: tuple[str, ...] = () if world.by_address[group] else ("H1", "H4")
        for hole in (*asked, "H5", "H2", "H3", "H6"):
            at = max(self._holes.get((hole, of), 0) for of in ("", group))
            if at and world.now - at <= self.aftermath_ns:
                return hole
        return ""

    # -- S2, S7: what a step may do ------------------------------------------------------------------------------------

    def stepped(self, machine: Machine, engine: Engine, effects: list[Effect]) -> None:
        for group in engine.world.groups.values():
            key = (machine.number, group.name)
            if group.row != self._rows.get(key, ""):
                self._rows[key] = group.row
                self.counts[f"row {group.row}"] += 1
            mine = group.owner
            if mine is not self._mine.get(key, False):
                self._mine[key] = mine
                if mine:
                    self._licensed(machine, engine, group)
        for effect in effects:
            if type(effect) is Run and effect.operation == "start":
                self._started(machine, engine, effect)
        self.order.stepped(machine, engine, effects)
        if len(effects) > MAX_EFFECTS:
            self._break("S7", "", f"{len(effects)} effects of one step")

    def _licensed(self, machine: Machine, engine: Engine, group: Group) -> None:
        """A right came to be here: by a row that may give it, and the other node had it no more."""
        licence = group.licence
        self.counts[f"right by {licence}"] += 1
        world = self.world
        other = world.machines[1 - machine.number]
        if not licence:
            self._break("S2", group.name, f"{machine.name} has the token, and no row gave it")
        elif licence in CLAIMS:
            self.count("claims")
            silent = machine.now - engine.world.peer.heard_ns
            if licence in ("S5", "S8") and engine.world.peer.heard_ns and silent < machine.lease.deadtime_ns:
                self._break("S2", group.name, f"{licence} after only {silent // MS} ms of silence")
            up = machine.now - (machine.pulse.born_ns if machine.pulse is not None else 0)
            if licence in ("S5", "S8") and not engine.world.peer.heard_ns and up < machine.config.timing.initdead_ns:
                self._break("S2", group.name, f"{licence} only {up // MS} ms after boot")
            if self._woken_for_ns(machine) < machine.lease.deadtime_ns + machine.lease.claim_ns:
                self._holes["H5", group.name] = world.now  # its clock stood, so an old silence is new to it
        elif licence == "release" and other.engine is not None:
            theirs = other.engine.world.groups[group.name]
            if theirs.owner and theirs.token.epoch >= group.token.epoch:
                if self._woken_for_ns(machine) < self.aftermath_ns:
                    self._holes["H5", group.name] = world.now  # its clock stood, so an old word is new to it
                else:
                    self._break("S2", group.name, f"{machine.name} took a release that {other.name} never gave")

    def _woken_for_ns(self, machine: Machine) -> int:
        """Since the hypervisor last paused it; longer than anything that follows from that where it never did."""
        return self.world.now - self._paused.get(machine.number, -self.aftermath_ns)

    def _started(self, machine: Machine, engine: Engine, run: Run) -> None:
        group = engine.world.groups[run.group]
        self.count("starts")
        if not group.owner and group.phase is not Phase.STOPPING:  # a stop may follow in the same step
            self._break("S2", run.group, f"{machine.name} starts {run.resource.name} without the token")

    # -- S6: nothing on a disk goes back -------------------------------------------------------------------------------

    def persisted(self, machine: Machine, old: Stored, new: Stored) -> None:
        before = {g.name: g.epoch for g in old.groups}
        self.world.first_stored.setdefault(machine.number, new)
        for group in new.groups:
            if group.epoch < before.get(group.name, 0):
                self._break("S6", group.name, f"{machine.name}: epoch {before[group.name]} -> {group.epoch}")

    # -- S8: strangers change nothing ----------------------------------------------------------------------------------

    def replayed(self, machine: Machine, taken: bool) -> None:
        self.count("replays")
        if taken:
            self._break("S8", "", f"{machine.name} took a beat that was sent again or forged")

    # -- what nodes say ------------------------------------------------------------------------------------------------

    def noted(self, machine: Machine, note: Note) -> None:
        code = note.code
        if name := COUNTED.get(code):
            self.count(name)
        if code == "peer-lost" and self.accurate and not machine.other.speechless:
            self._break("L3", "", f"{machine.name} declared its peer dead; it was not")
        if code == "peer-lost":
            self.order.lost(machine)
        if code == "moving" and ("why", "failback") in note.args:
            self._failback(machine, dict(note.args)["group"])
        if self.quiet_since_ns and code in MOVES:
            self._break("L2", dict(note.args).get("group", ""), f"{machine.name}: {code} in a quiet cluster")

    def _failback(self, machine: Machine, group: str) -> None:
        """L2: home only after the home node was there for 2 D."""
        pulse = machine.other.pulse
        if pulse is None:
            return  # it went a moment ago
        up = machine.other.now - pulse.born_ns
        if up < 2 * machine.lease.deadtime_ns * 99 // 100:
            self._break("L2", group, f"failback to {machine.other.name}, which came {up // MS} ms ago")

    def off(self, machine: Machine) -> None:
        for group in self.world.config.groups:
            self._mine[machine.number, group.name] = False

    def daemon_began(self, machine: Machine) -> None:
        self.off(machine)

    # -- L1: served while it can be ------------------------------------------------------------------------------------

    def sample(self) -> None:
        """Called now and then: a group that one healthy node could serve for long enough, and the other cannot."""
        world = self.world
        self._end_overlaps()
        for overlap in self.overlaps:
            self.order.two(world, overlap, self.serve_ns)
        for machine in world.machines:
            self.order.sample(machine)
            for group in world.config.groups:
                key = (machine.number, group.name)
                if world.active(machine, group.name) or not should(world, machine, group.name):
                    self._should_since[key] = world.now
                    continue
                engine = machine.engine
                heard = engine is not None and engine.world.peer.heard_ns > 0
                bound = self.serve_ns + (0 if heard else world.config.timing.initdead_ns)
                if world.now - self._should_since.get(key, world.now) > bound:
                    self._should_since[key] = world.now
                    self._break("L1", group.name, f"{machine.name} could serve and does not: " + ", ".join(self.why()))

    def measure(self) -> None:
        """Called often: how long each group is without an owner."""
        self._end_overlaps()
        self.outages.measure(self.world)

    # -- at the end ----------------------------------------------------------------------------------------------------

    def bounds(self) -> None:
        """S7: nothing grew beyond its bound."""
        for machine in self.world.machines:
            heart, engine = machine.heart, machine.engine
            if heart is not None and (len(heart._sent) > SENT_KEPT or len(heart._lives) > LIVES_KEPT):
                self._break("S7", "", f"{machine.name}: heart keeps too much")
            if engine is None:
                continue
            world = engine.world
            kept = (
                len(engine.trace) <= TRACE and len(engine.tickets) <= MAX_TICKETS and len(world.book.all()) <= MAX_KEPT
            )
            if not kept or world.notes or any(g.notes for g in world.groups.values()):
                self._break("S7", "", f"{machine.name}: engine keeps too much")

    def late(self) -> None:
        self._break("L1", "", "no single owner of each group within the bound: " + ", ".join(self.why()))

    def why(self) -> list[str]:
        """How it stands, for a person who has to find out."""
        out = []
        for machine in self.world.machines:
            engine = machine.engine
            for group in engine.world.groups.values() if engine is not None else ():
                out.append(f"{machine.name}: {group.name} {group.phase.value} {group.row} owner={group.owner}")
            if engine is None:
                out.append(f"{machine.name}: no daemon")
        return out

    def converged(self) -> bool:
        """Each group has exactly one owner, fully started, and both nodes know it."""
        world = self.world
        for machine in world.machines:
            if not machine.awake or machine.engine is None:
                return False
            if machine.engine.world.mode(machine.now) is not Mode.ONLINE:
                return False
        for definition in world.config.groups:
            owners = world.owners(definition.name) if definition.addresses or not world.gated[definition.name] else []
            running = [
                m.number for m in world.machines
                if m.engine is not None and m.engine.world.groups[definition.name].phase is Phase.RUNNING
            ]  # fmt: skip
            if len(running) != 1 or owners != running:
                return False
            complete = all(
                (definition.name, r.name) in world.machines[running[0]].kernel.services
                for r in definition.resources if r.agent != "address"
            )  # fmt: skip
            if not complete:
                return False
        return True


COUNTED = {
    "taken-over": "takeovers",
    "claiming": "intents",
    "claim-dropped": "claims dropped",
    "lapsed": "lapses",
    "lapsed-late": "lapses by the kernel",
    "lapse-reopened": "reopened",
    "moving": "handovers",
    "yielded": "yields",
    "both-hold": "heals of two owners",
    "contest-over": "heals",
    "peer-lost": "losses",
    "peer-two-way": "rejoins",
    "guard-lost": "guards lost",
    "abandoned": "abandoned",
    "group-found": "adopted",
    "stalled": "stalls",
    "start-failed": "starts failed",
    "resource-failed": "services failed",
    "stop-failed": "stops failed",
    "stop-blocked": "stops blocked",
    "isolated": "isolations",
    "token-passed": "tokens passed",
}
MOVES = frozenset({"moving", "claiming", "taken-over", "lapsed", "lapsed-late", "yielded", "peer-lost"})
