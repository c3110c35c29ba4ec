"""A heart among strangers: beats with the right key that do not echo its nonce cost its real peer nothing.

Real hearts on both sides, joined by function calls; only the strangers' beats are made by hand.
"""

from __future__ import annotations

import random

import pytest

from hbcore.engine.beat import Beat, Frame, Mode, Words
from hbcore.engine.config import MS, SECOND, Timing
from hbcore.engine.effects import Say
from hbcore.engine.heart import Class, Heart
from hbcore.engine.keys import Key, Method
from hbcore.engine.pulse_effects import Send
from hbcore.links.wire import encode

CLUSTER = b"webpair1"
TIMING = Timing()
STEP_NS = 10 * MS
KEY = Key(1, Method.SHA1, b"0576e27920f46d92")


def heart(me: int, incarnation: int, now_ns: int = 0) -> Heart:
    made = Heart(
        me=me, cluster=CLUSTER, incarnation=incarnation, generation=0, nonce=1000 + 7 * me + incarnation, timing=TIMING,
        pings=(), now_ns=now_ns,
    )  # fmt: skip
    made.daemon_came(now_ns)
    made.obey(now_ns, Say(Words(mode=Mode.ONLINE), False))
    return made


class Pair:
    """Two hearts, and the latest time each was proven to the other."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.hearts = [heart(0, 100), heart(1, 100)]
        self.proven_ns = [0, 0]
        self.gap_ns = 0

    def run(self, for_ns: int) -> None:
        """Lets time pass; `gap_ns` is the longest either had to wait for a beat that counts."""
        end = self.now_ns + for_ns
        while self.now_ns < end:
            self.now_ns += STEP_NS
            for me in (0, 1):
                self.hearts[me].obey(self.now_ns, Say(Words(mode=Mode.ONLINE), False))  # the daemon lives
                for effect in self.hearts[me].timer(self.now_ns):
                    if isinstance(effect, Send):
                        self.deliver(1 - me, effect.beat)
            self.gap_ns = max(self.gap_ns, *(self.now_ns - at for at in self.proven_ns))

    def deliver(self, to: int, beat: Beat) -> None:
        kind, _ = self.hearts[to].hear("eth0", self.now_ns, beat)
        if kind is Class.ACCEPTED:
            self.proven_ns[to] = self.now_ns


def stranger(rng: random.Random, incarnation: int) -> Beat:
    """Says that it is node 0 or 1, and echoes nothing that anyone said."""
    return Beat(Frame(CLUSTER, rng.randrange(2), incarnation, 0, rng.randrange(2**63), 5, 6), Words(mode=Mode.ONLINE))


@pytest.mark.parametrize("incarnation", [1, 99, 100, 101, 2**63 - 1])
def test_strangers_do_not_come_between_two_nodes(incarnation: int) -> None:
    pair, rng = Pair(), random.Random(694)
    pair.run(SECOND)
    pair.gap_ns = 0
    for _ in range(300):
        for to in (0, 1):
            beat = stranger(rng, incarnation)
            kind, tell = pair.hearts[to].hear("eth0", pair.now_ns, beat)
            assert kind is (Class.OWN if beat.frame.node == to else Class.UNPROVEN) and tell is None
        pair.run(STEP_NS)
    assert pair.gap_ns <= TIMING.keepalive_ns + STEP_NS, "no beat goes to a stranger while the peer is heard"


def test_a_node_that_boots_is_heard_although_its_old_beats_are_replayed() -> None:
    """The recording and the new life speak in turn, at the same rate: the new one must win."""
    pair = Pair()
    pair.run(SECOND)
    old = Beat(Frame(CLUSTER, 1, 100, 0, 5, 1107, 4711), Words(mode=Mode.ONLINE))  # echoes a nonce of long ago
    pair.hearts[0] = heart(0, 200, pair.now_ns)  # both start anew
    pair.hearts[1] = heart(1, 200, pair.now_ns)
    begun = pair.now_ns
    for _ in range(100):
        pair.run(STEP_NS)
        pair.hearts[0].hear("eth0", pair.now_ns, old)
    assert min(pair.proven_ns) - begun > 500 * MS
    pair.gap_ns = 0
    for _ in range(100):
        pair.run(STEP_NS)
        pair.hearts[0].hear("eth0", pair.now_ns, old)
    assert pair.gap_ns <= TIMING.keepalive_ns + STEP_NS, "once proven, the recording is nothing"


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_well_formed_and_proven_breaks_no_heart(seed: int) -> None:
    """With key and nonce: counted in one class each, never an exception, and what it answers fits the wire."""
    rng = random.Random(seed)
    pair = Pair()
    pair.run(SECOND)
    me = pair.hearts[0]
    for _ in range(5000):
        now = pair.now_ns = pair.now_ns + rng.choice([1, STEP_NS, SECOND])
        frame = Frame(
            CLUSTER, rng.randrange(2), rng.choice([0, 99, 100, 101, rng.randrange(2**63)]), rng.choice([0, 1, 2**62]),
            rng.choice([0, 1, 50, rng.randrange(2**63)]), rng.randrange(1, 2**64),
            rng.choice([me.nonce, me.nonce, 0, 7]), rng.choice([0, 1, 10, rng.randrange(2**63)]), rng.randrange(2**32),
        )  # fmt: skip
        kind, tell = me.hear(rng.choice(["eth0", "eth1"]), now, Beat(frame, Words(mode=rng.choice(list(Mode)))))
        assert kind in set(Class)
        assert (tell is not None) == (kind in (Class.ACCEPTED, Class.REPEAT))
        assert kind not in (Class.ACCEPTED, Class.REPEAT) or frame.your_nonce == me.nonce
        for effect in me.timer(now):
            if isinstance(effect, Send):
                assert len(encode(effect.beat, KEY)) < 1400
