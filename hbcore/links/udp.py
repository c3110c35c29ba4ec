"""UDP links: multicast, unicast and broadcast, the sockets that beats travel on.

Owns those sockets and their troubles. Invariant: only what was sent to a configured link's device, port and address
comes out of `drain`; a device that is down, missing or back costs counted errors, never an exception after `open`.
Must not know what is inside a datagram, nor judge a peer by its silence.
"""

from __future__ import annotations

import errno
import math
import select
import socket
from collections.abc import Iterable

from hbcore.engine.beat import MAX_BYTES
from hbcore.engine.config import Link, Media, Timing
from hbcore.links.families import Family, Ipv4, Ipv6
from hbcore.links.health import Datagram, Health
from hbcore.links.sockets import (
    ANCILLARY,
    CHECK_NS,
    SO_RCVBUFFORCE,
    TC_PRIO_INTERACTIVE,
    Clock,
    LinkError,
    Noted,
    broadcast_of,
    noted,
    own_addresses,
    reason,
    stamp,
)

BATCH = 64  # datagrams read from one socket before the others have their turn
BUFFER_DEADTIMES = 4  # a receive buffer holds the beats of so many deadtimes...
BUFFER_LEAST = 1 << 20  # ...and never less than this: after a long stall the newest beats are those that found no room
BEAT_COST = 2304  # bytes of buffer the kernel charges for one queued full-sized beat (skb->truesize), at most

_GONE = frozenset({errno.ENODEV, errno.ENXIO})
_OPEN_CODES = {errno.EACCES: "link-port-denied", errno.EPERM: "link-port-denied", errno.EADDRINUSE: "link-port-busy"}
_SEND_CODES = {
    errno.ENETUNREACH: "link-unreachable",
    errno.EHOSTUNREACH: "link-unreachable",
    errno.ENETDOWN: "link-unreachable",
}


class UdpLinks:
    """All UDP links of this node.

    `fileno()` is one descriptor for the caller's poll, readable while any link has something to read; it stays the same
    when sockets come and go. A port below 1024 is bound again after its device came back: keep the right to.
    """

    def __init__(self, links: Iterable[Link], timing: Timing, clock: Clock, peers: int = 1) -> None:
        """`clock`: the host's clock module. `peers`: how many other nodes send here."""
        paths: dict[tuple[object, ...], list[Link]] = {}
        for link in links:
            paths.setdefault(_path(link), []).append(link)
        self.health = {link.name: Health() for lines in paths.values() for link in lines}
        self.dry = True
        self._clock = clock
        self._check_ns = 0
        self._poll = select.epoll()
        mcast_ports = {lines[0].port for lines in paths.values() if lines[0].to_group}
        self._sockets = [
            _Socket(lines, lines[0].port in mcast_ports, _buffer(timing, peers * len(lines)), self.health, self._poll)
            for lines in paths.values()
        ]

    def fileno(self) -> int:
        return self._poll.fileno()

    def open(self) -> None:
        """Open all links. A device that is not there is no error: it is looked for again.

        Raises LinkError: link-port-denied, link-port-busy, link-open-failed. Then nothing stays open.
        """
        for sock in self._sockets:
            error = sock.open()
            if error is not None and error.code != "link-no-device":
                self.close()
                raise error
        self._look_around()

    def close(self) -> None:
        """Close all sockets; `open` opens them again."""
        for sock in self._sockets:
            sock.close()

    def send(self, data: bytes) -> None:
        """Send one datagram on every link; what cannot be sent is counted in `health`."""
        if self._clock.now_ns() >= self._check_ns:
            for sock in self._sockets:
                sock.check()
            self._look_around()
        for sock in self._sockets:
            sock.send(data)

    def _look_around(self) -> None:
        self._check_ns = self._clock.now_ns() + CHECK_NS
        addresses = own_addresses()
        for sock in self._sockets:
            sock.look_for_own(addresses)

    def drain(self, most: int = 10_000) -> list[Datagram]:
        """All queued datagrams, those of one socket in order of arrival. At most `most` are read, strays included.

        Afterwards `dry` tells whether every socket was read empty; where not, drain again before judging anyone.
        """
        floor_ns = self._clock.now_ns()
        out: list[Datagram] = []
        waiting = list(self._sockets)
        while waiting and most > 0:
            for sock in tuple(waiting):
                batch = min(BATCH, most)
                read = sock.read(batch, self._clock, out)
                most -= read
                if read < batch:  # it was empty, and later than floor_ns
                    sock.floor_ns = floor_ns
                    waiting.remove(sock)
        self.dry = not waiting
        return out


def _path(link: Link) -> tuple[object, ...]:
    """Links of one path share a socket: a multicast group, or all other lines of one family, device and port. Of two
    sockets on one port each packet for this machine comes to one only.
    """
    return _six(link), link.device, link.port, link.target if link.to_group else ""


def _six(link: Link) -> bool:
    return link.media in (Media.MCAST6, Media.UCAST6)


def _buffer(timing: Timing, senders: int) -> int:
    beats = math.ceil(timing.deadtime_ns / timing.keepalive_ns) * senders
    return max(BUFFER_LEAST, BUFFER_DEADTIMES * beats * BEAT_COST)


class _Socket:
    """One socket and the links on it: one multicast link, or the unicast and broadcast lines of one device and port."""

    def __init__(
        self, links: list[Link], shared: bool, buffer: int, health: dict[str, Health], poll: select.epoll
    ) -> None:
        self.floor_ns = 0  # a time when the socket was empty: what is read next came later
        self._links = links
        self._shared = shared  # a multicast group and unicast live on one port: both must allow that
        self._buffer = buffer
        self._health = {link.name: health[link.name] for link in links}
        self._poll = poll
        self._sock: socket.socket | None = None
        self._ifindex = 0
        self._dropped = 0
        self._family: Family = Ipv6() if _six(links[0]) else Ipv4()
        self._by_source = {link.target: link.name for link in links if link.to_peer}
        self._broadcast = next((link.name for link in links if link.media is Media.BCAST), None)
        self._broadcast_ip = ""

    # -- opening -------------------------------------------------------------------------------------------------------

    def open(self) -> LinkError | None:
        """Open it, or say why that failed; the links' health says it too."""
        assert self._sock is None, "close first"
        link = self._links[0]
        try:
            self._ifindex = socket.if_nametoindex(link.device)
            flags = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            sock = socket.socket(self._family.number, socket.SOCK_DGRAM | flags)
            try:
                self._prepare(sock, link)
                self._poll.register(sock.fileno(), select.EPOLLIN)
            except BaseException:
                sock.close()
                raise
        except OSError as error:
            return self._troubled(self._open_error(error, link))
        self._sock, self._dropped = sock, 0
        return self._troubled(None)

    def _prepare(self, sock: socket.socket, link: Link) -> None:
        """Options before the bind, so that nothing unstamped or from elsewhere is ever queued."""
        stamp(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, TC_PRIO_INTERACTIVE)
        self._family.note(sock)
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, self._buffer)
        except PermissionError:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer)  # as much as net.core.rmem_max allows
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.device.encode())
        except PermissionError:  # before Linux 5.7, without the right: the packet's own note must do
            self._family.steer(sock, self._ifindex)
        if not link.to_group:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, self._shared)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, self._broadcast is not None)
            sock.bind(("", link.port))
            return
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(self._family.place(link.target, link.port, self._ifindex))
        self._family.join(sock, link.target, self._ifindex, link.ttl, link.loop)

    def _open_error(self, error: OSError, link: Link) -> LinkError:
        # if_nametoindex reports a missing device as ENODEV, or as an error without a number
        if error.errno is None or error.errno in _GONE:
            return LinkError("link-no-device", device=link.device)
        code = _OPEN_CODES.get(error.errno, "link-open-failed")
        return LinkError(code, device=link.device, port=str(link.port), error=reason(error))

    def _troubled(self, error: LinkError | None) -> LinkError | None:
        for health in self._health.values():
            health.trouble, health.details = (error.code, error.details) if error else ("", {})
        return error

    def look_for_own(self, addresses: set[str]) -> None:
        """`addresses`: this machine's."""
        for link in self._links:
            self._health[link.name].own = link.target in addresses
        if self._broadcast is not None:
            self._broadcast_ip = broadcast_of(self._links[0].device)

    def check(self) -> None:
        """Open what is closed; close what hangs on a device that is gone, or another one of the same name now."""
        if self._sock is None:
            self.open()
            return
        try:
            same = socket.if_nametoindex(self._links[0].device) == self._ifindex
        except OSError:
            same = False
        if not same:
            self.close()
            self.open()

    def close(self) -> None:
        if self._sock is not None:
            self._poll.unregister(self._sock.fileno())
            self._sock.close()
            self._sock = None
        self._troubled(LinkError("link-closed"))

    # -- traffic -------------------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        for link in self._links:
            health = self._health[link.name]
            if health.own:
                continue
            if self._sock is None:
                health.unsent += 1
                continue
            target = link.target or self._broadcast_ip
            if not target:
                health.unsent += 1
                health.trouble, health.details = "link-no-broadcast", {"device": link.device}
                continue
            try:
                self._sock.sendto(data, self._family.place(target, link.port, self._ifindex))
            except OSError as error:
                health.unsent += 1
                code = _SEND_CODES.get(error.errno or 0, "link-send-failed")
                health.trouble = code
                health.details = {"device": link.device, "target": target, "error": reason(error)}
            else:
                health.sent += 1
                health.trouble, health.details = "", {}

    def read(self, most: int, clock: Clock, out: list[Datagram]) -> int:
        """Read up to `most` datagrams, append those meant for our links, return how many were read."""
        if self._sock is None:
            return 0
        for read in range(most):
            try:
                data, ancillary, _, (source, *_) = self._sock.recvmsg(MAX_BYTES + 1, ANCILLARY)
            except BlockingIOError:
                return read
            except OSError:  # an error the device left on the socket: reading took it away
                continue
            note = noted(ancillary)
            source = source.partition("%")[0]
            link = self._link_of(source, note)
            health = self._health[link or self._links[0].name]
            if note.dropped:  # not noted while there were none
                health.dropped += (note.dropped - self._dropped) % 2**32
                self._dropped = note.dropped
            if link is None:
                health.stray += 1
            else:
                health.heard += 1
                out.append(Datagram(link, data, note.arrived_ns(clock, self.floor_ns), source))
        return most

    def _link_of(self, source: str, note: Noted) -> str | None:
        """The name of the link that a packet came on, None for a stray.

        A unicast packet from an address that no line names (the peer's other address) counts for the first peer's line:
        who speaks is for the signature to say.
        """
        if note.ifindex != self._ifindex:
            return None
        if self._links[0].to_group:
            return self._links[0].name if note.destination == self._family.packed(self._links[0].target) else None
        if note.destination != note.local:  # not for this machine alone
            to_all = self._broadcast_ip and note.destination == self._family.packed(self._broadcast_ip)
            return self._broadcast if to_all else None
        if not self._by_source:
            return None
        others = (name for name in self._by_source.values() if not self._health[name].own)
        return self._by_source.get(source) or next(others, next(iter(self._by_source.values())))
