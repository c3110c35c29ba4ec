"""Who owns an address: by what a client saw in ARP or a capture on the switch; and whether two did at once.

Owns the judgement only. Invariant: a clean move from one owner to another is never called two owners; two machines
that both go on answering always are, within `BACK_AND_FORTH_S`. Must not know sockets or nodes.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# An owner, then another, then the first again within this time: no cluster moves there and back that fast (failback
# waits 2 deadtimes), but two owners that answer a probe each 100 ms look so.
BACK_AND_FORTH_S = 0.35
MAX_PCAP = 1 << 30


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


def two_owners(sightings: Sequence[Sighting]) -> list[tuple[float, str, str]]:
    """(when, one MAC, the other) for each time two spoke for the address at once."""
    found = []
    rounds: dict[int, str] = {}
    for seen in sightings:
        if seen.round and rounds.setdefault(seen.round, seen.mac) != seen.mac:
            found.append((seen.t, rounds[seen.round], seen.mac))
    runs = episodes(sightings)
    for i, now in enumerate(runs):
        for earlier in range(i - 2, -1, -1):
            if now.start - runs[earlier].end >= BACK_AND_FORTH_S:
                break
            if runs[earlier].mac == now.mac:
                found.append((now.start, now.mac, runs[i - 1].mac))
                break
    return sorted(set(found))


def spoken_for(frame: bytes, address: bytes) -> str | None:
    """The source MAC of an Ethernet frame that speaks for this IPv4 address, by ARP or as the source of a packet."""
    if len(frame) < 34:
        return None
    kind = frame[12:14]
    if (kind == b"\x08\x06" and frame[28:32] == address) or (kind == b"\x08\x00" and frame[26:30] == address):
        return frame[6:12].hex(":")
    return None


def capture(path: Path, address: str, offset_s: float) -> list[Sighting]:
    """Every frame in a pcap file (microseconds, Ethernet) that speaks for `address`; `offset_s` is added to times.

    Raises ValueError for a file of another kind; a truncated last packet is left out.
    """
    wanted = socket.inet_aton(address)
    found = []
    for t, frame in _packets(path.read_bytes()[:MAX_PCAP]):
        mac = spoken_for(frame, wanted)
        if mac:
            found.append(Sighting(t + offset_s, mac))
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
