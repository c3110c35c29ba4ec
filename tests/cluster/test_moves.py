"""Planned moves: takeover, standby, online, move, clear; and stopping and starting the group where it is.

Limits are loose here; `make soak` judges a hundred moves by the promised one (p99 of the outage <= 100 ms).
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.asking import (
    GROUP,
    HOST,
    assert_nothing_lost,
    at_home,
    codes,
    group,
    heard,
    judged,
    newest,
    until,
    why,
)
from tests.cluster.harness import Cluster
from tests.cluster.moving import clocked, move, orders

OUTAGE_MS = 500.0
MOVES = 10


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One cluster for all tests here, whose script is clocked."""
    with Cluster(config=clocked(tmp_path_factory.mktemp("moves"))) as c:
        c.start()
        at_home(c)
        yield c


@pytest.fixture
def c(moved: Cluster) -> Cluster:
    at_home(moved)
    return moved


def test_ten_moves_by_every_order(c: Cluster) -> None:
    with judged(c):
        done = [move(c, *order) for order in itertools.islice(orders(), MOVES)]
    print(*done, sep="\n")
    assert all(one.outage <= OUTAGE_MS for one in done), done
    assert not [code for node in HOST for code in codes(c, node) if code in ("yielded", "both-hold", "lapsed")]


def rules(c: Cluster, node: str) -> list[dict[str, Any]]:
    return list(c.status(node)["rules"])


def states(c: Cluster, node: str) -> dict[str, str]:
    return {n["name"]: n["state"] for n in c.status(node)["nodes"]}


def test_a_pin_is_shown_and_goes_with_clear(c: Cluster) -> None:
    move(c, ("takeover", "--reason", "new kernel"), "node2", "node2")
    until(lambda: all(rules(c, node) for node in HOST))
    for node in HOST:
        (rule,) = rules(c, node)
        assert rule["group"] == GROUP and rule["node"] == HOST["node2"] and rule["kind"] == "pin"
        assert rule["reason"] == "new kernel" and rule["expires"]
    assert "why-pinned" in why(c, "node2")
    move(c, ("group", "clear", GROUP), "node2", "node1")
    until(lambda: [rules(c, node) for node in HOST] == [[], []])


def test_standby_is_known_on_both_and_survives_power(c: Cluster) -> None:
    move(c, ("standby",), "node1", "node2")
    until(lambda: all(states(c, node)[HOST["node1"]] == "standby" for node in HOST))
    c.power_off("node1")
    c.power_on("node1")
    until(lambda: states(c, "node1") == {HOST["node1"]: "standby", HOST["node2"]: "online"}, 20)
    stayed = c.watch(2.5)
    assert {owner["node"] for owner in stayed["owners"]} == {"node2"}
    move(c, ("online",), "node1", "node1")


def test_stop_and_start_of_the_group(c: Cluster) -> None:
    after = newest(c, "node1")
    done = c.hbctl("node2", "group", "stop", GROUP, "--wait", "--reason", "backup")
    assert done.code == 0, done
    assert group(c, "node1")["state"] == "stopped" and group(c, "node1")["wanted"] == "stopped"
    time.sleep(0.2)  # the client tells its figures by the tenth of a second
    silent = c.watch(2)
    assert silent["answered"] == 0 and silent["owners"] == [], "a stopped group is started by nobody"
    assert "why-stopped-by-operator" in why(c, "node1")
    assert c.hbctl("node2", "group", "start", GROUP, "--wait").code == 0
    c.wait_served(by="node1")
    told = codes(c, "node1", after)
    assert told.index("group-stopped") < told.index("group-started")


def test_a_dry_run_says_it_and_does_nothing(c: Cluster) -> None:
    generation = c.status("node1")["generation"]
    done = c.hbctl("node1", "standby", "--dry-run", "--json")
    assert done.code == 0, done
    plan = json.loads(done.out)
    assert any(e["kind"] == "move" and e["to"] == HOST["node2"] for e in plan["effects"]), plan
    report = c.watch(1)
    assert {owner["node"] for owner in report["owners"]} == {"node1"}
    assert c.status("node1")["generation"] == generation and c.status("node1")["rules"] == []


def test_what_cannot_be_is_refused_with_a_sentence(c: Cluster) -> None:
    for words, sentence in (
        (("standby", "node9"), "there is no node node9"),
        (("group", "move", "nonsense", HOST["node2"]), "there is no group nonsense"),
        (("group", "move", GROUP, HOST["node1"]), "is on node1.xiaofei.com already"),
        (("fence", HOST["node2"], "--confirm-off"), "what is heard is not off"),
        (("online",), "is not in standby"),
    ):
        done = c.hbctl("node1", *words)
        assert done.code == 1 and sentence in (done.out + done.err).lower(), done
    c.power_off("node2")
    until(lambda: heard(c, "node1") == "lost")
    done = c.hbctl("node1", "standby")
    assert done.code == 1 and "could not go to node2" in done.out + done.err, done
    assert_nothing_lost(c.watch(0.5))
