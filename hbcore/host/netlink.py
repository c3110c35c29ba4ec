"""The host's interfaces and IPv4 addresses, asked and changed over netlink by pyroute2.

Owns the one long-lived socket for requests and one for the kernel's own reports. Invariant: no fork; a lost report
(ENOBUFS) is itself reported, as `Overrun`, so that nobody trusts a picture with holes.
Must not know which addresses are ours.
"""

from __future__ import annotations

import asyncio
import errno
import importlib.util
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from hbcore.host import clock
from hbcore.host.placing import HostAddress, Link

_IPV4 = 2
_IFF_UP, _IFF_LOOPBACK, _IFF_LOWER_UP = 0x1, 0x8, 0x10000
_SECONDARY = 0x01
_GROUP_LINK, _GROUP_IPV4_ADDRESS = 0x1, 0x10
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

    def close(self) -> None:
        self._ipr.close()

    async def links(self) -> list[Link]:
        found = await self._dump(lambda ipr: ipr.get_links())
        return sorted(map(_link, found), key=lambda link: link.index)

    async def addresses(self) -> list[HostAddress]:
        return [_address(message) for message in await self._dump(lambda ipr: ipr.get_addr(family=_IPV4))]

    async def neighbours(self, ifindex: int, most: int = 8) -> list[Neighbour]:
        """Machines on that interface that answered the kernel before, the surest first."""
        found: list[tuple[int, Neighbour]] = []
        for message in await self._dump(lambda ipr: ipr.get_neighbours(family=_IPV4, ifindex=ifindex)):
            mac, ip, state = _mac(message.get("lladdr")), message.get("dst"), int(message["state"])
            if message["ifindex"] == ifindex and mac and ip and state & _NUD_ANSWERING:
                found.append((state, Neighbour(ip, mac)))
        return [neighbour for _, neighbour in sorted(found, key=lambda pair: (pair[0], pair[1].ip))][:most]

    async def add(self, ifindex: int, ip: str, prefix: int, broadcast: str, label: str) -> None:
        """Raises NetlinkRefused (EEXIST: this address with this prefix is there)."""
        extra = {key: value for key, value in (("broadcast", broadcast), ("label", label)) if value}
        async with self._asking() as ipr:
            await ipr.addr("add", family=_IPV4, index=ifindex, address=ip, local=ip, prefixlen=prefix, **extra)

    async def delete(self, ifindex: int, ip: str, prefix: int) -> None:
        """Raises NetlinkRefused (EADDRNOTAVAIL: not there)."""
        async with self._asking() as ipr:
            await ipr.addr("del", family=_IPV4, index=ifindex, address=ip, local=ip, prefixlen=prefix)

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
                except _netlink_error():
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


def _netlink_error() -> Any:
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
