"""Address resources: `ip[/mask[/device][/broadcast]]` as heartbeat's IPaddr reads it, `ip[/length[/device]]` for IPv6.

Owns those grammars and what an address may be within its subnet. Invariant: pure; an Address returned is one a machine
can have beside others in its subnet, an IPv6 one in its canonical form. Must not know files or sentences.
"""

from __future__ import annotations

import ipaddress
import re

from hbcore.engine.config import Address
from hbcore.formats import values
from hbcore.formats.values import Fault, fault

# heartbeat's shell pattern [0-9]*.[0-9]*.[0-9]*.[0-9]* decides that a bare word is an address
_LIKE = re.compile(r"[0-9][^.]*\.[0-9][^.]*\.[0-9][^.]*\.[0-9].*")


def looks_like(word: str) -> bool:
    """Would heartbeat take this bare word for an address? Also what a person meant as one: `1.2.3/24`."""
    return bool(_LIKE.fullmatch(word) or re.fullmatch(r"[0-9]+(\.[0-9]+){2,}(/.*)?", word))


# Hexadecimal groups with at least two colons. Names of scripts have other letters, or more of them: `fade::1` would be
# an address, `faded::1` and `fade::x` are not.
_LIKE6 = re.compile(r"\[?([0-9][0-9A-Fa-f]{0,4}|[A-Fa-f][0-9A-Fa-f]{0,3}|):[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\]?([%/].*)?")


def looks_like_ipv6(word: str) -> bool:
    """Would a person have meant this as an IPv6 address, with or without what may stand behind one?"""
    return bool(_LIKE6.fullmatch(word))


def is_ipv6(spec: str) -> bool:
    """A colon stands before any dot or slash, as in no IPv4 address."""
    return bool(re.match(r"[^./]*:", spec))


def parse(spec: str) -> Address | Fault:
    """Either family."""
    return parse_ipv6(spec) if is_ipv6(spec) else _parse_ipv4(spec)


def _parse_ipv4(spec: str) -> Address | Fault:
    """Field 2 is always the mask; field 3 is the broadcast if it begins with a digit, else the device."""
    fields = spec.split("/")
    ip = values.host_ipv4(fields[0])
    if isinstance(ip, Fault):
        return ip
    rest = fields[1:]
    if "" in rest:
        return fault("ip-empty-field", spec=spec)
    if len(rest) > 3 or (len(rest) == 3 and rest[1][0].isdigit()):
        return fault("ip-fields", spec=spec)
    prefix = _prefix(ip, rest) if rest else None
    if isinstance(prefix, Fault):
        return prefix
    device = next((f for f in rest[1:] if not f[0].isdigit()), None)
    cast = next((f for f in rest[1:] if f[0].isdigit()), None)
    if len(rest) == 3 and cast is None:
        return fault("ip-fields", spec=spec)
    for read in (None if device is None else values.device(device), None if cast is None else values.ipv4(cast)):
        if isinstance(read, Fault):
            return read
    return _fits(Address(ip, prefix, device, cast))


def _prefix(ip: str, rest: list[str]) -> int | Fault:
    mask = rest[0]
    if re.fullmatch(r"[0-9]{1,3}", mask):
        number = values.whole(mask, 1, 32)
        return fault("ip-prefix", word=mask) if isinstance(number, Fault) else number
    if not isinstance(values.ipv4(mask), Fault):
        try:
            length = ipaddress.IPv4Network(f"0.0.0.0/{mask}").prefixlen
        except ValueError:
            return fault("ip-prefix", word=mask)
        return fault("ip-dotted-mask", word=mask, write="/".join([ip, str(length), *rest[1:]]))
    if not isinstance(values.device(mask), Fault):
        return fault("ip-no-mask", word=mask, write="/".join([ip, "24", *rest]))
    return fault("ip-prefix", word=mask)


def parse_ipv6(spec: str) -> Address | Fault:
    """There is no broadcast, so the third field is the device and the last."""
    fields = spec.split("/")
    ip = values.host_ipv6(fields[0])
    if isinstance(ip, Fault):
        return ip
    rest = fields[1:]
    if "" in rest:
        return fault("ipv6-empty-field", spec=spec)
    if len(rest) > 2:
        return fault("ipv6-fields", spec=spec, write="/".join([ip, *rest[:2]]))
    if rest and not re.fullmatch(r"[0-9]{1,3}", rest[0]):
        named = not isinstance(values.device(rest[0]), Fault)
        return fault("ip-no-mask", word=rest[0], write=f"{ip}/64/{rest[0]}") if named else _bad_length(rest[0])
    prefix = int(rest[0]) if rest else None
    if prefix is not None and not 1 <= prefix <= 128:
        return _bad_length(rest[0])
    device = values.device(rest[1]) if len(rest) == 2 else None
    if isinstance(device, Fault):
        return device
    if ipaddress.IPv6Address(ip).is_link_local and device is None:
        return fault("ipv6-link-local", word=spec, write=f"{ip}/{prefix or 64}/eth0")
    if prefix is not None and prefix < 127:
        net = ipaddress.IPv6Network((ip, prefix), strict=False)
        if str(net.network_address) == ip:  # the anycast address of the subnet's routers (RFC 4291)
            return fault("ip-is-network", ip=ip, net=net)
    return Address(ip, prefix, device)


def _bad_length(word: str) -> Fault:
    return fault("ipv6-prefix", word=word)


def _fits(address: Address) -> Address | Fault:
    if address.prefix is None or address.prefix > 30:
        return address
    net = ipaddress.IPv4Network((address.ip, address.prefix), strict=False)
    ip = ipaddress.IPv4Address(address.ip)
    if ip == net.broadcast_address:
        return fault("ip-is-broadcast", ip=ip, net=net)
    if ip == net.network_address:
        return fault("ip-is-network", ip=ip, net=net)
    if address.broadcast is not None and address.broadcast != str(net.broadcast_address):
        return fault("ip-broadcast-other", word=address.broadcast, net=net, write=net.broadcast_address)
    return address
