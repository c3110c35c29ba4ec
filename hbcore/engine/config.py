"""The typed configuration: what every part of a node agrees on.

Owns the shapes that `formats` produces and the engine, the links and the agents consume.
Invariant: a `ClusterConfig` that exists is valid; problems are found before it is built.
Must not know files, sockets or sentences.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum

MS = 1_000_000
SECOND = 1_000_000_000


DIRECTORS = ("ldirectord", "ipvsadm")


class Weight(StrEnum):
    """Whether a group may run twice for a moment (safety.md 1)."""

    LIGHT = "light"
    HEAVY = "heavy"


class Guard(StrEnum):
    """Whether the kernel gates a group's addresses (safety.md 6)."""

    AUTO = "auto"  # where the kernel can, and says so where it cannot
    REQUIRED = "required"  # hbcored does not start where the kernel cannot
    OFF = "off"


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a file a person edits; line 0 means the file as a whole."""

    file: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with what a person wrote; `words` turns the code into a sentence."""

    where: Where
    severity: Severity
    code: str
    args: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Timing:
    """Nanoseconds; left as they are: profile standard. What follows from them is `lease`'s alone.

    The last three are the profile's share in the lease: W, the least slack, and the longest L (0: 0.6 D).
    """

    keepalive_ns: int = 100 * MS
    warntime_ns: int = 250 * MS
    deadtime_ns: int = 500 * MS
    initdead_ns: int = 12 * SECOND
    deadping_ns: int = 500 * MS
    ticket_ns: int = 50 * MS
    slack_ns: int = 50 * MS
    longest_ns: int = 0


@dataclass(frozen=True, slots=True)
class Chosen:
    """A value the files left out: what applies here and by which profile, and what heartbeat would have used."""

    option: str
    ours: str
    heartbeats: str
    profile: str = "standard"


class Media(StrEnum):
    MCAST = "mcast"
    UCAST = "ucast"
    BCAST = "bcast"
    MCAST6 = "mcast6"
    UCAST6 = "ucast6"
    SERIAL = "serial"


@dataclass(frozen=True, slots=True)
class Link:
    """One path for beats. `name` is unique, e.g. "eth0" or "eth0.2" for a second one on eth0.

    MCAST, MCAST6: `target` is the group, `ttl` and `loop` apply. UCAST, UCAST6: `target` is the peer's address;
    a ucast line naming one of my own addresses is harmless (ha.cf may be the same on all nodes). BCAST: to the
    broadcast address of the device, `target` is empty.
    SERIAL: `device` is a path, `baud` its speed; the other fields are empty.
    """

    name: str
    media: Media
    device: str
    target: str
    port: int
    ttl: int = 1
    loop: bool = False
    where: Where = Where("")
    baud: int = 0

    @property
    def on_network(self) -> bool:
        """`device` is a network device."""
        return self.media is not Media.SERIAL

    @property
    def to_peer(self) -> bool:
        """`target` is one machine's address."""
        return self.media in (Media.UCAST, Media.UCAST6)

    @property
    def to_group(self) -> bool:
        """`target` is a multicast group."""
        return self.media in (Media.MCAST, Media.MCAST6)


@dataclass(frozen=True, slots=True)
class Address:
    """An address resource as written; None means: found from the subnet's interface.

    `ip`: IPv4, or IPv6 in its canonical form, which has no broadcast; a link-local one comes with its device.
    """

    ip: str
    prefix: int | None = None
    device: str | None = None
    broadcast: str | None = None


class OnFail(StrEnum):
    """What follows when a resource fails by itself while it runs."""

    RESTART = "restart"  # here; on the other node once it failed too often
    MOVE = "move"  # to the other node at once
    IGNORE = "ignore"  # it is told, and nothing else


@dataclass(frozen=True, slots=True)
class Care:
    """How a resource is looked after, in nanoseconds. `monitor_ns`: how often its status is asked while it runs, 0 =
    never. `restarts`: so many failures within `forget_ns` are mended in place; one more moves the group.
    """

    monitor_ns: int = 10 * SECOND
    start_ns: int = 60 * SECOND
    stop_ns: int = 60 * SECOND
    status_ns: int = 20 * SECOND
    restarts: int = 3
    forget_ns: int = 600 * SECOND
    on_fail: OnFail = OnFail.RESTART


CARE = Care()


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of a group.

    `agent` is "address" (built in: bare IP, IPaddr, IPaddr2) or "script" (heartbeat resource.d, then init.d).
    `kind` is the word in the file ("httpd", "IPaddr", "Filesystem"); `args` the `::` arguments, in order.
    """

    name: str
    agent: str
    kind: str
    args: tuple[str, ...] = ()
    address: Address | None = None
    care: Care = field(default=CARE, repr=False)  # GroupDef.digest has its own word for it


@dataclass(frozen=True, slots=True)
class GroupDef:
    """A resource group: starts left to right, stops right to left, lives on one node.

    `weight_why` is a code for `words`: "weight-known-light" | "weight-unknown-agent" | "weight-tagged" with `weight_of`
    naming the resource (or file) that decided.
    """

    name: str
    prefer: tuple[str, ...]
    resources: tuple[Resource, ...]
    weight: Weight = Weight.HEAVY
    weight_why: str = "weight-unknown-agent"
    weight_of: str = ""
    where: Where = Where("")
    guard: Guard = Guard.AUTO

    @property
    def addresses(self) -> tuple[Address, ...]:
        return tuple(r.address for r in self.resources if r.address is not None)

    @property
    def can_be_gated(self) -> bool:
        """safety.md 6: a heavy group is not gated without a watchdog, one without an address has nothing to gate."""
        return self.weight is Weight.LIGHT and bool(self.addresses)

    @property
    def gated(self) -> bool:
        """The kernel's guard has its addresses, where the kernel can."""
        return self.can_be_gated and self.guard is not Guard.OFF

    @property
    def director(self) -> bool:
        """An LVS director: its packets must pass to real servers that have the address too (safety.md 6)."""
        return any(r.kind in DIRECTORS for r in self.resources)

    def digest(self) -> int:
        """32-bit digest of what the group *is* (not where it was written), to compare nodes.

        What nobody asked for leaves it as it was: a node of an older version shares the definition.
        """
        asked: tuple[object, ...] = () if self.guard is Guard.AUTO else (self.guard,)
        asked += tuple((r.name, r.care) for r in self.resources if r.care != CARE)
        text = repr((self.name, self.prefer, self.resources, self.weight, *asked))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


@dataclass(frozen=True, slots=True)
class PingGroup:
    """Machines that are asked as one: it is up while any of them answers."""

    name: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Respawn:
    """A program kept running beside the resources, as `user`. `argv`: its whole path first."""

    user: str
    argv: tuple[str, ...]
    where: Where = Where("")


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """One node's whole configuration, minus the keys (see links.keys). `pings`: addresses, and names of groups."""

    cluster: str
    nodes: tuple[str, ...]
    links: tuple[Link, ...]
    pings: tuple[str, ...]
    groups: tuple[GroupDef, ...]
    timing: Timing = Timing()
    auto_failback: bool = True
    logfile: str | None = None
    debugfile: str | None = None
    logfacility: str | None = None
    chosen: tuple[Chosen, ...] = ()
    origin: str = "ha.d"
    respawn: tuple[Respawn, ...] = ()  # each node's own affair: no part of the digest
    ping_groups: tuple[PingGroup, ...] = ()

    def asked(self, ping: str) -> tuple[str, ...]:
        """The addresses behind one of `pings`, or that of a gateway."""
        return next((group.members for group in self.ping_groups if group.name == ping), (ping,))

    @property
    def cluster_id(self) -> bytes:
        """8 bytes that tell this cluster from another on the same wire with the same key."""
        return hashlib.sha256("\0".join((self.cluster, *sorted(self.nodes))).encode()).digest()[:8]

    def digest(self) -> int:
        """32-bit digest of all that must be equal on the nodes: groups, nodes and timing."""
        text = repr((sorted(self.nodes), self.timing, self.auto_failback, tuple(g.digest() for g in self.groups)))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")

    def peer_of(self, node: str) -> str:
        """The other node; exactly two in classic mode."""
        (peer,) = [n for n in self.nodes if n != node]
        return peer
