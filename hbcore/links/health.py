"""What every carrier of beats hands up: what it received, and how it fares.

Owns those shapes. Invariant: counters only grow. Must not know how anything is carried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Datagram:
    """`at_ns`: when the kernel received it, CLOCK_BOOTTIME. `data` is cut at MAX_BYTES + 1, which is oversized."""

    link: str
    data: bytes
    at_ns: int
    source: str


@dataclass(slots=True)
class Health:
    """How one link fares; counters only grow. `trouble` and `details` are for `words.say`, "" while all is well.

    `own`: a ucast line that names an address of this machine; nothing is sent there.
    `stray`: datagrams not meant for this link. `dropped`: those the kernel had no room for (of the link's socket).
    """

    sent: int = 0
    unsent: int = 0
    heard: int = 0
    stray: int = 0
    dropped: int = 0
    own: bool = False
    trouble: str = "link-closed"
    details: Mapping[str, str] = field(default_factory=dict)
