"""ARP on the service interfaces: telling the neighbours, asking who has an address, hearing who says it has ours.

Owns one packet socket per interface. Invariants: an address is announced again only while this host still has it (a
process that was stopped for an hour must not finish its round); an answer of our own cards is nobody's answer; silence
after a round that could not be sent is marked as such.
Must not know groups, owners or peers: who a MAC belongs to is the engine's question.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

from hbcore.engine.config import MS
from hbcore.engine.events import Seen
from hbcore.host import clock
from hbcore.host.arpport import Port
from hbcore.host.frames import ANY, REPLY, REQUEST, Arp, build
from hbcore.host.round import ProbeResult, Round

ANNOUNCE_NS = (50 * MS, 200 * MS, 1000 * MS, 2000 * MS, 5000 * MS)  # after the first one, which goes out at once
STEADY_NS = 60_000 * MS  # then one now and then: switches forget a MAC after 300 s
WINDOW_NS = 100 * MS
SEEN_PER_WINDOW = 64  # different sightings told per interface and window; the rest is counted only
MARGIN_S = 0.005

Has = Callable[[str], Awaitable[bool]]


class ArpBook:
    """All interfaces of one daemon, in its running loop.

    `has`: whether this host has an address now. `on_seen`: told of foreign ARP about watched addresses, at most once
    per (MAC, address, kind) in 100 ms. `own`: MACs of all our cards, kept current by the caller.
    """

    def __init__(self, has: Has, on_seen: Callable[[Seen], None], own: Collection[bytes] = ()) -> None:
        self._has = has
        self._on_seen = on_seen
        self._ports: dict[str, Port] = {}
        self._watched: dict[str, frozenset[str]] = {}
        self._rounds: dict[str, set[Round]] = {}
        self._repeating: dict[str, asyncio.Task[None]] = {}
        self._told: dict[str, tuple[int, set[tuple[bytes, str, str]]]] = {}
        self.own = frozenset(own)
        self.unsaid = 0  # sightings above the bound

    def watch(self, addresses: Mapping[str, Iterable[str]]) -> dict[str, str]:
        """Listen on exactly these devices for ARP about these addresses; again after a device came back.

        Gives the devices that cannot be listened on, each with the name of its errno (ENODEV, EPERM).
        """
        deaf: dict[str, str] = {}
        for device in set(self._watched) - set(addresses):
            del self._watched[device]
            self._settle(device)
        for device, ips in addresses.items():
            self._watched[device] = frozenset(ips)
            try:
                self._settle(device)
            except OSError as error:
                deaf[device] = errno.errorcode.get(error.errno or 0, "EIO")
        return deaf

    def announce(self, device: str, ip: str) -> None:
        """Gratuitous ARP, request and reply form, at 0, 50, 200 ms, 1, 2, 5 s, then one a minute, until `hush`."""
        self.hush(ip)
        self._tell(device, ip)
        self._repeating[ip] = asyncio.get_running_loop().create_task(self._repeat(device, ip), name=f"announce {ip}")

    def hush(self, ip: str) -> None:
        task = self._repeating.pop(ip, None)
        if task is not None:
            task.cancel()

    async def probe(
        self,
        device: str,
        targets: Iterable[str],
        source: str = ANY,
        confirm: Collection[bytes] = (),
        rounds: int = 3,
        gap_ms: int = 30,
    ) -> ProbeResult:
        """Ask for all targets at once, `rounds` times `gap_ms` apart; takes rounds x gap + 5 ms, a gap more in doubt.

        `source`: our base address there. An answer from a MAC in `confirm` is asked again by unicast, since a switch
        may answer for a machine that is gone. Errors of the card are in the result, not raised.
        """
        try:
            port = self._port(device)
        except OSError as error:
            return Round.impossible(targets, error)
        one = Round(targets, source or ANY, confirm)
        self._rounds.setdefault(device, set()).add(one)
        self._settle(device)
        try:
            loop = asyncio.get_running_loop()
            for number in range(rounds):
                self._send(port, one, one.ask(port.mac))
                await asyncio.sleep(max(0.0, one.begun_s + (number + 1) * gap_ms / 1000 - loop.time()))
            await asyncio.sleep(MARGIN_S)
            port.drain()  # judge only after all that the kernel has was read
            if one.doubtful():
                if one.asks_late:
                    self._send(port, one, one.ask_again(port.mac))
                await asyncio.sleep(gap_ms / 1000)
                port.drain()
            return one.result()
        finally:
            self._rounds[device].discard(one)
            with contextlib.suppress(OSError):  # the card went away meanwhile; the result says so
                self._settle(device)

    def close(self) -> None:
        for ip in list(self._repeating):
            self.hush(ip)
        for port in self._ports.values():
            port.close()
        self._ports.clear()

    def _port(self, device: str) -> Port:
        port = self._ports.get(device)
        if port is not None and not port.lost:
            return port
        if port is not None:
            self._ports.pop(device).close()
        self._ports[device] = fresh = Port(device, self._heard)
        fresh.listen(self._interesting(device))
        return fresh

    def _interesting(self, device: str) -> set[str]:
        return set(self._watched.get(device, ())).union(*(one.targets for one in self._rounds.get(device, ())))

    def _settle(self, device: str) -> None:
        """Have the kernel pass what we want to hear on `device`, or close where that is nothing."""
        ips = self._interesting(device)
        if ips or device in self._watched:
            self._port(device).listen(ips)
        elif device in self._ports:
            self._ports.pop(device).close()
            self._told.pop(device, None)

    def _send(self, port: Port, one: Round, frames: Iterable[bytes]) -> None:
        for frame in frames:
            one.note_sent(port.send(frame))

    def _tell(self, device: str, ip: str) -> None:
        try:
            port = self._port(device)
        except OSError:
            return  # no card to tell anybody with; the next repeat tries again
        for op in (REQUEST, REPLY):
            port.send(build(op, port.mac, ip, ip))
        self._let_go(device)

    def _let_go(self, device: str) -> None:
        if device not in self._watched and not self._rounds.get(device):
            self._ports.pop(device).close()

    async def _repeat(self, device: str, ip: str) -> None:
        start = clock.now_ns()
        for after in ANNOUNCE_NS:
            await asyncio.sleep(max(0, start + after - clock.now_ns()) / 1e9)
            if not await self._has(ip):
                return
            self._tell(device, ip)
        while True:
            await asyncio.sleep(STEADY_NS / 1e9)
            if not await self._has(ip):
                return
            self._tell(device, ip)

    def _heard(self, port: Port, arp: Arp, at_ns: int) -> None:
        own = self.own | {port.mac}
        if arp.source in own or arp.frame_source in own:
            return
        for one in self._rounds.get(port.device, ()):
            again = one.take(arp, at_ns, port.mac)
            if again is not None:
                self._send(port, one, [again])
        watched = self._watched.get(port.device, frozenset())
        if arp.sender in watched:
            self._sight(Seen(port.device, arp.sender, arp.source, "announce", at_ns))
        elif arp.op == REQUEST and arp.target in watched:
            self._sight(Seen(port.device, arp.target, arp.source, "probe", at_ns))

    def _sight(self, seen: Seen) -> None:
        begun, told = self._told.get(seen.device, (0, set()))
        if seen.at_ns - begun >= WINDOW_NS:
            begun, told = seen.at_ns, set()
            self._told[seen.device] = (begun, told)
        key = (seen.mac, seen.ip, seen.kind)
        if key in told:
            return
        if len(told) >= SEEN_PER_WINDOW:
            self.unsaid += 1
            return
        told.add(key)
        self._on_seen(seen)
