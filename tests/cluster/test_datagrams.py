"""Hostile datagrams against running nodes, from a third machine on their network: each counted in one class, and what
is not proven changes nothing.

What is due is worked out by the attacker (attacker.py); what was counted is what the nodes' own status says; what the
kernel had no room for is counted too. The same fuzzer, without a network: tests/unit/test_wire_fuzz.py.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.cluster.asking import (
    HOST,
    alarms,
    assert_nothing_lost,
    assert_one_owner,
    at_home,
    events,
    group,
    heard,
    judged,
    newest,
    until,
)
from tests.cluster.harness import Cluster

DATAGRAMS, RATE = 100_000, 4000
NODES = (*HOST.values(), "node3.xiaofei.com")
GROUP_PORT = "016464E1:02B6"  # 225.100.0.1:694 in /proc/net/udp
KEEPALIVE_S = 0.1
OF_PEERS = {"accepted", "unproven"}  # what the nodes' own beats may be counted as
LISTS = "listed"  # what the owner tells of its clients, once a second or less: no beats


@pytest.fixture(scope="module")
def shared() -> Iterator[Cluster]:
    """node3 is no node of the cluster: its hbcored refuses to start, and the machine is the attacker's."""
    with Cluster(nodes=NODES) as c:
        c.start()
        at_home(c)
        yield c


@pytest.fixture
def c(shared: Cluster) -> Cluster:
    at_home(shared)
    return shared


def attack(c: Cluster, *words: object, timeout: float = 110) -> dict[str, Any]:
    done = c.run("node3", sys.executable, "-m", "tests.cluster.attacker", *map(str, words), timeout=timeout)
    assert done.code == 0, done
    return dict(json.loads(done.out))


def counters(c: Cluster, node: str) -> Counter[str]:
    """Without the lists of the owner, which the other node counts: how many come, the service's clients say."""
    found = Counter(c.status(node)["counters"])
    del found[LISTS]
    return found


def dropped(c: Cluster, node: str) -> int:
    """Datagrams the kernel had no room for on the heartbeats' socket."""
    lines = [line.split() for line in c.run(node, "cat", "/proc/net/udp").out.splitlines()]
    return sum(int(line[-1]) for line in lines if line[1] == GROUP_PORT)


@dataclass(slots=True)
class Seen:
    """What each node counted meanwhile, what its kernel dropped, and for how long."""

    counted: dict[str, Counter[str]] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def assert_each_in_one_class(self, said: Mapping[str, Any]) -> None:
        """All that was sent was counted, as what it is; nothing else but the peer's own beats was. Of those some count
        as unproven, for a node that is addressed by a stranger answers it in every other beat."""
        for node, host in HOST.items():
            got, lost, due = self.counted[node], self.dropped[node], Counter(said["counted"][host])
            assert due.total() == said["sent"]
            of_peer = got.total() + lost - said["sent"]
            assert abs(of_peer - self.seconds / KEEPALIVE_S) < 20, (node, of_peer, self.seconds)
            if not lost:
                surplus = got - due
                assert not due - got, (node, due - got)
                assert set(surplus) <= OF_PEERS and surplus.total() == of_peer, (node, surplus)


@contextmanager
def counting(c: Cluster) -> Iterator[Seen]:
    def look() -> dict[str, tuple[Counter[str], int]]:
        time.sleep(1.2)  # pulse tells its counters once a second
        return {node: (counters(c, node), dropped(c, node)) for node in HOST}

    seen, before, begun = Seen(), look(), time.monotonic()
    yield seen
    after = look()
    seen.seconds = time.monotonic() - begun
    for node, (now, lost) in after.items():
        seen.counted[node] = now - before[node][0]
        seen.dropped[node] = lost - before[node][1]


NAMESAKES = {"alarm-namesake", "alarm-beside"}
TOLD = {"stalled", *NAMESAKES}  # a busy machine is no attack; what is told changes nothing


def standing(c: Cluster, node: str) -> tuple[Any, ...]:
    """What no unproven datagram may change. That somebody with the key beats in a node's name is told, and nothing
    is begun meanwhile, so the status has a new generation; no more."""
    status = c.status(node)
    shown = [alarm for alarm in status["alarms"] if alarm["code"] not in NAMESAKES]
    (g,) = status["groups"]
    return (
        g["node"], g["state"], g["epoch"], g["wanted"], status["rules"], shown,
        [(n["name"], n["state"], n["heard"], n["incarnation"]) for n in status["nodes"]], heard(c, node),
        sorted(c.pids(node, "ours")), sorted(c.pids(node, "web")),
    )  # fmt: skip


@contextmanager
def nothing_changes(c: Cluster) -> Iterator[None]:
    """Status, epochs, rules, processes and events of both nodes; and every echo is answered."""
    before = {node: (standing(c, node), newest(c, node)) for node in HOST}
    with judged(c):
        begun = c.do("heal")["at"]
        yield
        assert_nothing_lost(c.report(begun))
    for node, (stood, after) in before.items():
        told = [e for e in events(c, node, after) if e["code"] not in TOLD]
        assert not told, told
        assert standing(c, node) == stood


def test_a_hundred_thousand_damaged_datagrams(c: Cluster) -> None:
    with nothing_changes(c), counting(c) as seen:
        begun = time.monotonic()
        said = attack(c, "fuzz", DATAGRAMS, 694, RATE)
        took = time.monotonic() - begun
    assert said["sent"] == DATAGRAMS
    seen.assert_each_in_one_class(said)
    for node in HOST:
        print(node, f"{took:.0f} s, dropped {seen.dropped[node]}:", dict(sorted(seen.counted[node].items())))
        assert seen.dropped[node] < DATAGRAMS // 100, "too few of them were read"
        assert min(seen.counted[node][kind] for kind in (
            "truncated", "oversized", "foreign-cluster", "old-heartbeat", "bad-signature", "malformed", "unknown-node",
            "unknown-key", "version", "not-ours", "unproven", "own", "namesake",
        )) > 100  # fmt: skip


@pytest.mark.parametrize("restart", [False, True], ids=["at-once", "after-a-restart"])
def test_what_was_recorded_is_replayed(c: Cluster, restart: bool) -> None:
    """These beats were heard already; or, for a node that was off meanwhile, they echo nothing that it ever said."""
    attack(c, "record", 3, "/tmp/kept")
    if restart:
        c.power_off("node1")
        c.wait_served(by="node2")
        c.power_on("node1")
        at_home(c)
    with nothing_changes(c), counting(c) as seen:
        said = attack(c, "replay", "/tmp/kept", 20, 500)
    for node in HOST:
        got = seen.counted[node]
        kind = "unproven" if restart and node == "node1" else "replayed"
        print(node, dict(got))
        assert set(got) <= {"own", "accepted", kind}, got
        assert got["own"] + got[kind] + seen.dropped[node] >= said["sent"] and got[kind] > 100
        assert abs(got.total() + seen.dropped[node] - said["sent"] - seen.seconds / KEEPALIVE_S) < 20


def test_a_dead_owner_cannot_be_replayed_alive(c: Cluster) -> None:
    """Beats of the owner from before its power was lost: it is taken over all the same, and comes back all the same."""
    attack(c, "record", 3, "/tmp/kept")
    line = f"{sys.executable} -m tests.cluster.attacker replay /tmp/kept 60 300"
    assert c.run("node3", "sh", "-c", f"setsid {line} >/tmp/replayed 2>&1 &").code == 0
    with judged(c):
        off = c.power_off("node1")["at"]
        c.wait_served(by="node2")
        assert c.report(off)["echo"]["ms"] < 2000
        assert heard(c, "node2") == "lost"
        on = c.power_on("node1")["at"]
        c.wait_served(by="node1", timeout=20)
        print(f"home after {time.monotonic() - on:.1f} s under replay")
    assert counters(c, "node1")["unproven"] > 100
    until(lambda: c.run("node3", "cat", "/tmp/replayed").out, 40)


@pytest.mark.parametrize("seed", [1, 2])
def test_who_has_the_key_and_hears_the_nonce_kills_nobody(c: Cluster, seed: int) -> None:
    """Whoever has the key can say what a node can say, and be believed until that node starts anew; but no daemon dies
    of it or breaks its own rules."""
    before = {node: sorted(c.pids(node, "ours")) for node in HOST}
    with counting(c) as seen:
        said = attack(c, "forge", 5, 60, seed)
    print(said["sent"], {node: dict(seen.counted[node]) for node in HOST})
    for node in HOST:
        assert seen.counted[node]["accepted"] > 50, "it was believed"
        assert c.status(node)["node"] == HOST[node]
    time.sleep(2)
    assert {node: sorted(c.pids(node, "ours")) for node in HOST} == before, "neither daemon nor pulse died of it"
    c.power_off("node2")
    c.power_on("node2")
    at_home(c)
    until(lambda: not alarms(c, "node1") and not alarms(c, "node2"), 15)
    assert group(c, "node2")["node"] == HOST["node1"]
    assert_one_owner(c.watch(1))
    for node in HOST:
        text = (c.folder(node, "log") / "hbcored.err").read_text()
        assert "Traceback" not in text, text[-2000:]
