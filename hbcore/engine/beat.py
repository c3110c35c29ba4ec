"""What a beat says (safety.md 3). Shapes and bounds; the bytes are links', the meaning is the engine's.

Invariant: every field has a bound, and a Beat outside the bounds is never built from the wire.
A beat is made of two halves: `Frame` is pulse's (who, order, freshness), `Words` is the engine's (what I hold and
want).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

VERSION = 1
MAX_GROUPS = 64
MAX_RULES = 16
MAX_MACS = 8
MAX_NAME = 64
MAX_REASON = 120
MAX_BYTES = 1400  # one Ethernet frame with room for the signature


LifeKey = tuple[int, int, int]  # incarnation, generation, nonce: two lives of one second differ in the last


class Stand(IntEnum):
    """What a node says of one group. NONE: not mine, and I gave nothing away; RELEASED: I stopped it, take it."""

    NONE = 0
    HOLDS = 1
    CLAIMS = 2
    RELEASED = 3


class State(IntEnum):
    """How far a group is on the sender; the names are those of the control API."""

    STOPPED = 0
    STARTING = 1
    STARTED = 2
    STOPPING = 3
    FAILED = 4
    BLOCKED = 5
    UNKNOWN = 6


class Verdict(IntEnum):
    """Control of a network (safety.md 1): does my own network work?"""

    NONE = 0  # no control configured
    OK = 1
    NO = 2
    SUSPENDED = 3


class Mode(IntEnum):
    """What a node as a whole says of itself."""

    JOINING = 0  # booted, resources not probed yet
    ONLINE = 1
    STANDBY = 2
    LEAVING = 3  # releasing everything, BYE follows
    BYE = 4  # clean leave: all stopped and released
    UNMANAGED = 5  # my daemon is gone; a heavy group goes on without a manager
    REFUSED = 6  # another machine has my name: I take no part, and say only which cards I have


@dataclass(frozen=True, slots=True)
class GroupWord:
    """One group as the sender sees it. `digest`: GroupDef.digest(), so that nodes can compare definitions.

    `epoch` < 2**63. `failed`: my start of it failed and nobody cleared that. `state`: how far it is here.
    `control`: my verdict on the network of its address, `control_age_ms`: age of the last answered request.
    """

    group: int  # digest of the group's name: crc32
    stand: Stand
    epoch: int
    digest: int = 0
    failed: bool = False
    state: State = State.UNKNOWN
    ready: bool = False  # probed, allowed and able to run it
    control: Verdict = Verdict.NONE
    control_age_ms: int = 0  # 0..65535, capped


@dataclass(frozen=True, slots=True)
class Rule:
    """An operator's word, replicated by the beats until the peer has this `version` (Lamport clock; ties: by name).

    kind "mode": subject a node, value "online" | "standby". kind "run": subject a group, value "started" | "stopped".
    kind "pin": subject a group, value a node or "". kind "clear": subject a group, value "cleared"; each new version
    makes both nodes forget what they hold against the group. `expires_s`, `at_s`: unix seconds, 0 = never.
    """

    kind: str
    subject: str
    value: str
    version: int
    at_s: int = 0
    expires_s: int = 0
    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """A service interface of the sender: its MAC and base address, so that address answers can be told apart."""

    mac: bytes  # 6 bytes
    ip: str  # IPv4, or where the interface has none IPv6, or ""


@dataclass(frozen=True, slots=True)
class Words:
    """The engine's half of a beat."""

    mode: Mode = Mode.JOINING
    config: int = 0  # ClusterConfig.digest()
    groups: tuple[GroupWord, ...] = ()
    services: tuple[Service, ...] = ()
    rules_digest: int = 0  # 32 bits, of all rules I have; unequal ones are sent until they agree
    rules: tuple[Rule, ...] = ()  # those the peer lacks
    engine_age_ms: int = 0  # set by pulse: how long ago the daemon last showed life, 0..65535
    release: str = ""  # product version, for a mixed cluster
    deadtime_ms: int = 0  # the deadtime the sender's leases are made for, 0..2**32-1

    @property
    def macs(self) -> tuple[bytes, ...]:
        """Of the sender's service interfaces."""
        return tuple(service.mac for service in self.services)


@dataclass(frozen=True, slots=True)
class Frame:
    """Pulse's half. (incarnation, generation, seq) is monotone for a node.

    `nonce`: mine, drawn when my pulse started. `your_nonce`: the receiver's as last heard, 0 = never heard.
    `echo_seq`: highest seq heard from the receiver, `echo_age_us`: how long ago I heard it (0..2**32-1, capped).
    """

    cluster: bytes  # 8 bytes, ClusterConfig.cluster_id
    node: int  # index of the sender in the sorted list of node names
    incarnation: int
    generation: int
    seq: int
    nonce: int
    your_nonce: int = 0
    echo_seq: int = 0
    echo_age_us: int = 0

    @property
    def life(self) -> LifeKey:
        return self.incarnation, self.generation, self.nonce


@dataclass(frozen=True, slots=True)
class Beat:
    frame: Frame
    words: Words
