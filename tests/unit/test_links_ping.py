"""Ping nodes over real ICMP, in network namespaces."""

from __future__ import annotations

import select
import socket
import struct
import time
from pathlib import Path

import pytest

from hbcore.engine.config import MS
from hbcore.host import clock
from hbcore.links.ping import COOKIE, OUTSTANDING, Answer, Pinger, Pingers
from hbcore.links.sockets import LinkError
from hbcore.words.links import SENTENCES
from tests.unit.links_net import Net, drop_capabilities, in_namespace, ip, two_nodes, until

FAR = "10.0.0.2"


def opened(net: Net, raw: bool = True) -> Pinger:
    with net:
        # in a new namespace nobody may use the unprivileged kind
        if not raw:
            Path("/proc/sys/net/ipv4/ping_group_range").write_text("0 0")
        pinger = Pinger(clock)
        pinger.open()
    assert pinger.raw is raw
    return pinger


def answers(pinger: Pinger | Pingers, count: int = 1) -> list[Answer]:
    got: list[Answer] = []

    def enough() -> bool:
        got.extend(pinger.drain())
        return len(got) >= count

    until(enough)
    return got


class Impostor:
    """A host that does not answer by itself, but as the test tells it."""

    def __init__(self, net: Net) -> None:
        with net:
            Path("/proc/sys/net/ipv4/icmp_echo_ignore_all").write_text("1")
            self._sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            self._sock.settimeout(5)

    def request(self) -> bytes:
        """The next ICMP echo request that came."""
        while True:
            icmp = self._sock.recv(1000)[20:]
            if icmp[0] == 8:
                return icmp

    def reply(self, request: bytes, source: str = FAR, cookie: bytes | None = None) -> None:
        data = bytes(2) + b"\0\0" + request[4:8] + (request[8:] if cookie is None else cookie)
        total = sum(struct.unpack(f"!{len(data) // 2}H", data))
        while total >> 16:
            total = (total >> 16) + (total & 0xFFFF)
        self._sock.bind((source, 0))
        self._sock.sendto(data[:2] + struct.pack("!H", total ^ 0xFFFF) + data[4:], ("10.0.0.1", 0))


def both_kinds(raw: bool) -> None:
    a, b = two_nodes(2)
    pinger = opened(a, raw)
    poll = select.poll()
    poll.register(pinger.fileno(), select.POLLIN)
    assert pinger.drain() == [] and pinger.dry
    before = clock.now_ns()
    assert pinger.send(FAR, before)
    assert poll.poll(2000)
    assert pinger.send("10.0.1.2", before + 1)
    got = answers(pinger, 2)
    assert {(x.target, x.sent_ns) for x in got} == {(FAR, before), ("10.0.1.2", before + 1)}
    assert all(before <= x.at_ns <= clock.now_ns() for x in got)
    assert (pinger.sent, pinger.unsent, pinger.strays) == (2, 0, 0)

    # an answer's time is that of its arrival
    def stamping() -> bool:
        pinger.send(FAR, clock.now_ns())
        time.sleep(0.02)
        return all(clock.now_ns() - x.at_ns > 10 * MS for x in answers(pinger))

    until(stamping)  # the kernel starts it a moment after the first socket asked
    sent = clock.now_ns()
    assert pinger.send(FAR, sent)
    time.sleep(1)
    (late,) = answers(pinger)
    assert late.at_ns - sent < 500 * MS
    # a request that goes nowhere
    assert not pinger.send("192.0.2.1", sent)
    assert pinger.unsent == 1
    # silence is no answer
    Impostor(b)
    assert pinger.send(FAR, sent)
    time.sleep(0.2)
    assert pinger.drain() == []


@in_namespace
def test_raw_socket() -> None:
    both_kinds(raw=True)


@in_namespace
def test_unprivileged_socket() -> None:
    both_kinds(raw=False)


def impostors(raw: bool) -> None:
    a, b = two_nodes()
    with b:
        ip("address add 10.0.0.99/24 dev eth0")
    pinger, far = opened(a, raw), Impostor(b)
    assert pinger.send(FAR, 111)
    first = far.request()
    assert len(first) == 8 + COOKIE
    far.reply(first, cookie=bytes(COOKIE))  # guessed
    far.reply(first, cookie=b"")
    far.reply(first, cookie=first[8:] + b"more")
    far.reply(first, source="10.0.0.99")  # another host's word
    until(lambda: not pinger.drain() and pinger.strays == 4)
    far.reply(first)
    assert [(x.target, x.sent_ns) for x in answers(pinger)] == [(FAR, 111)]
    far.reply(first)  # once is enough
    until(lambda: not pinger.drain() and pinger.strays == 5)
    # a late answer tells of its own request, not of the newest; cookies never repeat
    assert pinger.send(FAR, 222) and pinger.send(FAR, 333)
    second, third = far.request(), far.request()
    assert len({first[8:], second[8:], third[8:]}) == 3
    far.reply(second)
    assert [x.sent_ns for x in answers(pinger)] == [222]
    # nor does one count that was asked by a life before this
    with a:
        pinger.close()
        pinger.open()
    far.reply(third)
    time.sleep(0.1)
    assert pinger.drain() == []


@in_namespace
def test_forged_repeated_and_old_answers_do_not_count_raw() -> None:
    impostors(raw=True)


@in_namespace
def test_forged_repeated_and_old_answers_do_not_count_unprivileged() -> None:
    impostors(raw=False)


@in_namespace
def test_the_requests_remembered_are_bounded() -> None:
    a, b = two_nodes()
    pinger, far = opened(a), Impostor(b)
    assert pinger.send(FAR, 1)
    oldest = far.request()
    for n in range(OUTSTANDING):
        assert pinger.send(FAR, 2 + n)
    far.reply(oldest)
    until(lambda: not pinger.drain() and pinger.strays == 1)


@in_namespace
def test_a_flood_is_read_in_portions() -> None:
    a, _ = two_nodes()
    pinger = opened(a)
    got: list[Answer] = []

    def left_some() -> bool:
        for _ in range(50):
            pinger.send(FAR, pinger.sent)
        got.extend(pinger.drain(20))
        return not pinger.dry

    until(left_some)
    got += answers(pinger, pinger.sent - len(got))
    assert pinger.dry
    assert [x.sent_ns for x in got] == list(range(pinger.sent))


@in_namespace
def test_without_any_right() -> None:
    drop_capabilities()
    with pytest.raises(LinkError) as caught:
        Pinger(clock).open()
    assert caught.value.code == "ping-denied"
    assert caught.value.code in SENTENCES


# -- IPv6, and several asked as one ------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "unprivileged"])
def test_ipv6_by_either_kind_of_socket(raw: bool) -> None:
    six_raw() if raw else six_unprivileged()


@in_namespace
def six_raw() -> None:
    six_is_asked(raw=True)


@in_namespace
def six_unprivileged() -> None:
    six_is_asked(raw=False)


def six_is_asked(*, raw: bool) -> None:
    """Of the whole network and of one cable alone; who is not there answers nothing."""
    a, b = two_nodes()
    for net, host in ((a, 1), (b, 2)):
        with net:
            ip(f"address add fd00::{host}/64 dev eth0 nodad")
            ip(f"address add fe80::{host}/64 dev eth0 nodad")
    with a:
        if not raw:
            Path("/proc/sys/net/ipv4/ping_group_range").write_text("0 0")
        pinger = Pinger(clock, six=True)
        pinger.open()
        assert pinger.raw is raw
        for target in ("fd00::2", "fe80::2%eth0"):
            sent_ns = clock.now_ns()
            assert pinger.send(target, sent_ns)
            (answer,) = answers(pinger)
            assert (answer.target, answer.sent_ns) == (target, sent_ns) and answer.at_ns >= sent_ns
        pinger.send("fd00::3", clock.now_ns())
        assert not pinger.send("fe80::2%eth7", clock.now_ns())
    time.sleep(0.1)
    assert pinger.drain() == []


@in_namespace
def test_a_group_is_up_while_any_of_it_answers() -> None:
    a, b = two_nodes()
    with b:
        ip("address add fd00::2/64 dev eth0 nodad")
    with a:
        ip("address add fd00::1/64 dev eth0 nodad")
        pingers = Pingers({"routers": ("10.0.0.9", FAR, "fd00::2"), "nobody": ("10.0.0.9",)}, clock, six=True)
        pingers.open()
        for name in ("routers", "nobody", FAR):
            pingers.send(name, 5)
        got = answers(pingers, 3)
        assert sorted((answer.target, answer.sent_ns) for answer in got) == [(FAR, 5), ("routers", 5), ("routers", 5)]
        with b:
            ip("address del fd00::2/64 dev eth0")
        pingers.send("routers", 6)
        assert [(answer.target, answer.sent_ns) for answer in answers(pingers)] == [("routers", 6)]
