"""What pulse counts for people: datagrams by class, and machines that beat in the name of another one.

Owns the counters and for how long such a machine is spoken of. Must not know why a datagram is what it is.
"""

from __future__ import annotations

from collections import Counter

from hbcore.engine.config import SECOND
from hbcore.engine.heart import Heart
from hbcore.host import pipe
from hbcore.links.carriers import Carriers

NAMESAKE_NS = 5 * SECOND  # so long it is told after its last beat


class Counts:
    def __init__(self, deadtime_ns: int) -> None:
        self._classes: Counter[str] = Counter()
        self._named_ns = max(NAMESAKE_NS, deadtime_ns)

    def add(self, kind: str) -> None:
        self._classes[kind] += 1

    def told(self, links: Carriers, realtime: str, heart: Heart, now_ns: int) -> pipe.Counts:
        troubles = {name: (h.trouble, dict(h.details)) for name, h in links.health.items()}
        own = tuple(name for name, h in links.health.items() if h.own)
        named = heart.namesake[1] if heart.refused else self._recent(heart.namesake, now_ns)
        beside = self._recent(heart.beside, now_ns)
        return pipe.Counts(dict(self._classes), troubles, own, realtime, links.refused, named, beside)

    def _recent(self, met: tuple[int, tuple[bytes, ...]], now_ns: int) -> tuple[bytes, ...]:
        at_ns, macs = met
        return macs if at_ns > 0 and now_ns - at_ns < self._named_ns else ()
