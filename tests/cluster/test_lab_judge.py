"""The judges of the lab, on histories written by hand: outages from answers, owners from ARP and from a capture.

Invariant: each judge is shown what it must call wrong, and what it must not. Must not know namespaces.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from socket import AF_INET6, inet_pton

import pytest

from hbcore.host import ndp
from hbcore.lab.gaps import Record, Tally
from hbcore.lab.owners import Sighting, capture, episodes, two_owners
from hbcore.lab.switch import Cut, ruleset

A, B, C = "02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:0c"


def seen(*pairs: tuple[float, str]) -> list[Sighting]:
    return [Sighting(t, mac) for t, mac in pairs]


@pytest.mark.parametrize(
    ("history", "conflict"),
    [
        ([], False),
        (seen((0.0, A), (0.1, A), (0.2, B), (0.3, B)), False),
        (seen((0.0, A), (0.1, B), (0.2, A)), False),  # there and back
        ([Sighting(0.0, A, 7), Sighting(0.0, B, 7)], True),  # both answer the same question
        ([Sighting(0.0, A, 7), Sighting(0.0, A, 7), Sighting(0.1, B, 8), Sighting(0.12, A, 9)], False),
        ([Sighting(0.0, A, 7), Sighting(0.01, B, 0), Sighting(0.02, B, 8), Sighting(0.02, A, 8)], True),
    ],
)
def test_two_owners(history: list[Sighting], conflict: bool) -> None:
    assert bool(two_owners(history)) is conflict


def test_episodes_tell_who_owned_when() -> None:
    told = episodes(seen((0.0, A), (0.1, A), (0.2, B), (0.5, A)))
    assert [(e.mac, e.start, e.end, e.count) for e in told] == [(A, 0.0, 0.1, 2), (B, 0.2, 0.2, 1), (A, 0.5, 0.5, 1)]


def record(answers: list[tuple[float, str]], until: float) -> Record:
    """What the lab keeps of these answers, by way of the wire, asked every 2 ms."""
    tally, kept = Tally(), Record()
    asked, next_slice, left = 0.0, 0.1, list(answers)
    while asked < until:
        number = tally.asked(asked)
        while left and left[0][0] < asked + 0.002:
            tally.answer(*left.pop(0), number)
        asked += 0.002
        if asked >= next_slice:
            kept.add(json.loads(json.dumps(tally.slice(asked))))
            next_slice += 0.1
    return kept


def test_the_longest_gap_is_found_with_both_ends() -> None:
    times = [i * 0.002 for i in range(250)]
    history = [(t + 0.0005, "n1") for t in times if t < 0.2] + [(t + 0.0005, "n2") for t in times if t >= 0.33]
    gap = record(history, 0.5).longest(0.0, 0.5)
    assert gap is not None
    assert (gap.before, gap.after) == ("n1", "n2")
    assert gap.seconds == pytest.approx(0.132, abs=0.003)
    assert gap.stall_s == pytest.approx(0.002, abs=0.0005), "the asker itself never paused"


def test_a_gap_counts_by_its_ends_and_while_it_lasts() -> None:
    kept = record([(t * 0.002 + 0.0005, "n1") for t in range(100)], 1.0)  # answers until 0.2
    open_gap = kept.longest(0.5, 1.0)
    assert open_gap is not None and open_gap.after == "" and open_gap.seconds == pytest.approx(0.8, abs=0.02)
    early = kept.longest(0.0, 0.15)
    assert early is not None and early.seconds < 0.004
    counts = kept.counts(0.0, 1.0)
    assert counts.answered == 100
    assert counts.sent - counts.answered - counts.lost == pytest.approx(100, abs=1), "those of 200 ms are waited for"
    assert kept.answers(0.1, 0.2) == {"n1": 50}


def test_never_answered_is_not_an_outage_of_zero() -> None:
    assert record([], 0.5).longest(0.0, 0.5) is None


def ip(text: str) -> bytes:
    return bytes(map(int, text.split(".")))


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def packet(source: str, sender: str) -> bytes:
    return mac(C) + mac(source) + b"\x08\x00" + bytes(12) + ip(sender) + bytes(24)


def arp(operation: int, source: str, sender: str, to: str, target: str) -> bytes:
    head = mac(to) + mac(source) + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, operation)
    return head + mac(source) + ip(sender) + mac(to) + ip(target)


def pcap(frames: list[tuple[float, bytes]]) -> bytes:
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 128, 1)
    for t, content in frames:
        data += struct.pack("<IIII", int(t), round(t % 1 * 1e6), len(content), len(content)) + content
    return data


def test_a_capture_of_ipv6_is_read(tmp_path: Path) -> None:
    vip, client = "fd00::9", "fd00::1"
    packet6 = mac(C) + mac(A) + b"\x86\xdd" + bytes(8) + inet_pton(AF_INET6, vip) + bytes(40)
    frames = [
        (1.0, ndp.ask(mac(C), client, vip)),
        (1.1, ndp.answer(mac(A), vip, client, mac(C))),
        (1.2, packet6),
        (1.3, ndp.tell(mac(B), "fd00::8")[0]),  # of another address
        (1.4, ndp.tell(mac(B), vip)[0]),
        (1.5, ndp.answer(mac(B), vip, client, mac(C))),
    ]
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap(frames))
    told = capture(path, vip, 10.0)
    assert [(round(s.t, 3), s.mac, s.round) for s in told] == [(11.1, A, 1), (11.2, A, 0), (11.4, B, 0), (11.5, B, 1)]
    assert [c.macs for c in two_owners(told)] == [(A, B)]


def test_a_capture_is_read(tmp_path: Path) -> None:
    everyone, vip = "ff:ff:ff:ff:ff:ff", "10.0.0.9"
    frames = [
        (1.0, arp(1, C, "10.0.0.1", everyone, vip)),
        (1.1, arp(2, A, vip, C, "10.0.0.1")),
        (1.2, packet(A, vip)),
        (1.3, packet(B, "10.0.0.8")),  # of another address
        (1.4, arp(2, B, vip, everyone, vip)),  # an announcement
        (1.5, arp(1, C, "10.0.0.1", everyone, vip)),
        (1.6, arp(2, B, vip, C, "10.0.0.1")),
        (1.7, b"\0" * 20),
        (1.8, arp(2, A, vip, C, "10.0.0.1")),
    ]
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap(frames) + b"\1\2\3")  # cut short
    told = capture(path, vip, 10.0)
    assert [(round(s.t, 3), s.mac, s.round) for s in told] == [
        (11.1, A, 1),
        (11.2, A, 0),
        (11.4, B, 0),
        (11.6, B, 2),
        (11.8, A, 2),
    ]
    assert [c.macs for c in two_owners(told)] == [(B, A)]
    path.write_bytes(b"\n\r\r\n" + bytes(40))
    with pytest.raises(ValueError, match="not a pcap"):
        capture(path, vip, 0.0)


def test_cuts_become_one_transaction() -> None:
    text = ruleset([Cut("beats", "node1", "node2"), Cut("traffic", "node2", "ping")], 694)
    assert text.startswith("table bridge lab\ndelete table bridge lab\n")
    assert 'iifname "node1" oifname "node2" udp dport 694 drop' in text
    assert 'iifname "node2" oifname "ping" drop' in text
