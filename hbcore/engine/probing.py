"""Who answers for a group's addresses, and does the peer's machine answer: the address probe (safety.md 5).

Owns the rounds of one group and their verdicts V and M. Invariant: silence counts only over rounds that were completed,
and after an answer of the peer the address must stay silent for D. Must not know why somebody asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hbcore.engine.config import MS, SECOND
from hbcore.engine.effects import Probe
from hbcore.engine.events import Probed, Sighting
from hbcore.engine.table import Vip

ROUND_NS = 100 * MS  # 3 x 30 ms and its evaluation
VETO_PACE_NS = SECOND
CONFLICT_NS = 3 * SECOND
CONFLICT_ROUNDS = 3
FRESH_ROUNDS = 3
SAFETY_NS = 2 * SECOND  # a round that never came back is given up


@dataclass(slots=True)
class Probing:
    """`silent_from_ns`: begin of the first round without an answer since the last answer (0 = none yet)."""

    ips: tuple[str, ...]
    deadtime_ns: int
    asked: int = 0
    asked_at_ns: int = 0
    next_ns: int = 0
    round_end_ns: int = 0
    round_begun_ns: int = 0
    silent_from_ns: int = 0
    vetoed: bool = False
    peer_answered_ns: int = 0
    peer_ever_answered: bool = False
    answered_macs: tuple[bytes, ...] = ()  # from where, the last time
    expected_rounds: int = 0  # rounds in which a peer that ran it, and was heard, should have answered
    foreign_from_ns: int = 0
    foreign_rounds: int = 0
    foreign_macs: tuple[bytes, ...] = ()
    machine: bool | None = None
    machine_asked_ns: int = 0
    neighbour_asked_ns: int = 0
    bases: tuple[str, ...] = field(default=())

    def request(
        self, now_ns: int, number: int, device: str, source: str, bases: tuple[str, ...], macs: tuple[bytes, ...],
        *, neighbours: bool,
    ) -> Probe | None:  # fmt: skip
        """The next round where one is due and none is under way."""
        if not device or now_ns < self.next_ns or (self.asked and now_ns - self.asked_at_ns < SAFETY_NS):
            return None
        self.asked, self.asked_at_ns, self.bases = number, now_ns, bases
        return Probe(number, device, source, (*self.ips, *bases), macs, neighbours)

    def take(
        self, event: Probed, member_macs: tuple[bytes, ...], own_macs: tuple[bytes, ...], *, veto: bool, expected: bool
    ) -> None:
        """Judge a finished round. `veto`: the peer was LOST when it began, so an answer of its is a veto.

        `expected`: the peer was heard and ran it all the time, so it should have answered.
        """
        self.asked = 0
        about = [s for s in event.answers if s.ip in self.ips and s.mac not in own_macs]
        # an unconfirmed answer in the peer's name is a switch's cache; with no MAC learned everybody may be the peer
        peer = [s for s in about if not member_macs or (s.mac in member_macs and s.confirmed)]
        foreign = [s for s in about if member_macs and s.mac not in member_macs]
        self.machine = any(s.ip in self.bases and (not member_macs or s.mac in member_macs) for s in event.answers)
        self.round_begun_ns, self.round_end_ns = event.begun_ns, event.ended_ns
        if self.machine:
            self.machine_asked_ns = event.begun_ns
        if event.neighbours:
            self.neighbour_asked_ns = event.begun_ns
        self.expected_rounds += expected
        self._judge_peer(event, peer, veto)
        self._judge_foreign(event, foreign)
        self.next_ns = event.begun_ns + ROUND_NS

    def _judge_peer(self, event: Probed, peer: list[Sighting], veto: bool) -> None:
        if peer:
            self.peer_ever_answered = True
            self.peer_answered_ns = event.ended_ns
            self.answered_macs = named(peer)
            self.silent_from_ns = 0
            self.vetoed = self.vetoed or veto
        elif not self.silent_from_ns:
            self.silent_from_ns = event.begun_ns
        elif self.vetoed and event.ended_ns - self.silent_from_ns >= self.deadtime_ns:
            self.vetoed = False

    def _judge_foreign(self, event: Probed, foreign: list[Sighting]) -> None:
        if foreign:
            self.foreign_from_ns = self.foreign_from_ns or event.begun_ns
            self.foreign_rounds += 1
            self.foreign_macs = named(foreign)
        else:
            self.foreign_from_ns = self.foreign_rounds = 0
            self.foreign_macs = ()

    def failed(self, ended_ns: int) -> None:
        """A round that could not be sent: ask again soon, conclude nothing."""
        self.asked = 0
        self.next_ns = ended_ns + ROUND_NS

    def ask_now(self) -> None:
        """A round that begins after this moment (a start by release is probed beside it, S2)."""
        self.next_ns = self.round_begun_ns = 0

    def slow_down(self, now_ns: int) -> None:
        """A veto that holds is asked about once a second."""
        if self.vetoed and not self.silent_from_ns:
            self.next_ns = max(self.next_ns, self.round_begun_ns + VETO_PACE_NS)

    def forget(self) -> None:
        """Own stall, carrier change, or the peer is heard again: silence starts over, an old veto is void."""
        self.silent_from_ns = 0
        self.round_end_ns = self.round_begun_ns = 0
        self.machine = None

    def heard_again(self) -> None:
        self.vetoed = False
        self.forget()

    def fresh(self, now_ns: int) -> bool:
        return self.round_end_ns > 0 and now_ns - self.round_end_ns <= FRESH_ROUNDS * ROUND_NS

    def vip(self, now_ns: int) -> Vip:
        """V of the table."""
        if not self.ips:
            return Vip.NONE
        if self.vetoed:
            return Vip.PEER
        if not self.fresh(now_ns):
            return Vip.UNKNOWN
        if not self.silent_from_ns:
            return Vip.PEER
        if self.foreign_from_ns and not self.conflict_ripe(now_ns):
            return Vip.FOREIGN
        return Vip.FREE

    def conflict_ripe(self, now_ns: int) -> bool:
        """A foreign holder was asked three rounds over three seconds (S9)."""
        return self.foreign_rounds >= CONFLICT_ROUNDS and now_ns - self.foreign_from_ns >= CONFLICT_NS


def named(answers: list[Sighting]) -> tuple[bytes, ...]:
    """Their MACs, for a person: four at most."""
    return tuple(sorted({s.mac for s in answers}))[:4]
