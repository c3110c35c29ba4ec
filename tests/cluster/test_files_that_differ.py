"""A node whose files differ takes over by the definition last agreed, and its host side goes by that one, too: what is
gated, what pulse lets live on, and where.

Must not know the engine.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from tests.cluster.asking import HOST, at_home, both_hear, group, start_again, told, until, write
from tests.cluster.harness import VIP, Cluster
from tests.cluster.moving import TEMPLATE

SECOND_VIP, ANOTHER = "192.168.100.101", "192.168.100.102"
LIVES_S = 5.0  # an address that nobody refreshes (lease.valid_s)


def put(c: Cluster, node: str) -> str:
    return c.run(node, "ip", "-o", "addr", "show", "eth0").out


def test_the_definition_last_agreed_is_guarded_and_refreshed_by_itself(tmp_path: Path) -> None:
    """Agreed: no guard, two addresses. On node2 the guard is asked for, a prefix and an address are others."""
    config = tmp_path / "ha.d"
    shutil.copytree(TEMPLATE, config)
    (config / "hbcore.yaml").write_text("schema: 1\nguard: off\n")
    (config / "haresources").write_text(f"{HOST['node1']} {VIP}/24/eth0 {SECOND_VIP}/24/eth0 httpd\n")
    with Cluster(config=config) as c:
        c.start()
        at_home(c)
        c.kill("node2", "pulse", "TERM")
        until(lambda: not c.pids("node2", "ours"))
        files = c.folder("node2", "config")
        (files / "hbcore.yaml").unlink()
        write(files / "haresources", f"{HOST['node1']} {VIP}/23/eth0 {ANOTHER}/24/eth0 httpd\n", 0o644)
        start_again(c, "node2")
        both_hear(c)
        told(c, "node2", "config-differs-now")
        c.power_off("node1")
        c.wait_served(by="node2")
        time.sleep(LIVES_S + 2.5)  # past the lease, and past the life of what is not refreshed
        c.wait_served(by="node2")
        there = put(c, "node2")
        assert f" {VIP}/24 " in there and f" {SECOND_VIP}/24 " in there and ANOTHER not in there, there
        assert not c.run("node2", "nft", "list", "tables").out
        assert group(c, "node2")["state"] == "started"
        daemon = c.pids("node2", "daemon")
        c.kill("node2", "daemon")
        until(lambda: c.pids("node2", "daemon") not in ([], daemon))
        time.sleep(LIVES_S + 2.5)
        c.wait_served(by="node2")
        assert f" {VIP}/24 " in put(c, "node2") and f" {SECOND_VIP}/24 " in put(c, "node2")
        c.kill("node2", "pulse", "TERM")
        until(lambda: not c.pids("node2", "ours"), 20)
        assert VIP not in put(c, "node2") and SECOND_VIP not in put(c, "node2")
