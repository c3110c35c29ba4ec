"""The two protocols in which neighbours ask for an address and say that they have one: ARP and Neighbour Discovery.

Owns the choice between them. Invariant: an address is spoken of in one of them only.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from hbcore.host import frames, ndp
from hbcore.host.frames import Spoken
from hbcore.host.placing import is_ipv6


class Spelling(Protocol):
    """What `frames` and `ndp` both offer. ANY: the source of who has no address; ANYONE: where answers to it go."""

    ETHERTYPE: int
    ANY: str
    ANYONE: str

    def ask(self, mac: bytes, source: str, ip: str, to: bytes | None = None) -> bytes: ...

    def tell(self, mac: bytes, ip: str, *, router: bool = False) -> list[bytes]: ...

    def read(self, frame: bytes) -> Spoken | None: ...

    def only_about(self, ips: Collection[str]) -> bytes: ...

    def groups(self, ips: Collection[str]) -> frozenset[str]: ...


BOTH: tuple[Spelling, ...] = (frames, ndp)


def of(ip: str) -> Spelling:
    return ndp if is_ipv6(ip) else frames
