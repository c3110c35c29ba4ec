"""Ping nodes: ICMP echo of both families, non-blocking.

Owns the ICMP sockets and the requests that are out. Invariant: an `Answer` is to one request of this process, came from
the address that was asked, and counts once; when that was is our own memory's word, found by a random cookie in the
payload, so that no forged, repeated or stale answer can pass for a fresh one.
Must not know what an answer proves, nor names: whom a name stands for, the caller says at its start.
"""

from __future__ import annotations

import os
import select
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from hbcore.links.sockets import ANCILLARY, Clock, LinkError, noted, reason, stamp

COOKIE = 16  # bytes: not to be guessed
OUTSTANDING = 1024  # requests remembered, of all targets together; 32 s of 8 targets at 4 a second
_ICMP = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence
_LARGEST = 256  # bytes read of a packet; our own answers have at most 60 + 8 + 16
_SOL_RAW, _ICMP_FILTER, _ICMPV6_FILTER = 255, 1, 1  # linux/icmp.h, icmpv6.h: a bit mask of the types to leave out


@dataclass(frozen=True, slots=True)
class Answer:
    """`at_ns`: when the kernel received it; both times of CLOCK_BOOTTIME."""

    target: str
    sent_ns: int
    at_ns: int


class Pingers:
    """All ping nodes of this node. `groups`: name -> addresses that are asked as one, for whom any of them answers.
    `six`: there is one of IPv6 among all; else no socket of that family is opened.
    """

    def __init__(self, groups: Mapping[str, tuple[str, ...]], clock: Clock, *, six: bool) -> None:
        self._groups = dict(groups)
        self._four = Pinger(clock)
        self._all = [self._four, *([Pinger(clock, six=True)] if six else [])]
        self._poll = select.epoll()

    def open(self) -> None:
        """Raises LinkError."""
        for pinger in self._all:
            pinger.open()
            self._poll.register(pinger.fileno(), select.EPOLLIN)

    def fileno(self) -> int:
        """For the caller's poll."""
        return self._poll.fileno()

    def send(self, name: str, now_ns: int) -> None:
        """Ask whom the name stands for: a group, or one address."""
        for target in self._groups.get(name, (name,)):
            pinger = self._all[-1] if ":" in target else self._four
            pinger.send(target, now_ns, name)

    def drain(self) -> list[Answer]:
        """All queued answers; `target` is the name that was asked."""
        return [answer for pinger in self._all for answer in pinger.drain()]


class Pinger:
    """One ICMP socket for all ping nodes of a family: unprivileged where net.ipv4.ping_group_range lets us, else a raw
    one.

    `sent`, `unsent` (refused by the kernel), `strays` (answers to no request of ours) only grow.
    """

    def __init__(self, clock: Clock, *, six: bool = False) -> None:
        self._six = six
        self._request, self._reply = (128, 129) if six else (8, 0)
        self.sent = self.unsent = self.strays = 0
        self.raw = False
        self.dry = True
        self._clock = clock
        self._sock: socket.socket | None = None
        self._ident = int.from_bytes(os.urandom(2), "big")
        self._sequence = 0
        self._floor_ns = 0
        self._out: dict[bytes, tuple[str, str, int]] = {}  # cookie -> name, address, when; oldest first

    def open(self) -> None:
        """Raises LinkError: ping-denied, ping-failed."""
        try:
            sock = self._socket()
        except PermissionError as error:
            raise LinkError("ping-denied") from error
        except OSError as error:
            raise LinkError("ping-failed", error=reason(error)) from error
        stamp(sock)
        self._sock = sock

    def _socket(self) -> socket.socket:
        flags = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        family, protocol = socket.AF_INET, socket.IPPROTO_ICMP
        if self._six:
            family, protocol = socket.AF_INET6, socket.IPPROTO_ICMPV6
        try:
            self.raw = False
            return socket.socket(family, socket.SOCK_DGRAM | flags, protocol)
        except PermissionError:
            self.raw = True
        sock = socket.socket(family, socket.SOCK_RAW | flags, protocol)
        if self._six:
            every_but = (1 << 256) - 1 ^ 1 << self._reply
            sock.setsockopt(socket.IPPROTO_ICMPV6, _ICMPV6_FILTER, every_but.to_bytes(32, "little"))
        else:
            sock.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", 0xFFFFFFFF ^ 1 << self._reply))
        return sock

    def fileno(self) -> int:
        """For the caller's poll; the same until `close`."""
        assert self._sock is not None, "open first"
        return self._sock.fileno()

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
        self._sock = None
        self._out.clear()

    def send(self, target: str, now_ns: int, name: str = "") -> bool:
        """Ask `target`, an address; a link-local one with its device (fe80::1%eth0). `name`: whom its answer speaks
        for. False where the kernel refused: no route, device down, buffer full.
        """
        assert self._sock is not None, "open first"
        cookie = os.urandom(COOKIE)
        self._sequence = self._sequence + 1 & 0xFFFF
        try:
            self._sock.sendto(_request(self._request, self._ident, self._sequence, cookie), self._place(target))
        except OSError:
            self.unsent += 1
            return False
        self.sent += 1
        if len(self._out) >= OUTSTANDING:
            del self._out[next(iter(self._out))]
        self._out[cookie] = name or target, target.partition("%")[0], now_ns
        return True

    def _place(self, target: str) -> tuple[str, int] | tuple[str, int, int, int]:
        """Raises OSError where the device of a link-local address is not there."""
        bare, scoped, device = target.partition("%")
        return (bare, 0, 0, socket.if_nametoindex(device) if scoped else 0) if self._six else (target, 0)

    def drain(self, most: int = 1000) -> list[Answer]:
        """All queued answers to requests of ours. At most `most` packets are read; `dry` tells whether that was all."""
        assert self._sock is not None, "open first"
        floor_ns = self._clock.now_ns()
        answers: list[Answer] = []
        self.dry = False
        for _ in range(most):
            try:
                packet, ancillary, _, (source, *_) = self._sock.recvmsg(_LARGEST, ANCILLARY)
            except BlockingIOError:
                self._floor_ns, self.dry = floor_ns, True
                break
            except OSError:  # an error left on the socket: reading took it away
                continue
            request = self._answered(packet, source.partition("%")[0])
            if request is None:
                self.strays += 1
            else:
                answers.append(Answer(*request, noted(ancillary).arrived_ns(self._clock, self._floor_ns)))
        return answers

    def _answered(self, packet: bytes, source: str) -> tuple[str, int] | None:
        """The request, forgotten herewith, that a packet answers. A raw socket of IPv4 delivers the IP header too."""
        icmp = packet[(packet[0] & 15) * 4 :] if self.raw and packet and not self._six else packet
        if len(icmp) != _ICMP.size + COOKIE or icmp[0] != self._reply:
            return None
        cookie = icmp[_ICMP.size :]
        if self._out.get(cookie, ("", ""))[1] != source:
            return None
        name, _, sent_ns = self._out.pop(cookie)
        return name, sent_ns


def _request(kind: int, ident: int, sequence: int, cookie: bytes) -> bytes:
    """An unprivileged socket puts its own identifier and the checksum in, one of IPv6 the checksum (RFC 3542, 3.1); a
    raw one of IPv4 sends ours.
    """
    blank = _ICMP.pack(kind, 0, 0, ident, sequence) + cookie
    return _ICMP.pack(kind, 0, _checksum(blank), ident, sequence) + cookie


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
