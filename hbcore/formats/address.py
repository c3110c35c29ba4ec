"""Address resources: `ip[/mask[/device][/broadcast]]` as heartbeat's IPaddr reads it.

Owns that grammar and what an address may be within its subnet. Invariant: pure; an Address returned is one a machine
can have beside others in its subnet. Must not know files or sentences.
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


def parse(spec: str) -> Address | Fault:
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


def subnet(address: Address) -> ipaddress.IPv4Network | None:
    if address.prefix is None:
        return None
    return ipaddress.IPv4Network((address.ip, address.prefix), strict=False)


def _fits(address: Address) -> Address | Fault:
    net = subnet(address)
    if net is None or net.prefixlen > 30:
        return address
    ip = ipaddress.IPv4Address(address.ip)
    if ip == net.broadcast_address:
        return fault("ip-is-broadcast", ip=ip, net=net)
    if ip == net.network_address:
        return fault("ip-is-network", ip=ip, net=net)
    if address.broadcast is not None and address.broadcast != str(net.broadcast_address):
        return fault("ip-broadcast-other", word=address.broadcast, net=net, write=net.broadcast_address)
    return address
