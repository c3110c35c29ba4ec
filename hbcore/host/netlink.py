"""The host's interfaces and IPv4 addresses, asked and changed over netlink by pyroute2.

Owns the one long-lived socket for requests and one for the kernel's own reports. Invariant: no fork; a lost report
(ENOBUFS) is itself reported, as `Overrun`, so that nobody trusts a picture with holes.
Must not know which addresses are ours.
"""

from __future__ import annotations

import asyncio
import errno
import importlib.util
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from hbcore.host import clock
from hbcore.host.placing import HostAddress, Link

_IPV4 = 2
_IFF_UP, _IFF_LOOPBACK, _IFF_LOWER_UP = 0x1, 0x8, 0x10000
_SECONDARY = 0x01
_GROUP_LINK, _GROUP_IPV4_ADDRESS = 0x1, 0x10
_NUD_ANSWERING = 0x02 | 0x04 | 0x08 | 0x10  # reachable, stale, delay, probe: it answered once and is not given up
_AGAIN_S = 0.02


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
    """`ours`: the kernel says that this process asked for it."""

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


class NetlinkRefused(Exception):
    """The kernel's answer, as an errno."""

    def __init__(self, code: int) -> None:
        super().__init__(errno.errorcode.get(code, str(code)))
        self.errno = code

    @property
    def name(self) -> str:
        return errno.errorcode.get(self.errno, str(self.errno))


class Netlink:
    """Requests over one socket. Use inside one running loop; `close` when done."""

    def __init__(self) -> None:
        self._factory = _rtnetlink()
        self._ipr = self._factory()
        self._dumping = asyncio.Lock()  # the kernel answers EBUSY to a second dump on a socket

    def close(self) -> None:
        self._ipr.close()

    async def links(self) -> list[Link]:
        async with self._dumping:
            found = [_link(message) async for message in await self._ipr.get_links()]
        return sorted(found, key=lambda link: link.index)

    async def addresses(self) -> list[HostAddress]:
        async with self._dumping:
            return [_address(message) async for message in await self._ipr.get_addr(family=_IPV4)]

    async def neighbours(self, ifindex: int, most: int = 8) -> list[Neighbour]:
        """Machines on that interface that answered the kernel before, the surest first."""
        found: list[tuple[int, Neighbour]] = []
        async with self._dumping:
            async for message in await self._ipr.get_neighbours(family=_IPV4, ifindex=ifindex):
                mac, ip, state = _mac(message.get("lladdr")), message.get("dst"), int(message["state"])
                if message["ifindex"] == ifindex and mac and ip and state & _NUD_ANSWERING:
                    found.append((state, Neighbour(ip, mac)))
        return [neighbour for _, neighbour in sorted(found, key=lambda pair: (pair[0], pair[1].ip))][:most]

    async def add(self, ifindex: int, ip: str, prefix: int, broadcast: str, label: str) -> None:
        """Raises NetlinkRefused (EEXIST: this address with this prefix is there)."""
        extra = {key: value for key, value in (("broadcast", broadcast), ("label", label)) if value}
        await self._ask("add", index=ifindex, address=ip, local=ip, prefixlen=prefix, **extra)

    async def delete(self, ifindex: int, ip: str, prefix: int) -> None:
        """Raises NetlinkRefused (EADDRNOTAVAIL: not there)."""
        await self._ask("del", index=ifindex, address=ip, local=ip, prefixlen=prefix)

    async def _ask(self, command: str, **request: Any) -> None:
        from pyroute2.netlink.exceptions import NetlinkError

        try:
            await self._ipr.addr(command, family=_IPV4, **request)
        except NetlinkError as error:
            raise NetlinkRefused(int(error.code)) from None

    async def reports(self) -> AsyncIterator[Report]:
        """What the kernel says of addresses and interfaces, from now on, without an end.

        The first one is an `Overrun`: it says that the kernel's reports are being heard from then on.
        """
        while True:
            async with self._factory(groups=_GROUP_LINK | _GROUP_IPV4_ADDRESS) as listener:
                try:
                    await listener.bind()
                    known = {link.index: link for link in await self.links()}
                    yield Overrun(clock.now_ns())
                    while True:
                        async for message in listener.get():
                            report = self._report(message, known)
                            if report is not None:
                                yield report
                except OSError:
                    pass  # ENOBUFS: the socket is of no use any more; open another and say that something was missed
                except _netlink_errors():
                    pass
            await asyncio.sleep(_AGAIN_S)

    def _report(self, message: Any, known: dict[int, Link]) -> Report | None:
        now, kind = clock.now_ns(), message.get("event")
        if kind in ("RTM_NEWADDR", "RTM_DELADDR"):
            have = _address(message)
            ours = message["header"]["pid"] == self._ipr.socket.getsockname()[0]
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


def _netlink_errors() -> Any:
    from pyroute2.netlink.exceptions import NetlinkError

    return NetlinkError


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


def _address(message: Any) -> HostAddress:
    return HostAddress(
        ifindex=int(message["index"]),
        ip=str(message.get("local") or message.get("address")),
        prefix=int(message["prefixlen"]),
        label=str(message.get("label") or ""),
        secondary=bool(int(message["flags"]) & _SECONDARY),
    )


def _mac(text: str | None) -> bytes:
    raw = bytes.fromhex(text.replace(":", "")) if text else b""
    return raw if len(raw) == 6 else b""
