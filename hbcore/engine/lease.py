"""Lease arithmetic: the only place that knows how L, W, h, slack and D relate (safety.md 1 and 6).

Owns the profiles, the bounds, the rule that says up to when a holder may go on, and what the guard in the kernel gets
of it. Nanoseconds throughout, unless the kernel counts otherwise.
Invariant: L + W + h + slack <= D, so an owner that stops renewing is out before anybody may presume it, however its
clock and the peer's drift (docs/decisions/0005-timing.md). Must not know groups' contents, sockets or clocks.
"""

from __future__ import annotations

from dataclasses import dataclass

from hbcore.engine.config import MS, SECOND, Timing

GONE_NS = 1000 * MS  # how long pulse vouches for a daemon whose socket closed (safety.md 7)
HUNG_NS = 5000 * MS  # ... and for one that shows no life
DRIFT_SHARE = 500  # slack is at least D / 500: 500 ppm of D for each clock, and as much again for all else

STANDARD = Timing()
PROFILES = {  # safety.md 1 and design.md 5
    "standard": STANDARD,
    "fast": Timing(20 * MS, 50 * MS, 100 * MS, 12 * SECOND, 100 * MS, 15 * MS, 10 * MS, 50 * MS),
    "vm": Timing(250 * MS, 1500 * MS, 3 * SECOND, 12 * SECOND, 3 * SECOND),
    "wan": Timing(500 * MS, 2500 * MS, 5 * SECOND, 12 * SECOND, 5 * SECOND),
}


@dataclass(frozen=True, slots=True)
class Lease:
    """L, W, h, slack and D of one cluster."""

    lease_ns: int
    ticket_ns: int
    keepalive_ns: int
    slack_ns: int
    deadtime_ns: int

    @property
    def claim_ns(self) -> int:
        """How long intent is announced before a claim: two beats."""
        return 2 * self.keepalive_ns

    @property
    def settled_ns(self) -> int:
        """Silence after which a lone owner needs no further proof (table, O7)."""
        return self.deadtime_ns + self.claim_ns + 2 * self.keepalive_ns


def lease_of(timing: Timing) -> Lease:
    """L = min(0.6 D, D - h - W - slack); standard 100/500 ms gives 300 ms, fast is held to 50 ms.

    Raises ValueError("lease") where L < h + W: such a timing cannot be held safely.
    """
    deadtime, keepalive, ticket = timing.deadtime_ns, timing.keepalive_ns, timing.ticket_ns
    slack = max(timing.slack_ns, -(-deadtime // DRIFT_SHARE))
    length = min(timing.longest_ns or deadtime * 6 // 10, deadtime - keepalive - ticket - slack)
    if length < keepalive + ticket:
        raise ValueError("lease")
    return Lease(length, ticket, keepalive, slack, deadtime)


def real_time(timing: Timing) -> bool:
    """Tickets or slack shorter than an ordinary scheduler keeps: real-time scheduling is required (safety.md 1)."""
    return timing.ticket_ns < STANDARD.ticket_ns or timing.slack_ns < STANDARD.slack_ns


# -- what the guard in the kernel gets of it (safety.md 6) -------------------------------------------------------------


def timeout_ms(left_ns: int) -> int:
    """The timeout of a gate or ticket: what is left in whole milliseconds (nft sets count in them).

    0 means that nothing is left and nothing may be renewed: the kernel takes a timeout of 0 as "for ever".
    """
    return max(0, left_ns) // MS


def valid_s(lease: Lease) -> int:
    """Whole seconds that the slow second layer gives an address (valid_lft): 4 D, and at least what a hung daemon gets,
    so that it never goes before the gate has long been shut.
    """
    return -(-max(HUNG_NS, 4 * lease.deadtime_ns) // SECOND)


@dataclass(frozen=True, slots=True)
class Evidence:
    """When each kind of proof of my own place in the world was last *asked for* (0 = never).

    `echo_ns`: send time of my newest beat that the peer echoed. `control_ns`: send time of the newest answered request
    to the control of the group's network. `base_ns`: ... to the peer's base address there. `neighbour_ns`: ... to any
    neighbour.
    """

    echo_ns: int = 0
    control_ns: int = 0
    base_ns: int = 0
    neighbour_ns: int = 0


def renewed_until(now_ns: int, length_ns: int, evidence: Evidence, *, alone: bool, controlled: bool) -> int:
    """Until when a classic holder may go on, from what it can prove now (safety.md 6, "Lease renewal needs").

    `alone`: settled, suspended or the peer said BYE, so that any neighbour is proof enough; `controlled`: a control is
    configured for the group's network (without one nothing can be asked: hole H3, the holder goes on).
    """
    if not controlled:
        return now_ns + length_ns
    newest = max(evidence.echo_ns, evidence.control_ns, evidence.base_ns)
    if alone:
        newest = max(newest, evidence.neighbour_ns)
    return newest + length_ns
