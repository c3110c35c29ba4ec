"""The typed configuration: what every part of a node agrees on.

Owns the shapes that `formats` produces and the engine, the links and the agents consume.
Invariant: a `ClusterConfig` that exists is valid; problems are found before it is built.
Must not know files, sockets or sentences.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

MS = 1_000_000
SECOND = 1_000_000_000


class Weight(StrEnum):
    """Whether a group may run twice for a moment (safety.md 1)."""

    LIGHT = "light"
    HEAVY = "heavy"


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
    """Nanoseconds. Relations (safety.md 1): L + W + h + slack <= D, initdead >= deadtime."""

    keepalive_ns: int = 100 * MS
    warntime_ns: int = 250 * MS
    deadtime_ns: int = 500 * MS
    initdead_ns: int = 12 * SECOND
    deadping_ns: int = 500 * MS


@dataclass(frozen=True, slots=True)
class Chosen:
    """A value the files left out: what applies here, and what heartbeat would have used."""

    option: str
    ours: str
    heartbeats: str


class Media(StrEnum):
    MCAST = "mcast"
    UCAST = "ucast"


@dataclass(frozen=True, slots=True)
class Link:
    """One path for beats. `name` is unique, e.g. "eth0" or "eth0.2" for a second one on eth0.

    MCAST: `target` is the group, `ttl` and `loop` apply. UCAST: `target` is the peer's address;
    a ucast line naming one of my own addresses is harmless (ha.cf may be the same on all nodes).
    """

    name: str
    media: Media
    device: str
    target: str
    port: int
    ttl: int = 1
    loop: bool = False
    where: Where = Where("")


@dataclass(frozen=True, slots=True)
class Address:
    """An IPv4 address resource as written; None means: found from the subnet's interface."""

    ip: str
    prefix: int | None = None
    device: str | None = None
    broadcast: str | None = None


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

    @property
    def addresses(self) -> tuple[Address, ...]:
        return tuple(r.address for r in self.resources if r.address is not None)

    def digest(self) -> int:
        """32-bit digest of what the group *is* (not where it was written), to compare nodes."""
        text = repr((self.name, self.prefer, self.resources, self.weight))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """One node's whole configuration, minus the keys (see links.keys)."""

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
