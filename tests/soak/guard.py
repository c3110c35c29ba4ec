"""What the guard costs on this machine's kernel: `python -m tests.soak.guard` writes docs/measurements/guard.md.

Owns that page. Invariant: all of it comes from one run, in a network namespace of its own. Must not know who renews.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from hbcore.engine.leases import Answer
from hbcore.host import realtime
from hbcore.host.guard import MS, Gate, Guard

PAGE = Path(__file__).parents[2] / "docs/measurements/guard.md"
RENEWALS, LOADS, ELEMENTS = 2_000, 5, 200_000
V4, V6, EIGHT = ["10.0.0.100"], ["fd00::100"], [f"10.0.1.{n}" for n in range(8)]
W, L = 50 * MS, 300 * MS
Row = tuple[str, list[float]]


def timed(act: Callable[[], object], expected: object) -> float:
    begun = time.perf_counter_ns()
    answer = act()
    took = (time.perf_counter_ns() - begun) / MS
    assert answer == expected, answer
    return took


def opened(guard: Guard, ips: list[str]) -> None:
    assert guard.ticket(ips, 1_000 * MS) is Answer.DONE
    assert guard.swap(ips, 60_000 * MS, fresh=True) is Answer.DONE


def renewed(guard: Guard, ips: list[str]) -> Answer:
    guard.ticket(ips, 1_000 * MS)
    return guard.swap(ips, 60_000 * MS, fresh=False)


def renewals(guard: Guard, ips: list[str]) -> list[float]:
    opened(guard, ips)
    found = []
    for _ in range(RENEWALS):
        found.append(timed(lambda: renewed(guard, ips), Answer.DONE))
        time.sleep(0.002)
    return found


def closed(guard: Guard) -> float:
    opened(guard, V4)
    return timed(lambda: guard.shut(V4), Answer.DONE)


def refused(guard: Guard) -> float:
    """A renewal of what lapsed: the kernel undoes what it had begun, and waits for a grace period."""
    guard.shut(V4)
    assert guard.ticket(V4, 1_000 * MS) is Answer.DONE
    return timed(lambda: guard.swap(V4, L, fresh=False), Answer.LAPSED)


def back(guard: Guard) -> float:
    subprocess.run(["nft", "flush ruleset"], check=True)

    def mend() -> bool:
        return guard.changed() and not guard.stands() and guard.install([]) == ""

    return timed(mend, True)


def costs(guard: Guard) -> Iterator[Row]:
    yield "renewal (ticket and swap), one IPv4 address", renewals(guard, V4)
    yield "renewal, one IPv6 address", renewals(guard, V6)
    yield "renewal, a group of eight IPv4 addresses", renewals(guard, EIGHT)
    assert realtime.schedule() == ""
    yield "the same with SCHED_RR, one IPv4 address", renewals(guard, V4)
    yield "`changed`", [timed(guard.changed, False) for _ in range(RENEWALS)]
    yield "`stands`", [timed(guard.stands, True) for _ in range(200)]
    yield "`shut`", [closed(guard) for _ in range(200)]
    yield "a refused renewal (swap)", [refused(guard) for _ in range(50)]
    yield "after `nft flush ruleset`: noticed and back, shut", [back(guard) for _ in range(20)]


def loads(guard: Guard) -> Iterator[Row]:
    """How long one renewal waits while somebody loads or deletes 200,000 elements, in each way that nft does it.

    nft has a real-time priority, too, so that it is the kernel's work that is measured and not what else runs here.
    """
    # three apart, so that an interval set has 200,000 intervals
    elements = ",".join(f"11.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(0, 3 * ELEMENTS, 3))
    declared = "table ip big {{\n set s {{\n type ipv4_addr\n{}elements = {{ {} }}\n}}\n}}\n"
    grown = "add table ip big\nadd set ip big s {{ type ipv4_addr; }}\nadd element ip big s {{ {} }}\n"
    for kind, load in (
        ("declared with a set", declared.format("", elements)),
        ("added to a set without a size", grown.format(elements)),
        ("declared with an interval set", declared.format("flags interval\n", elements)),
    ):
        times = [(waited(guard, load), waited(guard, "delete table ip big\n")) for _ in range(LOADS)]
        yield f"{ELEMENTS:,} elements {kind}: the slowest renewal", [one for one, _ in times]
        yield "... and when they are deleted", [one for _, one in times]


def waited(guard: Guard, script: str) -> float:
    opened(guard, V4)
    worst = 0.0
    with subprocess.Popen(["chrt", "--rr", "5", "nft", "-f", "-"], stdin=subprocess.PIPE, text=True) as loader:
        assert loader.stdin is not None
        feeder = threading.Thread(target=lambda pipe: (pipe.write(script), pipe.close()), args=(loader.stdin,))
        feeder.start()
        while loader.poll() is None:
            begun = time.perf_counter_ns()
            if renewed(guard, V4) is not Answer.DONE:
                opened(guard, V4)
            worst = max(worst, (time.perf_counter_ns() - begun) / MS)
            time.sleep(0.005)
        feeder.join()
    assert loader.returncode == 0
    return worst


def table(rows: list[Row]) -> str:
    lines = ["| what | times | median ms | p99 ms | max ms |", "|---|---|---|---|---|"]
    for what, found in rows:
        found.sort()
        middle, late = found[len(found) // 2], found[min(len(found) - 1, len(found) * 99 // 100)]
        lines.append(f"| {what} | {len(found)} | {middle:.3f} | {late:.3f} | {found[-1]:.3f} |")
    return "\n".join(lines)


def main() -> int:
    if "--inside" not in sys.argv:
        return subprocess.call(["unshare", "--net", sys.executable, "-m", "tests.soak.guard", "--inside"])
    guard = Guard()
    assert guard.install([Gate(ip) for ip in (*V4, *V6, *EIGHT)]) == "", guard.trouble
    rows = [*costs(guard), *loads(guard)]
    system = os.uname()
    PAGE.write_text(
        "# What the guard costs\n\nMade by `python -m tests.soak.guard` (as root); not edited by hand. See\n"
        "[decisions/0004](../decisions/0004-guard-in-the-kernel.md) for what it means.\n\n"
        f"Linux {system.release}, {os.cpu_count()} cores, Python {sys.version.split()[0]};"
        f" load average at the end: {os.getloadavg()[0]:.1f}.\n\n{table(rows)}\n"
    )
    print(PAGE.read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
