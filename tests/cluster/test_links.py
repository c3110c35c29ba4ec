"""Links of every kind at once on one port, a group of ping nodes, and why a link is silent: real daemons.

What each node says of its links is compared with what was done to them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from hbcore.lab.lab import TEMPLATE
from tests.cluster.asking import HOST, alarms, at_home, both_hear, group, heard, until, write
from tests.cluster.harness import Cluster

FILE = """\
logfile /var/log/ha-log
mcast eth0 225.100.0.1 694 1 0
bcast eth0
mcast6 eth0 ff05::694 694 1 0
ucast6 eth0 fd00:100::1
ucast6 eth0 fd00:100::2
ucast eth0 10.9.9.9
node node1.xiaofei.com
node node2.xiaofei.com
ping_group routers 192.168.100.254 fd00:100::254
"""
GOOD = ("eth0", "eth0.2", "eth0.3")  # and one of ucast6
ASTRAY = "eth0.6"
KEYS = "auth 2\n2 sha1 {}\n"


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    config = tmp_path_factory.mktemp("links") / "ha.d"
    shutil.copytree(TEMPLATE, config)
    (config / "ha.cf").write_text(FILE)
    with Cluster(config=config) as c:
        c.start()
        c.wait_served(by="node1", timeout=40)
        yield c


@pytest.fixture
def c(joined: Cluster) -> Cluster:
    at_home(joined)
    until(lambda: all(up(joined, node) for node in HOST))
    return joined


def links(c: Cluster, node: str) -> dict[str, dict[str, object]]:
    return {str(link["name"]): link for link in c.status(node)["links"]}


def up(c: Cluster, node: str) -> bool:
    found = links(c, node)
    return all(found[name]["state"] == "up" for name in (*GOOD, *other(node)))


def other(node: str) -> tuple[str]:
    """The ucast6 line that is not this node's own."""
    return ("eth0.5",) if node == "node1" else ("eth0.4",)


def reasons(c: Cluster, node: str) -> set[str]:
    """What is said of all links that once worked, unless one is up again."""
    found = links(c, node)
    return {str(found[name]["reason"]) for name in (*GOOD, *other(node))}


def said(c: Cluster, node: str, *words: str) -> None:
    """Each link of the node says this, and nothing else."""
    until(lambda: all(all(word in reason for word in words) for reason in reasons(c, node)), 20)
    text = c.hbctl(node, "status").out
    assert all(word in " ".join(text.split()) for word in words)


def astray(c: Cluster, node: str) -> str:
    """What is said of the line that leads nowhere, once that was found out."""
    reason = str(links(c, node)[ASTRAY]["reason"])
    return reason if "no subnet" in reason else ""


def test_every_kind_is_up_and_one_that_leads_nowhere_says_so(c: Cluster) -> None:
    for node in HOST:
        assert set(links(c, node)) == {*GOOD, *other(node), ASTRAY}
        reason = until(lambda node=node: astray(c, node))  # type: ignore[misc]
        assert "10.9.9.9" in reason and "192.168.100.0/24" in reason
        assert reasons(c, node) == {"None"}


def test_a_group_of_ping_nodes_is_one_control(c: Cluster) -> None:
    """Both members stand on the wire that the address is on, one of them by IPv6."""
    for node in HOST:
        assert [ping["name"] for ping in c.status(node)["pings"]] == ["routers"], "the gateway is not asked beside it"
    until(lambda: all(c.status(node)["pings"][0]["state"] == "up" for node in HOST))
    c.ping(False)
    until(lambda: all("alarm-control" in alarms(c, node) for node in HOST))
    assert "routers" in alarms(c, "node1")["alarm-control"]
    c.ping(True)
    until(lambda: not any("alarm-control" in alarms(c, node) for node in HOST))
    assert group(c, "node1")["state"] == "started"


def test_a_rule_of_this_machine_is_named(c: Cluster) -> None:
    chain = "chain input { type filter hook input priority 0; policy accept;\nudp dport 694 drop\n}\n"
    assert c.run("node2", "nft", "-f", "-", stdin=f"table inet fw {{\n{chain}}}\n").code == 0
    said(c, "node2", "`inet fw input`", "UDP port 694")
    assert all("ours do not arrive" in reason for reason in reasons(c, "node1"))
    assert c.run("node2", "nft", "delete", "table", "inet", "fw").code == 0
    both_hear(c)


@pytest.mark.needs("iptables-legacy")
@pytest.mark.skipif(os.geteuid() != 0, reason="which tables of the old iptables there are is told to root only")
def test_a_rule_of_the_old_iptables_is_named_too(c: Cluster) -> None:
    """Which nft does not show."""
    rule = ("INPUT", "-p", "udp", "--dport", "694", "-j", "DROP")
    for family in ("ip", "ip6"):
        assert c.run("node2", f"{family}tables-legacy", "-A", *rule).code == 0
    said(c, "node2", "tables-legacy -t filter INPUT`", "UDP port 694")
    for family in ("ip", "ip6"):
        assert c.run("node2", f"{family}tables-legacy", "-D", *rule).code == 0
    both_hear(c)


def test_what_is_lost_on_the_way_is_not_blamed_on_this_machine(c: Cluster) -> None:
    c.cut_beats()
    said(c, "node1", "no rule of the firewall here drops them")


def test_a_cable_that_is_out(c: Cluster) -> None:
    c.cut_link("node2")
    said(c, "node2", "eth0 has no carrier")
    said(c, "node1", "none comes in")


def test_another_key(c: Cluster) -> None:
    keys = c.folder("node2", "config") / "authkeys"
    old = keys.read_text()
    write(keys, KEYS.format("anotherkeyanotherkey"))
    c.kill("node2", "pulse", "HUP")
    until(lambda: heard(c, "node1") == "lost")
    said(c, "node1", "another key 2")
    write(keys, old)
    c.kill("node2", "pulse", "HUP")
    both_hear(c)
