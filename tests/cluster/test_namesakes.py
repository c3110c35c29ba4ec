"""A machine that was cloned, state and all, boots beside the one it was cloned from: it takes no part, both say so, and
the cluster goes on as if it were not there. Real daemons; the clone is a third machine on the switch.
"""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Iterator
from functools import partial

import pytest

from tests.cluster.asking import (
    GROUP,
    HBCORED,
    HOST,
    alarms,
    assert_nothing_lost,
    at_home,
    both_hear,
    codes,
    group,
    has_address,
    judged,
    until,
    web,
)
from tests.cluster.harness import Cluster

CLONE, NAME = "node3", HOST["node1"]
ONE_WIRE = {"node1": "192.168.100.2", "node2": "192.168.100.1", CLONE: "192.168.100.2"}  # nobody beats to two


@pytest.fixture(scope="module")
def c() -> Iterator[Cluster]:
    with Cluster(nodes=(*HOST.values(), "clone.xiaofei.com")) as made:
        made.start()  # on the clone hbcored ends: no machine of its own name is configured
        at_home(made)
        shutil.copytree(made.folder("node1", "state"), made.folder(CLONE, "state"), dirs_exist_ok=True)
        yield made


def run(c: Cluster, node: str) -> None:
    """hbcored on that machine, which says that it is node1."""
    start = f"setsid {shlex.join(HBCORED)} --node {NAME} </dev/null >>/var/log/hbcored.err 2>&1 &"
    assert c.run(node, "sh", "-c", start).code == 0


def mac(c: Cluster, node: str) -> str:
    return c.run(node, "cat", "/sys/class/net/eth0/address").out.strip()


def refuses(c: Cluster) -> str:
    return alarms(c, CLONE).get("alarm-refused", "")


def test_a_clone_takes_no_part_and_both_say_so(c: Cluster) -> None:
    begun = time.monotonic()
    with judged(c):
        run(c, CLONE)
        assert mac(c, "node1") in until(partial(refuses, c), 20)
        assert mac(c, CLONE) in until(lambda: alarms(c, "node1").get("alarm-namesake", ""), 20)
        assert mac(c, CLONE) in until(lambda: alarms(c, "node2").get("alarm-beside", ""), 20)
        both_hear(c, 1)
        refused = c.ask(CLONE, "act", verb="takeover", node=NAME)
        c.watch(3)
    assert "alarm-refused" in codes(c, CLONE) and "alarm-namesake" in codes(c, "node1")
    assert not web(c, CLONE) and not has_address(c, CLONE) and group(c, CLONE)["node"] != NAME, refused
    assert_nothing_lost(c.report(begun))


def test_the_others_go_on_as_if_it_were_not_there(c: Cluster) -> None:
    with judged(c):
        assert c.hbctl("node1", "standby", NAME, "--wait").code == 0
        c.wait_served(by="node2")
        assert c.hbctl("node1", "online", NAME, "--wait").code == 0
        c.wait_served(by="node1")
        begun = time.monotonic()
        c.power_off("node1")
        c.wait_served(by="node2")
        outage_ms = c.outage_ms(begun)
        c.power_on("node1")  # it listens, hears one that refuses, and takes its place
        c.wait_served(by="node1", timeout=60)
    assert outage_ms < 1000 + c.stalls.longest_ms(begun), outage_ms
    assert refuses(c) and not web(c, CLONE)


def test_it_leaves_as_it_came(c: Cluster) -> None:
    begun = time.monotonic()
    c.kill(CLONE, "pulse", "KILL")
    until(lambda: not c.pids(CLONE, "ours"))
    run(c, CLONE)
    until(partial(refuses, c), 20)
    assert c.hbctl(CLONE, "restart").code == 0
    until(partial(refuses, c), 20)
    c.kill(CLONE, "pulse", "TERM")
    until(lambda: not c.pids(CLONE, "ours"))
    until(lambda: "alarm-namesake" not in alarms(c, "node1") and "alarm-beside" not in alarms(c, "node2"), 20)
    both_hear(c, 1)
    assert_nothing_lost(c.report(begun))
    assert {g["name"] for g in c.status("node2")["groups"]} == {GROUP}


def test_where_the_peer_alone_hears_both_it_says_so(c: Cluster) -> None:
    """By unicast: neither node1 nor its clone hears the other one, and the clone hears nobody."""
    for node, address in ONE_WIRE.items():
        ha_cf = c.folder(node, "config") / "ha.cf"
        ha_cf.write_text(ha_cf.read_text().replace("mcast eth0 225.100.0.1 694 1 0", f"ucast eth0 {address}"))
    for node in HOST:
        c.power_off(node)
    for node in HOST:
        c.power_on(node)
    at_home(c)
    both_hear(c, 1)
    begun = time.monotonic()
    with judged(c):
        run(c, CLONE)
        assert mac(c, CLONE) in until(lambda: alarms(c, "node2").get("alarm-beside", ""), 20)
        assert mac(c, "node1") in until(lambda: alarms(c, CLONE).get("why-vip-answers", ""), 60)  # node2 is lost to it
        c.watch(2)
    assert "alarm-beside" in codes(c, "node2") and "alarm-namesake" not in codes(c, "node1")
    assert not web(c, CLONE) and not has_address(c, CLONE)
    assert_nothing_lost(c.report(begun))
