"""Pulse's leases: up to when each held group may go on, and what the kernel's gate is told of it (safety.md 6).

Owns the deadlines, and the order of a renewal: ticket, a look at the clock, one transaction. Invariant: a gate outlives
its lease by W at most; a lapse is final until the daemon gives a right that is newer; a gate is opened only by such a
right, or where the guard itself was lost while the lease was valid. Must not know beats, sockets or agents.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from enum import StrEnum

from hbcore.engine.config import MS, SECOND
from hbcore.engine.effects import Held
from hbcore.engine.events import Guarded, Lapsed
from hbcore.engine.lease import Evidence, Lease, renewed_until
from hbcore.engine.pulse_effects import PulseEffect, Rebuild, Refresh, Renew, Shut, TakeOff, Tell

REFRESH_NS = SECOND  # addresses live for several (lease.valid_s)
REBUILD_PACE_NS = 20 * MS  # somebody who flushes the ruleset without pause must not keep pulse from its beats


class Answer(StrEnum):
    """What the kernel made of a ticket or a swap."""

    DONE = "done"
    LAPSED = "lapsed"  # the ticket or the gate's element had expired: pulse came too late
    LOST = "lost"  # there is no guard any more: somebody removed it
    FAILED = "failed"  # another errno


@dataclass(frozen=True, slots=True)
class Ticket:
    """Put the group's ticket elements, for so long (W)."""

    timeout_ns: int


@dataclass(frozen=True, slots=True)
class Swap:
    """One transaction: delete the ticket, delete the gate's element unless `fresh`, add it for `remaining_ns`."""

    remaining_ns: int
    fresh: bool


def renewal(renew: Renew, ticket_ns: int) -> Generator[Ticket | Swap, tuple[Answer, int], Answer]:
    """One renewal. Send back the kernel's answer and the time read after it; a pause anywhere makes the kernel refuse.

    The clock is read after the ticket was put, and the swap works only while the ticket lives: so the gate ends at most
    W after the lease (`until_ns`), however long this process was stopped in between. What was refused is tried once
    more: where only the ticket had run out, the gate still stands, and a short pause costs nothing. Not so a `fresh`
    one: the daemon may have shut it meanwhile, and it would open the gate again.
    """
    for _ in range(1 if renew.fresh else 2):
        answer, now_ns = yield Ticket(ticket_ns)
        if answer is not Answer.DONE:
            return answer
        if now_ns >= renew.until_ns:
            return Answer.LAPSED
        answer, _ = yield Swap(renew.until_ns - now_ns, renew.fresh)
        if answer is not Answer.LAPSED:
            return answer
    return Answer.LAPSED


@dataclass(slots=True)
class Renewed:
    """A lease: good until `until_ns`. `gate_ns`: up to when the kernel's gate was set (0 = not known to be open).

    `reopen`: the guard was lost under a valid lease. `lapsed_ns`: when it lapsed (0 = it did not).
    """

    held: Held
    until_ns: int
    gate_ns: int = 0
    reopen: bool = False
    lapsed_ns: int = 0
    refreshed_ns: int = 0
    base_ns: int = 0
    neighbour_ns: int = 0


class Leases:
    """`guard`: why the kernel gives no guard, "" where it does; leases then end by this process' own doing only.

    `grace_ns`: how long a group is good at the first `hold` by being named alone; a full lease later.
    """

    def __init__(self, lease: Lease, *, grace_ns: int, guard: str) -> None:
        self.by_group: dict[str, Renewed] = {}
        self.guard = guard
        self._lease = lease
        self._grace_ns = grace_ns
        self._rebuilt_ns = 0  # when it was last begun
        self._rebuild_ns = 0  # when it is due, 0 = not

    def hold(self, now_ns: int, held: tuple[Held, ...], unsure: tuple[str, ...] = ()) -> list[PulseEffect]:
        """Keep these leases, and what there is of the `unsure`. One that lapsed stays so, and is told again: who holds
        it may not have heard.
        """
        old, self.by_group = self.by_group, {}
        self.by_group |= {name: old.pop(name) for name in unsure if name in old}
        for one in held:
            kept = old.pop(one.group, None)
            if kept is None or one.opened_ns > max(kept.lapsed_ns, kept.held.opened_ns):
                until_ns = one.opened_ns + self._lease.lease_ns if one.opened_ns else now_ns + self._grace_ns
                kept = Renewed(one, until_ns)
            kept.held = one
            self.by_group[one.group] = kept
        self._grace_ns = self._lease.lease_ns
        out: list[PulseEffect] = [Tell(Lapsed(g, r.lapsed_ns)) for g, r in self.by_group.items() if r.lapsed_ns]
        if given_up := tuple(name for name, r in old.items() if r.held.gated):
            out.append(Shut(given_up))
        return out

    def inherit(self, by_group: dict[str, Renewed]) -> None:
        """Those of one that kept them until now. What is first named from now on has a full lease of its own."""
        self.by_group = dict(by_group)
        self._grace_ns = self._lease.lease_ns

    def prove(self, group: str, kind: str, asked_ns: int) -> None:
        """Evidence that the daemon found: "base" (the peer's base address answered) or "neighbour"."""
        if renewed := self.by_group.get(group):
            if kind == "base":
                renewed.base_ns = max(renewed.base_ns, asked_ns)
            else:
                renewed.neighbour_ns = max(renewed.neighbour_ns, asked_ns)

    def renew(self, now_ns: int, echo_ns: int, asked: dict[str, int], *, left: bool) -> list[PulseEffect]:
        """Prolong all that can be proved, end what cannot. `asked`: newest answered request by control."""
        out: list[PulseEffect] = []
        for renewed in self.by_group.values():
            if renewed.lapsed_ns:
                continue
            held = renewed.held
            evidence = Evidence(echo_ns, asked.get(held.control, 0), renewed.base_ns, renewed.neighbour_ns)
            until_ns = renewed_until(
                now_ns, self._lease.lease_ns, evidence, alone=held.alone or left, controlled=bool(held.control)
            )
            if held.control:  # without one the only proof is that this process ran all the time
                renewed.until_ns = max(renewed.until_ns, until_ns)
            if now_ns > renewed.until_ns:
                out += self._lapse(renewed, now_ns, refused=False)
                continue
            renewed.until_ns = max(renewed.until_ns, until_ns)
            out += self._gate(renewed)
            if held.light and now_ns - renewed.refreshed_ns >= REFRESH_NS:
                renewed.refreshed_ns = now_ns
                out.append(Refresh(held.group))
        return out

    def _gate(self, renewed: Renewed) -> list[PulseEffect]:
        """The kernel is told where the lease grew by half a beat; more often would only cost."""
        held = renewed.held
        if not held.gated or self.guard or renewed.until_ns - renewed.gate_ns < self._lease.keepalive_ns // 2:
            return []
        fresh = renewed.reopen or (not renewed.gate_ns and held.opened_ns > 0)
        return [Renew(held.group, renewed.until_ns, fresh)]

    def _lapse(self, renewed: Renewed, now_ns: int, *, refused: bool) -> list[PulseEffect]:
        renewed.lapsed_ns = now_ns
        out: list[PulseEffect] = [Tell(Lapsed(renewed.held.group, now_ns, refused))]
        if renewed.held.light:  # at once, whatever the daemon is doing
            out.append(TakeOff((renewed.held.group,)))
        return out

    # -- what the kernel said ------------------------------------------------------------------------------------------

    def answered(self, now_ns: int, renew: Renew, answer: Answer) -> list[PulseEffect]:
        """What came of a `Renew`."""
        renewed = self.by_group.get(renew.group)
        if renewed is None or renewed.lapsed_ns:
            return []
        match answer:
            case Answer.DONE:
                renewed.gate_ns, renewed.reopen = renew.until_ns, False
            case Answer.LAPSED:
                return self._lapse(renewed, now_ns, refused=True)
            case Answer.LOST:
                return self.lost(now_ns)
            case Answer.FAILED:
                pass  # the gate ends by itself, and the next renewal is refused
        return []

    def lost(self, now_ns: int) -> list[PulseEffect]:
        """Somebody removed the guard: nothing shuts the addresses until it stands again."""
        self._rebuild_ns = max(now_ns, self._rebuilt_ns + REBUILD_PACE_NS)
        return self.mend(now_ns)

    def mend(self, now_ns: int) -> list[PulseEffect]:
        """Build the guard again, where that is due: nobody tells a second time that it is gone."""
        if not self._rebuild_ns or now_ns < self._rebuild_ns:
            return []
        self._rebuild_ns, self._rebuilt_ns = 0, now_ns
        return [Rebuild()]

    def rebuilt(self, now_ns: int, trouble: str) -> list[PulseEffect]:
        """It was installed again, shut; where the lease is valid it is opened as by a new right. Where it could not be,
        it is tried again, for a tenth of the time at most: what the kernel refuses costs it 16 ms and more.
        """
        out: list[PulseEffect] = [] if self.guard else [Tell(Guarded("lost"))]
        if not trouble or trouble != self.guard:
            out.append(Tell(Guarded(trouble)))
        self.guard = trouble
        if trouble:
            self._rebuild_ns = now_ns + max(REBUILD_PACE_NS, 9 * (now_ns - self._rebuilt_ns))
        for renewed in self.by_group.values():
            renewed.reopen = renewed.reopen or renewed.gate_ns > 0
            renewed.gate_ns = 0
            if not renewed.lapsed_ns and now_ns <= renewed.until_ns:
                out += self._gate(renewed)
        return out

    def next_ns(self) -> list[int]:
        """When leases end, and when the guard is to be built again."""
        ends = [r.until_ns + 1 for r in self.by_group.values() if not r.lapsed_ns]
        return [*ends, self._rebuild_ns] if self._rebuild_ns else ends

    def light(self) -> dict[int, str]:
        """Number in beats -> name, of the light groups held."""
        return {r.held.word: r.held.group for r in self.by_group.values() if r.held.light}

    def drop(self) -> None:
        """Nobody is vouched for any more."""
        self.by_group = {}
