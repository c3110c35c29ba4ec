"""Broadcast, and links of IPv6, and several media at once on one port: real sockets in network namespaces."""

from __future__ import annotations

import time
from collections.abc import Iterable

from hbcore.engine.config import Link, Media
from hbcore.links.sockets import broadcast_of
from tests.unit.links_net import Net, in_namespace, ip, two_nodes, until
from tests.unit.test_links_udp import BOTH, CHECK_S, PORT, Node, arrived, mcast, opened, shout, silent, ucast

GROUP6 = "ff05::694"
BCAST = Link("all", Media.BCAST, "eth0", "", PORT)


def six(net: Net, host: int, device: str = "eth0") -> str:
    """Gives the device fd00::HOST and returns its link-local address, both usable at once."""
    with net:
        ip(f"address add fd00::{host}/64 dev {device} nodad")
        ip(f"address add fe80::{host}/64 dev {device} nodad")
    return f"fe80::{host}"


def ucast6(target: str, device: str = "eth0") -> Link:
    return Link(f"{device}>{target}", Media.UCAST6, device, target, PORT)


def mcast6(device: str = "eth0", group: str = GROUP6) -> Link:
    return Link(f"{device}@{group}", Media.MCAST6, device, group, PORT)


def names(node: Node, count: int) -> list[str]:
    return sorted(d.link for d in arrived(node, count))


def opened_both(a: Net, b: Net, links: Iterable[Link]) -> tuple[Node, Node]:
    lines = tuple(links)
    return opened(a, *lines), opened(b, *lines)


@in_namespace
def test_broadcast_reaches_the_other_node_and_nothing_else_comes_in() -> None:
    a, b = two_nodes()
    node1, node2 = opened_both(a, b, [BCAST])
    node1.send(b"one")
    (got,) = arrived(node2)
    assert (got.link, got.data, got.source) == ("all", b"one", "10.0.0.1")
    assert node1.health["all"].sent == 1 and node2.health["all"].trouble == ""
    shout(a, b"to one machine", "10.0.0.2")
    shout(a, b"to a group", "225.100.0.1", "eth0")
    until(lambda: node2.drain() == [] and node2.health["all"].stray)
    shout(a, b"by hand", "10.0.0.255")
    assert [d.data for d in arrived(node2)] == [b"by hand"]


@in_namespace
def test_a_device_without_an_address_says_so_and_is_used_once_it_has_one() -> None:
    a, b = two_nodes()
    with a:
        ip("address flush dev eth0")
    node1, node2 = opened_both(a, b, [BCAST])
    node1.send(b"x")
    assert (node1.health["all"].trouble, node1.health["all"].unsent) == ("link-no-broadcast", 1)
    with a:
        assert broadcast_of("eth0") == ""
        ip("address add 10.0.0.1/25 broadcast 10.0.0.127 dev eth0")
        assert broadcast_of("eth0") == "10.0.0.127"
        ip("address flush dev eth0")
        ip("address add 10.0.0.1/24 dev eth0")  # which sets none: the last of the subnet is
        assert broadcast_of("eth0") == "10.0.0.255"
    time.sleep(CHECK_S)
    node1.send(b"y")
    assert [d.data for d in arrived(node2)] == [b"y"]
    assert node1.health["all"].trouble == ""


@in_namespace
def test_unicast_over_ipv6_with_the_same_lines_on_both_nodes() -> None:
    a, b = two_nodes()
    local1, local2 = six(a, 1), six(b, 2)
    lines = [ucast6(target) for target in (local1, local2, "fd00::1", "fd00::2")]
    node1, node2 = opened_both(a, b, lines)
    assert [node1.health[link.name].own for link in lines] == [True, False, True, False]
    node1.send(b"one")
    assert names(node2, 2) == ["eth0>fd00::1", f"eth0>{local1}"]
    node2.send(b"two")
    assert names(node1, 2) == ["eth0>fd00::2", f"eth0>{local2}"]
    assert silent(node1) and silent(node2)


@in_namespace
def test_multicast_over_ipv6() -> None:
    a, b = two_nodes()
    six(a, 1), six(b, 2)
    node1, node2 = opened_both(a, b, [mcast6()])
    node1.send(b"one")
    assert [(d.link, d.data, d.source) for d in arrived(node2)] == [(f"eth0@{GROUP6}", b"one", "fd00::1")]
    assert silent(node1), "LOOP is 0"
    other = opened(a, mcast6(group="ff05::695"))
    other.send(b"another group")
    assert silent(node2)


@in_namespace
def test_every_kind_at_once_on_one_port() -> None:
    """Each beat comes in once by each link: none is lost to the socket of another."""
    a, b = two_nodes(2)
    six(a, 1), six(b, 2)
    lines = (
        *BOTH,
        BCAST,
        mcast(),
        mcast6(),
        ucast6("fd00::1"),
        ucast6("fd00::2"),
        Link("2", Media.BCAST, "eth1", "", PORT),
    )
    node1, node2 = opened_both(a, b, lines)
    everywhere = ["2", "all", "eth0>10.0.0.1", "eth0>fd00::1", "eth0@225.100.0.1", f"eth0@{GROUP6}"]
    for _ in range(20):
        node1.send(b"x")
        assert names(node2, 6) == everywhere
    until(lambda: not node1.drain())  # its own broadcasts came back to it
    node2.send(b"y")
    assert {d.link for d in arrived(node1, 6) if d.source in ("10.0.0.2", "10.0.1.2", "fd00::2", "fe80::2")} == {
        name.replace("10.0.0.1", "10.0.0.2").replace("fd00::1", "fd00::2") for name in everywhere
    }


@in_namespace
def test_a_port_of_broadcast_is_closed_to_unicast_of_strangers() -> None:
    """What no line names is counted, not handed up; with a ucast line beside it, the signature decides."""
    a, b = two_nodes()
    node2 = opened(b, BCAST, ucast("10.0.0.7"))
    shout(a, b"x", "10.0.0.2")
    assert [d.link for d in arrived(node2)] == ["eth0>10.0.0.7"]
