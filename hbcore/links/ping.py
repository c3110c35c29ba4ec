"""Ping nodes: ICMP echo, non-blocking.

Owns the ICMP socket and the requests that are out. Invariant: an `Answer` is to one request of this process, came from
the address that was asked, and counts once; when that was is our own memory's word, found by a random cookie in the
payload, so that no forged, repeated or stale answer can pass for a fresh one.
Must not know what an answer proves. IPv4 only; the caller resolves names, once, at its start.
"""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass

from hbcore.links.sockets import ANCILLARY, Clock, LinkError, noted, reason, stamp

COOKIE = 16  # bytes: not to be guessed
OUTSTANDING = 1024  # requests remembered, of all targets together; 32 s of 8 targets at 4 a second
_ECHO_REQUEST, _ECHO_REPLY = 8, 0
_ICMP = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence
_LARGEST = 256  # bytes read of a packet; our own answers have at most 60 + 8 + 16
_SOL_RAW, _ICMP_FILTER = 255, 1  # linux/icmp.h: a bit mask of the types to leave out


@dataclass(frozen=True, slots=True)
class Answer:
    """`at_ns`: when the kernel received it; both times of CLOCK_BOOTTIME."""

    target: str
    sent_ns: int
    at_ns: int


class Pinger:
    """One ICMP socket for all ping nodes: unprivileged where net.ipv4.ping_group_range lets us, else a raw one.

    `sent`, `unsent` (refused by the kernel), `strays` (answers to no request of ours) only grow.
    """

    def __init__(self, clock: Clock) -> None:
        self.sent = self.unsent = self.strays = 0
        self.raw = False
        self.dry = True
        self._clock = clock
        self._sock: socket.socket | None = None
        self._ident = int.from_bytes(os.urandom(2), "big")
        self._sequence = 0
        self._floor_ns = 0
        self._out: dict[bytes, tuple[str, int]] = {}  # cookie -> target, when; oldest first

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
        try:
            self.raw = False
            return socket.socket(socket.AF_INET, socket.SOCK_DGRAM | flags, socket.IPPROTO_ICMP)
        except PermissionError:
            self.raw = True
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW | flags, socket.IPPROTO_ICMP)
        sock.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", 0xFFFFFFFF ^ 1 << _ECHO_REPLY))
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

    def send(self, target: str, now_ns: int) -> bool:
        """Ask `target`, a dotted IPv4 address. False where the kernel refused: no route, device down, buffer full."""
        assert self._sock is not None, "open first"
        cookie = os.urandom(COOKIE)
        self._sequence = self._sequence + 1 & 0xFFFF
        try:
            self._sock.sendto(_request(self._ident, self._sequence, cookie), (target, 0))
        except OSError:
            self.unsent += 1
            return False
        self.sent += 1
        if len(self._out) >= OUTSTANDING:
            del self._out[next(iter(self._out))]
        self._out[cookie] = target, now_ns
        return True

    def drain(self, most: int = 1000) -> list[Answer]:
        """All queued answers to requests of ours. At most `most` packets are read; `dry` tells whether that was all."""
        assert self._sock is not None, "open first"
        floor_ns = self._clock.now_ns()
        answers: list[Answer] = []
        self.dry = False
        for _ in range(most):
            try:
                packet, ancillary, _, (source, _) = self._sock.recvmsg(_LARGEST, ANCILLARY)
            except BlockingIOError:
                self._floor_ns, self.dry = floor_ns, True
                break
            except OSError:  # an error left on the socket: reading took it away
                continue
            request = self._answered(packet, source)
            if request is None:
                self.strays += 1
            else:
                answers.append(Answer(*request, noted(ancillary).arrived_ns(self._clock, self._floor_ns)))
        return answers

    def _answered(self, packet: bytes, source: str) -> tuple[str, int] | None:
        """The request, forgotten herewith, that a packet answers. A raw socket delivers the IP header too."""
        icmp = packet[(packet[0] & 15) * 4 :] if self.raw and packet else packet
        if len(icmp) != _ICMP.size + COOKIE or icmp[0] != _ECHO_REPLY:
            return None
        cookie = icmp[_ICMP.size :]
        if self._out.get(cookie, ("",))[0] != source:
            return None
        return self._out.pop(cookie)


def _request(ident: int, sequence: int, cookie: bytes) -> bytes:
    """An unprivileged socket puts its own identifier and the checksum in; a raw one sends ours."""
    blank = _ICMP.pack(_ECHO_REQUEST, 0, 0, ident, sequence) + cookie
    return _ICMP.pack(_ECHO_REQUEST, 0, _checksum(blank), ident, sequence) + cookie


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
