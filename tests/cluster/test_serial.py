"""A serial line beside the network: real daemons on a null modem cable that is as slow as its baud rate.

Judged by the client's ARP and by a capture on the switch, as every cut is.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hbcore.lab.lab import TEMPLATE
from tests.cluster.asking import (
    HOST,
    MOVES,
    alarms,
    assert_nothing_lost,
    at_home,
    both_hear,
    codes,
    heard,
    judged,
    newest,
    until,
)
from tests.cluster.harness import Cluster
from tests.nullmodem import Cable

BAUD = 38400
LINE = "/etc/ha.d/line"  # as a node sees its end of the cable
CUT_S = 8.0


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Cable]]:
    config: Path = tmp_path_factory.mktemp("serial") / "ha.d"
    shutil.copytree(TEMPLATE, config)
    (config / "ha.cf").write_text((config / "ha.cf").read_text() + f"baud {BAUD}\nserial {LINE}\n")
    with Cluster(config=config) as c:
        a, b = (c.folder(node, "config") / "line" for node in HOST)
        with Cable(a, b, BAUD) as cable:
            c.start()
            c.wait_served(by="node1", timeout=40)
            yield c, cable


@pytest.fixture
def c(joined: tuple[Cluster, Cable]) -> Cluster:
    at_home(joined[0])
    until(lambda: all(links(joined[0], node)["line"]["state"] == "up" for node in HOST))
    return joined[0]


@pytest.fixture
def cable(joined: tuple[Cluster, Cable]) -> Cable:
    return joined[1]


def links(c: Cluster, node: str) -> dict[str, dict[str, object]]:
    return {str(link["name"]): link for link in c.status(node)["links"]}


def stays_whole(c: Cluster, seconds: float = CUT_S) -> None:
    """All the time both hear each other two-way, by the line alone."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert [heard(c, node) for node in HOST] == ["two-way"] * 2
        time.sleep(0.2)
    for node in HOST:
        assert {name: link["state"] for name, link in links(c, node).items()} == {"eth0": "down", "line": "up"}


def test_heartbeats_on_the_network_are_cut_and_nobody_minds(c: Cluster) -> None:
    after = {node: newest(c, node) for node in HOST}
    with judged(c):
        cut = c.cut_beats()["at"]
        until(lambda: all(links(c, node)["eth0"]["state"] == "down" for node in HOST))
        stays_whole(c)
        assert_nothing_lost(c.report(cut))
    for node in HOST:
        assert not MOVES & set(codes(c, node, after[node])), codes(c, node)
        assert not alarms(c, node)


def test_every_network_link_is_cut_and_the_cluster_stays_whole(c: Cluster) -> None:
    """Neither reaches the ping node: nothing moves, and nothing has moved when the cables are back."""
    after = {node: newest(c, node) for node in HOST}
    with judged(c):
        for node in HOST:
            c.cut_link(node)
        until(lambda: all(links(c, node)["eth0"]["state"] == "down" for node in HOST))
        stays_whole(c)
        c.heal()
        c.wait_served(by="node1", timeout=10)
        both_hear(c)
    for node in HOST:
        assert not MOVES & set(codes(c, node, after[node])), codes(c, node)


def test_the_owners_cable_is_out_and_it_hands_over(c: Cluster) -> None:
    """By the line it is told that the other node reaches the ping node: a planned move, no deadtime to wait for."""
    with judged(c):
        cut = c.cut_link("node1")["at"]
        c.wait_served(by="node2")
        assert [heard(c, node) for node in HOST] == ["two-way"] * 2
        assert c.report(cut)["echo"]["ms"] < 3000
        c.heal()
        c.wait_served(by="node1", timeout=30)


def test_orders_go_over_the_line(c: Cluster) -> None:
    c.cut_beats()
    assert c.hbctl("node2", "standby", "node1", "--wait").code == 0
    c.wait_served(by="node2")
    assert c.hbctl("node1", "online", "node1").code == 0
    c.wait_served(by="node1", timeout=30)


def test_the_cable_is_unplugged_and_plugged_in(c: Cluster, cable: Cable) -> None:
    cable.do("unplug")
    until(lambda: links(c, "node1")["line"]["state"] == "down")
    until(lambda: f"there is no {LINE}" in str(links(c, "node1")["line"]["reason"]))
    assert [heard(c, node) for node in HOST] == ["two-way"] * 2
    cable.do("plug")
    until(lambda: all(links(c, node)["line"]["state"] == "up" for node in HOST))
    until(lambda: links(c, "node1")["line"]["reason"] is None)
