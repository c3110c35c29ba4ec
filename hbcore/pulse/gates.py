"""Pulse's hand on the kernel's guard: which addresses a group has here, and renewals carried out step by step.

Owns the Guard of this process and the places the daemon told. Invariant: a gate is opened or prolonged by the steps of
`leases.renewal` alone; an address is taken off only after its gate was shut. Must not know leases' ends or beats.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable

from hbcore.engine.config import MS
from hbcore.engine.leases import Answer, Swap, Ticket, renewal
from hbcore.engine.pulse_effects import Renew
from hbcore.host import clock, rtnl
from hbcore.host.guard import Gate, Guard
from hbcore.host.pipe import Place

LOOK_NS = 40 * MS  # a flushed guard is to be back within 100 ms, and nobody tells of it (decisions 0004)
NEVER = 1 << 62


class Gates:
    """`trouble`: why this kernel gives no guard, "" where it does."""

    def __init__(self) -> None:
        self._guard = Guard()
        self.trouble = self._guard.trouble
        self._netlink: socket.socket = rtnl.open_socket()
        self._places: dict[str, list[Place]] = {}
        self._looked_ns = 0
        self._installed: set[str] = set()  # addresses whose gates this process looks after
        self._lifted: set[str] = set()  # ... whose gates the daemon took away, until there is a new right to them

    def leave(self) -> tuple[tuple[Place, ...], tuple[str, ...], tuple[str, ...]]:
        """For the heir: places, and which of their gates are installed, which lifted."""
        places = tuple(place for group in self._places.values() for place in group)
        return places, tuple(self._installed), tuple(self._lifted)

    def inherit(self, places: tuple[Place, ...], installed: Iterable[str], lifted: Iterable[str]) -> None:
        """What stands open stays open: a gate that is there is not installed anew."""
        self.put(places)
        self._lifted = set(lifted)
        standing = set(installed)
        gates = [Gate(place.ip, place.neighbours) for place in places if place.ip in standing]
        if not self._guard.install(gates):
            self._installed = standing

    def put(self, places: Iterable[Place]) -> None:
        """Where the groups' addresses belong now."""
        self._places = {}
        for place in places:
            self._places.setdefault(place.group, []).append(place)

    def _gated(self, group: str) -> list[Place]:
        return [p for p in self._places.get(group, ()) if p.gated and p.ip not in self._lifted]

    def renew(self, renew: Renew, ticket_ns: int) -> Answer:
        """Ticket, clock, swap; FAILED where no address of the group has a place here, or all gates were lifted."""
        if renew.fresh:
            self._lifted -= {place.ip for place in self._places.get(renew.group, ())}
        gated = self._gated(renew.group)
        if not gated:
            return Answer.FAILED
        ips = [place.ip for place in gated]
        if not self._installed.issuperset(ips):
            if self._guard.install(Gate(place.ip, place.neighbours) for place in gated):
                return Answer.LOST
            self._installed.update(ips)
        steps = renewal(renew, ticket_ns)
        step = next(steps)
        while True:
            match step:
                case Ticket(timeout_ns):
                    answer = self._guard.ticket(ips, timeout_ns)
                case Swap(remaining_ns, fresh):
                    answer = self._guard.swap(ips, remaining_ns, fresh=fresh)
            try:
                step = steps.send((answer, clock.now_ns()))
            except StopIteration as done:
                result: Answer = done.value
                return result

    def refresh(self, group: str) -> None:
        """Its addresses live on for a while; one that is not there is not put on."""
        for place in self._places.get(group, ()):
            if place.valid_s:
                with contextlib.suppress(OSError):
                    rtnl.refresh_address(self._netlink, place.ifindex, place.ip, place.prefix, place.valid_s)

    def rebuild(self) -> str:
        """Install all that was installed before again, shut. "" or the name of an errno."""
        return self._guard.install(())

    def next_ns(self) -> int:
        """When the kernel's rules are to be looked at again."""
        return self._looked_ns + LOOK_NS if self._installed else NEVER

    def gone(self, now_ns: int) -> bool:
        """Somebody else changed the kernel's rules, and ours do not stand any more."""
        if now_ns < self.next_ns():
            return False
        self._looked_ns = now_ns
        return self._guard.changed() and not self.stands()

    def stands(self) -> bool:
        return self._guard.stands()

    def lifted(self, ips: Iterable[str]) -> None:
        """The daemon took these addresses off and lifts their gates itself."""
        known = set(ips)
        self._guard.forget(known)
        self._lifted |= known
        self._installed -= known

    def shut(self, groups: Iterable[str]) -> None:
        for group in groups:
            if ips := [place.ip for place in self._gated(group)]:
                self._guard.shut(ips)

    def take_off(self, groups: Iterable[str]) -> None:
        """They lapsed, or the daemon is gone and nobody manages them any more."""
        self.shut(groups)
        for group in groups:
            for place in self._places.get(group, ()):
                with contextlib.suppress(OSError):
                    rtnl.delete_address(self._netlink, place.ifindex, place.ip, place.prefix)
