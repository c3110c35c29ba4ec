"""The client's first eye: a UDP echo to the address every 2 ms, and ARP, asked every 100 ms and overheard.

Run in the client's network as `python -m hbcore.lab.watch ADDRESS PORT`; one JSON line each 100 ms on stdout: a slice
(gaps.py) with the ARP `sightings` [t, mac, round]. Invariant: asks on schedule; a pause of its own is reported as such.
Must not know the lab.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import sys
import time
from contextlib import suppress

from hbcore.lab.gaps import SLICE_S, Tally

ECHO_S = 0.002
ARP_S = 0.1
ETH_P_ARP = 0x0806
ANY = b"\xff" * 6


class Arp:
    """Asks who has the address, and hears who answers or announces it."""

    def __init__(self, address: str) -> None:
        self._wanted = socket.inet_aton(address)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP))
        self.socket.bind(("eth0", ETH_P_ARP))
        self.socket.setblocking(False)
        self._mac = self.socket.getsockname()[4]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect((address, 9))  # sends nothing, tells my own address
            self._ip = socket.inet_aton(s.getsockname()[0])
        self._round = 0
        self.seen: list[tuple[float, str, int]] = []

    def ask(self) -> None:
        self._round += 1
        head = ANY + self._mac + struct.pack("!HHHBBH", ETH_P_ARP, 1, 0x0800, 6, 4, 1)
        with suppress(OSError):
            self.socket.send(head + self._mac + self._ip + bytes(6) + self._wanted)

    def read(self) -> None:
        with suppress(BlockingIOError):
            while True:
                frame, origin = self.socket.recvfrom(128)
                if origin[2] != socket.PACKET_OUTGOING and frame[28:32] == self._wanted:
                    answer = frame[20:22] == b"\0\2" and frame[:6] == self._mac
                    self.seen.append((time.monotonic(), frame[22:28].hex(":"), self._round if answer else 0))


def urgent() -> None:
    """A better place in the queue where the kernel grants it; a delay of ours would look like an outage."""
    with suppress(OSError):
        os.nice(-10)


def main(address: str, port: int) -> None:
    urgent()
    arp = Arp(address)
    echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    echo.setblocking(False)
    tally = Tally()
    next_echo = next_arp = time.monotonic()
    next_slice = next_echo + SLICE_S
    while True:
        now = time.monotonic()
        if now >= next_echo:
            tally.asked(now)
            with suppress(OSError):  # no route or no neighbour is an answer that does not come
                echo.sendto(b"%d" % tally.sent, (address, port))
            next_echo = max(next_echo + ECHO_S, now)
        if now >= next_arp:
            arp.ask()
            next_arp = max(next_arp + ARP_S, now)
        if now >= next_slice:
            sys.stdout.write(json.dumps({**tally.slice(now), "sightings": arp.seen}) + "\n")
            sys.stdout.flush()
            arp.seen.clear()
            next_slice = max(next_slice + SLICE_S, now)
        select.select([echo, arp.socket], [], [], max(0.0, min(next_echo, next_arp, next_slice) - time.monotonic()))
        arp.read()
        with suppress(OSError):
            while True:
                data, origin = echo.recvfrom(256)
                if origin[0] == address:
                    tally.answer(time.monotonic(), data.decode(errors="replace").split()[-1])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
