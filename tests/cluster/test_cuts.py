"""Cuts: heartbeats in both directions and in each alone, the ping node, a whole cable, a foreign host with the address.

Judged by the client's ARP and by a capture on the switch. Limits in time are loose.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.cluster.asking import (
    HOST,
    MOVES,
    alarms,
    assert_nothing_lost,
    assert_one_owner,
    at_home,
    both_hear,
    codes,
    group,
    heard,
    judged,
    newest,
    told,
    until,
    why,
)
from tests.cluster.auditing import Auditor
from tests.cluster.harness import Cluster

CUT_S = 15.0
PING_OFF_S = 60.0
CLIENT = "192.168.100.200"
FOREIGN_MAC = "02:68:62:00:00:42"


@pytest.fixture
def c(shared: tuple[Cluster, Auditor]) -> Iterator[Cluster]:
    c, auditor = shared
    at_home(c)
    yield c
    c.ping(True)
    c.foreign(False)
    at_home(c)
    auditor.check()


@pytest.mark.parametrize(
    ("source", "target", "owner_hears", "other_hears", "reason"),
    [
        (None, None, "lost", "lost", "why-vip-answers"),
        ("node1", "node2", "one-way", "lost", "why-vip-answers"),
        ("node2", "node1", "lost", "one-way", "why-one-way"),
    ],
    ids=["both", "owner-to-other", "other-to-owner"],
)
def test_beats_are_cut_and_nothing_moves(
    c: Cluster, source: str | None, target: str | None, owner_hears: str, other_hears: str, reason: str
) -> None:
    after = {node: newest(c, node) for node in HOST}
    with judged(c):
        cut = c.cut_beats(source, target)["at"]
        until(lambda: reason in why(c, "node2"))
        said = why(c, "node2")[reason]
        assert said.startswith("not taken over: node1.xiaofei.com is")
        assert reason in alarms(c, "node2")
        until(lambda: [heard(c, node) for node in HOST] == [owner_hears, other_hears])
        assert said in c.hbctl("node2", "status").out
        while time.monotonic() < cut + CUT_S:
            assert reason in why(c, "node2"), "it is said as long as it lasts"
            time.sleep(0.5)
        assert_nothing_lost(c.report(cut))
        healed = c.heal()["at"]
        both_hear(c)
        time.sleep(1.5)
        assert_nothing_lost(c.report(healed))
    until(lambda: not why(c, "node2") and not alarms(c, "node2"))
    for node in HOST:
        assert not MOVES & set(codes(c, node, after[node])), codes(c, node)


def holes(c: Cluster, node: str) -> set[str]:
    return {hole["code"] for hole in group(c, node)["protection"]["holes"]}


@pytest.mark.timeout(150)
def test_a_silent_ping_node_stops_and_moves_nothing(c: Cluster) -> None:
    """With both links up; and after a deadtime of it the veto is suspended, which is said."""
    after = {node: newest(c, node) for node in HOST}
    with judged(c):
        off = c.ping(False)["at"]
        until(lambda: all("alarm-control" in alarms(c, node) for node in HOST))
        until(lambda: "suspended" in holes(c, "node1"))
        time.sleep(PING_OFF_S - (time.monotonic() - off))
        assert_nothing_lost(c.report(off))
        c.ping(True)
        until(lambda: not alarms(c, "node1") and not alarms(c, "node2"))
        time.sleep(2)  # the two may hear it again at different times
        assert_nothing_lost(c.report(off))
    for node in HOST:
        assert not MOVES & set(codes(c, node, after[node])), codes(c, node)
    assert "suspended" not in holes(c, "node1")


def test_a_foreign_host_with_the_address_is_named(c: Cluster) -> None:
    after = newest(c, "node1")
    c.foreign(True)
    event = told(c, "node1", "vip-conflict", after)
    assert FOREIGN_MAC in event["text"] and "192.168.100.100" in event["text"]
    assert FOREIGN_MAC in until(lambda: alarms(c, "node1").get("vip-conflict"))
    assert FOREIGN_MAC in c.hbctl("node1", "status").out
    assert group(c, "node1")["state"] == "started", "the owner keeps it"
    c.foreign(False)
    until(lambda: "vip-conflict" not in alarms(c, "node1"), 30)


def test_a_foreign_host_delays_a_takeover_and_is_named(c: Cluster) -> None:
    """S9: three rounds in three seconds, then it is taken all the same, with an alarm."""
    c.foreign(True)
    off = c.power_off("node1")["at"]
    said = until(lambda: why(c, "node2").get("why-vip-foreign") or alarms(c, "node2").get("why-vip-foreign"))
    assert FOREIGN_MAC in said
    until(lambda: group(c, "node2")["node"] == HOST["node2"], 15)
    assert 2.5 < time.monotonic() - off < 12
    assert FOREIGN_MAC in until(lambda: alarms(c, "node2").get("vip-conflict"), 15)
    c.foreign(False)
    c.wait_served(by="node2")
    assert_one_owner(c.watch(1))


@pytest.mark.parametrize("silent", [False, True], ids=["unplugged", "silent"])
def test_an_owner_that_is_cut_off_lets_go_and_the_other_takes_it(c: Cluster, silent: bool) -> None:
    """Its cable is out, or a switch eats every frame: it must be out of it before it can be heard again."""
    with judged(c):
        cut = c.cut_link("node1", silent)["at"]
        c.wait_served(by="node2")
        away = c.report(cut)
        assert away["echo"]["ms"] <= 2000
        until(lambda: group(c, "node1")["node"] != HOST["node1"], 10)
        assert "192.168.100.100" not in c.run("node1", "ip", "-o", "addr", "show", "eth0").out
        c.heal()
        c.wait_served(by="node1", timeout=30)


def test_the_other_node_that_is_cut_off_takes_nothing(c: Cluster) -> None:
    """It hears nobody and does not reach the ping node: the fault may be its own, and it says so."""
    with judged(c):
        cut = c.cut_link("node2", silent=True)["at"]
        said = until(lambda: why(c, "node2").get("why-control-lost"))
        assert "the fault may be its own" in said
        time.sleep(2)
        assert "192.168.100.100" not in c.run("node2", "ip", "-o", "addr", "show", "eth0").out
        c.heal()
        until(lambda: heard(c, "node2") == "two-way")
        time.sleep(1)
        assert_nothing_lost(c.report(cut))


def test_a_takeover_goes_on_without_the_ping_node(c: Cluster) -> None:
    """It fell silent for both while they heard each other: the fault is not one's own, so it vetoes nothing more, as
    long as a neighbour answers: one that the kernel heard of before.
    """
    assert c.run("node2", "bash", "-c", f"echo >/dev/udp/{CLIENT}/9").code == 0
    c.ping(False)
    until(lambda: all("suspended" in holes(c, node) for node in HOST))
    with judged(c):
        off = c.power_off("node1")["at"]
        c.wait_served(by="node2")
        assert c.report(off)["echo"]["ms"] < 3000
