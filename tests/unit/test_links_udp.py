"""UDP links over real sockets and real devices, in network namespaces."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time

from hbcore.engine.beat import MAX_BYTES, Beat, Frame, Words
from hbcore.engine.config import MS, SECOND, Link, Media, Timing
from hbcore.engine.keys import Key, Keyring, Method
from hbcore.host import clock
from hbcore.links.health import Datagram
from hbcore.links.sockets import CHECK_NS, IP_MULTICAST_ALL, SO_RCVBUFFORCE, Clock, LinkError
from hbcore.links.udp import UdpLinks
from hbcore.links.wire import Reject, decode, encode
from hbcore.words.links import SENTENCES
from tests.unit.links_net import Net, drop_capabilities, in_namespace, ip, two_nodes, until

PORT = 694
GROUP = "225.100.0.1"
STANDARD = Timing()
CHECK_S = 2 * CHECK_NS / SECOND


def ucast(target: str, device: str = "eth0", port: int = PORT) -> Link:
    return Link(f"{device}>{target}", Media.UCAST, device, target, port)


def mcast(device: str = "eth0", group: str = GROUP, loop: bool = False) -> Link:
    return Link(f"{device}@{group}", Media.MCAST, device, group, PORT, 1, loop)


BOTH = (ucast("10.0.0.1"), ucast("10.0.0.2"))  # as an ha.cf that is the same on both nodes


class Node(UdpLinks):
    """The links of a process that lives in `net`, as pulse lives on its node: what it opens, it opens there."""

    def __init__(
        self, net: Net | contextlib.nullcontext[None], *links: Link, timing: Timing = STANDARD, clock: Clock = clock
    ) -> None:
        super().__init__(links, timing, clock)
        self._net = net

    def open(self) -> None:
        with self._net:
            super().open()

    def send(self, data: bytes) -> None:
        with self._net:
            super().send(data)


def opened(
    net: Net | contextlib.nullcontext[None], *links: Link, timing: Timing = STANDARD, clock: Clock = clock
) -> Node:
    node = Node(net, *links, timing=timing, clock=clock)
    node.open()
    return node


def arrived(udp: UdpLinks, count: int = 1) -> list[Datagram]:
    """The next `count` datagrams and what else is there by then."""
    got: list[Datagram] = []

    def enough() -> bool:
        got.extend(udp.drain())
        return len(got) >= count

    until(enough)
    return got


def silent(udp: UdpLinks, seconds: float = 0.1) -> bool:
    time.sleep(seconds)
    return not udp.drain()


def shout(net: Net, data: bytes, target: str, device: str | None = None, port: int = PORT) -> None:
    """Anyone's datagram."""
    with net, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if device:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        sock.sendto(data, (target, port))


# -- the way of a beat -------------------------------------------------------------------------------------------------


@in_namespace
def test_unicast_with_the_same_lines_on_both_nodes() -> None:
    a, b = two_nodes()
    node1, node2 = opened(a, *BOTH), opened(b, *BOTH)
    assert (node1.health["eth0>10.0.0.1"].own, node1.health["eth0>10.0.0.2"].own) == (True, False)
    assert (node2.health["eth0>10.0.0.1"].own, node2.health["eth0>10.0.0.2"].own) == (False, True)
    node1.send(b"one")
    node2.send(b"two")
    assert [(d.link, d.data, d.source) for d in arrived(node2)] == [("eth0>10.0.0.1", b"one", "10.0.0.1")]
    assert [(d.link, d.data, d.source) for d in arrived(node1)] == [("eth0>10.0.0.2", b"two", "10.0.0.2")]
    assert silent(node1) and silent(node2)
    mine, theirs = node1.health["eth0>10.0.0.1"], node1.health["eth0>10.0.0.2"]
    assert (mine.sent, mine.heard, theirs.sent, theirs.heard, theirs.trouble) == (0, 0, 1, 1, "")


@in_namespace
def test_one_descriptor_tells_of_all_sockets_and_stays() -> None:
    a, b = two_nodes(2)
    node1 = opened(a, *BOTH, mcast("eth1"))
    node2 = opened(b, *BOTH, mcast("eth1"))
    fd = node2.fileno()
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    assert poll.poll(0) == []
    node1.send(b"x")
    assert poll.poll(2000) == [(fd, select.POLLIN)]
    assert {d.link for d in arrived(node2, 2)} == {"eth0>10.0.0.1", "eth1@" + GROUP}
    assert poll.poll(0) == []
    node2.close()
    node2.open()
    node1.send(b"y")
    assert poll.poll(2000) == [(fd, select.POLLIN)]


@in_namespace
def test_each_kind_of_datagram_over_the_wire() -> None:
    a, b = two_nodes()
    node1 = opened(a, *BOTH)
    cluster, key = b"webpair1", Key(1, Method.SHA1, b"secret")
    beat = Beat(Frame(cluster, 1, 1, 1, 1, 5), Words())
    good = encode(beat, key)
    sent: dict[bytes, Beat | Reject] = {
        good: beat,
        encode(beat, Key(1, Method.SHA1, b"another")): Reject.BAD_SIGNATURE,
        encode(beat, Key(2, Method.SHA1, b"secret")): Reject.UNKNOWN_KEY,
        encode(Beat(Frame(b"another1", 1, 1, 1, 1, 5), Words()), key): Reject.FOREIGN_CLUSTER,
        good[:-1]: Reject.TRUNCATED,
        b"": Reject.TRUNCATED,
        good + bytes(MAX_BYTES): Reject.OVERSIZED,
        bytes(60_000): Reject.OVERSIZED,  # in fragments
        b"###\n" + bytes(3000): Reject.OLD_HEARTBEAT,
        b"hello": Reject.NOT_OURS,
    }
    for data in sent:
        shout(b, data, "10.0.0.1")
    got = arrived(node1, len(sent))
    assert [decode(d.data, Keyring(1, (key,)), cluster, 2) for d in got] == list(sent.values())
    assert max(len(d.data) for d in got) == MAX_BYTES + 1


@in_namespace
def test_the_peers_other_address_is_heard_and_a_broadcast_is_not() -> None:
    a, b = two_nodes()
    with b:
        ip("address add 10.0.0.99/24 dev eth0")
    node1 = opened(a, *BOTH)
    with b, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("10.0.0.99", 0))
        sock.sendto(b"x", ("10.0.0.1", PORT))
    assert [(d.link, d.source) for d in arrived(node1)] == [("eth0>10.0.0.2", "10.0.0.99")]
    shout(b, b"all of you", "10.0.0.255")
    shout(b, b"all of you", "255.255.255.255", "eth0")
    until(lambda: not node1.drain() and node1.health["eth0>10.0.0.1"].stray == 2)


@in_namespace
def test_only_the_named_device_is_listened_to() -> None:
    a, b = two_nodes(2)
    node1 = opened(a, *BOTH)
    shout(b, b"x", "10.0.1.1", "eth1")
    shout(a, b"x", "127.0.0.1")
    assert silent(node1)
    shout(b, b"y", "10.0.0.1", "eth0")
    assert [d.data for d in arrived(node1)] == [b"y"]
    assert sum(h.heard for h in node1.health.values()) == 1


# -- multicast ---------------------------------------------------------------------------------------------------------


@in_namespace
def test_multicast_on_two_devices_does_not_leak() -> None:
    a, b = two_nodes(2)
    node1 = opened(a, mcast("eth0"), mcast("eth1"))
    only = opened(b, mcast("eth1"))
    only.send(b"by eth1")
    assert [(d.link, d.source) for d in arrived(node1)] == [("eth1@" + GROUP, "10.0.1.2")]
    assert silent(node1)
    both = opened(b, mcast("eth0"))
    both.send(b"by eth0")
    assert [(d.link, d.source) for d in arrived(node1)] == [("eth0@" + GROUP, "10.0.0.2")]
    assert silent(node1)
    assert [h.heard for h in node1.health.values()] == [1, 1]


@in_namespace
def test_what_other_programs_joined_does_not_come_here() -> None:
    """Neither another group, nor ours on another device, nor a group on the unicast socket of the same port."""
    a, b = two_nodes(2)
    node1 = opened(a, mcast("eth0"), *BOTH)
    with a, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        for group, device in (("225.100.0.2", "eth0"), (GROUP, "eth1")):
            member = struct.pack("=4s4si", socket.inet_aton(group), bytes(4), socket.if_nametoindex(device))
            other.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        other.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("225.100.0.2", PORT))
        other.settimeout(5)
        shout(b, b"other group", "225.100.0.2", "eth0")
        assert other.recv(100) == b"other group"  # it did come to this machine
        shout(b, b"other device", GROUP, "eth1")
        assert silent(node1)
        assert not any(h.heard or h.stray for h in node1.health.values())


@in_namespace
def test_multicast_and_unicast_live_on_one_port() -> None:
    a, b = two_nodes()
    node1, node2 = opened(a, *BOTH, mcast()), opened(b, mcast(), *BOTH)
    node1.send(b"x")
    assert sorted(d.link for d in arrived(node2, 2)) == ["eth0>10.0.0.1", "eth0@" + GROUP]
    assert silent(node2)


@in_namespace
def test_own_multicast_comes_back_only_where_loop_is_on() -> None:
    a, _ = two_nodes()
    looped, plain = opened(a, mcast(loop=True)), opened(a, mcast(group="225.100.0.2"))
    looped.send(b"x")
    plain.send(b"y")
    assert [(d.link, d.data, d.source) for d in arrived(looped)] == [("eth0@" + GROUP, b"x", "10.0.0.1")]
    assert silent(plain)


@in_namespace
def test_time_to_live() -> None:
    a, b = two_nodes()
    node1 = opened(a, Link("m", Media.MCAST, "eth0", GROUP, PORT, 3, False))
    with b, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, 12, 1)  # IP_RECVTTL, linux/in.h
        member = struct.pack("=4s4si", socket.inet_aton(GROUP), bytes(4), socket.if_nametoindex("eth0"))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        sock.bind((GROUP, PORT))
        sock.settimeout(5)
        node1.send(b"x")
        _, ancillary, _, _ = sock.recvmsg(10, 100)
    assert struct.unpack("=i", ancillary[0][2]) == (3,)


# -- devices come and go -----------------------------------------------------------------------------------------------


@in_namespace
def test_a_device_goes_down_and_comes_up() -> None:
    a, b = two_nodes()
    node1, node2 = opened(a, *BOTH, mcast()), opened(b, *BOTH, mcast())
    links = ("eth0>10.0.0.2", "eth0@" + GROUP)
    with a:
        ip("link set eth0 down")
    node1.send(b"lost")
    for name in links:
        health = node1.health[name]
        assert (health.sent, health.unsent, health.trouble) == (0, 1, "link-unreachable"), name
        assert health.details["device"] == "eth0"
    assert node1.drain() == []
    with a:
        ip("link set eth0 up")

    def both_ways() -> bool:
        node1.send(b"again")
        node2.send(b"again")
        return {d.link for d in node1.drain() + node2.drain()} == {"eth0>10.0.0.1", "eth0>10.0.0.2", "eth0@" + GROUP}

    until(both_ways)
    assert [node1.health[name].trouble for name in links] == ["", ""]


@in_namespace
def test_a_device_vanishes_and_another_of_its_name_comes() -> None:
    a, b = two_nodes()
    node1 = opened(a, *BOTH, mcast())
    fd = node1.fileno()
    with a:
        ip("link delete eth0")
    node1.send(b"lost")
    time.sleep(CHECK_S)
    node1.send(b"lost")
    assert node1.health["eth0>10.0.0.2"].unsent == 2
    assert {h.trouble for h in node1.health.values()} == {"link-no-device"}
    assert node1.drain() == []
    with a:
        ip(f"link add eth0 type veth peer name eth0 netns {b.path}")
        ip("address add 10.0.0.1/24 dev eth0")
        ip("link set eth0 up")
    with b:
        ip("address add 10.0.0.2/24 dev eth0")
        ip("link set eth0 up")
    node2 = opened(b, *BOTH, mcast())
    got: set[str] = set()

    def heard_on_all() -> bool:
        node1.send(b"back")
        node2.send(b"back")
        got.update("1 " + d.link for d in node1.drain())
        got.update("2 " + d.link for d in node2.drain())
        return got == {"1 eth0>10.0.0.2", "1 eth0@" + GROUP, "2 eth0>10.0.0.1", "2 eth0@" + GROUP}

    until(heard_on_all)
    assert node1.fileno() == fd
    assert {h.trouble for h in node1.health.values()} == {""}


@in_namespace
def test_a_missing_device_is_no_error_at_the_start() -> None:
    net = Net()
    node1 = opened(net, ucast("10.9.0.2", "eth9"), mcast("eth9"))
    assert {h.trouble for h in node1.health.values()} == {"link-no-device"}
    with net:
        ip("link add eth9 type veth peer name far9")
        for device in ("eth9", "far9"):
            ip(f"link set {device} up")
        ip("address add 10.9.0.1/24 dev eth9")

    def sent_on_all() -> bool:
        node1.send(b"x")
        return all(h.sent for h in node1.health.values())

    until(sent_on_all)


@in_namespace
def test_an_address_that_became_mine_is_not_spoken_to() -> None:
    a, _ = two_nodes()
    node1 = opened(a, *BOTH)
    with a:
        ip("address add 10.0.0.2/24 dev eth0")
    time.sleep(CHECK_S)
    node1.send(b"x")
    assert node1.health["eth0>10.0.0.2"].own
    assert node1.health["eth0>10.0.0.2"].sent == 0


# -- time and queues ---------------------------------------------------------------------------------------------------


@in_namespace
def test_stamps_are_of_the_arrival_not_of_the_reading() -> None:
    a, b = two_nodes()
    node1, node2 = opened(a, *BOTH, mcast()), opened(b, *BOTH, mcast())

    def stamping() -> bool:
        node1.send(b"")
        time.sleep(0.02)
        return all(clock.now_ns() - d.at_ns > 10 * MS for d in arrived(node2, 2))

    until(stamping)  # the kernel starts it a moment after the first socket asked
    before = clock.now_ns()
    node1.send(b"early")
    after = clock.now_ns()
    time.sleep(1)
    node1.send(b"late")
    got = arrived(node2, 4)
    assert [d.data for d in got if d.link == "eth0>10.0.0.1"] == [b"early", b"late"]
    for datagram in got:
        if datagram.data == b"early":
            assert before - MS <= datagram.at_ns <= after + 50 * MS
        else:
            assert datagram.at_ns >= after + 1000 * MS
    assert len(got) == 4


@in_namespace
def test_a_beat_is_never_older_than_the_last_time_its_queue_was_empty() -> None:
    """What a step of the wall clock between arrival and reading would do: the stamps are wrong, the floor holds."""
    a, b = two_nodes()

    class Stepped:
        now_ns = staticmethod(clock.now_ns)
        floors: list[int] = []

        def received_ns(self, realtime_ns: int, floor_ns: int = 0) -> int:
            self.floors.append(floor_ns)
            return clock.received_ns(realtime_ns - 3600 * SECOND, floor_ns)

    node1 = opened(a, *BOTH, clock=Stepped())
    empty = clock.now_ns()
    assert node1.drain() == []
    shout(b, b"x", "10.0.0.1")
    (got,) = arrived(node1)
    assert empty <= Stepped.floors[-1] <= got.at_ns <= clock.now_ns()


@in_namespace
def test_drain_reads_all_that_four_deadtimes_bring() -> None:
    a, b = two_nodes(2)
    timing = Timing(keepalive_ns=20 * MS, deadtime_ns=10 * SECOND)  # 500 beats a deadtime
    lines = (*BOTH, mcast("eth1"))
    node1, node2 = opened(a, *lines, timing=timing), opened(b, *lines, timing=timing)
    for n in range(2000):
        node1.send(n.to_bytes(4, "big") + bytes(MAX_BYTES - 4))
        if n % 50 == 0:
            time.sleep(0.005)  # a burst would be lost on the way, in the device
    part = node2.drain(100)
    assert (len(part), node2.dry) == (100, False)
    rest = arrived(node2, 3900)
    assert node2.dry
    for link in ("eth0>10.0.0.1", "eth1@" + GROUP):
        assert [int.from_bytes(d.data[:4], "big") for d in part + rest if d.link == link] == list(range(2000))
        assert node2.health[link].dropped == 0
    assert {d.link for d in part} == {"eth0>10.0.0.1", "eth1@" + GROUP}  # a flood on one link starves no other


@in_namespace
def test_what_found_no_room_is_counted() -> None:
    a, b = two_nodes()
    node1, node2 = opened(a, *BOTH), opened(b, *BOTH)
    for n in range(5000):
        node1.send(bytes(MAX_BYTES))
        if n % 50 == 0:
            time.sleep(0.005)
    time.sleep(0.5)
    kept = len(node2.drain())
    node1.send(b"one more carries the count")
    kept += len(arrived(node2))
    assert node2.health["eth0>10.0.0.1"].dropped == 5001 - kept > 0


# -- refusals ----------------------------------------------------------------------------------------------------------


def refused(net: Net | contextlib.nullcontext[None], *links: Link) -> LinkError:
    try:
        opened(net, *links)
    except LinkError as error:
        assert error.code in SENTENCES
        return error
    raise AssertionError("it was opened")


@in_namespace
def test_a_port_that_is_taken() -> None:
    a, b = two_nodes()
    first = opened(a, *BOTH)
    error = refused(a, *BOTH)
    assert (error.code, error.details["port"], error.details["device"]) == ("link-port-busy", "694", "eth0")
    node2 = opened(b, *BOTH)
    node2.send(b"x")
    assert len(arrived(first)) == 1  # the first one still hears


@in_namespace
def test_a_bad_group_is_refused_and_nothing_stays_open() -> None:
    a, _ = two_nodes()
    assert refused(a, *BOTH, mcast(group="10.0.0.77")).code == "link-open-failed"
    opened(a, *BOTH)


@in_namespace
def test_an_ordinary_user_gets_a_high_port_and_no_low_one() -> None:
    a, b = two_nodes()
    node2 = opened(b, ucast("10.0.0.1", port=10694))
    with b:
        mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    a.__enter__()
    drop_capabilities()
    here = contextlib.nullcontext()
    error = refused(here, *BOTH)
    assert (error.code, error.details["port"]) == ("link-port-denied", "694")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20)
        except PermissionError:
            pass
        else:
            raise AssertionError("the rights were not dropped")
    node1 = opened(here, ucast("10.0.0.2", port=10694))
    node1.send(b"x")
    mouth.sendto(b"y", ("10.0.0.1", 10694))
    assert [d.data for d in arrived(node1) + arrived(node2)] == [b"y", b"x"]
