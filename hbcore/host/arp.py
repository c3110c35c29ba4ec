"""Neighbours on the service interfaces: telling them where an address is, asking who has it, hearing who says so.

By ARP for IPv4, by Neighbour Discovery for IPv6 (spelling.py). Owns one packet socket for each of them on an interface.
Invariants: an address is announced again only while this host still has it and the guard leaves it open (a process that
was stopped for an hour must not finish its round, and frames of a packet socket pass every gate); an answer of our own
cards is nobody's answer; silence after a round that could not be sent is marked as such.
Must not know groups, owners or peers: who a MAC belongs to is the engine's question.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

from hbcore.engine.config import MS
from hbcore.engine.events import Seen
from hbcore.host import clock, spelling, sysctl
from hbcore.host.arpport import Port
from hbcore.host.frames import REQUEST, Spoken
from hbcore.host.round import ProbeResult, Round
from hbcore.host.spelling import Spelling

ANNOUNCE_NS = (50 * MS, 200 * MS, 1000 * MS, 2000 * MS, 5000 * MS)  # after the first one, which goes out at once
STEADY_NS = 60_000 * MS  # then one now and then: switches forget a MAC after 300 s
WINDOW_NS = 100 * MS
SEEN_PER_WINDOW = 64  # different sightings told per interface and window; the rest is counted only
MARGIN_S = 0.005

Has = Callable[[str, str], Awaitable[bool]]
Silenced = Callable[[str], bool]


class ArpBook:
    """All interfaces of one daemon, in its running loop.

    `has`: whether this host has an address (on a device) now. `on_seen`: told of what others say about watched
    addresses, at most once per (MAC, address, kind) in 100 ms. `own`: MACs of all our cards, which the caller keeps
    current. `silenced`: whether the guard shuts an address now.
    """

    def __init__(
        self, has: Has, on_seen: Callable[[Seen], None], own: Collection[bytes] = (),
        silenced: Silenced = lambda ip: False,
    ) -> None:  # fmt: skip
        self._has = has
        self._silenced = silenced
        self._on_seen = on_seen
        self._ports: dict[tuple[str, Spelling], Port] = {}
        self._watched: dict[str, frozenset[str]] = {}
        self._rounds: dict[str, set[Round]] = {}
        self._repeating: dict[str, asyncio.Task[None]] = {}
        self._told: dict[str, tuple[int, set[tuple[bytes, str, str]]]] = {}
        self.own = frozenset(own)
        self.unsaid = 0  # sightings above the bound

    def watch(self, addresses: Mapping[str, Iterable[str]]) -> dict[str, str]:
        """Listen on exactly these devices for what is said about these addresses; again after a device came back.

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

    def announce(self, device: str, ip: str, *, at_once: bool = True) -> None:
        """Tell all, in every form they may listen to, at 0, 50, 200 ms, 1, 2, 5 s, then once a minute, until `hush`.

        `at_once`: the first time without asking the guard, which opens a moment after the address is put on.
        """
        self.hush(ip)
        if at_once:
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
        source: str = "",
        confirm: Collection[bytes] = (),
        rounds: int = 3,
        gap_ms: int = 30,
        others: Iterable[str] = (),
    ) -> ProbeResult:
        """Ask for all targets at once, `rounds` times `gap_ms` apart; takes rounds x gap + 5 ms, a gap more in doubt.

        `source`: our base address there, `others`: more of ours, for targets of the other family and to ask again from.
        An answer from a MAC in `confirm` is asked again by unicast, since a switch may answer for a machine that is
        gone. Errors of the card are in the result, not raised.
        """
        one = Round(targets, (source, *others), confirm)
        try:
            ports = {how: self._port(device, how) for how in one.spellings}
        except OSError as error:
            return Round.impossible(one.targets, error)
        self._rounds.setdefault(device, set()).add(one)
        self._settle(device)
        try:
            loop = asyncio.get_running_loop()
            for number in range(rounds):
                for how, port in ports.items():
                    self._send(port, one, one.ask(how, port.mac))
                await asyncio.sleep(max(0.0, one.begun_s + (number + 1) * gap_ms / 1000 - loop.time()))
            await asyncio.sleep(MARGIN_S)
            self._drain(ports.values())  # judge only after all that the kernel has was read
            if one.doubtful():
                for how, port in ports.items():
                    self._send(port, one, one.ask_again(how, port.mac))
                await asyncio.sleep(gap_ms / 1000)
                self._drain(ports.values())
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

    def _port(self, device: str, how: Spelling) -> Port:
        port = self._ports.get((device, how))
        if port is not None and not port.lost:
            return port
        if port is not None:
            self._ports.pop((device, how)).close()
        self._ports[device, how] = fresh = Port(device, how, self._heard)
        fresh.listen(self._interesting(device, how))
        return fresh

    def _interesting(self, device: str, how: Spelling) -> set[str]:
        every = set(self._watched.get(device, ())).union(*(one.targets for one in self._rounds.get(device, ())))
        return {ip for ip in every if spelling.of(ip) is how}

    def _settle(self, device: str) -> None:
        """Have the kernel pass what we want to hear on `device`, and close what we need not hear."""
        for how in spelling.BOTH:
            ips = self._interesting(device, how)
            if ips:
                self._port(device, how).listen(ips)
            elif (device, how) in self._ports:
                self._ports.pop((device, how)).close()
        if device not in self._watched:
            self._told.pop(device, None)

    @staticmethod
    def _drain(ports: Iterable[Port]) -> None:
        for port in ports:
            port.drain()

    def _send(self, port: Port, one: Round, frames: Iterable[bytes]) -> None:
        for frame in frames:
            one.note_sent(port.send(frame))

    def _tell(self, device: str, ip: str) -> None:
        how = spelling.of(ip)
        with contextlib.suppress(OSError):  # no such card now: it is told when it is back
            port = self._port(device, how)
            for frame in how.tell(port.mac, ip, router=sysctl.is_router(device)):
                port.send(frame)
            self._settle(device)

    async def _repeat(self, device: str, ip: str) -> None:
        start = clock.now_ns()
        for after in ANNOUNCE_NS:
            await asyncio.sleep(max(0, start + after - clock.now_ns()) / 1e9)
            if not await self._tell_again(device, ip):
                return
        while True:
            await asyncio.sleep(STEADY_NS / 1e9)
            if not await self._tell_again(device, ip):
                return

    async def _tell_again(self, device: str, ip: str) -> bool:
        """False where this host has it no more; where it is shut nothing is said this time."""
        if not await self._has(ip, device):
            return False
        if not self._silenced(ip):
            self._tell(device, ip)
        return True

    def _heard(self, port: Port, spoken: Spoken, at_ns: int) -> None:
        own = self.own | {port.mac}
        if spoken.source in own or spoken.frame_source in own:
            return
        for one in self._rounds.get(port.device, ()):
            again = one.take(spoken, at_ns, port.mac)
            if again is not None:
                self._send(port, one, [again])
        watched = self._watched.get(port.device, frozenset())
        if spoken.sender in watched:
            self._sight(Seen(port.device, spoken.sender, spoken.source, "announce", at_ns))
        elif spoken.op == REQUEST and spoken.target in watched:
            self._sight(Seen(port.device, spoken.target, spoken.source, "probe", at_ns))

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
