"""Where an address belongs: which interface, which prefix, which label. Pure.

Owns the rules by which what `haresources` leaves out is found from what the host has. Invariant: the same tables give
the same answer; a virtual IP never serves as the base by which another one is placed.
Must not know netlink.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from hbcore.engine.config import Address

MAX_LABEL = 15  # IFNAMSIZ - 1
_ALIASES = 256  # more than a person ever numbers; bounds the search for a free eth0:N


@dataclass(frozen=True, slots=True)
class Link:
    """An interface. `mac` is empty where it has none of 6 bytes; `carrier` is LOWER_UP."""

    index: int
    name: str
    mac: bytes
    up: bool
    carrier: bool
    loopback: bool


@dataclass(frozen=True, slots=True)
class HostAddress:
    """An address the host has. `secondary`: the kernel's flag, IPv4: another address of its subnet came first; IPv6: a
    temporary one.

    `settled`: it can be used; false for one of IPv6 that the kernel still asks about, or found on another machine.
    `ends`: it has a lifetime.
    """

    ifindex: int
    ip: str
    prefix: int
    label: str
    secondary: bool
    settled: bool = True
    ends: bool = False

    @property
    def network(self) -> IPv4Network | IPv6Network:
        return network(self.ip, self.prefix)


@dataclass(frozen=True, slots=True)
class Resolved:
    """An address with its place. `broadcast` "" and `label` "" mean: none. `base`: our own address there, "" = none;
    of IPv6 the link-local one where none is in that subnet.
    """

    ifindex: int
    device: str
    ip: str
    prefix: int
    broadcast: str
    label: str
    base: str

    @property
    def shown(self) -> str:
        return f"{self.ip}/{self.prefix} {self.label or self.device}"

    @property
    def based(self) -> bool:
        """Our base address is in its subnet."""
        return bool(self.base) and ip_address(self.base) in network(self.ip, self.prefix)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why an address has no place here: a code for `words` with its arguments."""

    code: str
    args: tuple[tuple[str, str], ...] = ()


def is_ipv6(ip: str) -> bool:
    return ":" in ip


def is_link_local(ip: str) -> bool:
    """An IPv6 address that every interface may have for itself."""
    return is_ipv6(ip) and IPv6Address(ip).is_link_local


def network(ip: str, prefix: int) -> IPv4Network | IPv6Network:
    return IPv6Network((ip, prefix), strict=False) if is_ipv6(ip) else IPv4Network((ip, prefix), strict=False)


def resolve(
    wanted: Address, links: Sequence[Link], have: Sequence[HostAddress], vips: Collection[str]
) -> Resolved | Refused:
    """Device and prefix as written, else from the interface whose base address shares a subnet with the address.

    `vips`: every virtual IP of the cluster. Where several interfaces fit: the longest prefix, then one that is up, then
    the lowest index. Codes: address-no-device, address-no-subnet, address-no-prefix, address-device-down.
    """
    named, _, alias = (wanted.device or "").partition(":")
    by_index = {link.index: link for link in links}
    bases = [a for a in have if _is_base(a, wanted.ip, vips) and a.ifindex in by_index]
    link: Link | None
    if named:
        link = next((link for link in links if link.name == named), None)
        if link is None:
            return _no_device(named, links)
        base = _base(wanted.ip, [a for a in bases if a.ifindex == link.index], by_index)
    else:
        base = _base(wanted.ip, [a for a in bases if not by_index[a.ifindex].loopback], by_index)
        if base is None:
            return Refused("address-no-subnet", (*_example(wanted.ip), ("subnets", _subnets(bases, by_index))))
        link = by_index[base.ifindex]
    there = [a for a in bases if a.ifindex == link.index]
    prefix = wanted.prefix if wanted.prefix is not None else base.prefix if base else None
    if prefix is None:
        subnets = _subnets(there, by_index)
        return Refused("address-no-prefix", (*_example(wanted.ip), ("device", link.name), ("subnets", subnets)))
    if not link.up:
        return Refused("address-device-down", (("ip", wanted.ip), ("device", link.name)))
    own = base or min(there, key=lambda a: (not is_link_local(a.ip), a.secondary), default=None)
    return Resolved(
        ifindex=link.index,
        device=link.name,
        ip=wanted.ip,
        prefix=prefix,
        broadcast=wanted.broadcast or broadcast(wanted.ip, prefix),
        label=label(link, wanted.ip, alias, have),
        base=own.ip if own else "",
    )


def own_on(link: Link, have: Iterable[HostAddress], vips: Collection[str]) -> list[HostAddress]:
    """Our own addresses on an interface, those of IPv4 first, link-local ones last: who asks there asks as the first
    of its family.
    """
    own = [a for a in have if a.ifindex == link.index and a.ip not in vips and a.settled]
    return sorted(own, key=lambda a: (is_ipv6(a.ip), is_link_local(a.ip), a.secondary))


def base_on(device: str, links: Sequence[Link], have: Sequence[HostAddress], vips: Collection[str]) -> Resolved | None:
    """Our own first address on a device, as a place; None where the device or such an address is missing."""
    link = next((link for link in links if link.name == device), None)
    own = own_on(link, have, vips) if link is not None else []
    if link is None or not own:
        return None
    first = own[0]
    return Resolved(link.index, device, first.ip, first.prefix, broadcast(first.ip, first.prefix), "", first.ip)


def broadcast(ip: str, prefix: int) -> str:
    """The highest address of the subnet; none for /31 and /32, nor for IPv6."""
    return "" if is_ipv6(ip) or prefix > 30 else str(network(ip, prefix).broadcast_address)


def label(link: Link, ip: str, alias: str, have: Iterable[HostAddress]) -> str:
    """`eth0:N` as users of ifconfig expect: the one it has, else the alias asked for, else the first free N from 0.

    "" where the name is too long for any alias, and for IPv6, which has none.
    """
    if is_ipv6(ip):
        return ""
    taken = {a.label: a.ip for a in have if a.ifindex == link.index}
    own = next((text for text, held in taken.items() if held == ip and text.startswith(f"{link.name}:")), None)
    if own is not None:
        return own
    for n in ([alias] if alias else []) + [str(n) for n in range(_ALIASES)]:
        text = f"{link.name}:{n}"
        if len(text) <= MAX_LABEL and text not in taken:
            return text
    return ""


def instances(ip: str, links: Iterable[Link], have: Iterable[HostAddress], device: str = "") -> list[HostAddress]:
    """Where the host has `ip`. A loopback does not count: there it serves a director's real server, not clients. Nor
    does another interface than `device` for a link-local address: there it is another address.
    """
    elsewhere = {link.index for link in links if link.loopback or (is_link_local(ip) and link.name != device)}
    return [a for a in have if a.ip == ip and a.ifindex not in elsewhere]


def dependents(gone: HostAddress, have: Iterable[HostAddress]) -> list[HostAddress]:
    """The addresses the kernel takes along when `gone` is deleted and nothing is promoted; none of IPv6."""
    if gone.secondary or is_ipv6(gone.ip):
        return []
    return [
        a
        for a in have
        if a.secondary and a.ifindex == gone.ifindex and a.prefix == gone.prefix and a.network == gone.network
    ]


def _is_base(have: HostAddress, ip: str, vips: Collection[str]) -> bool:
    """May an address of the host decide where `ip` goes?"""
    return is_ipv6(have.ip) is is_ipv6(ip) and have.ip != ip and have.ip not in vips and have.settled


def _base(ip: str, bases: Iterable[HostAddress], links: dict[int, Link]) -> HostAddress | None:
    address = ip_address(ip)
    fitting = [a for a in bases if a.prefix < address.max_prefixlen and address in a.network]
    return min(fitting, key=lambda a: (-a.prefix, not links[a.ifindex].up, a.ifindex, a.secondary), default=None)


def _no_device(named: str, links: Sequence[Link]) -> Refused:
    names = [link.name for link in links if not link.loopback]
    near = difflib.get_close_matches(named, names, n=1, cutoff=0.5)
    return Refused(
        "address-no-device-near" if near else "address-no-device",
        (("device", named), ("near", near[0] if near else ""), ("have", _some(names))),
    )


def _example(ip: str) -> tuple[tuple[str, str], ...]:
    return ("ip", ip), ("bits", "64" if is_ipv6(ip) else "24")


def _subnets(bases: Iterable[HostAddress], links: dict[int, Link]) -> str:
    there = [a for a in bases if not links[a.ifindex].loopback and not is_link_local(a.ip)]
    return _some([f"{a.network} on {links[a.ifindex].name}" for a in there])


def _some(names: Sequence[str], most: int = 8) -> str:
    shown = ", ".join(names[:most])
    return (shown + ", ..." if len(names) > most else shown) or "none"
