"""A new hbcored in the place of the old one, as by an upgrade: nobody misses a beat, an answer or a service."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator

import pytest

from tests.cluster.asking import (
    GROUP,
    HOST,
    assert_nothing_lost,
    at_home,
    both_hear,
    codes,
    events,
    group,
    has_address,
    judged,
    newest,
    told,
    until,
    web,
    write,
)
from tests.cluster.auditing import Auditor
from tests.cluster.harness import VIP, Cluster

pytestmark = pytest.mark.needs("nft")
TURNS = 20


@pytest.fixture
def c(shared: tuple[Cluster, Auditor]) -> Iterator[Cluster]:
    c, auditor = shared
    at_home(c)
    yield c
    at_home(c)
    auditor.check()


def succeed(c: Cluster, node: str) -> None:
    """Returns when the new pulse and its daemon serve."""
    (old,), daemon = c.pids(node, "pulse"), c.pids(node, "daemon")
    c.kill(node, "pulse", "USR2")
    until(lambda: len(c.pids(node, "pulse")) == 1 and old not in c.pids(node, "pulse"), 20)
    until(lambda: c.pids(node, "daemon") not in ([], daemon), 20)
    told(c, node, "daemon-resumed")


def test_twenty_restarts_lose_no_answer(c: Cluster) -> None:
    """On both nodes in turn: the page stays up, no address changes its owner, no group moves, no beat comes late."""
    peers = {node: next(n for n in HOST if n != node) for node in HOST}
    begun = time.monotonic()
    with judged(c):
        for turn in range(TURNS):
            node = ("node1", "node2")[turn % 2]
            after = newest(c, peers[node])
            succeed(c, node)
            seen = {e["code"] for e in events(c, peers[node], after)}
            assert not seen & {"peer-lost", "peer-one-way", "peer-restarted", "taken-over"}, seen
    report = c.report(begun)
    took = time.monotonic() - begun
    print(
        f"{TURNS} restarts in {took:.0f} s: {report['lost']} of {report['sent']} answers lost, longest gap "
        f"{report['echo']['ms']} ms; {report['pages_lost']} of {report['fetches']} pages lost"
    )
    assert_nothing_lost(report)
    assert not {"lapsed", "lapsed-late", "moving"} & set(codes(c, "node1"))
    assert group(c, "node1")["node"] == HOST["node1"]


def test_new_files_are_taken_and_bad_ones_change_nothing(c: Cluster) -> None:
    ha_cf = c.folder("node2", "config") / "ha.cf"
    good = ha_cf.read_text()
    before = newest(c, "node1")
    try:
        write(ha_cf, good + "keepalive 200ms\n")
        succeed(c, "node2")
        told(c, "node1", "config-differs-now", before)
        write(ha_cf, good + "keepalve 200ms\n")
        (pulse,) = c.pids("node2", "pulse")
        after = newest(c, "node2")
        c.kill("node2", "pulse", "USR2")
        told(c, "node2", "heir-failed", after)
        assert c.pids("node2", "pulse") == [pulse]
    finally:
        write(ha_cf, good)
        succeed(c, "node2")
    both_hear(c)


def test_what_runs_is_never_left_to_nobody(c: Cluster) -> None:
    """A group, or a service of it, is gone from the files: a restart is refused, and what to do is said."""
    haresources = c.folder("node1", "config") / "haresources"
    good, home = haresources.read_text(), HOST["node1"]
    begun = time.monotonic()
    try:
        for text, lost in (
            (good.replace(" httpd", ""), "httpd"),
            (good.replace(VIP, "192.168.100.123"), f"{VIP}, httpd"),
        ):
            write(haresources, text, 0o644)
            (pulse,), after = c.pids("node1", "pulse"), newest(c, "node1")
            done = c.hbctl("node1", "restart")
            assert done.code == 1 and "hbctl events" in done.err
            said = told(c, "node1", "heir-orphans", after)["text"]
            assert f"no longer have {lost} in group {GROUP}" in said and f"hbctl group stop {GROUP}" in said
            assert c.pids("node1", "pulse") == [pulse] and group(c, "node1")["node"] == home
        assert_nothing_lost(c.report(begun))
        # the last of the two files, as it was told
        assert c.hbctl("node1", "group", "stop", GROUP, "--wait").code == 0
        assert c.hbctl("node1", "restart").code == 0
        until(lambda: group(c, "node1")["name"] == "192.168.100.123", 20)
        assert not web(c) and not has_address(c, "node1")
    finally:
        write(haresources, good, 0o644)
        until(lambda: len(c.pids("node1", "pulse")) == 1)  # the former pulse ends last
        succeed(c, "node1")


def test_a_daemon_that_dies_beside_an_heir_ends_the_succession(c: Cluster) -> None:
    """The heir is ready and its files lack what runs; the daemon is killed before it could say so."""
    haresources = c.folder("node1", "config") / "haresources"
    good, begun = haresources.read_text(), time.monotonic()
    try:
        write(haresources, good.replace(" httpd", ""), 0o644)
        (pulse,) = c.pids("node1", "pulse")
        c.kill("node1", "daemon", "STOP")
        c.kill("node1", "pulse", "USR2")
        until(lambda: len(c.pids("node1", "pulse")) == 2, 5)
        time.sleep(2)  # it has read its files by then
        c.kill("node1", "daemon")
        assert "70 MB" in told(c, "node1", "heir-dropped")["text"], "the next daemon, whose events begin anew"
        until(lambda: c.pids("node1", "pulse") == [pulse])
        assert_nothing_lost(c.report(begun))
    finally:
        write(haresources, good, 0o644)


def test_hbctl_restart_says_who_goes_on_or_that_nobody_came(c: Cluster) -> None:
    done = c.hbctl("node1", "restart", "--json")
    said = json.loads(done.out)
    assert done.code == 0 and c.run("node1", "cat", "/run/hbcore/hbcored.lock").out.strip() == str(said["new"])
    told(c, "node1", "daemon-resumed", timeout=20)
    ha_cf = c.folder("node1", "config") / "ha.cf"
    good = ha_cf.read_text()
    try:
        write(ha_cf, good + "keepalve 200ms\n")
        done = c.hbctl("node1", "restart")
        assert done.code == 1 and "no new hbcored came up" in done.err
    finally:
        write(ha_cf, good)


def test_an_heir_that_is_killed_changes_nothing(c: Cluster) -> None:
    begun = time.monotonic()
    (pulse,) = c.pids("node1", "pulse")
    after = newest(c, "node1")
    c.kill("node1", "pulse", "USR2")
    (heir,) = until(lambda: [p for p in c.pids("node1", "pulse") if p != pulse], 5, 0.005)
    os.kill(heir, 9)
    told(c, "node1", "heir-failed", after)
    assert c.pids("node1", "pulse") == [pulse]
    assert_nothing_lost(c.watch(0.5, since=begun))
