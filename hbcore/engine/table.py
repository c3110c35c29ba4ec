"""The decision table of two-node classic mode (safety.md 4), as a table.

Owns what to do for one group from what is known now; first match decides, in the order the rows stand here.
Invariant: pure; every input is already judged (fresh or not, three-valued), unknown is never taken as free, off or
stopped. Must not know how anything is measured or carried out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from hbcore.engine.beat import Verdict


class Peer(StrEnum):
    """How the peer is heard. NEVER: not since I booted, and initdead has not passed."""

    TWO_WAY = "two-way"
    ONE_WAY = "one-way"
    LOST = "lost"
    BYE = "left"
    NEVER = "never"


class Vip(StrEnum):
    """Who answers for the group's addresses. UNKNOWN: no complete round yet; NONE: the group has no address."""

    FREE = "free"
    PEER = "peer"
    FOREIGN = "foreign"
    NONE = "none"
    UNKNOWN = "unknown"


class Act(StrEnum):
    KEEP = "keep"
    KEEP_ALARMED = "keep-alarmed"
    YIELD = "yield"  # shut, stop, report: the peer holds with the better right
    RELEASE = "release"  # shut, stop, release
    HAND_OVER = "hand-over"  # stop in order, release to the peer
    AWAIT_LAPSE = "await-lapse"  # nothing renews the lease: pulse says when it ends
    ISOLATED = "isolated"  # light: shut at once; heavy: stop after 5 s
    START = "start"
    CLAIM = "claim"
    CONFLICT = "conflict"  # three rounds in three seconds, then as S5 / S7 with an alarm
    VETO = "veto"
    WITHHOLD = "withhold"
    BLOCK = "block"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Inputs:
    """One group, seen from this node, now.

    `control` is mine on the group's network; `control_steady`: ok without a break for D. `peer_control_beats`: beats
    in a row in which the peer's control answered clearly later than mine last did. `neighbour`: somebody on that
    network answers.
    `peer_outranks`: the peer's (epoch, preference) beats mine. `machine`: the peer's base address answers.
    `settled`: LOST for longer than D + claim + 2 beats with my control ok. `released`: a valid release to me, or BYE.
    `one_way_steady`: not heard two-way for D. `fenced`: LOST, and the operator vouched that this incarnation is off.
    `just_released`: I gave it away, and it is still the peer's to take (tokens.leave_to_peer).
    `claim_knows`: what the peer says knows of my right; else its claim may be from before that.
    `peer_known`: a MAC of the peer was learned once, so an answer can be told to be its.
    """

    peer: Peer
    control: Verdict
    vip: Vip
    machine: bool | None
    light: bool
    token: bool = False
    released: bool = False
    control_steady: bool = False
    peer_holds: bool = False
    peer_claims: bool = False
    claim_knows: bool = False
    peer_outranks: bool = False
    peer_control_beats: int = 0
    peer_ready: bool = False
    base_answers: bool = False
    neighbour: bool = False
    settled: bool = False
    one_way_steady: bool = False
    fenced: bool = False
    peer_known: bool = True
    just_released: bool = False

    @property
    def heard(self) -> bool:
        return self.peer in (Peer.TWO_WAY, Peer.ONE_WAY)

    @property
    def control_ok(self) -> bool:
        """No control configured counts as ok: nothing can veto then, which is hole H3."""
        return self.control in (Verdict.OK, Verdict.NONE)


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    when: Callable[[Inputs], bool]
    act: Act


OWNER: tuple[Row, ...] = (
    Row("O2", lambda i: i.heard and i.peer_holds and i.peer_outranks, Act.YIELD),
    Row(
        "O5",
        lambda i: i.peer is Peer.ONE_WAY and i.peer_claims and (i.claim_knows or i.one_way_steady),
        Act.RELEASE,
    ),
    Row(
        "O3",
        lambda i: i.peer is Peer.TWO_WAY and i.control is Verdict.NO and i.peer_control_beats >= 2 and i.peer_ready,
        Act.HAND_OVER,
    ),
    Row("O1", lambda i: i.peer is Peer.TWO_WAY, Act.KEEP),
    Row(
        "O7", lambda i: (i.settled or i.peer is Peer.BYE) and i.control is Verdict.NO and i.neighbour, Act.KEEP_ALARMED
    ),
    Row("O7", lambda i: alone(i) and i.control is Verdict.NO, Act.ISOLATED),
    Row("O8", lambda i: i.control is Verdict.SUSPENDED and i.neighbour, Act.KEEP),
    Row("O4", lambda i: i.control_ok or i.base_answers, Act.KEEP),
    Row("O6", lambda i: True, Act.AWAIT_LAPSE),
)

OTHER: tuple[Row, ...] = (
    Row("S2", lambda i: i.released, Act.START),
    Row("S1", lambda i: i.peer is Peer.TWO_WAY and i.token, Act.START),
    Row("S1", lambda i: i.peer is Peer.TWO_WAY, Act.WAIT),
    Row("S2", lambda i: i.just_released, Act.WAIT),
    Row(
        "S3",
        lambda i: (
            i.peer is Peer.ONE_WAY and i.one_way_steady and not i.peer_holds and not i.peer_claims and may_claim(i)
        ),
        Act.CLAIM,
    ),
    Row("S3", lambda i: i.peer is not Peer.LOST, Act.WAIT),
    Row("F1", lambda i: i.fenced and not (i.vip is Vip.PEER and i.peer_known), Act.CLAIM),
    Row("S6", lambda i: i.vip is Vip.PEER, Act.VETO),
    Row("S4", lambda i: not control_lasts(i), Act.WITHHOLD),
    Row("S9", lambda i: i.vip is Vip.FOREIGN, Act.CONFLICT),
    Row("S0", lambda i: i.vip is Vip.UNKNOWN or i.machine is None, Act.WAIT),
    Row("S7", lambda i: (not i.light or i.vip is Vip.NONE) and i.machine is True, Act.BLOCK),
    Row("S8", lambda i: i.vip is Vip.NONE, Act.CLAIM),
    Row("S5", lambda i: True, Act.CLAIM),
)


def alone(i: Inputs) -> bool:
    """Nobody else can be meant to run it: settled, or the peer left (row O7)."""
    return i.settled or i.peer is Peer.BYE


def control_lasts(i: Inputs) -> bool:
    """Control ok without a break for D, or suspended while my own network shows life (rows S4, S5)."""
    return (i.control is Verdict.SUSPENDED and i.neighbour) or (i.control_ok and i.control_steady)


def may_claim(i: Inputs) -> bool:
    """What S5 asks, for S3, which claims "as S5"."""
    return (
        control_lasts(i)
        and i.machine is not None
        and (i.vip is Vip.FREE or i.vip is Vip.NONE)
        and (i.machine is False or (i.light and i.vip is Vip.FREE))
    )


def decide(owner: bool, inputs: Inputs) -> Row:
    """The first row that matches; the last row of each half always does."""
    return next(row for row in (OWNER if owner else OTHER) if row.when(inputs))
