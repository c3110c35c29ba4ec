"""All links of this node as one: what a beat is on each kind of them, and what became of each beat received.

Owns which format goes with which carrier. Invariant: `drain` reads every carrier before it says anything, and each
datagram comes out as a beat, as a page of connections, or as one reason why it is neither. Must not judge a peer.
"""

from __future__ import annotations

import select
from dataclasses import dataclass

from hbcore.engine.beat import Beat, LifeKey
from hbcore.engine.config import SECOND, ClusterConfig
from hbcore.engine.flows import Flows, Page
from hbcore.engine.keys import Key, Keyring
from hbcore.links import compact, pages, wire
from hbcore.links.health import Datagram, Health
from hbcore.links.serial import SerialLines
from hbcore.links.sockets import Clock
from hbcore.links.udp import UdpLinks
from hbcore.links.wire import Reject

LATELY_NS = 3 * SECOND  # how long it is told what a link brought that was no beat


@dataclass(frozen=True, slots=True)
class Received:
    """A datagram or frame of a link, read. `at_ns`: when it came, CLOCK_BOOTTIME."""

    link: str
    at_ns: int
    beat: Beat | Page | Reject


class Carriers:
    """`health`: by link."""

    def __init__(self, config: ClusterConfig, clock: Clock) -> None:
        self._cluster, self._nodes = config.cluster_id, len(config.nodes)
        self._udp = UdpLinks([link for link in config.links if link.on_network], config.timing, clock)
        self._serial = SerialLines(config.links, clock)
        self.health: dict[str, Health] = {
            link.name: (self._udp if link.on_network else self._serial).health[link.name] for link in config.links
        }
        self._clock = clock
        self._refused: dict[str, tuple[int, str, dict[str, str]]] = {}  # by link: when, and why, as words say it
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

    def send_flows(self, node: int, life: LifeKey, flows: Flows, key: Key) -> None:
        """A list of connections, on the network links only: it is for convenience, and serial lines are narrow."""
        for datagram in pages.encode(node, life, self._clock.now_ns(), flows, self._cluster, key):
            self._udp.send(datagram)

    def drain(self, most: int, keys: Keyring) -> list[Received]:
        """All that came, those of one link in order of arrival; of datagrams at most `most`."""
        datagrams, frames = self._udp.drain(most), self._serial.drain(most)
        said = [(d, read(d.data, keys, self._cluster, self._nodes)) for d in datagrams]
        for datagram, beat in said:
            if isinstance(beat, Reject):
                self._refuse(datagram, _why(datagram.data, beat, self._cluster), key=datagram.data[5:6])
        lines = [(d, compact.decode(d.data, keys, self._cluster, self._nodes)) for d in frames]
        for frame, beat in lines:
            if isinstance(beat, Reject):
                number = bytes([frame.data[0] & 15]) if frame.data else b""
                self._refuse(frame, _LINE.get(beat, "link-noise"), key=number)
        return [Received(d.link, d.at_ns, beat) for d, beat in (*said, *lines)]

    def _refuse(self, datagram: Datagram, code: str, *, key: bytes) -> None:
        details = {"source": datagram.source, "key": str(int.from_bytes(key, "big"))}
        self._refused[datagram.link] = (datagram.at_ns, code, details)

    @property
    def refused(self) -> dict[str, tuple[str, dict[str, str]]]:
        """By link: the last thing it brought that was no beat, where that was lately; as `words` say it."""
        now_ns = self._clock.now_ns()
        return {
            link: (code, details)
            for link, (at_ns, code, details) in self._refused.items()
            if now_ns - at_ns <= LATELY_NS
        }


def read(data: bytes, keys: Keyring, cluster: bytes, nodes: int) -> Beat | Page | Reject:
    """What a datagram is; `nodes`: how many the configuration has."""
    decode = pages.decode if data.startswith(pages.MAGIC) else wire.decode
    return decode(data, keys, cluster, nodes)


_LINE = {Reject.BAD_SIGNATURE: "link-wrong-key", Reject.UNKNOWN_KEY: "link-unknown-key"}


def _why(data: bytes, reject: Reject, cluster: bytes) -> str:
    """The code for `words`. Whose key is not ours, and who does not even say that it is of this cluster, is of
    another.
    """
    match reject:
        case Reject.BAD_SIGNATURE | Reject.UNKNOWN_KEY if wire.speaks_for(data) != cluster:
            return "link-stranger"
        case Reject.BAD_SIGNATURE:
            return "link-wrong-key"
        case Reject.UNKNOWN_KEY:
            return "link-unknown-key"
        case Reject.FOREIGN_CLUSTER:
            return "link-foreign-cluster"
        case Reject.OLD_HEARTBEAT:
            return "link-old-heartbeat"
        case Reject.VERSION:
            return "link-other-version"
        case _:
            return "link-no-beats"
