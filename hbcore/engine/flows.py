"""Clients' TCP connections, as the owner of an address tells the other node of them: shapes, bounds, and when.

Owns which connections are told (the newest), and when a list is told again. Invariant: however many there are, no more
than MAX_FLOWS are kept. Must not know sockets, nor what the list is for (docs/decisions/0013-old-connections.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from hbcore.engine.beat import LifeKey
from hbcore.engine.config import SECOND

MAX_FLOWS = 1000  # of a node: the newest
MAX_PAGES = 64  # of a list: 1,000 connections over IPv6 have 17 with the longest signature, and each address costs some
AGAIN_NS = 5 * SECOND  # a list that did not change is told again: one may have been lost, or the other node come


class Flow(NamedTuple):
    """One connection to an address of ours. `client`: packed, 4 or 16 bytes, as many as that address has."""

    port: int
    client: bytes
    client_port: int


def is_host(packed: bytes) -> bool:
    """Of one machine, and not this one: neither multicast, loopback nor unspecified, nor IPv4 spelled as IPv6."""
    if len(packed) == 4:
        return 0 < packed[0] < 224 and packed[0] != 127
    return packed[0] != 0xFF and any(packed[:10])


Flows = tuple[tuple[str, tuple[Flow, ...]], ...]  # by address (text): all its connections; one without any is named too


@dataclass(frozen=True, slots=True)
class Page:
    """One datagram's share of a list. `number`: of the list, later ones have higher; `part` of `parts`, from 0."""

    node: int
    life: LifeKey
    number: int
    part: int
    parts: int
    flows: Flows


@dataclass(slots=True)
class Roll:
    """The owner's side: what it sees at each look becomes the list that is told."""

    flows: Flows = ()
    _known: dict[tuple[str, Flow], None] = field(default_factory=dict)  # in the order in which they were first seen
    _told: Flows = ()
    _told_ns: int = 0

    def look(self, seen: Mapping[str, Iterable[Flow]], now_ns: int) -> bool:
        """`seen`: by address that is held here, all its connections. Whether `flows` is to be told now: it changed, or
        names connections and was not told for a while. An address that is gone is not named, and that tells nothing:
        the other node keeps what it knew of it.
        """
        there = {(ip, flow): None for ip, flows in seen.items() for flow in flows}
        kept = {key: None for key in self._known if key in there}
        self._known = dict(list((kept | there).items())[-MAX_FLOWS:])
        lists: dict[str, list[Flow]] = {ip: [] for ip in sorted(seen)}
        for ip, flow in self._known:
            lists[ip].append(flow)
        self.flows = tuple((ip, tuple(flows)) for ip, flows in lists.items())
        due = bool(self._known) and now_ns - self._told_ns >= AGAIN_NS
        if not self.flows or (self.flows == self._told and not due):
            return False
        self._told, self._told_ns = self.flows, now_ns
        return True
