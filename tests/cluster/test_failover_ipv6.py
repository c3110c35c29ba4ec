"""The main job with an address of IPv6: it moves with its node's power and comes home, and is asked for before.

The client echoes and fetches over IPv6 only; the heartbeats and the ping node are those of every test. Limits in time
are loose.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.asking import (
    HOST,
    MOVES,
    alarms,
    assert_nothing_lost,
    assert_one_owner,
    both_hear,
    codes,
    group,
    judged,
    newest,
    told,
    until,
    why,
)
from tests.cluster.failing import away_and_home
from tests.cluster.harness import Cluster
from tests.cluster.moving import TEMPLATE

VIP = "fd00:100::100"
OFF_MS, BACK_MS = 2000.0, 1000.0
FOREIGN_MAC = "02:68:62:00:00:42"


@pytest.fixture(scope="module")
def c(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    config: Path = tmp_path_factory.mktemp("ipv6") / "ha.d"
    shutil.copytree(TEMPLATE, config)
    (config / "haresources").write_text(f"{HOST['node1']} IPv6addr::FD00:100:0::100/64 httpd\n")
    with Cluster(config=config, address=VIP) as cluster:
        cluster.start()
        cluster.wait_served(by="node1", timeout=40)
        both_hear(cluster)
        yield cluster


def test_power_loss_moves_the_address_and_power_brings_it_home(c: Cluster) -> None:
    took = away_and_home(c)
    print(took)
    assert max(took.off, took.off_page) <= OFF_MS and took.back <= BACK_MS
    until(lambda: group(c, "node2")["node"] == HOST["node1"])
    assert "taken-over" in codes(c, "node2")
    assert not [code for code in codes(c, "node2") if code in ("yielded", "both-hold", "vip-conflict", "address-gone")]


def test_it_is_shown_as_it_is(c: Cluster) -> None:
    seen = group(c, "node1")
    assert (seen["name"], seen["weight"], seen["state"]) == (VIP, "light", "started")
    address, web = seen["resources"]
    assert (address["name"], address["agent"], address["detail"]) == (VIP, "address", f"{VIP}/64 eth0")
    shown = c.hbctl("node1", "status").out
    assert VIP in shown and web["name"] in shown
    assert {hole["code"] for hole in seen["protection"]["holes"]}.isdisjoint({"H3", "blind"})
    (ping,) = c.status("node1")["pings"]
    assert (ping["name"], ping["state"]) == ("192.168.100.254", "up"), "the control, over IPv4 on the same wire"


def test_a_living_owner_answers_and_nothing_moves(c: Cluster) -> None:
    """All heartbeats are cut: what vetoes is the answer to the other node's solicitation."""
    after = {node: newest(c, node) for node in HOST}
    with judged(c):
        cut = c.cut_beats()["at"]
        said = until(lambda: why(c, "node2").get("why-vip-answers"))
        assert VIP in said
        time.sleep(5)
        assert "why-vip-answers" in why(c, "node2")
        assert_nothing_lost(c.report(cut))
        c.heal()
        both_hear(c)
        time.sleep(1.5)
        assert_nothing_lost(c.report(cut))
    for node in HOST:
        assert not MOVES & set(codes(c, node, after[node])), codes(c, node)


@pytest.mark.needs("nft")
def test_a_frozen_owner_falls_silent_before_the_other_answers(c: Cluster) -> None:
    """The kernel's gate covers IPv6 and its Neighbour Discovery as well."""
    with judged(c):
        frozen = c.freeze("node1")["at"]
        c.wait_served(by="node2")
        assert c.report(frozen)["echo"]["ms"] < OFF_MS
        c.thaw("node1")
        c.wait_served(by="node1", timeout=30)
    both_hear(c)


def test_one_that_takes_it_off_by_hand_is_undone(c: Cluster) -> None:
    after = newest(c, "node1")
    assert c.run("node1", "ip", "addr", "del", f"{VIP}/64", "dev", "eth0").code == 0
    assert VIP in told(c, "node1", "address-gone", after)["text"]
    c.wait_served(by="node1")


def test_a_foreign_host_with_the_address_is_named(c: Cluster) -> None:
    after = newest(c, "node1")
    c.foreign(True)
    event = told(c, "node1", "vip-conflict", after)
    assert FOREIGN_MAC in event["text"] and VIP in event["text"]
    assert FOREIGN_MAC in until(lambda: alarms(c, "node1").get("vip-conflict"))
    c.foreign(False)
    until(lambda: "vip-conflict" not in alarms(c, "node1"), 30)
    assert_one_owner(c.watch(1))
