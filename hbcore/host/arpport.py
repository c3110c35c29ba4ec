"""One packet socket on one interface, for ARP only.

Owns the socket, its kernel filter and its reading. Invariant: reads are bounded per wake-up, carry the kernel's receive
time, and never block. Must not know what the frames mean.
"""

from __future__ import annotations

import array
import asyncio
import errno
import socket
import struct
from collections.abc import Callable, Collection

from hbcore.host import clock, frames
from hbcore.host.frames import Arp

_SO_ATTACH_FILTER, _SO_TIMESTAMPNS = 26, 35  # asm-generic/socket.h
_TIMESPEC = struct.Struct("@ll")
_ANCILLARY = socket.CMSG_SPACE(_TIMESPEC.size)
_PACKET_OUTGOING = 4
_PER_WAKE = 64
_DRAIN_WAKES = 64  # draining reads at most this many times _PER_WAKE frames
_LOST = (errno.ENXIO, errno.ENODEV, errno.EBADF)

Heard = Callable[["Port", Arp, int], None]


class Port:
    """Open on `device` from the start (raises OSError), hearing nothing until `listen`."""

    def __init__(self, device: str, heard: Heard) -> None:
        self.device = device
        self._lost = False
        self._heard = heard
        self._empty_ns = clock.now_ns()
        self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
        try:
            self._sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            self._filter(frames.only_about(()))
            self._sock.bind((device, frames.ETHERTYPE))
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
        """Hear ARP about these addresses only."""
        self._filter(frames.only_about(ips))

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

    def _filter(self, program: bytes) -> None:
        code = array.array("B", program)  # lives until the kernel has copied it
        at, _ = code.buffer_info()
        self._sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program) // 8, at))

    def _readable(self) -> bool:
        """Read up to a bound; whether there may be more."""
        for _ in range(_PER_WAKE):
            floor = self._empty_ns
            try:
                frame, ancillary, _, sender = self._sock.recvmsg(frames.SNAP, _ANCILLARY)
            except (BlockingIOError, InterruptedError):
                self._empty_ns = clock.now_ns()
                return False
            except OSError as error:  # ENETDOWN is told once per fall; the socket hears again when the card is up
                self._lost = self._lost or error.errno in _LOST
                return False
            arp = frames.read(frame) if sender[2] != _PACKET_OUTGOING else None
            if arp is not None:
                self._heard(self, arp, _stamp(ancillary, floor))
        return True


def _stamp(ancillary: list[tuple[int, int, bytes]], floor_ns: int) -> int:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS) and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            return clock.received_ns(seconds * 1_000_000_000 + nanoseconds, floor_ns)
    return clock.now_ns()
