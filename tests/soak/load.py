"""A running cluster on a machine that is kept busy: no lapse, nobody called lost. In slices, each a line.

    python -m tests.soak.load cpu|disk SECONDS     one slice, printed and not written down

Owns the hogs. Invariant: they end with their slice; what happened is read from both nodes' events and from the client.
Must not know limits or files of results.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.asking import HOST, at_home, events, newest
from tests.cluster.harness import Cluster, Refused
from tests.soak.book import Line

SLICE_S = 300.0
DISK = "/var/tmp"  # of the machine's own disk, not of memory
TIMES = 4  # busy processes a processor
WRITERS = 4
LAPSES = frozenset({"lapsed", "lapsed-late"})
DEATHS = frozenset({"peer-lost", "peer-one-way"})

BUSY = "while True: pass"
# Writes pieces of a file in place and waits for the disk each time, as a database does.
WRITE = """import os, random, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
piece = os.urandom(256 << 10)
while True:
    os.pwrite(fd, piece, random.randrange(512) * len(piece))
    os.fsync(fd)
"""


@contextmanager
def hogs(kind: str, folder: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    cpu = [["-S", "-c", BUSY]] * (TIMES * (os.cpu_count() or 1))
    disk = [["-S", "-c", WRITE, str(folder / f"hog{n}")] for n in range(WRITERS)]
    running = [subprocess.Popen([sys.executable, *words]) for words in {"cpu": cpu, "disk": disk}[kind]]
    try:
        yield running
    finally:
        for hog in running:
            hog.kill()
        for hog in running:
            hog.wait()


def slice_of(kind: str, seconds: float) -> Line:
    """On a fresh cluster, whose state lies on the disk that is hogged. `stalled`: the longest ms in which nothing ran
    on the machine at all.
    """
    with tempfile.TemporaryDirectory(dir=DISK) as place:
        disk = Path(place) / "nodes"
        with Cluster(disk=disk) as c:
            c.start()
            at_home(c)
            before = {node: newest(c, node) for node in HOST}
            begun = time.monotonic()
            with c.capture() as seen, hogs(kind, Path(place)) as running:
                time.sleep(seconds)
                load = os.getloadavg()[0]
                assert all(hog.poll() is None for hog in running), "a hog ended"
                report = c.report(begun)
            codes = [event["code"] for node in HOST for event in events(c, node, before[node])]
            realtime = all(os.sched_getscheduler(pid) & 0xF == os.SCHED_RR for pid in c.pids("node1", "pulse"))
    lapses, deaths = (sum(code in bad for code in codes) for bad in (LAPSES, DEATHS))
    owners = sorted({owner["node"] for owner in report["owners"]})
    good = lapses == deaths == 0 and owners == ["node1"] and not seen["two_owners"]
    line: Line = {
        "ok": good, "seconds": round(seconds), "lapses": lapses, "deaths": deaths, "gap": report["echo"]["ms"],
        "page": report["page"]["ms"],
        "lost": report["lost"], "sent": report["sent"], "stalled": report["machine_ms"], "hogged": round(load, 1),
        "realtime": realtime,
    }  # fmt: skip
    return line if good else {**line, "error": f"{owners}, {sorted(set(codes))}"[:300]}


def slices(kind: str, count: int) -> Iterator[Line]:
    for _ in range(count):
        try:
            yield slice_of(kind, SLICE_S)
        except (AssertionError, Refused, OSError, TimeoutError) as error:
            yield {"ok": False, "error": f"{type(error).__name__}: {error}"[:300]}


if __name__ == "__main__":
    print(slice_of(sys.argv[1], float(sys.argv[2])))
