"""What the host says: its addresses, cards and time of day, looked at anew whenever the kernel reports.

Owns the last look, and who is told of it: the engine, pulse, ARP. Invariant: pulse knows the places of addresses before
the engine may hold anything there; what was looked at is by the definitions that are in force. Must not know the table.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from hbcore.daemon import facts
from hbcore.engine import events
from hbcore.engine.config import ClusterConfig, GroupDef
from hbcore.engine.effects import Note
from hbcore.engine.engine import Engine
from hbcore.host import clock, pipe
from hbcore.host.address import Addresses
from hbcore.host.arp import ArpBook
from hbcore.host.netlink import AddressEvent, LinkEvent


class Step(Protocol):
    def __call__(self, *facts: events.Event) -> None: ...


class Lookout:
    """`step`: to the engine. `send`: to pulse; `read`: takes in what pulse said already. `own`: our own addresses by
    device, as last looked at.
    """

    def __init__(
        self, config: ClusterConfig, config_dir: Path, engine: Engine, addresses: Addresses, arp: ArpBook, *,
        step: Step, send: Callable[[pipe.Places | pipe.Watch], None], note: Callable[[Note], object],
        read: Callable[[], None],
    ) -> None:  # fmt: skip
        self.own: dict[str, tuple[str, ...]] = {}
        self._config, self._config_dir = config, config_dir
        self._engine, self._addresses, self._arp = engine, addresses, arp
        self._step, self._send, self._note, self._read = step, send, note, read
        self._places: tuple[pipe.Place, ...] = ()
        self._looked: tuple[GroupDef, ...] = ()  # what the groups ran by then, () = not yet, or a look is on its way
        self._deaf: dict[str, str] = {}

    def outdated(self) -> bool:
        """Whether the groups run by others since the last look; said once."""
        if not self._looked or self._looked == self._engine.definitions:
            return False
        self._looked = ()
        return True

    async def refresh(self, *before: events.Event) -> None:
        """What the host says now; told on only where it changed. `before`: what the engine takes with it, so that its
        first words name this machine's cards: pulse listens for its own name by them (heart.py).
        """
        while True:
            by = self._engine.definitions
            look = await facts.gather(self._config, by, self._addresses, self._config_dir)
            self._arp.own = await self._addresses.own_macs()
            if by == self._engine.definitions:  # else pulse would be told the places of before
                break
        found, self.own, self._looked = look.facts, look.own, by
        watched: dict[str, list[str]] = {}
        for group in found.groups:
            if group.device:
                ips = [a.ip for g in by if g.name == group.group for a in g.addresses]
                watched.setdefault(group.device, []).extend(ips)
        self._hearing(self._arp.watch(watched))
        if look.places != self._places:
            self._places = look.places
            self._send(pipe.Places(look.places))  # before the engine may hold anything there
        self._step(events.Wall(clock.unix_ns()), *before, found)
        gateways = {g.control for g in found.groups if g.control} - set(self._config.pings)
        if gateways:
            self._send(pipe.Watch(tuple(sorted(gateways))))

    def _hearing(self, deaf: dict[str, str]) -> None:
        """Tell once where ARP cannot be listened to: conflicts there go unseen."""
        for device in sorted(set(deaf) - set(self._deaf)):
            args = (("device", device), ("error", deaf[device]))
            self._note(Note("arp-deaf", args, "warning", "link", device))
        self._deaf = deaf

    async def watch(self) -> None:
        """Addresses somebody else removes, cards that come and go; as long as the daemon lives."""
        async for report in self._addresses.reports():
            ours = {a.ip: a.device or "" for g in self._engine.definitions for a in g.addresses}
            if isinstance(report, AddressEvent):
                if report.ip in ours and not report.added and not report.ours:
                    await self._gone(report.ip, ours[report.ip])
                elif report.ip not in ours:
                    await self.refresh()
            elif isinstance(report, LinkEvent):
                self._step(events.Carrier(report.device, report.up))
                await self.refresh()
            else:
                for ip in sorted(ours):
                    await self._gone(ip, ours[ip])
                await self.refresh()

    async def _gone(self, ip: str, device: str) -> None:
        present = await self._addresses.is_present(ip, device)
        self._read()  # pulse may have taken it off, and then says why
        if not present:
            self._step(events.AddressGone(ip, clock.now_ns()))
