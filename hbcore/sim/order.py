"""What may only come after what: the disk before the word and the start, a lease before its gate, a full D of waking
silence before LOST.

Owns these invariants of the judge (S2, S6, L1, L3 of anchors B3, and G: the guard's of safety.md 6). Invariant: it only
looks, at what nodes do and at what their kernels hold. Must not know faults.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hbcore.engine.beat import Stand
from hbcore.engine.config import CARE, MS, SECOND
from hbcore.engine.effects import Effect, Persist, Run, Say
from hbcore.engine.engine import Engine
from hbcore.engine.group import Phase
from hbcore.engine.pulse_effects import Renew
from hbcore.engine.world import PERSIST_WAIT_NS

if TYPE_CHECKING:
    from hbcore.sim.judge import Overlap
    from hbcore.sim.machine import Machine
    from hbcore.sim.world import World

GUARD_BACK_NS = 100 * MS  # safety.md 6
SILENT_NS = 3 * SECOND  # so long a node that says it runs a group may be silent for clients
UNASKED_NS = CARE.monitor_ns + CARE.status_ns  # ... one that serves by a script alone, which is asked now and then
TAKEN = frozenset({"S3", "S5", "S8", "F1", "release", "bye"})  # licences whose right must be on the disk first

Key = tuple[int, str]
Right = tuple[bool, int]  # mine, epoch


class Order:
    """`broken`: (invariant, group, text)."""

    def __init__(self, broken: Callable[[str, str, str], None]) -> None:
        self._broken = broken
        self._written: dict[Key, tuple[Right, int]] = {}  # what the disk was last asked to keep, and when
        self._said: dict[Key, Right] = {}
        self._silent: dict[Key, int] = {}

    # -- the disk first (safety.md 8: for 200 ms) ----------------------------------------------------------------------

    def stepped(self, machine: Machine, engine: Engine, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Persist(_, stored):
                    for kept in stored.groups:
                        key, right = (machine.number, kept.name), (kept.mine, kept.epoch)
                        if key not in self._written or self._written[key][0] != right:
                            self._written[key] = right, machine.now
                case Run(operation="start", group=name):
                    group = engine.world.groups[name]
                    if (
                        group.owner
                        and group.licence in TAKEN
                        and not self._kept(machine, name, True, group.token.epoch)
                    ):
                        self._broken("S6", name, f"{machine.name} starts by a right that is not on its disk")
                case Say(words):
                    for word in words.groups:
                        self._gave(machine, engine, word.group, word.stand, word.epoch)

    def _gave(self, machine: Machine, engine: Engine, number: int, stand: Stand, epoch: int) -> None:
        name = next(g.name for g in engine.world.groups.values() if g.number == number)
        key, said = (machine.number, name), (stand is Stand.RELEASED, epoch)
        if self._said.get(key) == said:
            return
        self._said[key] = said
        by_pulse = machine.heart is not None and name in machine.heart.released  # last words of a dead daemon
        if said[0] and not by_pulse and not self._kept(machine, name, False, epoch):
            self._broken("S6", name, f"{machine.name} says it released {name}, and its disk does not know")

    def _kept(self, machine: Machine, name: str, mine: bool, epoch: int) -> bool:
        """On the disk, or asked of it for long enough."""
        if any((g.name, g.mine, g.epoch) == (name, mine, epoch) for g in machine.kernel.stored.groups):
            return True
        right, at_ns = self._written.get((machine.number, name), ((False, -1), 0))
        return right == (mine, epoch) and (machine.disk_full or machine.now - at_ns >= PERSIST_WAIT_NS)

    # -- in time -------------------------------------------------------------------------------------------------------

    def begins(self, machine: Machine, run: Run, ordered_ns: int) -> None:
        """A start is carried out now; it was ordered then."""
        late_ns = machine.now - ordered_ns
        if late_ns > machine.lease.lease_ns:
            self._broken(
                "S2", run.group, f"{machine.name} starts {run.resource.name} {late_ns // MS} ms after its order"
            )

    def lost(self, machine: Machine) -> None:
        """It called its peer lost."""
        awake_ns = machine.world.now - machine.woke_ns
        if awake_ns < machine.lease.deadtime_ns * 99 // 100:
            self._broken("L3", "", f"{machine.name} calls its peer lost {awake_ns // MS} ms after a stop of its own")

    def two(self, world: World, overlap: Overlap, bound_ns: int) -> None:
        """S1: who hears each other, by whatever hole they came to be two, is not two for long."""
        well = all(m.awake and m.engine is not None and not m.hung and not m.still for m in world.machines)
        if overlap.until_ns or not overlap.hole or not well or not all(world.network.heard(a, 1 - a) for a in (0, 1)):
            overlap.calm_ns = 0
        elif not overlap.calm_ns:
            overlap.calm_ns = world.now
        elif world.now - overlap.calm_ns > bound_ns:
            self._broken("S1", overlap.group, f"both run {overlap.group}, long after {overlap.hole}")
            overlap.hole = ""

    # -- the guard -----------------------------------------------------------------------------------------------------

    def gate(self, machine: Machine, renew: Renew) -> None:
        """A gate was set."""
        beyond_ns = machine.kernel.gates[renew.group] - renew.until_ns
        if beyond_ns > machine.lease.ticket_ns:
            self._broken("G", renew.group, f"{machine.name}: the gate outlives its lease by {beyond_ns // MS} ms")

    def flushed(self, machine: Machine) -> None:
        """Somebody removed the guard."""
        world, pulse = machine.world, machine.pulse
        held = pulse is not None and any(r.held.gated for r in pulse.heart.leases.by_group.values())
        if not held or not machine.awake or not machine.kernel.capable:
            return

        def back() -> None:
            slept = not machine.awake or world.now - machine.woke_ns < GUARD_BACK_NS
            if machine.pulse is pulse and not slept and not machine.kernel.guard:
                self._broken("G", "", f"{machine.name}: the guard is not back after {GUARD_BACK_NS // MS} ms")

        world.later(GUARD_BACK_NS, back)

    def sample(self, machine: Machine) -> None:
        """L1: who says that it runs a group is there for its clients."""
        world, engine = machine.world, machine.engine
        for group in engine.world.groups.values() if engine is not None else ():
            key = (machine.number, group.name)
            runs = group.phase is Phase.RUNNING and machine.awake and not machine.hung
            if not runs or world.active(machine, group.name):
                self._silent.pop(key, None)
            elif world.now - self._silent.setdefault(key, world.now) > SILENT_NS + UNASKED_NS * (not group.probing.ips):
                self._broken("L1", group.name, f"{machine.name} runs {group.name}, and nobody is answered")
                del self._silent[key]
