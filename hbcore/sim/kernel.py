"""What one machine's kernel really holds: addresses, the guard's gates and tickets, running services, the disk.

Owns the truth that invariants are read from. Invariant: a gate opens and closes by the kernel's own clock, whatever our
processes do; a write not yet on the disk is lost with the power. Must not know engines or the network.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hbcore.engine.effects import Stored
from hbcore.engine.leases import Answer

FOR_EVER = 1 << 62  # an element put without a timeout, or with one of 0, does not expire


@dataclass(slots=True)
class Kernel:
    """Times are the machine's own (ns). `gates`, `tickets`: group -> end. `services`: running resources but addresses.

    `guard`: the rules stand; `capable`: this kernel knows such rules at all. `stored`: what is on the disk.
    """

    capable: bool = True
    guard: bool = False
    addresses: set[str] = field(default_factory=set)
    gated: set[str] = field(default_factory=set)  # groups whose addresses have a gate
    gates: dict[str, int] = field(default_factory=dict)
    tickets: dict[str, int] = field(default_factory=dict)
    services: set[tuple[str, str]] = field(default_factory=set)  # (group, resource)
    stored: Stored = field(default_factory=Stored)
    incarnation: int = 0

    def power_off(self) -> None:
        self.guard = False
        for held in (self.addresses, self.gated, self.gates, self.tickets, self.services):
            held.clear()

    # -- the guard -----------------------------------------------------------------------------------------------------

    def install(self, groups: list[str]) -> str:
        """Shut, where nothing is open already."""
        if not self.capable:
            return "EOPNOTSUPP"
        self.guard = True
        self.gated.update(groups)
        return ""

    def flush(self) -> None:
        """Somebody's `nft flush ruleset`."""
        self.guard = False
        for held in (self.gated, self.gates, self.tickets):
            held.clear()

    def ticket(self, group: str, now_ns: int, timeout_ns: int) -> Answer:
        if not self.guard:
            return Answer.LOST
        self.tickets[group] = now_ns + timeout_ns
        return Answer.DONE

    def swap(self, group: str, now_ns: int, remaining_ns: int, *, fresh: bool) -> Answer:
        if not self.guard:
            return Answer.LOST
        if self.tickets.get(group, 0) <= now_ns or not (fresh or self.open(group, now_ns)):
            return Answer.LAPSED
        del self.tickets[group]
        self.gates[group] = now_ns + remaining_ns if remaining_ns > 0 else FOR_EVER
        return Answer.DONE

    def shut(self, group: str) -> None:
        self.gates.pop(group, None)

    def lift(self, group: str) -> None:
        self.gated.discard(group)
        self.gates.pop(group, None)

    def open(self, group: str, now_ns: int) -> bool:
        return self.gates.get(group, 0) > now_ns

    def answers(self, group: str, ip: str, now_ns: int) -> bool:
        """Whether this machine answers for the address now."""
        return ip in self.addresses and (group not in self.gated or self.open(group, now_ns))
