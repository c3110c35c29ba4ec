"""Who owns an address: by what a client saw in ARP (or NDP) or a capture on the switch; and whether two did at once.

Owns the judgement only. Invariant: two owners are two machines that answer the same question; a move from one to the
other, and back, is not called so. Must not know sockets or nodes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_pton
from typing import Any

from hbcore.host import spelling
from hbcore.host.frames import REPLY, REQUEST

AROUND_S = 0.5
MANY = 100  # conflicts told, and sightings of each
MAX_PCAP = 1 << 30
IPV4, IPV6 = b"\x08\x00", b"\x86\xdd"


@dataclass(frozen=True, slots=True)
class Sighting:
    """At `t` (seconds) this MAC spoke for the address. `round`: the probe it answered, 0 where none was asked."""

    t: float
    mac: str
    round: int = 0


@dataclass(frozen=True, slots=True)
class Episode:
    """One owner, seen `count` times in a row."""

    mac: str
    start: float
    end: float
    count: int


def episodes(sightings: Iterable[Sighting]) -> list[Episode]:
    found: list[Episode] = []
    for seen in sightings:
        if found and found[-1].mac == seen.mac:
            last = found[-1]
            found[-1] = Episode(last.mac, last.start, seen.t, last.count + 1)
        else:
            found.append(Episode(seen.mac, seen.t, seen.t, 1))
    return found


@dataclass(frozen=True, slots=True)
class Conflict:
    """At `t` two MACs spoke for the address at once; `seen` is what says so, 0.5 s around it."""

    t: float
    macs: tuple[str, str]
    seen: tuple[Sighting, ...]


def two_owners(sightings: Sequence[Sighting]) -> list[Conflict]:
    """Each question that two answered. Not every change of owner back and forth is one: a start may fail at once."""
    answered: dict[int, str] = {}
    found = []
    for seen in sightings:
        if seen.round:
            other = answered.setdefault(seen.round, seen.mac)
            if other != seen.mac:
                found.append((seen.t, other, seen.mac))
    return [
        Conflict(t, (one, other), tuple(s for s in sightings if abs(s.t - t) <= AROUND_S)[:MANY])
        for t, one, other in found[:MANY]
    ]


def verdict(sightings: Sequence[Sighting], name: Callable[[str], str]) -> dict[str, Any]:
    """Owners and conflicts as the protocol tells them (serve.py); `name` tells whose a MAC is."""
    conflicts = two_owners(sightings)
    return {
        "owners": [
            {"node": name(e.mac), "mac": e.mac, "from": e.start, "to": e.end, "seen": e.count}
            for e in episodes(sightings)[-MANY:]
        ],
        "two_owners": bool(conflicts),
        "conflicts": [
            {"t": c.t, "nodes": sorted(map(name, c.macs)), "seen": [(s.t, name(s.mac), s.round) for s in c.seen]}
            for c in conflicts
        ],
    }


def capture(path: Path, address: str, offset_s: float) -> list[Sighting]:
    """Every frame in a pcap file (microseconds, Ethernet) that speaks for `address`: ARP, NDP or from it; an answer to
    a question has that one's number. `offset_s` is added to times.

    Raises ValueError for a file of another kind; a truncated last packet is left out.
    """
    how = spelling.of(address)
    source = IPV6 + inet_pton(AF_INET6, address) if ":" in address else IPV4 + inet_pton(AF_INET, address)
    asked: dict[bytes, int] = {}  # MAC of who asks -> number of its last question
    found = []
    for t, frame in _packets(path.read_bytes()[:MAX_PCAP]):
        to, mac, kind = frame[:6], frame[6:12], frame[12:14]
        spoken = how.read(frame)
        if spoken is None:
            if kind + (frame[22:38] if kind == IPV6 else frame[26:30]) == source:
                found.append(Sighting(t + offset_s, mac.hex(":")))
        elif spoken.sender == address:
            found.append(Sighting(t + offset_s, mac.hex(":"), asked.get(to, 0) if spoken.op == REPLY else 0))
        elif spoken.op == REQUEST and spoken.target == address:
            asked[mac] = max(asked.values(), default=0) + 1
    return found


def _packets(data: bytes) -> Iterator[tuple[float, bytes]]:
    if len(data) < 24 or data[:4] not in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4"):
        raise ValueError("not a pcap file of microseconds")
    order = "<" if data[0] == 0xD4 else ">"
    if struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF != 1:
        raise ValueError("not a capture of Ethernet")
    at = 24
    while at + 16 <= len(data):
        seconds, micros, length, _ = struct.unpack_from(order + "IIII", data, at)
        if at + 16 + length > len(data):
            return
        yield seconds + micros / 1e6, data[at + 16 : at + 16 + length]
        at += 16 + length
