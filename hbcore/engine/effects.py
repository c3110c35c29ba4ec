"""What the engine wants done: one closed union, executed in order by the daemon.

Invariant: `Persist` is a barrier kept by the engine itself: what depends on it is emitted after `Persisted`.
"""

from __future__ import annotations

from dataclasses import dataclass

from hbcore.engine.beat import Rule, Words
from hbcore.engine.config import GroupDef, Resource
from hbcore.engine.events import Actor


@dataclass(frozen=True, slots=True)
class Say:
    """The words of the next beats; `urgent`: send one now on every link."""

    words: Words
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """A group whose lease pulse keeps. `control`: the ping node that proves its network, "" = none configured.

    `alone`: any neighbour is proof enough (settled, suspended, or the peer left). `word`: the group's number in beats.
    `light`: it serves by its addresses alone, and pulse takes them off when nobody manages them any more.
    `gated`: the kernel's guard has them.
    `opened_ns`: when the right to open the gate was last given; 0 = never here (found running): then it is only kept.
    """

    group: str
    word: int
    control: str
    alone: bool
    light: bool
    gated: bool = False
    opened_ns: int = 0


@dataclass(frozen=True, slots=True)
class Hold:
    """All leases that run. `unsure`: groups of which a new daemon does not know yet whether they run here; a lease that
    pulse has for them goes on.
    """

    held: tuple[Held, ...]
    unsure: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prove:
    """Evidence the daemon found, for pulse's lease: kind "base" (peer's base address) | "neighbour"."""

    group: str
    kind: str
    asked_ns: int


@dataclass(frozen=True, slots=True)
class StoredGroup:
    name: str
    epoch: int = 0
    mine: bool = False
    failed: bool = False
    failbacks: tuple[int, ...] = ()  # unix seconds of failbacks after an unplanned loss
    manual: bool = False  # damped: failback waits for the operator
    agreed: GroupDef | None = None  # definition both nodes had last
    used: GroupDef | None = None  # what it runs by, None: this node's files


@dataclass(frozen=True, slots=True)
class Stored:
    """All that survives a restart of the daemon."""

    groups: tuple[StoredGroup, ...] = ()
    rules: tuple[Rule, ...] = ()
    peer_macs: tuple[bytes, ...] = ()
    peer_bases: tuple[str, ...] = ()
    own_macs: tuple[bytes, ...] = ()  # newest first, also of cards that are no more


@dataclass(frozen=True, slots=True)
class Persist:
    number: int
    stored: Stored


@dataclass(frozen=True, slots=True)
class Run:
    """Run an agent. `operation`: start | stop | status. Not begun after `not_after_ns` (0 = any time)."""

    op: int
    group: str
    resource: Resource
    operation: str
    timeout_ns: int
    not_after_ns: int = 0


@dataclass(frozen=True, slots=True)
class Probe:
    """One round of ARP probes (3 x 30 ms) on a device. `confirm`: MACs to ask again by unicast; `neighbours`: ask some
    too.
    """

    probe: int
    device: str
    source: str
    targets: tuple[str, ...]
    confirm: tuple[bytes, ...] = ()
    neighbours: bool = False


@dataclass(frozen=True, slots=True)
class Announce:
    """Send gratuitous ARP for an address of ours again."""

    device: str
    ip: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something a person should be able to read later. `kind` as in the control API's Event."""

    code: str
    args: tuple[tuple[str, str], ...] = ()
    severity: str = "info"
    kind: str = "other"
    about: str = ""
    actor: Actor | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """Everything is stopped and released (clean) or could not be (not clean): the daemon may end."""

    clean: bool


Effect = Say | Hold | Prove | Persist | Run | Probe | Announce | Note | Gone
