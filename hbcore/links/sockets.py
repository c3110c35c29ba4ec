"""What the UDP links and the ping nodes share of the kernel's socket interface.

Owns the numbers that Python's socket module has no names for, receive stamps, and the one error of this room.
Invariant: `LinkError` carries a code and arguments for `words`, never a sentence.
Must not know beats.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

# include/uapi/asm-generic/socket.h and linux/in.h: x86, arm, riscv, power, s390 (not alpha, parisc, sparc, mips)
SO_RCVBUFFORCE = 33
SO_RXQ_OVFL = 40
SO_TIMESTAMPNS = 64  # the variant of two 64-bit numbers on every word length, Linux 5.1
IP_PKTINFO = 8
IP_MULTICAST_ALL = 49
IP_UNICAST_IF = 50
IPV6_MULTICAST_ALL = 29
IPV6_PKTINFO = 50
IPV6_UNICAST_IF = 76
CHECK_NS = 250_000_000  # how often a lost device is looked for, while beats are sent
TC_PRIO_INTERACTIVE = 6  # linux/pkt_sched.h: ahead of bulk traffic in the device's queue; 7 would take a right

_SIOCGIFCONF, _SIOCGIFADDR, _SIOCGIFBRDADDR, _SIOCGIFNETMASK = 0x8912, 0x8915, 0x8919, 0x891B  # linux/sockios.h
_TIMESPEC = struct.Struct("=qq")
_PKTINFO = struct.Struct("=i4s4s")
_PKTINFO6 = struct.Struct("=16sI")
_U32 = struct.Struct("=I")
ANCILLARY = sum(map(socket.CMSG_SPACE, (_TIMESPEC.size, _PKTINFO6.size, _U32.size)))  # that of IPv4 is shorter


class Clock(Protocol):
    """The host's clock module fits; nanoseconds of CLOCK_BOOTTIME."""

    def now_ns(self) -> int: ...

    def received_ns(self, realtime_ns: int, floor_ns: int = 0) -> int:
        """A receive stamp of the wall clock on our clock, clipped to floor_ns..now."""
        ...


class LinkError(Exception):
    """`code` and `details` are for `words.say(code, **details)`."""

    def __init__(self, code: str, **details: str) -> None:
        super().__init__(code, details)
        self.code = code
        self.details = details


def reason(error: OSError) -> str:
    """The system's own words for an error number: data in our sentences, as a file name would be."""
    return os.strerror(error.errno) if error.errno else str(error)


def own_addresses() -> set[str]:
    """The addresses this machine has now, secondary ones too (SIOCGIFCONF of the first 1024; IPv6 from /proc)."""
    entry = 16 + max(16, 3 * struct.calcsize("P"))  # struct ifreq: a name, and a union as long as struct ifmap
    buffer = array("B", bytes(1024 * entry))
    address, _ = buffer.buffer_info()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        used, _ = struct.unpack("iP", fcntl.ioctl(sock, _SIOCGIFCONF, struct.pack("iP", len(buffer), address)))
    return {socket.inet_ntoa(buffer[at + 20 : at + 24]) for at in range(0, used, entry)} | _own_ipv6()


def _own_ipv6() -> set[str]:
    try:
        with open("/proc/self/net/if_inet6", encoding="ascii") as lines:
            found = [line.split(maxsplit=1)[0] for line in lines]
    except OSError:  # a kernel without it
        return set()
    return {socket.inet_ntop(socket.AF_INET6, bytes.fromhex(word)) for word in found}


def broadcast_of(device: str) -> str:
    """Where a broadcast on this device goes: as it was set, else the last address of its subnet. "" where it has no
    IPv4 address.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:

        def asked(request: int) -> int:
            answer = fcntl.ioctl(sock, request, struct.pack("16s16x8x", device.encode()))
            return int.from_bytes(answer[20:24], "big")

        try:
            found = asked(_SIOCGIFBRDADDR) or asked(_SIOCGIFADDR) | ~asked(_SIOCGIFNETMASK) & 0xFFFFFFFF
        except OSError:
            return ""
    return socket.inet_ntoa(found.to_bytes(4, "big"))


def stamp(sock: socket.socket) -> None:
    """Have the kernel note when each packet arrived, and how many it had to drop."""
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sock.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)


@dataclass(slots=True)
class Noted:
    """What the kernel noted about one packet."""

    realtime_ns: int | None = None  # the wall clock when it arrived
    ifindex: int = 0  # where it came in
    destination: bytes = b""  # the address in its header
    local: bytes = b""  # the address of ours that answers for that one; of IPv6 the same, or none for a group
    dropped: int = 0  # packets this socket had no room for since it was opened, modulo 2**32

    def arrived_ns(self, clock: Clock, floor_ns: int) -> int:
        """`floor_ns`: a time when the packet was not there yet; a missing stamp counts as just now."""
        return clock.now_ns() if self.realtime_ns is None else clock.received_ns(self.realtime_ns, floor_ns)


def noted(ancillary: Iterable[tuple[int, int, bytes]]) -> Noted:
    note = Noted()
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = _TIMESPEC.unpack(data)
            note.realtime_ns = seconds * 1_000_000_000 + nanoseconds
        elif (level, kind) == (socket.SOL_SOCKET, SO_RXQ_OVFL):
            (note.dropped,) = _U32.unpack(data)
        elif (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
            note.ifindex, note.local, note.destination = _PKTINFO.unpack(data)
        elif (level, kind) == (socket.IPPROTO_IPV6, IPV6_PKTINFO):
            note.destination, note.ifindex = _PKTINFO6.unpack(data)
            note.local = b"" if note.destination[0] == 0xFF else note.destination
    return note
