"""The packet filter's part in a silent link: real rules of nftables, loaded and listed in a network namespace."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from hbcore.host.firewall import Packet, Ruled, dropped, ruleset
from tests.unit.links_net import in_namespace, ip, two_nodes
from tests.unit.test_links_udp import mcast, opened, silent, ucast

ENVIRONMENT = {**os.environ, "XTABLES_LOCKFILE": os.devnull}
INPUT = "type filter hook input priority 0; policy {policy};"


def load(text: str) -> None:
    subprocess.run(["nft", "-f", "-"], input=f"flush ruleset\n{text}", text=True, check=True)


def asked(
    way: Literal["in", "out"] = "in",
    device: str = "eth0",
    port: int = 694,
    six: bool = False,
    source: str = "",
    target: str = "",
) -> Ruled | None:
    rules = asyncio.run(ruleset())
    assert rules is not None
    return dropped(rules, Packet(way, device, port, six, source, target))


def judged(rules: str, policy: str = "accept", family: str = "inet", more: str = "") -> Ruled | None:
    body = f"chain input {{ {INPUT.format(policy=policy)}\n{rules}\n}}"
    load(f"table {family} filter {{\n{more}\n{body}\n}}\n")
    return asked()


SURE, PERHAPS = Ruled("inet filter input", True), Ruled("inet filter input", False)


@in_namespace
def test_what_surely_drops_a_heartbeat() -> None:
    assert judged("") is None
    assert judged("", "drop") == SURE
    assert judged("udp dport 694 drop") == SURE
    assert judged("udp dport { 53, 600-700 } counter reject") == SURE
    assert judged('iifname "eth*" meta l4proto udp drop') == SURE
    assert judged("tcp dport 694 accept\nudp dport != 53 drop") == SURE
    assert judged("udp dport 694 jump other", more="chain other { drop; }") == SURE
    assert judged("udp dport 694 drop", family="ip") == Ruled("ip filter input", True)


@in_namespace
def test_what_does_not_drop_it() -> None:
    assert judged("udp dport 694 accept", "drop") is None
    assert judged('iifname "eth0" accept\ndrop') is None
    assert judged('iifname "eth1" drop') is None
    assert judged("udp dport 695 drop") is None
    assert judged("tcp dport 694 drop\nip protocol icmp drop") is None
    assert judged("udp dport 694 drop", family="ip6") is None
    assert judged("meta nfproto ipv6 drop") is None
    assert judged("udp dport 694 jump other\ndrop", more="chain other { accept; }") is None
    assert judged("udp dport 694 jump other", more="chain other { return; }") is None


@in_namespace
def test_what_is_not_understood_is_said_to_be_perhaps() -> None:
    ports = "set ports { type inet_service; elements = { 22, 694 }; }"
    assert judged("udp dport @ports accept", "drop", more=ports) == PERHAPS
    assert judged("ip saddr 10.0.0.2 accept\ndrop") == PERHAPS
    assert judged("ct state established,related accept", "drop") == PERHAPS
    assert judged("ip saddr 10.0.0.66 drop") is None, "a rule for a stranger says nothing of ours"


@in_namespace
def test_chains_of_the_other_way_and_family() -> None:
    load("table ip6 f {\nchain out { type filter hook output priority 0; policy drop; }\n}\n")
    assert asked() is None and asked("out") is None
    assert asked("out", six=True) == Ruled("ip6 f out", True)


@in_namespace
def test_it_says_what_the_kernel_does() -> None:
    """Of each of these rules, a datagram to oneself tells the truth."""
    for rules in (
        "udp dport 694 drop",
        "udp dport 695 drop",
        'iifname "lo" accept\ndrop',
        "drop",
        "udp sport 694 drop",
    ):
        judged(rules)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            ip("link set lo up")
            sock.settimeout(0.1)
            sock.bind(("127.0.0.1", 694))
            sock.sendto(b"x", ("127.0.0.1", 694))
            try:
                arrives = sock.recv(9) == b"x"
            except TimeoutError:
                arrives = False
        assert (asked(device="lo") is None) is arrives, rules


GROUP, PEER = "225.0.0.1", "10.0.0.2"
HEAD = """table inet filter {{
  chain more {{ {more}; }}
  chain input {{ type filter hook input priority 0; policy {policy}; {rules}; }}
}}
"""
RULESETS = [
    # policy, rules, chain `more`; does it surely drop multicast on eth0, beats from 10.0.0.2 on eth1
    ("accept", "", "", False, False),
    ("drop", "", "", True, True),
    # a peer's are answers to ours, which leave from the port they come to: see below
    ("drop", "ct state established,related accept; tcp dport 22 accept; ip protocol icmp accept", "", True, False),
    ("drop", "ct state vmap { established : accept, related : accept, invalid : drop }", "", True, False),
    ("drop", "ct state new jump more", "udp dport 694 accept", False, True),
    ("drop", 'iifname "eth0" udp dport 694 accept', "", False, True),
    ("drop", 'iifname "eth0" ip daddr 225.0.0.1 udp dport { 100, 690-700 } accept', "", False, True),
    ("drop", "ip saddr 10.0.0.0/24 udp dport 690-700 accept", "", False, False),  # whose it is on eth0 nobody can tell
    ("drop", 'iifname "eth1" ip saddr 10.0.0.9 accept', "", True, True),
    ("drop", 'iifname "eth1" jump more', "udp dport 695 accept", True, False),
    ("drop", 'iifname vmap { "lo" : accept, "eth1" : jump more }', "udp dport 695 accept", True, False),
    ("drop", 'iifname "eth1" goto more; udp dport 695 accept', "udp dport 1 accept", True, True),
    ("drop", "meta pkttype multicast accept", "", False, False),
    ("drop", "fib daddr type multicast accept", "", False, False),
    ("drop", "ip6 saddr != fd00::9 accept", "", True, True),
    ("accept", "udp dport 694 drop", "", True, False),
    ("accept", 'iifname != "eth0" drop', "", False, True),
    ("accept", "udp dport 600-700 jump more; accept", "udp dport 694 return; reject", False, True),
    ("drop", "limit rate 10/second udp dport 694 accept", "", False, True),
    ("accept", "limit rate 10/second accept; drop", "", False, False),
    ("accept", "limit rate over 10/second drop", "", False, False),
]


@in_namespace
def test_what_is_known_of_a_beat_makes_it_sure() -> None:
    for policy, rules, more, multicast, unicast in RULESETS:
        load(HEAD.format(policy=policy, rules=rules, more=more or "return"))
        found = [asked(target=GROUP), asked(device="eth1", port=695, source=PEER)]
        assert [ruled == SURE for ruled in found] == [multicast, unicast], (rules, found)


@in_namespace
def test_a_chain_before_input_may_drop_too() -> None:
    load("table inet early { chain first { type filter hook prerouting priority -300; udp dport 694 drop; }; }")
    assert asked() == Ruled("inet early first", True) and asked("out") is None


# -- the old iptables --------------------------------------------------------------------------------------------------


def as_root(body: Callable[[], None]) -> Callable[[], None]:
    """In a namespace, with the old iptables, whose tables the kernel lists to root only."""
    told = pytest.mark.skipif(
        os.geteuid() != 0, reason="which tables of the old iptables there are is told to root only"
    )
    return pytest.mark.needs("iptables-legacy")(told(in_namespace(body)))


def old(*lines: str, family: str = "ip") -> None:
    """Its table filter, as these lines make it. INPUT's policy is the first."""
    policy, *rules = lines
    text = "\n".join(["*filter", f":INPUT {policy} [0:0]", ":more - [0:0]", ":LOGDROP - [0:0]", *rules, "COMMIT", ""])
    subprocess.run([f"{family}tables-legacy-restore"], input=text, text=True, check=True, env=ENVIRONMENT)


@as_root
def test_rules_of_the_old_iptables_are_read() -> None:
    load("")
    in_filter = Ruled("iptables-legacy -t filter INPUT", True)
    beats = Packet("in", "eth0", 694, False, target="225.0.0.1"), Packet("in", "eth1", 695, False, source="10.0.0.2")
    for lines, multicast, unicast in OLD_RULES:
        old(*lines)
        rules = asyncio.run(ruleset())
        assert rules is not None
        found = [dropped(rules, beat) for beat in beats]
        assert [ruled == in_filter for ruled in found] == [multicast, unicast], (lines, found)
    old("DROP", family="ip6")
    old("ACCEPT")
    assert asked() is None and asked(six=True) == Ruled("ip6tables-legacy -t filter INPUT", True)


OLD_RULES = [
    (["ACCEPT"], False, False),
    (["DROP"], True, True),
    (["DROP", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"], True, False),
    (["DROP", "-A INPUT -m state --state NEW -p udp -j ACCEPT"], False, False),
    (["DROP", "-A INPUT -i eth0 -p udp -m udp --dport 694 -j ACCEPT"], False, True),
    (["DROP", "-A INPUT -i eth+ -p udp -m multiport --dports 1,690:700 -j ACCEPT"], False, False),
    (["DROP", "-A INPUT -d 225.0.0.0/8 -j ACCEPT"], False, False),  # where to the peer's beats go is not asked
    (["DROP", "-A INPUT -s 10.0.0.9/32 -i eth1 -j ACCEPT"], True, True),
    (["ACCEPT", "-A INPUT ! -i eth0 -p udp -j REJECT --reject-with icmp-port-unreachable"], False, True),
    (["ACCEPT", '-A INPUT -m comment --comment "-j it\'s \\"mine\\"" -p udp -j DROP'], True, True),
    (["ACCEPT", '-A INPUT -j LOG --log-prefix "in: "', "-A INPUT -p udp -j DROP"], True, True),
    (
        ["ACCEPT", "-A INPUT -j more", "-A more -p udp -m udp --dport 694 -j RETURN", "-A more -j DROP"],
        False,
        True,
    ),
    (["DROP", "-A INPUT -i eth1 -g more", "-A INPUT -j ACCEPT", "-A more -p tcp -j DROP"], False, True),
    (["ACCEPT", "-A INPUT -p udp -j LOGDROP", "-A LOGDROP -j LOG", "-A LOGDROP -j DROP"], True, True),
    (["ACCEPT", "-A INPUT -f -j DROP"], False, False),
    (["DROP", "-A INPUT -s 10.0.0.0/255.0.0.255 -j ACCEPT"], False, False),
    (["ACCEPT", "-A INPUT -m limit --limit 3/sec -j ACCEPT", "-A INPUT -j DROP"], False, False),
    (["DROP", "-A INPUT -p udp -j NFQUEUE --queue-num 0"], False, False),
    (["DROP", "-A INPUT -m addrtype --dst-type MULTICAST -j ACCEPT"], False, False),
    (["ACCEPT", "-A INPUT -p tcp -m tcp --dport 694 -j DROP", "-A INPUT -p icmp -j DROP"], False, False),
]


@as_root
def test_asking_makes_the_kernel_load_nothing() -> None:
    load("")
    asyncio.run(ruleset())
    assert Path("/proc/thread-self/net/ip_tables_names").read_text() == ""


@as_root
def test_old_rules_that_cannot_be_listed_are_not_denied() -> None:
    load("")
    old("DROP")
    with tempfile.TemporaryDirectory() as place:
        nft = shutil.which("nft")
        assert nft is not None
        Path(place, "nft").symlink_to(nft)
        os.environ["PATH"] = place
        assert asyncio.run(ruleset()) is None


# -- the truth ---------------------------------------------------------------------------------------------------------


@in_namespace
def test_a_peers_beats_are_answers_to_ours_and_others_are_not() -> None:
    """Why a rule for answers lets unicast in, but neither multicast nor broadcast."""
    a, b = two_nodes()
    for one, two, answers in ((ucast("10.0.0.2"), ucast("10.0.0.1"), True), (mcast(), mcast(), False)):
        node1, node2 = opened(a, one), opened(b, two)
        with b:
            load(HEAD.format(policy="drop", rules="ct state established accept", more="return"))
        node1.send(b"before ours")
        assert silent(node2)
        node2.send(b"ours")
        node1.send(b"after it")
        assert (not silent(node2)) is answers
        node1.close()
        node2.close()


def test_where_nft_cannot_be_asked_nothing_is_said() -> None:
    program = "import asyncio; from hbcore.host.firewall import ruleset; print(asyncio.run(ruleset()))"
    done = subprocess.run(
        ["/usr/bin/env", "PATH=/nowhere", sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "None"
