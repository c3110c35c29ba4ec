"""What pulse is to do: one closed union, executed in order by its loop.

Invariant: `Renew` is carried out by `leases.renewal` alone, and its answer is told to the Heart before anything else.
"""

from __future__ import annotations

from dataclasses import dataclass

from hbcore.engine.beat import Beat
from hbcore.engine.events import Abandoned, Answered, Guarded, Heard, Lapsed, Listened, Namesake, Stalled


@dataclass(frozen=True, slots=True)
class Send:
    """Send this beat on every link, now."""

    beat: Beat


@dataclass(frozen=True, slots=True)
class AskPing:
    ping: str


@dataclass(frozen=True, slots=True)
class Tell:
    """An event for the daemon."""

    event: Heard | Answered | Lapsed | Stalled | Abandoned | Guarded | Listened | Namesake


@dataclass(frozen=True, slots=True)
class Renew:
    """Prolong the kernel's gate of this group to the end of its lease. `fresh`: open it, by a right not used before."""

    group: str
    until_ns: int
    fresh: bool


@dataclass(frozen=True, slots=True)
class Rebuild:
    """The guard is gone: install it again, shut, and tell the Heart what came of it."""


@dataclass(frozen=True, slots=True)
class Shut:
    """Nobody here has a right to these groups any more: shut their gates."""

    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TakeOff:
    """These light groups lapsed, or nobody manages them: shut their gates, take their addresses off the host."""

    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refresh:
    """The group's lease is valid: let its addresses live on (valid_lft, the slow second layer)."""

    group: str


PulseEffect = Send | AskPing | Tell | Renew | Rebuild | Shut | TakeOff | Refresh
