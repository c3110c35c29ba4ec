"""The observer's eye: who answers ARP (or NDP) for the address, asked every 20 ms, and who announces it.

Run in a network of its own as `python -m hbcore.lab.arp ADDRESS`; one JSON line each 100 ms on stdout: {"t",
"sightings": [[t, mac, round]]}, round 0 for what was not asked. Invariant: it is not the client's machine that asks,
for the answers would refresh that one's table and hide a missing announcement. Must not know the lab.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from contextlib import suppress

from hbcore.host import spelling
from hbcore.host.frames import REPLY
from hbcore.lab.gaps import SLICE_S
from hbcore.lab.kernel import hurry

EVERY_S = 0.02


def main(address: str) -> None:
    hurry()
    how = spelling.of(address)
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(how.ETHERTYPE))
    wire.bind(("eth0", how.ETHERTYPE))
    wire.setblocking(False)
    mine = wire.getsockname()[4]
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((address, 9))  # sends nothing, tells my own address
        question = how.ask(mine, s.getsockname()[0], address)
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
                spoken = how.read(frame) if origin[2] != socket.PACKET_OUTGOING else None
                if spoken is not None and spoken.sender == address:
                    asked = spoken.op == REPLY and frame[:6] == mine
                    seen.append((time.monotonic(), spoken.source.hex(":"), turn if asked else 0))


if __name__ == "__main__":
    main(sys.argv[1])
