"""The other node as I hear it: when, how, and by which links.

Owns the judgement two-way / one-way / lost / left / never. Fixed deadtime decides; own stalls only lengthen it.
Invariant: a peer is never LOST before D of silence that I was awake for, nor before initdead after my boot.
Must not know groups, tokens or how beats travel.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from hbcore.engine.beat import GroupWord, Mode, Words
from hbcore.engine.config import MS, SECOND, Timing
from hbcore.engine.events import Heard
from hbcore.engine.lease import Lease
from hbcore.engine.table import Peer

LATE_WINDOW_NS = 300 * SECOND
MAX_DEADTIME_MS = 3_600_000


@dataclass(slots=True)
class Path:
    """One link to the peer. `late` holds the times of beats that came later than warntime, bounded."""

    name: str
    media: str
    heard_ns: int = 0
    two_way_ns: int = 0
    rtt_ns: int = 0
    late: deque[int] = field(default_factory=lambda: deque(maxlen=256))

    def state(self, now_ns: int, timing: Timing, lease: Lease) -> str:
        """The control API's link state."""
        silent = now_ns - self.heard_ns
        if not self.heard_ns or silent >= timing.deadtime_ns:
            return "down"
        if now_ns - self.two_way_ns >= lease.lease_ns:
            return "one-way" if silent < timing.warntime_ns else "late"
        return "late" if silent >= timing.warntime_ns else "up"

    def late_in_window(self, now_ns: int) -> int:
        return sum(1 for at in self.late if now_ns - at < LATE_WINDOW_NS)


@dataclass(slots=True)
class PeerView:
    """`heard_ns`: arrival of its newest proven beat (0 = never); `born_ns`: when this node's pulse began to listen.

    `began_ns`: when this view of it began, which may be long after (a new daemon knows nothing of the time before).
    `said_after_ns`: its newest words are no older than that (send time of the beat of mine they echoed).
    `awake_ns`: end of an own stall since then, `woken_ns`: of the first in a row (0 = none). `said`: its words by
    group.
    """

    name: str
    timing: Timing
    lease: Lease
    born_ns: int
    paths: dict[str, Path]
    heard_ns: int = 0
    two_way_ns: int = 0
    two_way_since_ns: int = 0
    said_after_ns: int = 0
    incarnation: int = 0
    words: Words = field(default_factory=Words)
    said: dict[int, GroupWord] = field(default_factory=dict)
    left: bool = False
    left_ns: int = 0
    awake_ns: int = 0
    woken_ns: int = 0
    fenced_incarnation: int = -1
    began_ns: int = 0
    _lost_at_ns: int = 0  # 0: to be reckoned anew

    def hear(self, event: Heard) -> bool:
        """Take one beat; True where it is a restart of the peer (a new incarnation)."""
        frame = event.beat.frame
        path = self.paths.get(event.link)
        two_way = event.echo_sent_ns > 0 and event.at_ns - event.echo_sent_ns <= self.lease.lease_ns
        if path is not None:
            if path.heard_ns and event.at_ns - path.heard_ns > self.timing.warntime_ns:
                path.late.append(event.at_ns)
            path.heard_ns = max(path.heard_ns, event.at_ns)
            if two_way:
                path.two_way_ns = max(path.two_way_ns, event.at_ns)
                path.rtt_ns = max(0, event.at_ns - event.echo_sent_ns - frame.echo_age_us * 1000)
        self._lost_at_ns = 0
        reborn = frame.incarnation != self.incarnation and self.incarnation != 0
        self.incarnation = frame.incarnation
        self.heard_ns = max(self.heard_ns, event.at_ns)
        if event.at_ns >= self.awake_ns:  # one that waited in the queue does not undo the stall it waited for
            self.awake_ns = self.woken_ns = 0
        self.fenced_incarnation = -1  # what is heard is not off, whatever anybody vouched
        if two_way:
            if not self.two_way_since_ns or event.at_ns - self.two_way_ns >= self.lease.lease_ns or reborn:
                self.two_way_since_ns = event.at_ns
            self.two_way_ns = max(self.two_way_ns, event.at_ns)
        if not event.repeat:
            self.words = event.beat.words
            self.said_after_ns = max(self.said_after_ns, event.echo_sent_ns)
            self.said = {word.group: word for word in self.words.groups}
            self.left = self.words.mode is Mode.BYE
            self.left_ns = event.at_ns if self.left else 0
        return reborn

    def stalled(self, from_ns: int, to_ns: int) -> None:
        """I did not listen for so long: D counts from when I was awake again. Short stalls in a row add one D at
        most.
        """
        if not self.woken_ns or to_ns - from_ns >= self.timing.deadtime_ns:
            self.woken_ns = to_ns
        self.awake_ns = min(to_ns, self.woken_ns + self.timing.deadtime_ns)
        self._lost_at_ns = 0

    def silent_ns(self, now_ns: int) -> int:
        return now_ns - (self.heard_ns or self.born_ns)

    def late(self, now_ns: int) -> bool:
        """Nothing came for two beats: not one-way but on its way to LOST."""
        return self.silent_ns(now_ns) >= 2 * self.timing.keepalive_ns

    def lost_at_ns(self) -> int:
        """When the present silence makes it LOST."""
        if not self._lost_at_ns:
            deadtime_ns = max(self.timing.deadtime_ns, self.deadtime_ns)
            if self.heard_ns:
                self._lost_at_ns = max(self.heard_ns, self.awake_ns) + deadtime_ns
            else:
                self._lost_at_ns = max(self.born_ns + self.timing.initdead_ns, self.awake_ns + deadtime_ns)
        return self._lost_at_ns

    @property
    def deadtime_ns(self) -> int:
        """The deadtime it lives by: its lease is made for that one, so nobody is LOST before it (heartbeat did the
        same).
        """
        return min(self.words.deadtime_ms, MAX_DEADTIME_MS) * MS

    def state(self, now_ns: int) -> Peer:
        if self.left:
            return Peer.BYE
        if now_ns >= (self._lost_at_ns or self.lost_at_ns()):
            return Peer.LOST
        if not self.heard_ns:
            return Peer.NEVER
        if now_ns - self.two_way_ns < self.lease.lease_ns:
            return Peer.TWO_WAY
        return Peer.ONE_WAY

    def left_long_ago(self, now_ns: int) -> bool:
        """It left, and that is no news any more: it may have come back without being heard."""
        return self.left and now_ns - self.left_ns >= max(self.timing.deadtime_ns, self.deadtime_ns)

    def not_two_way_ns(self, now_ns: int) -> int:
        """How long it has not been heard two-way."""
        return now_ns - (self.two_way_ns or self.began_ns)

    def two_way_for_ns(self, now_ns: int) -> int:
        return now_ns - self.two_way_since_ns if self.state(now_ns) is Peer.TWO_WAY else 0

    @property
    def fenced(self) -> bool:
        """The operator vouched that this very incarnation is off."""
        return self.fenced_incarnation == self.incarnation

    def word(self, number: int) -> GroupWord | None:
        """What it says of a group, None where it does not know the group."""
        return self.said.get(number)
