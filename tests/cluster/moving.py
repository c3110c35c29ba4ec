"""Planned moves of the tutorial's group and what each costs: for the tests, and for the long run of them.

Owns the orders an operator gives and the clock on the service's script. Invariant: an outage is what the client saw;
the script's times are taken in the node, around the script, and change nothing but its 3 ms. Must not know the engine.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.asking import HOST, until
from tests.cluster.harness import Cluster
from tests.cluster.stalls import ROOT

TEMPLATE = ROOT / "hbcore/lab/ha.d"

# Stands before the service's script as `httpd`, and writes when each start and stop began and ended.
CLOCKED = """#!/bin/bash
# httpd, with a clock: "word began ended" (unix seconds) to /var/log/httpd.times
began=$EPOCHREALTIME
/etc/ha.d/resource.d/httpd.real "$@"
code=$?
echo "$1 $began $EPOCHREALTIME" >>/var/log/httpd.times
exit $code
"""


@dataclass(frozen=True, slots=True)
class Move:
    """One planned move; all in ms. Outages count whatever the client itself paused. `stop` and `start`: what the
    service's own script took."""

    order: str
    to: str
    outage: float
    page: float
    stop: float
    start: float
    settled: float


def clocked(folder: Path) -> Path:
    """A configuration as the lab's, whose script is clocked."""
    config = folder / "ha.d"
    shutil.copytree(TEMPLATE, config)
    script = config / "resource.d/httpd"
    script.rename(script.with_name("httpd.real"))
    script.write_text(CLOCKED)
    return config


def orders() -> Iterator[tuple[tuple[str, ...], str, str]]:
    """(words for hbctl, on which node it is typed, where the service is afterwards), for ever, from node1 on."""
    while True:
        yield ("takeover",), "node2", "node2"
        yield ("takeover",), "node1", "node1"
        yield ("standby",), "node1", "node2"
        yield ("online",), "node1", "node1"
        yield ("standby", HOST["node1"]), "node2", "node2"
        yield ("online", HOST["node1"]), "node2", "node1"
        yield ("group", "move", "192.168.100.100", HOST["node2"]), "node1", "node2"
        yield ("group", "clear", "192.168.100.100"), "node1", "node1"


def move(c: Cluster, words: tuple[str, ...], typed_on: str, to: str) -> Move:
    """Gives one order with --wait, and measures until the service is steady where it was sent."""
    before = {node: len(times(c, node)) for node in HOST}
    begun = c.do("heal")["at"]  # nothing is cut: the mark only
    done = c.hbctl(typed_on, *words, "--wait", timeout=60)
    assert done.code == 0, (words, done)
    settled = c.do("heal")["at"] - begun
    c.wait_served(by=to, timeout=30, steady=0.4)
    report = c.report(begun)
    assert not report["two_owners"], report["conflicts"]
    assert [owner["node"] for owner in report["owners"]][-1] == to, (words, report)
    there = next(node for node in HOST if node != to)
    stop = until(lambda: took(times(c, there)[before[there] :], "stop"))
    start = until(lambda: took(times(c, to)[before[to] :], "start"))
    return Move(
        " ".join(words), to, report["echo"]["ms"], report["page"]["ms"], round(stop, 1), round(start, 1),
        round(settled * 1000, 1),
    )  # fmt: skip


def times(c: Cluster, node: str) -> list[tuple[str, float, float]]:
    """(word, began, ended) of all calls of the clocked script on this node."""
    path = c.folder(node, "log") / "httpd.times"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(word, float(began), float(ended)) for word, began, ended in map(str.split, lines)]


def took(calls: list[tuple[str, float, float]], word: str) -> float:
    """ms of the last such call, 0 where there is none (yet)."""
    found = [(ended - began) * 1000 for called, began, ended in calls if called == word]
    return found[-1] if found else 0.0
