"""The client's first eye: a UDP echo to the address every 2 ms, the outage of design.md 2.5.

Run in the client's network as `python -m hbcore.lab.watch ADDRESS PORT`; one JSON line each 100 ms on stdout, a slice
(gaps.py). Invariant: asks on schedule; a pause of its own is told as such. Must not know the lab.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from contextlib import suppress

from hbcore.lab.gaps import SLICE_S, Tally
from hbcore.lab.kernel import hurry

EVERY_S = 0.002


def main(address: str, port: int) -> None:
    hurry()
    echo = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    echo.setblocking(False)
    tally = Tally()
    next_echo = time.monotonic()
    next_slice = next_echo + SLICE_S
    while True:
        now = time.monotonic()
        if now >= next_echo:
            number = tally.asked(now)
            with suppress(OSError):  # no route or no neighbour is an answer that does not come
                echo.sendto(b"%d" % number, (address, port))
            next_echo = max(next_echo + EVERY_S, now)
        if now >= next_slice:
            print(json.dumps(tally.slice(now)), flush=True)
            next_slice = max(next_slice + SLICE_S, now)
        select.select([echo], [], [], max(0.0, min(next_echo, next_slice) - time.monotonic()))
        with suppress(OSError):
            while True:
                data, origin = echo.recvfrom(256)
                if origin[0] == address:
                    number_said, node = data.decode(errors="replace").split()
                    tally.answer(time.monotonic(), node, int(number_said))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
