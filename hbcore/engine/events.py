"""What can happen to the daemon's engine: one closed union of facts.

Invariant: an event is a fact about the past with its own time; it never says what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hbcore.engine.beat import Beat, Service


class Outcome(StrEnum):
    """What an agent's operation came to; UNKNOWN is never read as stopped."""

    OK = "ok"
    FAILED = "failed"
    RUNNING = "running"
    STOPPED = "stopped"
    UNKNOWN = "unknown"
    LATE = "late"  # not begun: its not_after had passed


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asked: kernel's word (uid, login uid), then the tool's."""

    uid: int = -1
    login: int = -1
    name: str = ""
    ssh: str = ""
    tool: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """What the host says of a group: where its addresses live and what vouches for that network.

    `device` and `source` ("" where no address or no such interface); `control`: the name of the ping node or gateway on
    that network, "" where there is none; `problem`: code of what keeps it from starting here, "" where nothing does.
    """

    group: str
    device: str = ""
    source: str = ""
    control: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """The host's interfaces as they are now."""

    services: tuple[Service, ...]
    groups: tuple[GroupFacts, ...]


@dataclass(frozen=True, slots=True)
class Wall:
    """The wall clock, for dates shown and expiries only."""

    unix_ns: int


@dataclass(frozen=True, slots=True)
class Heard:
    """An accepted beat of the peer. `echo_sent_ns`: when I sent the beat it echoes (0 = it echoes none of mine).

    `repeat`: the same beat by another link; it proves the link, its words were taken already.
    """

    link: str
    at_ns: int
    beat: Beat
    echo_sent_ns: int = 0
    repeat: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """A ping node answered the request sent at `sent_ns`."""

    ping: str
    sent_ns: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class Sighting:
    """`mac` answered for `ip`; confirmed: also when asked by unicast."""

    ip: str
    mac: bytes
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Probed:
    """A probe round on one device is over. `neighbours`: at least one neighbour answered.

    `failed`: a frame did not leave, so the round says nothing, least of all by its silence.
    """

    probe: int
    begun_ns: int
    ended_ns: int
    answers: tuple[Sighting, ...] = ()
    neighbours: bool = False
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """Somebody else's ARP or NDP about a virtual IP of ours. kind: "announce" (says it has it) | "probe" (asks)."""

    device: str
    ip: str
    mac: bytes
    kind: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class Done:
    """An agent's operation ended. `detail`: its last words, already bounded and clean. `sure`: it answers by an exit
    code or a state; else by what it prints, and some of these never say that they run.
    """

    op: int
    outcome: Outcome
    detail: str = ""
    took_ns: int = 0
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Persisted:
    number: int
    error: str = ""  # errno name where the disk refused


@dataclass(frozen=True, slots=True)
class Stalled:
    """This node did not run between the two times (pulse or daemon paused, or the machine slept)."""

    from_ns: int
    to_ns: int


@dataclass(frozen=True, slots=True)
class Listened:
    """Pulse had read all there was, and nobody had said anything: it does not stand still."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class Lapsed:
    """Pulse could not renew the lease of a group in time. `refused`: by the kernel, so pulse was late, not alone."""

    group: str
    at_ns: int
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Guarded:
    """The kernel's guard: "" it stands, "lost": somebody removed it, else an errno's name: this kernel gives none."""

    trouble: str


@dataclass(frozen=True, slots=True)
class Abandoned:
    """Pulse vouched no longer for this daemon and gave these groups away: (group, epoch of that release)."""

    released: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class AddressGone:
    """An address of ours is no longer on the host, and we did not take it off."""

    ip: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class Namesake:
    """Another live machine has this node's name. `refused`: this one came later, and takes no part from now on."""

    at_ns: int
    refused: bool


@dataclass(frozen=True, slots=True)
class Carrier:
    device: str
    up: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """An operator's command, already allowed by role and planned; see planner.Order for `verb`."""

    ticket: int
    verb: str
    node: str
    group: str
    scope: str
    actor: Actor


@dataclass(frozen=True, slots=True)
class Leave:
    """SIGTERM: release everything and hand over."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A deadline of the engine may have passed."""


Sensed = (
    Wall | Facts | Heard | Answered | Probed | Seen | Done | Stalled | Lapsed | AddressGone | Carrier | Abandoned
    | Guarded | Listened | Namesake | Leave | Tick
)  # fmt: skip
Event = Sensed | Persisted | Asked
