"""The judges of the lab, on histories written by hand: outages from answers, owners from ARP and from a capture.

Invariant: each judge is shown what it must call wrong, and what it must not. Must not know namespaces.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from hbcore.lab.gaps import Record, Tally
from hbcore.lab.owners import Sighting, capture, episodes, two_owners
from hbcore.lab.switch import Cut, ruleset

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"


def seen(*pairs: tuple[float, str]) -> list[Sighting]:
    return [Sighting(t, mac) for t, mac in pairs]


@pytest.mark.parametrize(
    ("history", "conflict"),
    [
        ([], False),
        (seen((0.0, A), (0.1, A), (0.2, B), (0.3, B)), False),
        (seen((0.0, A), (0.1, B), (1.2, A)), False),  # moved, and back after more than a second
        (seen((0.0, A), (0.1, B), (0.2, A)), True),
        (seen((0.0, A), (0.1, B), (0.15, "02:00:00:00:00:0c"), (0.2, A)), True),
        ([Sighting(0.0, A, 7), Sighting(0.0, B, 7)], True),  # both answer the same question
        ([Sighting(0.0, A, 7), Sighting(0.0, A, 7), Sighting(0.1, B, 8)], False),
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
        tally.asked(asked)
        while left and left[0][0] < asked + 0.002:
            tally.answer(*left.pop(0))
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
    assert kept.counts(0.0, 1.0)[1] == 100
    assert kept.answers(0.1, 0.2) == {"n1": 50}


def test_never_answered_is_not_an_outage_of_zero() -> None:
    assert record([], 0.5).longest(0.0, 0.5) is None


def frame(kind: int, source: str, sender: str) -> bytes:
    ip = bytes(map(int, sender.split(".")))
    head = b"\xff" * 6 + bytes.fromhex(source.replace(":", "")) + struct.pack("!H", kind)
    return head + (bytes(14) + ip if kind == 0x0806 else bytes(12) + ip) + bytes(24)


def test_a_capture_is_read(tmp_path: Path) -> None:
    frames = [
        (1.0, frame(0x0806, A, "10.0.0.9")),
        (1.1, frame(0x0800, A, "10.0.0.9")),
        (1.2, frame(0x0800, B, "10.0.0.8")),  # of another address
        (1.3, frame(0x0806, B, "10.0.0.9")),
        (1.4, b"\0" * 20),
    ]
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 128, 1)
    for t, content in frames:
        data += struct.pack("<IIII", int(t), round(t % 1 * 1e6), len(content), len(content)) + content
    path = tmp_path / "x.pcap"
    path.write_bytes(data + b"\1\2\3")  # cut short
    assert [(round(s.t, 3), s.mac) for s in capture(path, "10.0.0.9", 10.0)] == [(11.0, A), (11.1, A), (11.3, B)]
    path.write_bytes(b"\n\r\r\n" + bytes(40))
    with pytest.raises(ValueError, match="not a pcap"):
        capture(path, "10.0.0.9", 0.0)


def test_cuts_become_one_transaction() -> None:
    text = ruleset([Cut("beats", "node1", "node2"), Cut("traffic", "node2", "ping")], 694)
    assert text.startswith("table bridge lab\ndelete table bridge lab\n")
    assert 'iifname "node1" oifname "node2" udp dport 694 drop' in text
    assert 'iifname "node2" oifname "ping" drop' in text
