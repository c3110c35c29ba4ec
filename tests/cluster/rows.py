"""A client that writes numbered rows through the virtual address, one after the other, whatever happens to the servers.

Runs in the lab's client with Debian's own `mariadb` program on one connection that it keeps as long as it can, or over
the page. A row is acknowledged when the server has said so. Prints one JSON line at the end. Must not know
the cluster.

    python rows.py database|page ADDRESS STOP_FILE
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
import urllib.request

PATIENCE_S = 2.0  # for one answer; then the connection is given up
PAUSE_S = 0.01


class Database:
    def __init__(self, address: str) -> None:
        argv = ["mariadb", "-h", address, "-u", "app", "--unbuffered", "-N", "-B", "--connect-timeout=1", "site"]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )

    def write(self, number: int) -> bool:
        assert self._process.stdin is not None and self._process.stdout is not None
        line = f"INSERT INTO posts (number, node) VALUES ({number:d}, 'client'); SELECT 'kept {number:d}';\n"  # noqa: S608
        try:
            self._process.stdin.write(line.encode())
        except OSError:
            return False
        said = b""
        until = time.monotonic() + PATIENCE_S
        while (left := until - time.monotonic()) > 0:
            if select.select([self._process.stdout], [], [], left)[0]:
                piece = os.read(self._process.stdout.fileno(), 4096)
                said += piece
                if not piece or b"\n" in said:
                    break
        return said.strip() == f"kept {number}".encode()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


class Page:
    def __init__(self, address: str) -> None:
        self._url = f"http://{address}/"

    def write(self, number: int) -> bool:
        try:
            with urllib.request.urlopen(f"{self._url}?post={number}", timeout=PATIENCE_S) as page:  # noqa: S310
                return f"<p>kept {number}</p>".encode() in page.read()
        except OSError:
            return False

    def close(self) -> None:
        pass


KINDS: dict[str, type[Database | Page]] = {"database": Database, "page": Page}


def main(kind: str, address: str, stop: str) -> None:
    """`kept`: numbers acknowledged; `gap_s`: longest time between two of them; `lost_connections`."""
    kept: list[int] = []
    number = broken = 0
    gap = 0.0
    last = time.monotonic()
    writer: Database | Page | None = None
    while not os.path.exists(stop):
        writer = writer or KINDS[kind](address)
        number += 1
        if writer.write(number):
            now = time.monotonic()
            gap, last = max(gap, now - last), now
            kept.append(number)
        else:
            broken += 1
            writer.close()
            writer = None
            time.sleep(0.1)
        time.sleep(PAUSE_S)
    if writer is not None:
        writer.close()
    print(json.dumps({"kept": kept, "tried": number, "gap_s": round(gap, 3), "lost_connections": broken}))


if __name__ == "__main__":
    main(*sys.argv[1:])
