"""The client's second eye: fetches the page over and over, a new connection every 15 ms, and notes which node it names.

Run in the client's network as `python -m hbcore.lab.page ADDRESS`; one JSON line each 100 ms on stdout, a slice
(gaps.py). Invariant: a connection that hangs does not delay the next; each is given up after 200 ms, before TCP would
repeat its first packet (1 s), so a gap is the service's and not TCP's. Must not know the lab.
"""

from __future__ import annotations

import errno
import json
import re
import select
import socket
import sys
import time
from dataclasses import dataclass

from hbcore.lab.gaps import SLICE_S, Tally
from hbcore.lab.kernel import hurry

EVERY_S = 0.015
PATIENCE_S = 0.2
MAX_PAGE = 4096
PAGE = re.compile(rb"^HTTP/1\.[01] 200 .*<h1>([\w.-]{1,64})</h1>", re.DOTALL)


@dataclass(slots=True)
class Fetch:
    socket: socket.socket
    number: int
    until: float
    got: bytes = b""

    @property
    def node(self) -> str | None:
        """The node that the page names, once it is whole."""
        found = PAGE.match(self.got)
        return found[1].decode() if found else None

    def advance(self, address: str, events: int) -> bool:
        """One step; False when it is over, well or not."""
        try:
            if events & select.POLLOUT and not self.got:
                host = f"[{address}]" if ":" in address else address
                self.socket.send(b"GET / HTTP/1.0\r\nHost: %s\r\n\r\n" % host.encode())
                return True
            piece = self.socket.recv(MAX_PAGE)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.got += piece
        return bool(piece) and len(self.got) < MAX_PAGE and self.node is None


def main(address: str) -> None:
    hurry()
    tally = Tally()
    wait = select.poll()
    open_now: dict[int, Fetch] = {}
    next_fetch = time.monotonic()
    next_slice = next_fetch + SLICE_S

    def close(fetch: Fetch) -> None:
        wait.unregister(fetch.socket)
        del open_now[fetch.socket.fileno()]
        fetch.socket.close()

    while True:
        now = time.monotonic()
        for fetch in [f for f in open_now.values() if now >= f.until]:
            close(fetch)
        if now >= next_fetch:
            number = tally.asked(now)
            client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
            client.setblocking(False)
            if client.connect_ex((address, 80)) in (0, errno.EINPROGRESS):
                open_now[client.fileno()] = Fetch(client, number, now + PATIENCE_S)
                wait.register(client, select.POLLOUT)
            else:  # no neighbour answers
                client.close()
            next_fetch = max(next_fetch + EVERY_S, now)
        if now >= next_slice:
            print(json.dumps(tally.slice(now)), flush=True)
            next_slice = max(next_slice + SLICE_S, now)
        for descriptor, events in wait.poll(max(0.0, (min(next_fetch, next_slice) - time.monotonic()) * 1000)):
            fetch = open_now[descriptor]
            if fetch.advance(address, events):
                wait.modify(descriptor, select.POLLIN)
            else:
                if fetch.node:
                    tally.answer(time.monotonic(), fetch.node, fetch.number)
                close(fetch)


if __name__ == "__main__":
    main(sys.argv[1])
