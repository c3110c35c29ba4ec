"""A failover there and back, and keys rotated under traffic: for the tests, and for the long run of them.

Owns the order of the play and its figures. Invariant: figures are the client's; never two owners, by ARP and capture.
Must not know the engine, nor any limit.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.cluster.asking import HOST, judged, newest, told, write
from tests.cluster.harness import Cluster

OLD = "0576e27920f46d92"  # the tutorial's
NEW = "b6f1c9d07a3e4582910fd3a6c47be825"
ROTATION = (
    f"auth 2\n2 sha1 {OLD}\n3 sha256 {NEW}\n",  # everyone can verify it
    f"auth 3\n2 sha1 {OLD}\n3 sha256 {NEW}\n",  # then it signs
    f"auth 3\n3 sha256 {NEW}\n",  # then the old one goes
)
HARMLESS = {"accepted", "own", "repeat", "listed"}
KEEPALIVE_S = 0.1


@dataclass(frozen=True, slots=True)
class Failover:
    """All in ms: outage of the address and of the page, when the power went and when the service came home."""

    off: float
    off_page: float
    back: float
    back_page: float


def away_and_home(c: Cluster) -> Failover:
    """Power off, takeover, power on, failback. AssertionError where it did not move, or not as told."""
    with judged(c):
        off = c.power_off("node1")["at"]
        c.wait_served(by="node2")
        away = c.report(off)
        on = c.power_on("node1")["at"]
        c.wait_served(by="node1", timeout=40)
        home = c.report(on)
    assert away["echo"]["before"] == "node1" and away["echo"]["after"] == "node2"
    assert [owner["node"] for owner in home["owners"]] == ["node2", "node1"]
    return Failover(away["echo"]["ms"], away["page"]["ms"], home["echo"]["ms"], home["page"]["ms"])


def rotate(c: Cluster) -> None:
    """Three steps on both nodes, one after the other, as an administrator would."""
    for text in ROTATION:
        for node in HOST:
            after = newest(c, node)
            write(c.folder(node, "config") / "authkeys", text)
            c.kill(node, "pulse", "HUP")
            told(c, node, "keys-taken", after)


@contextmanager
def no_beat_lost(c: Cluster) -> Iterator[None]:
    """Inside: every beat that either node was sent arrived and counted, in time."""

    def seen(node: str) -> tuple[Counter[str], int]:
        status = c.status(node)
        return Counter(status["counters"]), sum(link["late"] for link in status["links"])

    def look() -> dict[str, tuple[Counter[str], int]]:
        time.sleep(1.1)  # pulse tells its counters once a second
        return {node: seen(node) for node in HOST}

    before, begun = look(), time.monotonic()
    yield
    took = time.monotonic() - begun
    for node, (counters, late) in look().items():
        grown = counters - before[node][0]
        assert set(grown) <= HARMLESS, (node, grown)
        assert late == before[node][1], (node, late, before[node][1])
        assert grown["accepted"] >= took / KEEPALIVE_S - 5, (node, grown, took)
