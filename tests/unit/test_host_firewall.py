"""The packet filter's part in a silent link: real rules of nftables, loaded and listed in a network namespace."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from typing import Literal

from hbcore.host.firewall import Packet, Ruled, dropped, ruleset
from tests.unit.links_net import in_namespace, ip

INPUT = "type filter hook input priority 0; policy {policy};"


def load(text: str) -> None:
    subprocess.run(["nft", "-f", "-"], input=f"flush ruleset\n{text}", text=True, check=True)


def asked(way: Literal["in", "out"] = "in", device: str = "eth0", port: int = 694, six: bool = False) -> Ruled | None:
    rules = asyncio.run(ruleset())
    assert rules is not None
    return dropped(rules, Packet(way, device, port, six))


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


def test_where_nft_cannot_be_asked_nothing_is_said() -> None:
    program = "import asyncio; from hbcore.host.firewall import ruleset; print(asyncio.run(ruleset()))"
    done = subprocess.run(
        ["/usr/bin/env", "PATH=/nowhere", sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "None"
