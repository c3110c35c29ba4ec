"""Neighbour Discovery over Ethernet as bytes: what `frames` is for IPv4, for IPv6 (RFC 4861). Pure.

Owns solicitations and advertisements with their checksum. Invariant: `read` gives None for everything else (another hop
limit than 255, a wrong checksum, an option without an end), and never raises. Must not know sockets.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from socket import AF_INET6, inet_ntop, inet_pton

from hbcore.host.frames import REPLY, REQUEST, Spoken, passing

ETHERTYPE = 0x86DD
ANY = "::"
ALL_NODES = ANYONE = "ff02::1"

_ICMP, _HOPS = 58, 255  # 255: no router passed it on, so its sender is on this network
_SOLICIT, _ADVERTISE = 135, 136
_ROUTER, _SOLICITED, _OVERRIDE = 0x80, 0x40, 0x20
_OPTION = {_SOLICIT: 1, _ADVERTISE: 2}  # source's, target's link-layer address
_ETHERNET = struct.Struct("!6s6sH")
_IP = struct.Struct("!IHBB16s16s")
_ND = struct.Struct("!BBHI16s")
_VERSION = 6 << 28
_NEXT_AT, _SENDER_AT, _TYPE_AT, _TARGET_AT = 20, 22, 54, 62
_SOLICITED_NODE = inet_pton(AF_INET6, "ff02::1:ff00:0")[:13]


def ask(mac: bytes, source: str, ip: str, to: bytes | None = None) -> bytes:
    """Who has `ip`? To those who may, or to one machine. From ANY as a machine asks that has no address yet."""
    alone = to is not None and source != ANY
    return _build(_SOLICIT, 0, mac, source, ip, ip if alone else _group(ip), to)


def tell(mac: bytes, ip: str, *, router: bool = False) -> list[bytes]:
    """`ip` is here: an advertisement nobody asked for, which overrides what others knew."""
    return [answer(mac, ip, router=router)]


def answer(mac: bytes, ip: str, target: str = ALL_NODES, to: bytes | None = None, *, router: bool = False) -> bytes:
    """The advertisement of `ip`, to all or to the one that asked."""
    flags = _OVERRIDE | (_ROUTER if router else 0) | (_SOLICITED if target != ALL_NODES else 0)
    return _build(_ADVERTISE, flags, mac, ip, ip, target, to)


def read(frame: bytes) -> Spoken | None:
    ip_at, nd_at = _ETHERNET.size, _ETHERNET.size + _IP.size
    if len(frame) < nd_at + _ND.size:
        return None
    _, frame_source, ethertype = _ETHERNET.unpack_from(frame)
    version, length, following, hops, source, target = _IP.unpack_from(frame, ip_at)
    body = frame[nd_at : nd_at + length]
    if (ethertype, version >> 28, following, hops) != (ETHERTYPE, 6, _ICMP, _HOPS):
        return None
    if len(body) < max(length, _ND.size) or _sum(source, target, body):
        return None
    kind, code, _, _, about = _ND.unpack_from(body)
    mac = _option(body, _OPTION.get(kind, 0))
    if kind not in _OPTION or code or about[0] == 0xFF or mac is None:
        return None
    named = inet_ntop(AF_INET6, about)
    if kind == _SOLICIT:
        return Spoken(REQUEST, mac or frame_source, inet_ntop(AF_INET6, source), named, frame_source)
    return Spoken(REPLY, mac or frame_source, named, inet_ntop(AF_INET6, target), frame_source)


def only_about(ips: Collection[str]) -> bytes:
    """The filter for frames whose sender or target may be one of `ips`: it looks at the last 32 bits, `read` at all."""
    words = [inet_pton(AF_INET6, ip)[12:] for ip in ips]
    kinds = ((_NEXT_AT, bytes([_ICMP])), (_TYPE_AT, bytes(_OPTION)))
    return passing(kinds, words, (_SENDER_AT + 12, _TARGET_AT + 12))


def groups(ips: Collection[str]) -> frozenset[str]:
    """The multicast groups in which others are asked for these addresses."""
    return frozenset(map(_group, ips))


def _group(ip: str) -> str:
    """The solicited-node group of an address."""
    return inet_ntop(AF_INET6, _SOLICITED_NODE + inet_pton(AF_INET6, ip)[13:])


def _build(kind: int, flags: int, mac: bytes, source: str, about: str, target: str, to: bytes | None) -> bytes:
    sender, receiver = inet_pton(AF_INET6, source), inet_pton(AF_INET6, target)
    option = b"" if source == ANY else bytes([_OPTION[kind], 1]) + mac
    rest = struct.pack("!I16s", flags << 24, inet_pton(AF_INET6, about)) + option
    blank = struct.pack("!BBH", kind, 0, 0) + rest
    body = struct.pack("!BBH", kind, 0, _sum(sender, receiver, blank)) + rest
    ethernet = _ETHERNET.pack(to or b"\x33\x33" + receiver[12:], mac, ETHERTYPE)
    return ethernet + _IP.pack(_VERSION, len(body), _ICMP, _HOPS, sender, receiver) + body


def _sum(source: bytes, target: bytes, body: bytes) -> int:
    """The checksum of ICMPv6 with its pseudo header; 0 for a body that holds the right one."""
    data = source + target + struct.pack("!II", len(body), _ICMP) + body + b"\0" * (len(body) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _option(body: bytes, wanted: int) -> bytes | None:
    """The MAC in the option of that kind; b"" where there is none, None where the options are broken."""
    at, found = _ND.size, b""
    while at < len(body):
        if at + 8 > len(body) or not body[at + 1]:
            return None
        if body[at] == wanted and body[at + 1] == 1:
            found = body[at + 2 : at + 8]
        at += body[at + 1] * 8
    return found if at == len(body) else None
