"""The address agent: puts a virtual IP on this host, takes it off, and says whether it is there.

Owns every change of an address of ours. Invariants: adding twice or removing what is absent is success; after `up` the
address is in exactly one place, after `down` in none; no other address ever goes with it.
Must not know why an address comes or goes, nor who else has it.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Protocol

from hbcore.engine.beat import MAX_MACS, Service
from hbcore.engine.config import Address
from hbcore.engine.events import Outcome
from hbcore.host import clock, placing, sysctl
from hbcore.host.netlink import Neighbour, Netlink, NetlinkRefused, Report
from hbcore.host.placing import HostAddress, Link, Refused, Resolved

Finding = tuple[Outcome, str, Mapping[str, str]]  # outcome, code for `words`, its arguments

_MAX_ROUTES = 4096


class Announcer(Protocol):
    """Who tells others that an address is here, and stops to before it goes (host.arp: the neighbours)."""

    def announce(self, device: str, ip: str, *, at_once: bool = True) -> None: ...

    def hush(self, ip: str) -> None: ...


class Gates(Protocol):
    """Who keeps an address silent until it may speak (daemon.gatekeeper)."""

    def gate(self, ip: str) -> object | None: ...

    def shut(self, ip: str) -> str: ...

    def lift(self, ip: str) -> None: ...


class Addresses:
    """One per daemon. `vips`: every virtual IP of the configuration, none of which is a base address."""

    def __init__(
        self,
        netlink: Netlink,
        vips: Iterable[str],
        announcers: Iterable[Announcer] = (),
        gates: Gates | None = None,
    ) -> None:
        self._netlink = netlink
        self.announcers = tuple(announcers)
        self._gates = gates
        self._changing = asyncio.Lock()  # what is read of the host must still hold when it is changed
        self.vips = frozenset(vips)

    async def resolve(self, wanted: Address) -> Resolved | Refused:
        """Where `wanted` belongs now; see placing.resolve for the rules and codes."""
        links, have = await self._tables()
        return placing.resolve(wanted, links, have, self.vips)

    async def up(self, wanted: Address, not_after_ns: int = 0, valid_s: int | None = None) -> Finding:
        """Put it on and announce it. OK, FAILED, LATE (`not_after_ns`, 0 = none, was over before it) or UNKNOWN.

        `valid_s`: the kernel takes it off after so many seconds, unless somebody refreshes it; None: it stays.
        """
        async with self._changing:
            links, have = await self._tables()
            place = placing.resolve(wanted, links, have, self.vips)
            if isinstance(place, Refused):
                return Outcome.FAILED, place.code, dict(place.args)
            here = placing.instances(wanted.ip, links, have, place.device)
            right = [a for a in here if _is_right(a, place, valid_s)]
            strays = [a for a in here if a not in right]
            # an interface has an IPv6 address once only, so what is wrong with it there has to go first
            first = [a for a in strays if placing.is_ipv6(a.ip) and a.ifindex == place.ifindex]
            if not_after_ns and clock.now_ns() > not_after_ns:
                return Outcome.LATE, "address-late", {"ip": wanted.ip}
            if self._gates is not None and (why := self._gates.shut(wanted.ip)):
                return Outcome.FAILED, "address-ungated", {"ip": wanted.ip, "device": place.device, "why": why}
            try:
                for stray in first:
                    await self._delete(stray, links, have)
                if not right or valid_s is not None or right[0].ends:
                    await self._add(place, valid_s, renew=bool(right))
                for stray in strays:
                    if stray not in first:
                        await self._delete(stray, links, have)
            except NetlinkRefused as refused:
                return _refusal(refused, wanted.ip, place.device)
        late = 0 < not_after_ns < clock.now_ns()  # we were stopped meanwhile: it may be the other node's by now
        for announcer in self.announcers:
            announcer.announce(place.device, place.ip, at_once=not late)
        return Outcome.OK, "address-adopted" if right else "address-up", {"address": place.shown}

    async def down(self, wanted: Address) -> Finding:
        """Fall silent and take it off, wherever it is. OK (also where it was absent) or FAILED with why."""
        for announcer in self.announcers:
            announcer.hush(wanted.ip)
        async with self._changing:
            links, have = await self._tables()
            here = placing.instances(wanted.ip, links, have, wanted.device or "")
            try:
                for one in here:
                    await self._delete(one, links, have)
            except NetlinkRefused as refused:
                return _refusal(refused, wanted.ip, "any interface")
            if self._gates is not None:
                self._gates.lift(wanted.ip)
        return Outcome.OK, "address-down" if here else "address-absent", {"ip": wanted.ip}

    async def lift_stale(self, wanted: Iterable[Address]) -> None:
        """Lift the gates that a daemon left which died between an address and its gate, or had other files. What is
        there and has to have one keeps it, also while the kernel still asks about the address.
        """
        async with self._changing:
            links, have = await self._tables()
            for one in wanted:
                here = placing.instances(one.ip, links, have, one.device or "")
                if self._gates is not None and not (here and self._gates.gate(one.ip)):
                    self._gates.lift(one.ip)

    async def look(self, wanted: Address) -> Finding:
        """RUNNING where this host has it (a loopback does not count), else STOPPED."""
        links, have = await self._tables()
        here = [a for a in placing.instances(wanted.ip, links, have, wanted.device or "") if a.settled]
        if not here:
            return Outcome.STOPPED, "address-absent", {"ip": wanted.ip}
        name = next(link.name for link in links if link.index == here[0].ifindex)
        return Outcome.RUNNING, "address-present", {"address": f"{here[0].ip}/{here[0].prefix} {here[0].label or name}"}

    async def is_present(self, ip: str, device: str = "") -> bool:
        """`device` is asked for where the address is a link-local one."""
        links, have = await self._tables()
        return any(a.settled for a in placing.instances(ip, links, have, device))

    async def services(self, wanted: Iterable[Address], devices: Iterable[str] = ()) -> tuple[Service, ...]:
        """The interfaces those addresses belong on, then `devices`, each once, with its MAC and our base address: of
        IPv4 where it has any, which every version can ask for.
        """
        links, have = await self._tables()
        by_index = {link.index: link for link in links}
        places = [placing.resolve(address, links, have, self.vips) for address in wanted]
        found: dict[Service, None] = {}
        for place in places:
            if isinstance(place, Resolved) and placing.is_ipv6(place.ip):
                place = placing.base_on(place.device, links, have, self.vips) or place
            if isinstance(place, Resolved) and by_index[place.ifindex].mac:
                found[Service(by_index[place.ifindex].mac, place.base)] = None
        for base in (placing.base_on(name, links, have, self.vips) for name in devices):
            if base is not None and by_index[base.ifindex].mac:
                found[Service(by_index[base.ifindex].mac, base.base)] = None
        return tuple(found)[:MAX_MACS]

    async def base(self, device: str) -> Resolved | None:
        """Our own first address on a device, as a place; None where there is none."""
        links, have = await self._tables()
        return placing.base_on(device, links, have, self.vips)

    async def own(self, device: str) -> list[HostAddress]:
        """All our own addresses on a device, in the order of placing.own_on."""
        links, have = await self._tables()
        link = next((link for link in links if link.name == device), None)
        return placing.own_on(link, have, self.vips) if link else []

    async def own_macs(self) -> frozenset[bytes]:
        return frozenset(link.mac for link in await self._netlink.links() if link.mac)

    async def neighbours(self, device: str, most: int = 8) -> list[Neighbour]:
        """Machines on that network that answered before: to ask whether any neighbour answers."""
        link = next((link for link in await self._netlink.links() if link.name == device), None)
        return await self._netlink.neighbours(link.index, most) if link else []

    def reports(self) -> AsyncIterator[Report]:
        """What the kernel says of addresses and interfaces; see netlink.Netlink.reports."""
        return self._netlink.reports()

    async def _tables(self) -> tuple[list[Link], list[HostAddress]]:
        return await self._netlink.links(), await self._netlink.addresses()

    async def _add(self, place: Resolved, valid_s: int | None = None, *, renew: bool = False) -> None:
        if valid_s is not None and not placing.is_ipv6(place.ip):
            sysctl.keep_others(place.device)  # nobody of ours may be there when the kernel takes it off
        try:
            await self._netlink.add(place, valid_s, renew=renew)
        except NetlinkRefused as refused:
            if refused.errno != errno.EEXIST:  # somebody put the same one there since we looked: it is there
                raise

    async def _delete(self, gone: HostAddress, links: list[Link], have: list[HostAddress]) -> None:
        device = next(link.name for link in links if link.index == gone.ifindex)
        others = [a for a in placing.dependents(gone, have) if a.ip != gone.ip]
        kept = not others or sysctl.keep_others(device)
        try:
            await self._netlink.delete(gone.ifindex, gone.ip, gone.prefix)
        except NetlinkRefused as refused:
            if refused.errno not in (errno.EADDRNOTAVAIL, errno.ENODEV):
                raise
        if not kept:  # /proc is read-only: put back what the kernel took along
            for other in others:
                label = other.label if other.label != device else ""
                broadcast = placing.broadcast(other.ip, other.prefix)
                await self._add(Resolved(other.ifindex, device, other.ip, other.prefix, broadcast, label, ""))


def _is_right(have: HostAddress, place: Resolved, valid_s: int | None) -> bool:
    """An IPv6 address without an end is not given one later: the kernel (6.18) then ends its route at once."""
    may_end = have.ends or valid_s is None or not placing.is_ipv6(have.ip)
    return have.settled and may_end and (have.ifindex, have.prefix) == (place.ifindex, place.prefix)


def _refusal(refused: NetlinkRefused, ip: str, device: str) -> Finding:
    if refused.errno == errno.EACCES and placing.is_ipv6(ip):
        return Outcome.FAILED, "address-ipv6-off", {"ip": ip, "device": device}
    outcome = Outcome.UNKNOWN if refused.errno == errno.ETIMEDOUT else Outcome.FAILED  # no answer: it may yet be done
    return outcome, "address-refused", {"ip": ip, "device": device, "why": refused.name}


def gateway(device: str) -> str:
    """The default gateway reached through `device`, by the lowest metric; "" where there is none."""
    found: list[tuple[int, str]] = []
    try:
        with open("/proc/self/net/route", encoding="ascii", errors="replace") as file:
            for row, _ in zip(file, range(_MAX_ROUTES), strict=False):
                field = row.split()
                if len(field) > 7 and (field[0], field[1], field[7]) == (device, "00000000", "00000000"):
                    number = int(field[2], 16)
                    if number:
                        found.append((int(field[6]), ".".join(str(number >> shift & 255) for shift in (0, 8, 16, 24))))
    except (OSError, ValueError):
        return ""
    return min(found, default=(0, ""))[1]
