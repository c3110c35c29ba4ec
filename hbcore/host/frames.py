"""ARP frames as bytes, and the kernel filter that lets only the interesting ones through. Pure.

Owns the 42 bytes of ARP over Ethernet for IPv4 (RFC 826). Invariant: `read` gives None for everything else, and never
raises. Must not know sockets.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass
from socket import inet_aton, inet_ntoa

ETHERTYPE = 0x0806
BROADCAST = b"\xff" * 6
REQUEST, REPLY = 1, 2
ANY = "0.0.0.0"
SNAP = 128  # bytes worth reading of a frame

_NOBODY = b"\0" * 6
_ARP = struct.Struct("!6s6sHHHBBH6s4s6s4s")
_MIN_FRAME = 60
_SENDER_AT, _TARGET_AT = 28, 38
_MAX_FILTERED = 100  # a jump of the kernel's filter reaches 255 instructions


@dataclass(frozen=True, slots=True)
class Arp:
    """`source` is the MAC that the ARP payload claims, `frame_source` that of the frame around it."""

    op: int
    source: bytes
    sender: str
    target: str
    frame_source: bytes


def build(op: int, mac: bytes, sender: str, target: str, to: bytes = BROADCAST) -> bytes:
    """One frame. A reply names its receiver in the payload, too; a request asks, so it names nobody."""
    named = to if op == REPLY else _NOBODY
    packed = _ARP.pack(to, mac, ETHERTYPE, 1, 0x0800, 6, 4, op, mac, inet_aton(sender), named, inet_aton(target))
    return packed.ljust(_MIN_FRAME, b"\0")


def read(frame: bytes) -> Arp | None:
    if len(frame) < _ARP.size:
        return None
    _, source, ethertype, hardware, protocol, hlen, plen, op, mac, sender, _, target = _ARP.unpack_from(frame)
    if (ethertype, hardware, protocol, hlen, plen) != (ETHERTYPE, 1, 0x0800, 6, 4) or op not in (REQUEST, REPLY):
        return None
    return Arp(op, mac, inet_ntoa(sender), inet_ntoa(target), source)


def only_about(ips: Collection[str]) -> bytes:
    """Classic BPF: frames whose sender or target address is one of `ips`; all frames where those are too many.

    An array of struct sock_filter {u16 code, u8 jt, u8 jf, u32 k}, for SO_ATTACH_FILTER.
    """
    wanted = sorted(inet_aton(ip) for ip in set(ips))
    load, equal, give = 0x20, 0x15, 0x06
    if len(wanted) > _MAX_FILTERED:
        return struct.pack("=HBBI", give, 0, 0, SNAP)
    rows: list[tuple[int, int, int, int]] = []
    total = 2 * (len(wanted) + 1) + 2  # accept is the last row, reject the one before it
    for at in (_SENDER_AT, _TARGET_AT):
        rows.append((load, 0, 0, at))
        for ip in wanted:
            rows.append((equal, total - 1 - (len(rows) + 1), 0, int.from_bytes(ip, "big")))
    rows += [(give, 0, 0, 0), (give, 0, 0, SNAP)]
    return b"".join(struct.pack("=HBBI", *row) for row in rows)
