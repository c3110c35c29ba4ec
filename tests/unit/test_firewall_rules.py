"""`hbctl firewall`: what it prints lets the beats of each medium through a wall that drops all else, judged by real
programs and the kernel, in network namespaces.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from hbcore.cli import firewall
from hbcore.engine.config import ClusterConfig, Link, Media
from hbcore.host import clock
from hbcore.host.firewall import Packet
from hbcore.links.ping import Pinger
from tests.unit.links_net import Net, in_namespace, two_nodes, until
from tests.unit.test_hbctl import HBCTL, TREE
from tests.unit.test_links_many import BCAST, GROUP6, mcast6, six, ucast6
from tests.unit.test_links_udp import GROUP, Node, arrived, mcast, opened, shout, silent, ucast

LINE = Link("ttyS0", Media.SERIAL, "/dev/ttyS0", "", 0, baud=19200)
PAIRS = {  # of each medium the line of node1 and of node2
    "mcast": (mcast(), mcast()),
    "ucast": (ucast("10.0.0.2"), ucast("10.0.0.1")),
    "bcast": (BCAST, BCAST),
    "mcast6": (mcast6(), mcast6()),
    "ucast6": (ucast6("fd00::2"), ucast6("fd00::1")),
    "ucast6 of the link": (ucast6("fe80::2"), ucast6("fe80::1")),
}
WALL = (
    "flush ruleset\ntable inet filter {{ chain input {{ type filter hook input priority 0; policy drop; {rules} }}; }}"
)
QUERY4 = bytes.fromhex("1101eefe00000000")  # IGMPv2, general, to be answered within 0.1 s
QUERY6 = struct.pack("!BBHHH16sBBH", 130, 0, 0, 100, 0, bytes(16), 0, 0, 0)  # MLDv2, general
ALERT = bytes.fromhex("0000050200000100")  # hop-by-hop: router alert for MLD, without which it is no query
DISCOVERY = "{ nd-neighbor-solicit, nd-neighbor-advert }"


def wanted(*links: Link, own: Sequence[str] = ()) -> list[Packet]:
    return firewall.openings(ClusterConfig("test", ("node1", "node2"), links, (), ()), set(own))


# -- the text ----------------------------------------------------------------------------------------------------------

EVERY = [
    Packet("in", "eth0", 694, False, target=GROUP),
    Packet("in", "eth0", 1694, False, source="10.0.0.2"),
    Packet("in", "eth0", 694, False, target="10.0.0.255"),
    Packet("in", "eth1", 694, False),  # broadcast, of a device without an address
    Packet("in", "eth0", 694, True, target=GROUP6),
    Packet("in", "eth1", 694, True, source="fd00::2"),
]


def test_in_four_languages() -> None:
    assert firewall.nftables(EVERY) == [
        f'nft insert rule inet filter input iifname "eth0" ip daddr {GROUP} udp dport 694 accept',
        'nft insert rule inet filter input iifname "eth0" ip saddr 10.0.0.2 udp dport 1694 accept',
        'nft insert rule inet filter input iifname "eth0" ip daddr 10.0.0.255 udp dport 694 accept',
        'nft insert rule inet filter input iifname "eth1" udp dport 694 accept',
        f'nft insert rule inet filter input iifname "eth0" ip6 daddr {GROUP6} udp dport 694 accept',
        'nft insert rule inet filter input iifname "eth1" ip6 saddr fd00::2 udp dport 694 accept',
        'nft insert rule inet filter input iifname "eth0" ip protocol igmp accept',
        f'nft insert rule inet filter input iifname "eth0" icmpv6 type {DISCOVERY} accept',
        f'nft insert rule inet filter input iifname "eth1" icmpv6 type {DISCOVERY} accept',
        'nft insert rule inet filter input iifname "eth0" icmpv6 type mld-listener-query accept',
    ]
    assert firewall.iptables(EVERY) == [
        f"iptables -I INPUT -i eth0 -d {GROUP} -p udp --dport 694 -j ACCEPT",
        "iptables -I INPUT -i eth0 -s 10.0.0.2 -p udp --dport 1694 -j ACCEPT",
        "iptables -I INPUT -i eth0 -d 10.0.0.255 -p udp --dport 694 -j ACCEPT",
        "iptables -I INPUT -i eth1 -p udp --dport 694 -j ACCEPT",
        f"ip6tables -I INPUT -i eth0 -d {GROUP6} -p udp --dport 694 -j ACCEPT",
        "ip6tables -I INPUT -i eth1 -s fd00::2 -p udp --dport 694 -j ACCEPT",
        "iptables -I INPUT -i eth0 -p igmp -j ACCEPT",
        "ip6tables -I INPUT -i eth0 -p icmpv6 --icmpv6-type neighbour-solicitation -j ACCEPT",
        "ip6tables -I INPUT -i eth0 -p icmpv6 --icmpv6-type neighbour-advertisement -j ACCEPT",
        "ip6tables -I INPUT -i eth1 -p icmpv6 --icmpv6-type neighbour-solicitation -j ACCEPT",
        "ip6tables -I INPUT -i eth1 -p icmpv6 --icmpv6-type neighbour-advertisement -j ACCEPT",
        "ip6tables -I INPUT -i eth0 -p icmpv6 --icmpv6-type 130 -j ACCEPT",
    ]
    assert firewall.ufw(EVERY) == [
        f"ufw allow in on eth0 to {GROUP} port 694 proto udp",
        "ufw allow in on eth0 from 10.0.0.2 to any port 1694 proto udp",
        "ufw allow in on eth0 to 10.0.0.255 port 694 proto udp",
        "ufw allow in on eth1 to any port 694 proto udp",
        f"ufw allow in on eth0 to {GROUP6} port 694 proto udp",
        "ufw allow in on eth1 from fd00::2 to any port 694 proto udp",
        "ufw allow in on eth0 to 224.0.0.0/4 proto igmp",
    ]


def test_rich_rules_are_as_their_grammar_wants_them() -> None:
    """firewalld.richlanguage(5): rule, family, source, destination, one element, action, in this order."""
    *lines, igmp, icmp, reload = firewall.firewalld(EVERY)
    rich = re.compile(
        r"firewall-cmd --permanent --add-rich-rule='"
        r'rule family="(ipv4|ipv6)"( source address="([^"]+)")?( destination address="([^"]+)")?'
        r' port port="(\d+)" protocol="udp" accept\'$'
    )
    found = [match.group(1, 3, 5, 6) for line in lines if (match := rich.match(line))]
    assert found == [
        ("ipv4", None, GROUP, "694"),
        ("ipv4", "10.0.0.2", None, "1694"),
        ("ipv4", None, "10.0.0.255", "694"),
        ("ipv4", None, None, "694"),
        ("ipv6", None, GROUP6, "694"),
        ("ipv6", "fd00::2", None, "694"),
    ]
    assert igmp == "firewall-cmd --permanent --add-protocol=igmp"
    assert icmp == "firewall-cmd --permanent --add-protocol=ipv6-icmp"
    assert reload == "firewall-cmd --reload"


def test_no_more_than_the_medium_needs() -> None:
    only = " ".join(line for kind in firewall.KINDS.values() for line in kind(wanted(ucast("10.0.0.2"))))
    assert "10.0.0.2" in only and "igmp" not in only and "icmp" not in only and "ip6" not in only
    only = " ".join(line for kind in firewall.KINDS.values() for line in kind(wanted(ucast6("fd00::2"))))
    assert "fd00::2" in only and "mld" not in only and "130" not in only and "igmp" not in only
    assert wanted(ucast("10.0.0.1"), own=["10.0.0.1"]) == wanted(LINE) == []
    assert [line for kind in firewall.KINDS.values() for line in kind([])] == []


# -- the kernel --------------------------------------------------------------------------------------------------------


def fresh() -> tuple[Net, Net]:
    a, b = two_nodes()
    six(a, 1)
    six(b, 2)
    return a, b


def wall(net: Net, rules: str = "") -> None:
    with net:
        subprocess.run(["nft", "-f", "-"], input=WALL.format(rules=rules), text=True, check=True)


def old_wall(net: Net, kind: str) -> None:
    with net:
        for family in ("ip", "ip6"):
            subprocess.run([f"{family}tables-{kind}", "-P", "INPUT", "DROP"], check=True)


def typed(net: Net, lines: Sequence[str], kind: str = "") -> None:
    """As an administrator would."""
    with net:
        for line in lines:
            subprocess.run(["sh", "-ec", re.sub(r"^(ip6?tables)", rf"\1-{kind}", line) if kind else line], check=True)


def forgotten(*nets: Net) -> None:
    """Who lives where must be asked anew."""
    for net in nets:
        with net:
            subprocess.run(["ip", "-6", "neigh", "flush", "dev", "eth0"], check=True)


def media() -> Iterator[tuple[Net, Net, Node, Node, list[Packet]]]:
    """Of each medium two machines, their links, and what node2 wants to be opened."""
    for name, (one, two) in PAIRS.items():
        a, b = fresh()
        node1, node2 = opened(a, one), opened(b, two)
        with b:
            packets = wanted(two)
        yield a, b, node1, node2, packets
        print(name, "passed")
        node1.close()
        node2.close()


def passes(a: Net, b: Net, node1: Node, node2: Node) -> bool:
    """A beat gets through, with nothing known of the other machine; nothing else does."""
    forgotten(a, b)
    node1.send(b"beat")
    ready, _, _ = select.select([node2.fileno()], [], [], 0.3)
    shout(a, b"stray", "10.0.0.2", port=695)
    return bool(ready) and [d.data for d in arrived(node2)] == [b"beat"]


def heard(port: int, net: Net) -> socket.socket:
    with net:
        ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ear.bind(("", port))
    ear.setblocking(False)
    return ear


@pytest.mark.needs("nft")
@in_namespace
def test_beats_of_each_medium_pass_a_wall_of_nftables_and_nothing_else() -> None:
    for a, b, node1, node2, packets in media():
        wall(b)
        other = heard(695, b)
        assert not passes(a, b, node1, node2)
        typed(b, firewall.nftables(packets))
        assert passes(a, b, node1, node2)
        assert not select.select([other], [], [], 0.05)[0]
        other.close()


def through_iptables(kind: str) -> None:
    os.environ["XTABLES_LOCKFILE"] = os.devnull  # no user may write to /run
    for a, b, node1, node2, packets in media():
        old_wall(b, kind)
        assert not passes(a, b, node1, node2)
        typed(b, firewall.iptables(packets), kind)
        assert passes(a, b, node1, node2)


@pytest.mark.needs("iptables-nft")
@in_namespace
def test_beats_of_each_medium_pass_a_wall_of_iptables() -> None:
    through_iptables("nft")


@pytest.mark.needs("iptables-legacy")
@in_namespace
def test_beats_of_each_medium_pass_a_wall_of_the_old_iptables() -> None:
    through_iptables("legacy")


@pytest.mark.needs("nft")
@in_namespace
def test_without_neighbour_discovery_unicast_of_ipv6_does_not_pass() -> None:
    a, b = fresh()
    node1, node2 = opened(a, ucast6("fd00::2")), opened(b, ucast6("fd00::1"))
    wall(b)
    beats, discovery = firewall.nftables(wanted(ucast6("fd00::1")))
    typed(b, [beats])
    assert not passes(a, b, node1, node2)
    typed(b, [discovery])
    assert passes(a, b, node1, node2)


@pytest.mark.needs("nft")
@in_namespace
def test_the_switch_may_ask_who_is_in_the_groups() -> None:
    """The kernel tells what it heard: an IGMPv2 query makes it speak version 2, queries of MLD it counts."""
    a, b = fresh()
    links = (mcast(), mcast6())
    node2 = opened(b, *links)

    def asked() -> tuple[bool, int]:
        with a:
            igmp = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IGMP)
            mld = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        with igmp, mld:
            igmp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.0.0.1"))
            igmp.sendto(QUERY4, ("224.0.0.1", 0))
            with a:
                index = socket.if_nametoindex("eth0")
            mld.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 1)
            mld.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_HOPOPTS, ALERT)
            mld.bind(("fe80::1", 0, 0, index))
            mld.sendto(QUERY6, ("ff02::1", 0, 0, index))
        silent(node2, 0.1)
        with b:
            lines = Path("/proc/thread-self/net/igmp").read_text().splitlines()
            counted = re.search(r"Icmp6InGroupMembQueries\s+(\d+)", Path("/proc/thread-self/net/snmp6").read_text())
        assert counted is not None
        return any("eth0" in line and line.endswith("V2") for line in lines), int(counted[1])

    wall(b)
    assert asked() == (False, 0)
    with b:
        packets = wanted(*links)
    typed(b, firewall.nftables(packets))
    assert asked() == (True, 1)


@pytest.mark.needs("nft")
@in_namespace
def test_answers_of_ping_nodes_need_no_opening() -> None:
    """Where answers are let in, as by every firewall that lets its machine ask anything."""
    a, b = fresh()
    wall(b, "ct state established,related accept;")
    typed(b, firewall.nftables(wanted(mcast6())))
    forgotten(a, b)
    pingers = [Pinger(clock), Pinger(clock, six=True)]
    with b:
        for pinger, target in zip(pingers, ("10.0.0.1", "fd00::1"), strict=True):
            pinger.open()
            assert pinger.send(target, clock.now_ns())
    for pinger in pingers:
        until(pinger.drain)


# -- the command -------------------------------------------------------------------------------------------------------


def hbctl(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*HBCTL, *words], cwd=TREE, capture_output=True, text=True, timeout=20, check=False)


def test_it_reads_the_files_and_says_where_they_are_wrong(tmp_path: Path) -> None:
    place = tmp_path / "ha.d"
    shutil.copytree(TREE / "hbcore/lab/ha.d", place)
    (place / "authkeys").chmod(0o600)
    done = hbctl("firewall", "--config", str(place), "--json")
    assert done.returncode == 0, done.stderr
    assert f"ip daddr {GROUP} udp dport 694" in json.loads(done.stdout)["nftables"][0]
    text = hbctl("firewall", "--config", str(place)).stdout
    assert "# nftables" in text and "# ufw\nufw allow in on eth0" in text
    ha_cf = (place / "ha.cf").read_text()
    (place / "ha.cf").write_text(ha_cf + "mcast eth0\n")
    done = hbctl("firewall", "--config", str(place))
    assert done.returncode == 1 and "ha.cf:6: " in done.stderr
    (place / "ha.cf").write_text(re.sub(r"(?m)^mcast .*$", "serial /dev/ttyS0", ha_cf))
    done = hbctl("firewall", "--config", str(place))
    assert (done.returncode, done.stdout) == (0, "# Heartbeats come by serial lines only: there is nothing to open.\n")
