"""The host's interfaces and addresses, asked and changed over netlink by pyroute2.

Owns the one long-lived socket for requests and one for the kernel's own reports. Invariant: no fork; a lost report
(ENOBUFS) is itself reported, as `Overrun`, so that nobody trusts a picture with holes.
Must not know which addresses are ours.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import importlib.util
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from hbcore.host import clock
from hbcore.host.placing import HostAddress, Link, Resolved, is_ipv6

_IPV4, _IPV6 = 2, 10
_IFF_UP, _IFF_LOOPBACK, _IFF_LOWER_UP = 0x1, 0x8, 0x10000
_SECONDARY, _NODAD, _DADFAILED, _TENTATIVE, _PERMANENT, _NOPREFIXROUTE = 0x01, 0x02, 0x08, 0x40, 0x80, 0x200
_REPORTS = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, _IPV4_IFADDR, _IPV6_IFADDR
_FOR_EVER = 2**32 - 1
_NUD_ANSWERING = 0x02 | 0x04 | 0x08 | 0x10  # reachable, stale, delay, probe: it answered once and is not given up
_INTERRUPTED = 0x10  # NLM_F_DUMP_INTR
_DUMPS = 5
_AGAIN_S = 0.02
ANSWER_S = 2.0  # the kernel answers within a millisecond; its lock can be held by somebody else for a while


def _rtnetlink() -> Any:
    """pyroute2's rtnetlink without the rest of pyroute2.

    The package's own __init__ imports all it has (NDB, WireGuard, 9p, ...): 233 modules, 13 MB, 90 ms and more. A
    package that is only found, not run, serves its submodules just as well, at half of that. Untyped, hence Any.
    """
    if "pyroute2" not in sys.modules:
        spec = importlib.util.find_spec("pyroute2")
        if spec is not None:
            sys.modules["pyroute2"] = importlib.util.module_from_spec(spec)
    from pyroute2.iproute import AsyncIPRoute

    return AsyncIPRoute


@dataclass(frozen=True, slots=True)
class AddressEvent:
    """`ours`: this process asked for it. Of IPv6 the kernel does not say who asked: known is only what we took off."""

    added: bool
    ip: str
    prefix: int
    ifindex: int
    label: str
    ours: bool
    at_ns: int


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """An interface came, went, or changed its carrier or its admin state. `up` is both of them; gone: not up."""

    device: str
    ifindex: int
    up: bool
    at_ns: int


@dataclass(frozen=True, slots=True)
class Overrun:
    """Reports were lost: read everything again."""

    at_ns: int


Report = AddressEvent | LinkEvent | Overrun


@dataclass(frozen=True, slots=True)
class Neighbour:
    ip: str
    mac: bytes


class NetlinkRefused(OSError):
    """The kernel's answer, as an errno; ETIMEDOUT where it gave none."""

    def __init__(self, code: int) -> None:
        super().__init__(code, os.strerror(code))

    @property
    def name(self) -> str:
        return errno.errorcode.get(self.errno or 0, str(self.errno))


class Netlink:
    """Requests over one socket, one at a time. Use inside one running loop; `close` when done.

    Every request may raise NetlinkRefused, or another OSError where the socket broke; the next one has a new socket.
    """

    def __init__(self) -> None:
        self._factory = _rtnetlink()
        self._ipr = self._factory()
        self._turn = asyncio.Lock()  # the kernel answers EBUSY to a second dump on a socket
        self._taken_off: set[tuple[int, str]] = set()  # (interface, IPv6 address), until the kernel reports it

    def close(self) -> None:
        self._ipr.close()

    async def links(self) -> list[Link]:
        found = await self._dump(lambda ipr: ipr.get_links())
        return sorted(map(_link, found), key=lambda link: link.index)

    async def addresses(self) -> list[HostAddress]:
        found = await self._dump(lambda ipr: ipr.get_addr())
        return [_address(message) for message in found if message["family"] in (_IPV4, _IPV6)]

    async def neighbours(self, ifindex: int, most: int = 8) -> list[Neighbour]:
        """Machines on that interface that answered the kernel before, those of IPv4 first, then the surest."""
        found: list[tuple[int, Neighbour]] = []
        for family in (_IPV4, _IPV6):
            for message in await self._dump(functools.partial(_neighbours, family, ifindex)):
                mac, ip, state = _mac(message.get("lladdr")), message.get("dst"), int(message["state"])
                if message["ifindex"] == ifindex and mac and ip and state & _NUD_ANSWERING:
                    found.append((state, Neighbour(ip, mac)))
            if len(found) >= most:
                break
        return [n for _, n in sorted(found, key=lambda pair: (is_ipv6(pair[1].ip), pair[0], pair[1].ip))][:most]

    async def add(self, place: Resolved, valid_s: int | None = None, *, renew: bool = False) -> None:
        """Raises NetlinkRefused (EEXIST: this address with this prefix is there, unless `renew`d).

        `valid_s`: the kernel takes it off then, unless somebody refreshes it (rtnl.refresh_address); None: it stays.
        One of IPv6 is added without duplicate address detection: it serves at once, and a split that is over cannot
        leave it refused for ever. It is deprecated from the start: else the kernel would take it, the newest of its
        prefix, as the source of this node's own connections, which no secondary address of IPv4 is. Where a base
        address makes the subnet's route, it makes none: with a lifetime it would put one on that route.
        """
        six = is_ipv6(place.ip)
        life = _FOR_EVER if valid_s is None else valid_s
        extra: dict[str, object] = {"valid_lft": life, "preferred_lft": 0 if six else life}
        if six:
            extra["flags"] = _NODAD | (_NOPREFIXROUTE if place.based else 0)
        extra |= {key: text for key, text in (("broadcast", place.broadcast), ("label", place.label)) if text}
        async with self._asking() as ipr:
            await ipr.addr("replace" if renew else "add", **_where(place.ifindex, place.ip, place.prefix), **extra)

    async def delete(self, ifindex: int, ip: str, prefix: int) -> None:
        """Raises NetlinkRefused (EADDRNOTAVAIL: not there)."""
        if is_ipv6(ip):
            self._taken_off.add((ifindex, ip))
        try:
            async with self._asking() as ipr:
                await ipr.addr("del", **_where(ifindex, ip, prefix))
        except NetlinkRefused:
            self._taken_off.discard((ifindex, ip))
            raise

    async def _dump(self, ask: Callable[[Any], Any]) -> list[Any]:
        """All the kernel lists. What changed under its hands while it did so may lack a row, so it is asked again."""
        found: list[Any] = []
        for _ in range(_DUMPS):
            async with self._asking() as ipr:
                found = [message async for message in await ask(ipr)]
            if not any(message["header"]["flags"] & _INTERRUPTED for message in found):
                return found
        return found

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[Any]:
        async with self._turn:
            try:
                async with asyncio.timeout(ANSWER_S):
                    yield self._ipr
            except _netlink_error() as refused:
                raise NetlinkRefused(int(refused.code)) from None
            except BaseException as error:  # no answer, a broken socket, or cancelled in between: start afresh
                self._ipr.close()
                self._ipr = self._factory()
                if isinstance(error, TimeoutError):
                    raise NetlinkRefused(errno.ETIMEDOUT) from None
                raise

    async def reports(self) -> AsyncIterator[Report]:
        """What the kernel says of addresses and interfaces, from now on, without an end.

        The first one is an `Overrun`: it says that the kernel's reports are being heard from then on.
        """
        while True:
            async with self._factory(groups=_REPORTS) as listener:
                try:
                    await listener.bind()
                    known = {link.index: link for link in await self.links()}
                    self._taken_off.clear()
                    yield Overrun(clock.now_ns())
                    while True:
                        async for message in listener.get():
                            report = self._report(message, known)
                            if report is not None:
                                yield report
                except OSError:
                    pass  # ENOBUFS: the socket is of no use any more; open another and say that something was missed
                except _netlink_error():
                    pass
            await asyncio.sleep(_AGAIN_S)

    def _report(self, message: Any, known: dict[int, Link]) -> Report | None:
        now, kind = clock.now_ns(), message.get("event")
        if kind in ("RTM_NEWADDR", "RTM_DELADDR"):
            have, place = _address(message), (int(message["index"]), str(message.get("address")))
            ours = message["header"]["pid"] == self._ipr.socket.getsockname()[0]
            if kind == "RTM_DELADDR" and place in self._taken_off:
                self._taken_off.discard(place)
                ours = True
            return AddressEvent(kind == "RTM_NEWADDR", have.ip, have.prefix, have.ifindex, have.label, ours, now)
        if kind not in ("RTM_NEWLINK", "RTM_DELLINK") or message.get("family"):
            return None  # a bridge reports its ports under a family of their own
        link = _link(message)
        before = known.pop(link.index, None)
        up = kind == "RTM_NEWLINK" and link.up and link.carrier
        if kind == "RTM_NEWLINK":
            known[link.index] = link
        if before is not None and (before.name, before.up and before.carrier) == (link.name, up):
            return None
        return LinkEvent(link.name, link.index, up, now)


def _netlink_error() -> Any:
    from pyroute2.netlink.exceptions import NetlinkError

    return NetlinkError


def _neighbours(family: int, ifindex: int, ipr: Any) -> Any:
    return ipr.get_neighbours(family=family, ifindex=ifindex)


def _link(message: Any) -> Link:
    flags = int(message["flags"])
    return Link(
        index=int(message["index"]),
        name=str(message.get("ifname")),
        mac=_mac(message.get("address")),
        up=bool(flags & _IFF_UP),
        carrier=bool(flags & _IFF_LOWER_UP),
        loopback=bool(flags & _IFF_LOOPBACK),
    )


def _where(ifindex: int, ip: str, prefix: int) -> dict[str, object]:
    family = _IPV6 if is_ipv6(ip) else _IPV4
    return {"family": family, "index": ifindex, "address": ip, "local": ip, "prefixlen": prefix}


def _address(message: Any) -> HostAddress:
    flags = int(message["flags"])
    return HostAddress(
        ifindex=int(message["index"]),
        ip=str(message.get("local") or message.get("address")),
        prefix=int(message["prefixlen"]),
        label=str(message.get("label") or ""),
        secondary=bool(flags & _SECONDARY),
        settled=not flags & (_TENTATIVE | _DADFAILED),
        ends=not flags & _PERMANENT,
    )


def _mac(text: str | None) -> bytes:
    raw = bytes.fromhex(text.replace(":", "")) if text else b""
    return raw if len(raw) == 6 and not raw[0] & 1 else b""  # of one machine, not of many
