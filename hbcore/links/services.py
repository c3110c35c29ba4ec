"""A node's service interfaces as bytes in a beat: a record of 10 bytes each, and how an IPv6 address goes into them.

Owns those records. Invariant: what is unpacked has the MAC of one machine and a whole address or none; a reader that
knows IPv4 only finds nothing in them that it would act on. Must not know beats.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

from hbcore.engine.beat import MAX_MACS, Service

_SERVICE = struct.Struct(">6s4s")  # MAC, IPv4 address; 0.0.0.0 = none
SIZE = _SERVICE.size
_NO_IP = bytes(4)
_SIX = b"\x03\x07\x0b\x0f"  # first bytes of four records that spell an IPv6 address; no machine's MAC begins so
_PIECE = 5  # bytes of it in each


def pack(services: Sequence[Service]) -> bytes:
    """A base address of IPv6 goes where there is room for it, else its interface goes without."""
    assert all(len(s.mac) == 6 and not s.mac[0] & 1 for s in services), "a service has the MAC of one machine"
    room = MAX_MACS - len(services)
    out = []
    for service in services:
        six = ":" in service.ip
        out.append(_SERVICE.pack(service.mac, _NO_IP if six or not service.ip else inet_pton(AF_INET, service.ip)))
        if six and room >= len(_SIX):
            room -= len(_SIX)
            out += _six_out(service.ip)
    return b"".join(out)


def _six_out(ip: str) -> list[bytes]:
    """An IPv6 address as four records behind its service. To a reader that knows IPv4 only (version 1 had it so at
    first) they are interfaces without an address, whose MACs no machine can have: nothing it would ever act on.
    """
    spelled = inet_pton(AF_INET6, ip).ljust(len(_SIX) * _PIECE, b"\0")
    pieces = [spelled[at : at + _PIECE] for at in range(0, len(spelled), _PIECE)]
    return [_SERVICE.pack(bytes([first]) + piece, _NO_IP) for first, piece in zip(_SIX, pieces, strict=True)]


def unpack(data: bytes) -> tuple[Service, ...]:
    """Raises ValueError. Records of an IPv6 address that are not whole, or follow no service, are as wrong as a MAC of
    many machines.
    """
    if len(data) % SIZE:
        raise ValueError
    found: list[Service] = []
    spelled = b""
    for mac, ip in _SERVICE.iter_unpack(data):
        if mac[0] & 1:
            if ip != _NO_IP or not found or found[-1].ip or mac[0] != _SIX[len(spelled) // _PIECE]:
                raise ValueError
            spelled += mac[1:]
            if len(spelled) == len(_SIX) * _PIECE:
                if any(spelled[16:]):
                    raise ValueError
                found[-1] = Service(found[-1].mac, inet_ntop(AF_INET6, spelled[:16]))
                spelled = b""
        elif spelled:
            raise ValueError
        else:
            found.append(Service(mac, "" if ip == _NO_IP else inet_ntop(AF_INET, ip)))
    if spelled:
        raise ValueError
    return tuple(found)
