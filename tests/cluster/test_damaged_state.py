"""A node whose state was damaged while it was off: it joins as one that knows nothing, and the service stays as it is.

Who serves is judged by the client and by a capture. Must not know what the state holds.
"""

from __future__ import annotations

import json

import pytest

from tests.cluster.asking import (
    GROUP,
    HOST,
    MOVES,
    alarms,
    assert_nothing_lost,
    at_home,
    both_hear,
    codes,
    events,
    group,
    judged,
    newest,
    told,
    until,
)
from tests.cluster.harness import Cluster


@pytest.mark.parametrize("damage", [b"", b"\x00" * 300, b'{"format":1,"checksum":"00","payload":{}}'])
def test_the_other_node_comes_back_with_damaged_files(cluster: Cluster, damage: bytes) -> None:
    c = cluster
    at_home(c)
    c.power_off("node2")
    state = c.folder("node2", "state")
    for name in ("state.json", "incarnation.json"):
        assert (state / name).exists()
        (state / name).write_bytes(damage)
    until(lambda: "alarm-lost" in alarms(c, "node1"))
    after = newest(c, "node1")
    with judged(c):
        on = c.power_on("node2")["at"]
        both_hear(c)
        until(lambda: group(c, "node2")["node"] == HOST["node1"])
        assert_nothing_lost(c.report(on))
    assert not MOVES & set(codes(c, "node1", after)) and not MOVES & set(codes(c, "node2"))
    for name in ("state.json", "incarnation.json"):
        (kept,) = state.glob(f"{name}.damaged-*")
        assert kept.read_bytes() == damage
        code = f"{name.removesuffix('.json')}-damaged"
        where = f"/var/lib/hbcore/{kept.name}"
        assert where in alarms(c, "node2")[code]
        (event,) = [e for e in events(c, "node2") if e["code"] == code]
        assert event["severity"] == "warning" and where in event["text"]
        assert json.loads((state / name).read_text())["format"] == 1  # written anew
        assert code not in alarms(c, "node1")
    assert (c.folder("node2", "log") / "hbcored.err").read_text().count("its rights to run groups") >= 1
    # it is told as long as this node lives, also by a new daemon, and no longer
    old = c.pids("node2", "daemon")
    c.kill("node2", "daemon")
    until(lambda: [pid for pid in c.pids("node2", "daemon") if pid not in old])
    told(c, "node2", "daemon-resumed")
    assert "state-damaged" in alarms(c, "node2")
    c.power_off("node2")
    c.power_on("node2")
    both_hear(c)
    assert "state-damaged" not in alarms(c, "node2")


def test_the_owner_comes_back_with_damaged_state_and_claims_nothing_by_it(
    cluster: Cluster,
) -> None:
    """Its service was taken over meanwhile; it goes home by failback, as after any loss of power."""
    c = cluster
    at_home(c)
    c.power_off("node1")
    (c.folder("node1", "state") / "state.json").write_bytes(b"{")
    c.wait_served(by="node2")
    with judged(c):
        c.power_on("node1")
        c.wait_served(by="node1", timeout=40)
    assert "state-damaged" in alarms(c, "node1")
    assert not {"yielded", "both-hold", "vip-conflict"} & {*codes(c, "node1"), *codes(c, "node2")}
    assert group(c, "node1")["name"] == GROUP


def test_a_daemon_that_finds_its_state_damaged_adopts_what_runs(cluster: Cluster) -> None:
    c = cluster
    at_home(c)
    state = c.folder("node1", "state")
    with judged(c):
        (state / "state.json").write_bytes(b"\xff" * 64)
        killed = c.kill("node1", "daemon")["at"]
        told(c, "node1", "daemon-resumed")
        until(lambda: group(c, "node1")["state"] == "started")
        assert_nothing_lost(c.report(killed))
    assert "state-damaged" in alarms(c, "node1") and "state-damaged" in codes(c, "node1")
    assert len(list(state.glob("state.json.damaged-*"))) == 1
