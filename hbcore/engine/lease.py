"""Lease arithmetic: the only place that knows how L, W, h, slack and D relate (safety.md 1 and 6).

Owns the bounds and the rule that says up to when a holder may go on. Nanoseconds throughout.
Invariant: L + W + h + slack <= D, so an owner that stops renewing is out before anybody may presume it.
Must not know groups' contents, sockets or clocks.
"""

from __future__ import annotations

from dataclasses import dataclass

from hbcore.engine.config import MS, Timing

TICKET_NS = 50 * MS  # W, safety.md 1
SLACK_NS = 50 * MS  # includes 500 ppm of D of drift for each node
GONE_NS = 1000 * MS  # how long pulse vouches for a daemon whose socket closed (safety.md 7)
HUNG_NS = 5000 * MS  # ... and for one that shows no life


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
    """L = min(0.6 D, D - h - W - slack); standard 100/500 ms gives 300 ms.

    Raises ValueError("lease") where L < h + W: such a timing cannot be held safely.
    """
    deadtime, keepalive = timing.deadtime_ns, timing.keepalive_ns
    length = min(deadtime * 6 // 10, deadtime - keepalive - TICKET_NS - SLACK_NS)
    if length < keepalive + TICKET_NS:
        raise ValueError("lease")
    return Lease(length, TICKET_NS, keepalive, SLACK_NS, deadtime)


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
