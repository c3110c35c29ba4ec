"""Where an address belongs: which interface, which prefix, which label. Pure.

Owns the rules by which what `haresources` leaves out is found from what the host has. Invariant: the same tables give
the same answer; a virtual IP never serves as the base by which another one is placed.
Must not know netlink.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

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
    """An IPv4 address the host has. `secondary`: the kernel's flag, another address of its subnet came first."""

    ifindex: int
    ip: str
    prefix: int
    label: str
    secondary: bool

    @property
    def network(self) -> IPv4Network:
        return IPv4Network((self.ip, self.prefix), strict=False)


@dataclass(frozen=True, slots=True)
class Resolved:
    """An address with its place. `broadcast` "" and `label` "" mean: none. `base`: our own address there, "" = none."""

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


@dataclass(frozen=True, slots=True)
class Refused:
    """Why an address has no place here: a code for `words` with its arguments."""

    code: str
    args: tuple[tuple[str, str], ...] = ()


def resolve(
    wanted: Address, links: Sequence[Link], have: Sequence[HostAddress], vips: Collection[str]
) -> Resolved | Refused:
    """Device and prefix as written, else from the interface whose base address shares a subnet with the address.

    `vips`: every virtual IP of the cluster. Where several interfaces fit: the longest prefix, then one that is up, then
    the lowest index. Codes: address-no-device, address-no-subnet, address-no-prefix, address-device-down.
    """
    named, _, alias = (wanted.device or "").partition(":")
    by_index = {link.index: link for link in links}
    bases = [a for a in have if a.ip not in vips and a.ip != wanted.ip and a.ifindex in by_index]
    link: Link | None
    if named:
        link = next((link for link in links if link.name == named), None)
        if link is None:
            return _no_device(named, links)
        base = _base(wanted.ip, [a for a in bases if a.ifindex == link.index], by_index)
    else:
        base = _base(wanted.ip, [a for a in bases if not by_index[a.ifindex].loopback], by_index)
        if base is None:
            return Refused("address-no-subnet", (("ip", wanted.ip), ("subnets", _subnets(bases, by_index))))
        link = by_index[base.ifindex]
    prefix = wanted.prefix if wanted.prefix is not None else base.prefix if base else None
    if prefix is None:
        there = [a for a in bases if a.ifindex == link.index]
        return Refused(
            "address-no-prefix", (("ip", wanted.ip), ("device", link.name), ("subnets", _subnets(there, by_index)))
        )
    if not link.up:
        return Refused("address-device-down", (("ip", wanted.ip), ("device", link.name)))
    own = base or next((a for a in bases if a.ifindex == link.index and not a.secondary), None)
    return Resolved(
        ifindex=link.index,
        device=link.name,
        ip=wanted.ip,
        prefix=prefix,
        broadcast=wanted.broadcast or broadcast(wanted.ip, prefix),
        label=label(link, wanted.ip, alias, have),
        base=own.ip if own else "",
    )


def base_on(device: str, links: Sequence[Link], have: Sequence[HostAddress], vips: Collection[str]) -> Resolved | None:
    """Our own first address on a device, as a place; None where the device or such an address is missing."""
    link = next((link for link in links if link.name == device), None)
    own = [a for a in have if link is not None and a.ifindex == link.index and a.ip not in vips]
    if link is None or not own:
        return None
    first = min(own, key=lambda a: a.secondary)
    return Resolved(link.index, device, first.ip, first.prefix, broadcast(first.ip, first.prefix), "", first.ip)


def broadcast(ip: str, prefix: int) -> str:
    """The highest address of the subnet; none for /31 and /32."""
    return str(IPv4Network((ip, prefix), strict=False).broadcast_address) if prefix < 31 else ""


def label(link: Link, ip: str, alias: str, have: Iterable[HostAddress]) -> str:
    """`eth0:N` as users of ifconfig expect: the one it has, else the alias asked for, else the first free N from 0.

    "" where the name is too long for any alias.
    """
    taken = {a.label: a.ip for a in have if a.ifindex == link.index}
    own = next((text for text, held in taken.items() if held == ip and text.startswith(f"{link.name}:")), None)
    if own is not None:
        return own
    for n in ([alias] if alias else []) + [str(n) for n in range(_ALIASES)]:
        text = f"{link.name}:{n}"
        if len(text) <= MAX_LABEL and text not in taken:
            return text
    return ""


def instances(ip: str, links: Iterable[Link], have: Iterable[HostAddress]) -> list[HostAddress]:
    """Where the host has `ip`. A loopback does not count: there it serves a director's real server, not clients."""
    loops = {link.index for link in links if link.loopback}
    return [a for a in have if a.ip == ip and a.ifindex not in loops]


def dependents(gone: HostAddress, have: Iterable[HostAddress]) -> list[HostAddress]:
    """The addresses the kernel takes along when `gone` is deleted and nothing is promoted."""
    if gone.secondary:
        return []
    return [
        a
        for a in have
        if a.secondary and a.ifindex == gone.ifindex and a.prefix == gone.prefix and a.network == gone.network
    ]


def _base(ip: str, bases: Iterable[HostAddress], links: dict[int, Link]) -> HostAddress | None:
    address = IPv4Address(ip)
    fitting = [a for a in bases if a.prefix < 32 and address in a.network]
    return min(fitting, key=lambda a: (-a.prefix, not links[a.ifindex].up, a.ifindex, a.secondary), default=None)


def _no_device(named: str, links: Sequence[Link]) -> Refused:
    names = [link.name for link in links if not link.loopback]
    near = difflib.get_close_matches(named, names, n=1, cutoff=0.5)
    return Refused(
        "address-no-device-near" if near else "address-no-device",
        (("device", named), ("near", near[0] if near else ""), ("have", _some(names))),
    )


def _subnets(bases: Iterable[HostAddress], links: dict[int, Link]) -> str:
    return _some([f"{a.network} on {links[a.ifindex].name}" for a in bases if not links[a.ifindex].loopback])


def _some(names: Sequence[str], most: int = 8) -> str:
    shown = ", ".join(names[:most])
    return (shown + ", ..." if len(names) > most else shown) or "none"
