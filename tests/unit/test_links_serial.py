"""Serial lines: frames, the compact beat, and real hearts over a null modem cable that is as slow as its baud rate."""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hbcore.engine import serial
from hbcore.engine.beat import MAX_GROUPS, Beat, Frame, GroupWord, Mode, Rule, Stand, State, Verdict, Words
from hbcore.engine.config import MS, SECOND, ClusterConfig, Link, Media, Timing
from hbcore.engine.effects import Say
from hbcore.engine.heart import Class, Heart
from hbcore.engine.keys import Key, Keyring, Method
from hbcore.engine.lease import lease_of
from hbcore.engine.pulse_effects import Send
from hbcore.host import clock
from hbcore.links import cobs, compact, wire
from hbcore.links.carriers import Carriers
from hbcore.links.wire import Reject
from tests.nullmodem import Cable
from tests.unit.test_wire import CLUSTER, GROUP, RING, RULE, SHA1, YOUNG, longest, with_rules

# -- frames ------------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=1500))
def test_a_frame_has_no_zero_inside_and_is_read_again(data: bytes) -> None:
    framed = cobs.frame(data)
    assert framed[0] == framed[-1] == 0 and 0 not in framed[1:-1]
    assert cobs.unframe(framed[1:-1]) == data
    assert len(framed) <= len(data) + len(data) // 254 + 3


@given(st.binary(max_size=300), st.binary(max_size=3000), st.integers(1, 100))
def test_after_any_noise_the_next_frame_is_read(data: bytes, noise: bytes, piece: int) -> None:
    deframer = cobs.Deframer(1500)
    line = noise + cobs.frame(data)
    seen = [stuffed for at in range(0, len(line), piece) for stuffed in deframer.feed(line[at : at + piece])]
    assert cobs.unframe(seen[-1]) == data
    assert all(len(stuffed) <= 1500 for stuffed in seen)


@given(st.binary(max_size=600))
def test_what_no_frame_could_have_made_is_told(stuffed: bytes) -> None:
    read = cobs.unframe(stuffed.replace(b"\0", b""))
    assert read is None or len(read) <= len(stuffed)


# -- the compact beat --------------------------------------------------------------------------------------------------


def read(data: bytes, ring: Keyring = RING, cluster: bytes = CLUSTER) -> Beat | Reject:
    return compact.decode(data, ring, cluster, 2)


@pytest.mark.parametrize("key", RING.keys, ids=[key.method.value for key in RING.keys])
def test_a_rich_beat_says_all_that_a_datagram_says(key: Key) -> None:
    beat = with_rules(RULE)
    assert read(compact.encode(beat, key, rich=True)) == beat == wire.decode(wire.encode(beat, key), RING, CLUSTER, 2)
    plain = read(compact.encode(beat, key, rich=False))
    assert isinstance(plain, Beat)
    assert plain.frame == beat.frame
    assert plain.words == replace(beat.words, services=(), rules=())


def test_every_rule_has_its_turn() -> None:
    rules = tuple(replace(RULE, subject=f"node{n}") for n in range(5))
    said = [read(compact.encode(with_rules(*rules, seq=seq), SHA1, rich=True)) for seq in range(1, 60)]
    assert {rule for beat in said if isinstance(beat, Beat) for rule in beat.words.rules} == set(rules)


def test_it_is_as_small_as_check_believes() -> None:
    """After three months of beats, 16,000 moves of every group, with the longest deadtime."""
    frame = Frame(CLUSTER, 1, 2_200_000_000, 100, 2**27, 2**64 - 1, 2**64 - 1, 2**27, 2_000_000)
    group = replace(GROUP, epoch=16_000, control_age_ms=65535)
    for groups in range(MAX_GROUPS + 1):
        words = replace(YOUNG.words, groups=(group,) * groups, engine_age_ms=5000, deadtime_ms=3_600_000)
        data = compact.encode(Beat(frame, words), SHA1, rich=False)
        assert len(cobs.frame(data)) <= serial.frame_bytes(groups)
    assert len(cobs.frame(compact.encode(YOUNG, SHA1, rich=False))) < len(wire.encode(YOUNG, SHA1)) * 2 // 3


def test_the_longest_beat_fits() -> None:
    beat = longest()
    frame = replace(beat.frame, node=1)
    for rich in (False, True):
        data = compact.encode(Beat(frame, replace(beat.words, rules=(RULE,))), SHA1, rich=rich)
        assert len(data) <= compact.MAX_FRAME
        assert isinstance(read(data), Beat)


def test_what_is_no_beat_has_one_reason() -> None:
    data = compact.encode(YOUNG, SHA1, rich=True)
    other = Key(2, Method.SHA1, b"another")
    assert read(b"") is Reject.NOT_OURS
    assert read(data[:9]) is Reject.TRUNCATED
    assert read(bytes(compact.MAX_FRAME + 1)) is Reject.OVERSIZED
    assert read(compact.encode(YOUNG, other, rich=False)) is Reject.BAD_SIGNATURE
    assert read(data, cluster=b"another1") is Reject.BAD_SIGNATURE
    assert read(data, Keyring(4, RING.keys[3:])) is Reject.UNKNOWN_KEY
    assert compact.decode(data, RING, CLUSTER, 1) is Reject.UNKNOWN_NODE
    assert isinstance(read(wire.encode(YOUNG, SHA1)), Reject)
    for at in range(len(data)):
        assert isinstance(read(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]), Reject), at


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_a_signed_body_of_any_bytes_never_raises(body: bytes) -> None:
    head = bytes([0x10 | SHA1.id])
    data = head + compact._signature(SHA1, CLUSTER, head + body) + body
    assert isinstance(read(data), (Beat, Reject))


# -- over a cable ------------------------------------------------------------------------------------------------------

KEY = Key(1, Method.SHA1, b"0576e27920f46d92")
KEYS = Keyring(1, (KEY,))
WORDS = Words(Mode.ONLINE, 1, (GroupWord(7, Stand.HOLDS, 3, 9, False, State.STARTED, True, Verdict.OK, 40),))
TIMING = Timing()


@dataclass
class Station:
    """A node's heart and its links, without the rest of pulse."""

    me: int
    device: Path
    baud: int
    timing: Timing = TIMING
    keys: Keyring = KEYS
    heard: list[tuple[int, int]] = field(default_factory=list)  # when, send time of my beat that it echoes

    def __post_init__(self) -> None:
        link = Link("line", Media.SERIAL, str(self.device), "", 0, baud=self.baud)
        config = ClusterConfig("web", ("node1", "node2"), (link,), (), (), self.timing)
        self.rejects: list[Reject] = []
        self.rules: set[Rule] = set()
        self.words = WORDS
        self.links = Carriers(config, clock)
        now = clock.now_ns()
        self.heart = Heart(
            me=self.me, cluster=config.cluster_id, incarnation=1_753_000_000 + self.me, generation=0,
            nonce=2**63 + self.me, timing=self.timing, pings=(), now_ns=now,
        )  # fmt: skip
        self.heart.daemon_came(now)
        self.links.open()

    @property
    def health(self) -> tuple[str, dict[str, str]]:
        health = self.links.health["line"]
        return health.trouble, dict(health.details)

    def turn(self) -> None:
        for received in self.links.drain(100, self.keys):
            if isinstance(received.beat, Reject):
                self.rejects.append(received.beat)
                continue
            assert isinstance(received.beat, Beat)
            self.rules |= set(received.beat.words.rules)
            kind, tell = self.heart.hear(received.link, received.at_ns, received.beat)
            if kind is Class.ACCEPTED and tell is not None:
                self.heard.append((received.at_ns, getattr(tell.event, "echo_sent_ns", 0)))
        now = clock.now_ns()
        self.heart.obey(now, Say(self.words, False))
        for effect in self.heart.timer(now):
            if isinstance(effect, Send):
                self.links.send(effect.beat, self.keys.signer)


@pytest.fixture
def ends(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "a", tmp_path / "b"


def run(stations: list[Station], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        now = clock.now_ns()
        wait_ns = min(station.heart.next_deadline(now) for station in stations) - now
        select.select([station.links.fileno() for station in stations], [], [], max(0, wait_ns) / SECOND)
        for station in stations:
            station.turn()


def run_until(stations: list[Station], condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        run(stations, 0.1)


@pytest.fixture
def pair(ends: tuple[Path, Path]) -> Iterator[tuple[Cable, list[Station]]]:
    with Cable(*ends, 38400) as cable:
        stations = [Station(me, end, 38400) for me, end in enumerate(ends)]
        run(stations, 0.6)
        assert all(station.heard for station in stations)
        yield cable, stations
        for station in stations:
            station.links.close()


def oldest_echo_ms(station: Station, since_ns: int) -> int:
    """How old the newest proof was at most, just before the next came."""
    proofs = [(at, echo) for at, echo in station.heard if at >= since_ns and echo]
    return max((later - echo) // MS for (_, echo), (later, _) in itertools.pairwise(proofs))


@pytest.mark.parametrize("baud", [19200, 115200])
def test_two_hearts_hear_each_other_two_way_with_half_of_the_line(ends: tuple[Path, Path], baud: int) -> None:
    """Profile standard and the baud rate that applies where none is named."""
    assert serial.carries(TIMING, 1, baud)
    with Cable(*ends, baud) as cable:
        stations = [Station(me, end, baud) for me, end in enumerate(ends)]
        run(stations, 0.6)
        before, begun = cable.do("count"), time.monotonic()
        since_ns = clock.now_ns()
        run(stations, 3)
        seconds = time.monotonic() - begun
        for sent, was in zip(cable.do("count"), before, strict=True):
            assert 20 * 70 < sent - was <= seconds * baud / serial.BITS / 2 + serial.frame_bytes(1)
    for station in stations:
        assert len([at for at, _ in station.heard if at >= since_ns]) > 20
        ages = oldest_echo_ms(station, since_ns)
        assert ages <= lease_of(TIMING).lease_ns // MS + 60, "60 ms are for this machine, which tests run on beside us"
        assert not station.rejects


def test_noise_costs_the_frame_it_hits_and_no_more(pair: tuple[Cable, list[Station]]) -> None:
    cable, stations = pair
    cable.do("noise")
    since_ns = clock.now_ns()
    run(stations, 4)
    cable.do("quiet")
    for station in stations:
        beats = len([at for at, _ in station.heard if at >= since_ns])
        assert beats > 12, "a third of the beats or more come through"
        assert station.rejects
        assert station.health == ("", {})
    run(stations, 0.3)
    quiet_ns, rejects = clock.now_ns(), [len(station.rejects) for station in stations]
    run(stations, 1)
    for station, was in zip(stations, rejects, strict=True):
        assert len([at for at, _ in station.heard if at >= quiet_ns]) >= 8
        assert len(station.rejects) == was


def test_unplugged_it_says_so_and_plugged_in_again_it_goes_on(pair: tuple[Cable, list[Station]]) -> None:
    cable, stations = pair
    cable.do("unplug")
    run(stations, 0.6)
    for station in stations:
        assert station.health[0] == "serial-missing" and station.health[1]["device"] == str(station.device)
        assert station.links.health["line"].unsent
    cable.do("plug")
    run(stations, 0.6)
    since_ns = clock.now_ns()
    run(stations, 0.6)
    for station in stations:
        assert station.health == ("", {})
        assert [at for at, _ in station.heard if at >= since_ns]


def unhurried(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def filled(station: Station) -> bool:
    """Fills the line faster than beats would: a terminal's queue is 4 KiB and more, and makes room behind our back."""
    with contextlib.suppress(BlockingIOError), open(station.device, "wb", buffering=0, opener=unhurried) as line:
        while line.write(b"\1" * 100):
            pass
    return station.health[0] == "serial-full"


def test_a_line_that_takes_nothing_is_no_reason_to_wait(pair: tuple[Cable, list[Station]]) -> None:
    cable, stations = pair
    cable.do("stick")
    run_until(stations, lambda: all(filled(station) for station in stations))
    for station in stations:
        was = station.links.health["line"].unsent
        turn_s = time.monotonic()
        run([station], 0.5)
        assert time.monotonic() - turn_s < 1
        assert station.links.health["line"].unsent > was


def test_wrong_keys_and_other_speeds_are_no_beats(ends: tuple[Path, Path]) -> None:
    with Cable(*ends, 38400):
        stations = [Station(me, end, 38400) for me, end in enumerate(ends)]
        stations[1].keys = Keyring(1, (Key(1, Method.SHA1, b"another"),))
        run(stations, 1)
        assert set(stations[0].rejects) == set(stations[1].rejects) == {Reject.BAD_SIGNATURE}
        assert not stations[0].heard


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda path: None, "serial-missing"),
        (lambda path: path.write_text(""), "serial-no-tty"),
        (lambda path: path.symlink_to("/dev/null"), "serial-no-tty"),
        (lambda path: path.mkdir(), "serial-no-tty"),
    ],
    ids=["missing", "a-file", "no-tty", "a-directory"],
)
def test_what_is_no_line_is_named(tmp_path: Path, make: object, code: str) -> None:
    assert callable(make)
    make(tmp_path / "line")
    station = Station(0, tmp_path / "line", 19200)
    assert station.health[0] == code and station.health[1]["device"] == str(tmp_path / "line")
    run([station], 0.3)
    assert station.health[0] == code


def test_a_line_that_comes_late_is_opened(ends: tuple[Path, Path]) -> None:
    stations = [Station(me, end, 115200) for me, end in enumerate(ends)]
    run(stations, 0.2)
    with Cable(*ends, 115200):
        run_until(stations, lambda: all(station.heard for station in stations))


def test_a_rule_for_the_peer_goes_over_the_line(pair: tuple[Cable, list[Station]]) -> None:
    _, stations = pair
    stations[0].words = replace(WORDS, rules=(RULE,))
    run_until(stations, lambda: bool(stations[1].rules))
    assert stations[1].rules == {RULE}


# -- the arithmetic ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("baud", serial.BAUDS)
@pytest.mark.parametrize("groups", [1, 2, 5, 20, 64])
def test_what_is_offered_holds_and_less_does_not(baud: int, groups: int) -> None:
    least = serial.least_timing(TIMING, groups, baud)
    assert serial.carries(least, groups, baud)
    assert 2 * serial.wire_ns(serial.frame_bytes(groups), baud) <= serial.pace_ns(
        serial.frame_bytes(groups), baud, least.keepalive_ns
    )
    faster = serial.least_baud(TIMING, groups)
    if faster is not None:
        assert serial.carries(TIMING, groups, faster)
        assert serial.carries(TIMING, groups, baud) is (baud >= faster)


def test_profile_standard_needs_no_faster_line_than_the_default() -> None:
    assert serial.carries(TIMING, 1, serial.DEFAULT_BAUD)
    assert not serial.carries(TIMING, 1, 9600)
