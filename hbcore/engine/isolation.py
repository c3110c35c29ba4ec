"""Control: does my own network work? One reference address, asked all the time.

Owns ok / no and for how long; suspension is decided with the peer's verdict beside mine.
Invariant: ok means an answer to a request at most L old; own stalls and carrier changes restart "without a break".
Must not know what is done about it.
"""

from __future__ import annotations

from dataclasses import dataclass

from hbcore.engine.beat import Verdict
from hbcore.engine.config import SECOND
from hbcore.engine.lease import Lease

ALONE_NS = 2 * SECOND  # a kernel asks for a silent neighbour once a second (arp(7), retrans_time): one hears it later


@dataclass(slots=True)
class Control:
    """One ping node or gateway. `born_ns`: since when it is asked for this engine.

    `asked_ns`: send time of the newest request that was answered (0 = never).
    """

    name: str
    lease: Lease
    born_ns: int
    asked_ns: int = 0
    rtt_ns: int = 0
    steady_from_ns: int = 0
    both_no_since_ns: int = 0
    peer_alone_since_ns: int = 0
    suspended: bool = False

    def answered(self, sent_ns: int, at_ns: int) -> None:
        if sent_ns - self.asked_ns > self.lease.lease_ns:
            self.steady_from_ns = sent_ns
        self.asked_ns = max(self.asked_ns, sent_ns)
        self.rtt_ns = at_ns - sent_ns
        if self.ok(at_ns):  # not the late answer to an old request, sent on when ARP was answered at last
            self.suspended = False
            self.both_no_since_ns = 0

    @property
    def silent_from_ns(self) -> int:
        """Since when its silence counts: nobody could be told of an answer before it was asked."""
        return self.asked_ns or self.born_ns

    def untold(self, now_ns: int) -> bool:
        """No answer could be told of yet."""
        return not self.asked_ns and now_ns - self.born_ns <= self.lease.lease_ns

    def broken(self, now_ns: int) -> None:
        """Own stall or carrier change: what was steady has to prove itself again."""
        self.steady_from_ns = now_ns

    def late_at_ns(self) -> int:
        """When the next answer is overdue: half a keepalive after it should have been there."""
        return self.asked_ns + 3 * self.lease.keepalive_ns // 2

    def ok(self, now_ns: int) -> bool:
        return self.asked_ns > 0 and now_ns - self.asked_ns <= self.lease.lease_ns

    def verdict(self, now_ns: int) -> Verdict:
        if self.ok(now_ns):
            return Verdict.OK
        return Verdict.SUSPENDED if self.suspended else Verdict.NO

    def steady(self, now_ns: int) -> bool:
        """ok without a break for D."""
        return self.ok(now_ns) and now_ns - self.steady_from_ns >= self.lease.deadtime_ns

    def compare(self, now_ns: int, peer: Verdict) -> None:
        """Called while heard two-way: neither reaches it for D -> the veto is suspended until it answers one of them
        (safety.md 4). One that answers the peer alone, for longer than ARP may take: then this node's own network is
        at fault after all; before that its answer may just be on the way.
        """
        if self.ok(now_ns) or peer is not Verdict.OK:
            self.peer_alone_since_ns = 0
        elif not self.peer_alone_since_ns:
            self.peer_alone_since_ns = now_ns
        elif now_ns - self.peer_alone_since_ns >= max(self.lease.deadtime_ns, ALONE_NS):
            self.suspended = False
        if self.ok(now_ns) or peer is Verdict.OK or peer is Verdict.NONE:
            self.both_no_since_ns = 0
        elif not self.both_no_since_ns:
            self.both_no_since_ns = now_ns
        elif now_ns - self.both_no_since_ns >= self.lease.deadtime_ns:
            self.suspended = True

    def age_ms(self, now_ns: int) -> int:
        """Age of the newest answered request for the beat, capped."""
        return min(65535, (now_ns - self.asked_ns) // 1_000_000) if self.asked_ns else 65535
