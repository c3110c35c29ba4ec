"""The observer's eye: who answers ARP for the address, asked every 20 ms, and who announces it.

Run in a network of its own as `python -m hbcore.lab.arp ADDRESS`; one JSON line each 100 ms on stdout: {"t",
"sightings": [[t, mac, round]]}, round 0 for what was not asked. Invariant: it is not the client's machine that asks,
for the answers would refresh that one's table and hide a missing announcement. Must not know the lab.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time
from contextlib import suppress

from hbcore.lab.gaps import SLICE_S
from hbcore.lab.kernel import hurry

EVERY_S = 0.02
ETH_P_ARP = 0x0806
REPLY = b"\0\2"
EVERYONE = b"\xff" * 6


def main(address: str) -> None:
    hurry()
    wanted = socket.inet_aton(address)
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP))
    wire.bind(("eth0", ETH_P_ARP))
    wire.setblocking(False)
    mine = wire.getsockname()[4]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((address, 9))  # sends nothing, tells my own address
        me = socket.inet_aton(s.getsockname()[0])
    question = EVERYONE + mine + struct.pack("!HHHBBH", ETH_P_ARP, 1, 0x0800, 6, 4, 1) + mine + me + bytes(6) + wanted
    turn = 0
    next_question = time.monotonic()
    next_slice = next_question + SLICE_S
    seen: list[tuple[float, str, int]] = []
    while True:
        now = time.monotonic()
        if now >= next_slice:
            print(json.dumps({"t": now, "sightings": seen}), flush=True)
            seen.clear()
            next_slice = max(next_slice + SLICE_S, now)
        if now >= next_question:
            turn += 1
            with suppress(OSError):
                wire.send(question)
            next_question = max(next_question + EVERY_S, now)
        select.select([wire], [], [], max(0.0, min(next_question, next_slice) - time.monotonic()))
        with suppress(BlockingIOError):
            while True:
                frame, origin = wire.recvfrom(128)
                if origin[2] != socket.PACKET_OUTGOING and frame[28:32] == wanted:
                    asked = frame[20:22] == REPLY and frame[:6] == mine
                    seen.append((time.monotonic(), frame[22:28].hex(":"), turn if asked else 0))


if __name__ == "__main__":
    main(sys.argv[1])
