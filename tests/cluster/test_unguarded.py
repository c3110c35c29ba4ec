"""Without the kernel's guard what is killed or frozen leaves the address answering: the other node is held back and
says so, and the status shows hole H6. With `guard: off`, and on a kernel that has no nf_tables.

Judged by the client's ARP and by a capture on the switch. With the guard: test_kills.py, test_guard.py.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.asking import (
    HBCORED,
    MOVES,
    alarms,
    assert_nothing_lost,
    at_home,
    both_hear,
    codes,
    group,
    has_address,
    judged,
    logged,
    newest,
    start_again,
    told,
    until,
    web,
    why,
)
from tests.cluster.harness import VIP, Cluster
from tests.cluster.moving import TEMPLATE

REFRESHED_S = 1.2  # pulse lets the address live on once a second
NO_NFTABLES = (sys.executable, "-m", "tests.cluster.walled", "--without-nftables", *HBCORED[2:])


def config(folder: Path, guard: str) -> Path:
    """The lab's, with a word about the guard."""
    copy = folder / "ha.d"
    shutil.copytree(TEMPLATE, copy)
    (copy / "hbcore.yaml").write_text(f"schema: 1\nguard: {guard}\n")
    return copy


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(config=config(tmp_path_factory.mktemp("unguarded"), "off")) as c:
        c.start()
        at_home(c)
        yield c


@pytest.fixture
def c(shared: Cluster) -> Cluster:
    for node, state in shared.do("state")["nodes"].items():
        if state["power"] == "on" and not shared.pids(node, "pulse"):
            shared.power_off(node)
    at_home(shared)
    return shared


def hole(c: Cluster, node: str = "node1") -> str:
    """The sentence of H6 there, "" where it is not shown."""
    return "".join(h["text"] for h in group(c, node)["protection"]["holes"] if h["code"] == "H6")


def test_the_hole_is_shown_and_nothing_is_gated(c: Cluster) -> None:
    assert "(guard: off)" in hole(c) and "held back and raises an alarm" in hole(c)
    assert hole(c) in c.hbctl("node1", "status").out.replace("\n   ", "")
    assert not c.run("node1", "nft", "list", "tables").out
    assert "guard-none" not in codes(c, "node1"), "it was not asked for"


def test_a_killed_pulse_is_replaced_and_the_service_stays(c: Cluster) -> None:
    """The new one cannot know whether the lease lapsed: the address goes until the other node is heard."""
    pulse, daemon, served = c.pids("node1", "pulse"), c.pids("node1", "daemon"), web(c)
    after = newest(c, "node2")
    with judged(c):
        killed = c.kill("node1", "pulse")["at"]
        until(lambda: c.pids("node1", "daemon") not in ([], daemon), 5)
        until(lambda: group(c, "node1")["state"] == "started", 5)
        both_hear(c, 5)
        time.sleep(0.5)
        report = c.report(killed)
        assert {owner["node"] for owner in report["owners"]} == {"node1"} and report["echo"]["ms"] < 500, report
    assert c.pids("node1", "pulse") not in ([], pulse) and web(c) == served
    assert not MOVES & set(codes(c, "node2", after))
    assert "pulse-died" in logged(c, "node1")


def test_all_of_ours_killed_is_alarmed_and_a_new_start_adopts(c: Cluster) -> None:
    served = web(c)
    with judged(c):
        time.sleep(REFRESHED_S)
        killed = c.kill("node1", "ours")["at"]
        said = until(lambda: alarms(c, "node2").get("why-vip-answers"))
        assert f"still answers for {VIP}" in said
        assert "alarm-lost" in alarms(c, "node2")
        time.sleep(2)
        assert_nothing_lost(c.report(killed))
        assert "why-vip-answers" in why(c, "node2")

        again = time.monotonic()
        start_again(c, "node1")
        until(lambda: group(c, "node1")["state"] == "started", 15)
        both_hear(c)
        told(c, "node1", "group-found")
        time.sleep(0.5)
        assert_nothing_lost(c.report(again))
    assert web(c) == served
    until(lambda: not alarms(c, "node2"))


def test_all_of_ours_killed_then_its_power_lost(c: Cluster) -> None:
    """The veto ends when the address falls silent, and has been for a deadtime."""
    with judged(c):
        time.sleep(REFRESHED_S)
        c.kill("node1", "ours")
        until(lambda: "why-vip-answers" in why(c, "node2"))
        time.sleep(0.5)  # it has answered a question asked after its node was lost
        off = c.power_off("node1")["at"]
        c.wait_served(by="node2", timeout=15)
        report = c.report(off)
        assert 400 < report["echo"]["ms"] < 5000, report
        print(f"taken after {report['echo']['ms']} ms")


def test_after_five_seconds_the_kernel_takes_the_address_off_and_the_other_has_it(c: Cluster) -> None:
    """The slow second layer (valid_lft) is there without the guard, too."""
    with judged(c):
        time.sleep(REFRESHED_S)
        killed = c.kill("node1", "ours")["at"]
        c.wait_served(by="node2", timeout=15)
        gap = c.report(killed)["echo"]
        assert 3.5 < gap["from"] - killed < 5.5 and gap["ms"] < 3000, gap
        print(f"silent {gap['from'] - killed:.1f} s after the kill, taken {gap['ms']} ms later")
        assert not has_address(c, "node1")


def test_all_of_ours_frozen_the_other_node_is_held_back(c: Cluster) -> None:
    served = web(c)
    with judged(c):
        time.sleep(REFRESHED_S)
        frozen = c.freeze("node1")["at"]
        until(lambda: "why-vip-answers" in alarms(c, "node2"))
        time.sleep(max(0.0, 3 - (time.monotonic() - frozen)))
        assert "why-vip-answers" in why(c, "node2")
        assert_nothing_lost(c.report(frozen))
        thawed = c.thaw("node1")["at"]
        both_hear(c)
        until(lambda: group(c, "node1")["state"] == "started")
        c.wait_served(by="node1")
        report = c.report(thawed)
        assert {owner["node"] for owner in report["owners"]} == {"node1"} and report["echo"]["ms"] < 1000
        print(f"after the thaw: {report['echo']['ms']} ms, page {report['page']['ms']} ms")
    assert web(c) == served or "lapsed" in codes(c, "node1")


# -- a kernel without nf_tables ----------------------------------------------------------------------------------------


def test_a_kernel_without_nf_tables_is_named_and_runs(tmp_path: Path) -> None:
    with Cluster(command=NO_NFTABLES, config=config(tmp_path, "auto")) as c:
        c.start()
        at_home(c)
        assert "(EPROTONOSUPPORT)" in hole(c), hole(c)
        said = told(c, "node1", "guard-none")
        assert said["severity"] == "warning" and "EPROTONOSUPPORT" in said["text"] and "H6" in said["text"]
        with judged(c):
            c.freeze("node1")
            until(lambda: "why-vip-answers" in alarms(c, "node2"))
            c.thaw("node1")
            both_hear(c)


def test_where_the_guard_is_required_such_a_kernel_is_refused(tmp_path: Path) -> None:
    with Cluster(command=NO_NFTABLES, config=config(tmp_path, "required")) as c:
        c.start("node1")
        until(lambda: not c.pids("node1", "ours"))
        told = (c.folder("node1", "log") / "hbcored.err").read_text().splitlines()
        (said,) = [line for line in told if "hbcore.yaml: " in line]
        assert "EPROTONOSUPPORT" in said and VIP in said, said
        assert told[-1].startswith("hbcored: not started") and not any("Traceback" in line for line in told)
        assert not has_socket(c)


def has_socket(c: Cluster) -> bool:
    return Path(c.socket("node1")).exists()
