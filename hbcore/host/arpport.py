"""One packet socket on one interface, for ARP or for Neighbour Discovery.

Owns the socket, its kernel filter, the multicast groups it listens in, and its reading. Invariant: reads are bounded
per wake-up, carry the kernel's receive time, and never block. Must not know what the frames mean.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import errno
import socket
import struct
from collections.abc import Callable, Collection

from hbcore.host import clock
from hbcore.host.frames import SNAP, Spoken
from hbcore.host.spelling import Spelling

_SO_ATTACH_FILTER, _SO_TIMESTAMPNS = 26, 35  # asm-generic/socket.h
_TIMESPEC = struct.Struct("@ll")
_ANCILLARY = socket.CMSG_SPACE(_TIMESPEC.size)
_PACKET_OUTGOING = 4
_PER_WAKE = 64
_DRAIN_WAKES = 64  # draining reads at most this many times _PER_WAKE frames
_LOST = (errno.ENXIO, errno.ENODEV, errno.EBADF)

Heard = Callable[["Port", Spoken, int], None]


class Port:
    """Open on `device` from the start (raises OSError), hearing nothing until `listen`."""

    def __init__(self, device: str, spelling: Spelling, heard: Heard) -> None:
        self.device = device
        self.spelling = spelling
        self._member: socket.socket | None = None  # in the multicast groups, as long as it is open
        self._joined: frozenset[str] = frozenset()
        self._lost = False
        self._heard = heard
        self._empty_ns = clock.now_ns()
        self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
        try:
            self._sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            self._filter(spelling.only_about(()))
            self._sock.bind((device, spelling.ETHERTYPE))
            self._index = socket.if_nametoindex(device)
            asyncio.get_running_loop().add_reader(self._sock, self._readable)
        except OSError:
            self._sock.close()
            raise

    @property
    def lost(self) -> bool:
        """The interface is gone or has another name now; whatever has this name needs a new socket."""
        try:
            return self._lost or self._sock.getsockname()[0] != self.device
        except OSError:
            return True

    @property
    def mac(self) -> bytes:
        """As it is now: a bond changes it when it fails over."""
        try:
            return bytes(self._sock.getsockname()[4])
        except OSError:
            return b"\0" * 6

    def listen(self, ips: Collection[str]) -> None:
        """Hear what is said about these addresses only."""
        self._filter(self.spelling.only_about(ips))
        self._join(self.spelling.groups(ips))

    def send(self, frame: bytes) -> int:
        """0, or the errno where the frame did not leave."""
        try:
            self._sock.send(frame)
        except OSError as error:
            self._lost = self._lost or error.errno in _LOST
            return error.errno or errno.EIO
        return 0

    def drain(self) -> None:
        """Read all there is now."""
        for _ in range(_DRAIN_WAKES):
            if not self._readable():
                return

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._sock)
        self._sock.close()
        if self._member is not None:
            self._member.close()

    def _join(self, groups: frozenset[str]) -> None:
        """Be in exactly these multicast groups, so that card and switches let through what is asked in them. Where IPv6
        is switched off nobody asks there; it is tried again each time.
        """
        with contextlib.suppress(OSError):
            if groups and self._member is None:
                self._member = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            for group in groups ^ self._joined:
                option = socket.IPV6_JOIN_GROUP if group in groups else socket.IPV6_LEAVE_GROUP
                which = struct.pack("@16sI", socket.inet_pton(socket.AF_INET6, group), self._index)
                assert self._member is not None
                self._member.setsockopt(socket.IPPROTO_IPV6, option, which)
                self._joined ^= {group}

    def _filter(self, program: bytes) -> None:
        code = array.array("B", program)  # lives until the kernel has copied it
        at, _ = code.buffer_info()
        self._sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program) // 8, at))

    def _readable(self) -> bool:
        """Read up to a bound; whether there may be more."""
        for _ in range(_PER_WAKE):
            floor = self._empty_ns
            try:
                frame, ancillary, _, sender = self._sock.recvmsg(SNAP, _ANCILLARY)
            except (BlockingIOError, InterruptedError):
                self._empty_ns = clock.now_ns()
                return False
            except OSError as error:  # ENETDOWN is told once per fall; the socket hears again when the card is up
                self._lost = self._lost or error.errno in _LOST
                return False
            spoken = self.spelling.read(frame) if sender[2] != _PACKET_OUTGOING else None
            if spoken is not None:
                self._heard(self, spoken, _stamp(ancillary, floor))
        return True


def _stamp(ancillary: list[tuple[int, int, bytes]], floor_ns: int) -> int:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS) and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            return clock.received_ns(seconds * 1_000_000_000 + nanoseconds, floor_ns)
    return clock.now_ns()
