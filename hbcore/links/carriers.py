"""All links of this node as one: what a beat is on each kind of them, and what became of each beat received.

Owns which format goes with which carrier. Invariant: `drain` reads every carrier before it says anything, and each
datagram comes out as a beat or as one reason why it is none. Must not judge a peer.
"""

from __future__ import annotations

import select
from collections.abc import Sequence
from dataclasses import dataclass

from hbcore.engine.beat import Beat
from hbcore.engine.config import ClusterConfig
from hbcore.engine.keys import Key, Keyring
from hbcore.links import compact, wire
from hbcore.links.health import Datagram, Health
from hbcore.links.serial import SerialLines
from hbcore.links.sockets import Clock
from hbcore.links.udp import UdpLinks
from hbcore.links.wire import Reject


@dataclass(frozen=True, slots=True)
class Received:
    """A datagram or frame of a link, read. `at_ns`: when it came, CLOCK_BOOTTIME."""

    link: str
    at_ns: int
    beat: Beat | Reject


class Carriers:
    """`health`: by link."""

    def __init__(self, config: ClusterConfig, clock: Clock) -> None:
        self._cluster, self._nodes = config.cluster_id, len(config.nodes)
        self._udp = UdpLinks([link for link in config.links if link.on_network], config.timing, clock)
        self._serial = SerialLines(config.links, clock)
        self.health: dict[str, Health] = {
            link.name: (self._udp if link.on_network else self._serial).health[link.name] for link in config.links
        }
        self._poll = select.epoll()
        for carrier in (self._udp, self._serial):
            self._poll.register(carrier.fileno(), select.EPOLLIN)

    @property
    def dry(self) -> bool:
        """Whether the last `drain` read all there was; where not, drain again before judging anyone."""
        return self._udp.dry and self._serial.dry

    def fileno(self) -> int:
        """For the caller's poll; it stays the same."""
        return self._poll.fileno()

    def open(self) -> None:
        """Raises LinkError; then nothing stays open. A device that is not there is no error."""
        self._udp.open()
        self._serial.open()

    def close(self) -> None:
        self._udp.close()
        self._serial.close()

    def send(self, beat: Beat, key: Key) -> None:
        """One beat on every link; what cannot be sent is counted in `health`."""
        self._udp.send(wire.encode(beat, key))
        self._serial.send(lambda rich: compact.encode(beat, key, rich=rich))

    def drain(self, most: int, keys: Keyring) -> list[Received]:
        """All that came, those of one link in order of arrival; of datagrams at most `most`."""
        datagrams, frames = self._udp.drain(most), self._serial.drain(most)
        return [
            *self._read(datagrams, [wire.decode(d.data, keys, self._cluster, self._nodes) for d in datagrams]),
            *self._read(frames, [compact.decode(d.data, keys, self._cluster, self._nodes) for d in frames]),
        ]

    def _read(self, datagrams: Sequence[Datagram], beats: Sequence[Beat | Reject]) -> list[Received]:
        return [Received(d.link, d.at_ns, beat) for d, beat in zip(datagrams, beats, strict=True)]
