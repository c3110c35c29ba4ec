"""Clients' old connections: those of the addresses held here are told to the other node; the other's are reset here.

Owns the looks at this host's connections, what the other node last told, and when its clients are made to ask.
Invariant: a packet leaves only from an address that is put on here and open at that moment; what fails costs no more
than a client that waits. Must not know why an address comes or goes (docs/decisions/0013-old-connections.md).
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from hbcore.engine.config import SECOND
from hbcore.engine.flows import Flow, Flows, Roll
from hbcore.engine.member import Res
from hbcore.engine.world import World
from hbcore.host import clock, tcp
from hbcore.host.pipe import Clients

EVERY_S = 1.0
SHARE = 20  # a look that takes long comes so much less often: 5 % of one core at most
BLIND_S = 60.0  # a kernel that lists nothing is asked again; its module may be loaded
ROUNDS_S = (0.0, 0.6, 2.0, 5.0)  # a client answers one such packet in 500 ms (tcp_invalid_ratelimit), or is away
SHUT_S = 10.0  # for so long an address that was put on is waited for to open
LOOK_AGAIN_S = 0.01
AT_ONCE, GAP_S = 50, 0.01  # clients, then a pause: 1,000 within 0.3 s
WHERE_NONE = (errno.ENOENT, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT)  # no sock_diag, inet_diag or tcp_diag

Tell = Callable[[str, Mapping[str, str], str], None]  # code, arguments, severity: for a person


def held(world: World) -> set[str]:
    """The addresses that are up here."""
    members = (member for group in world.groups.values() for member in group.members)
    return {m.resource.address.ip for m in members if m.resource.address and m.state is Res.STARTED}


class OldConnections:
    """One of Addresses' announcers. `held`: the addresses that are up here now. `send`: to the other node. `has`,
    `silenced`: as for host.arp.ArpBook.
    """

    def __init__(
        self,
        vips: Iterable[str],
        held: Callable[[], set[str]],
        send: Callable[[Clients], None],
        tell: Tell,
        has: Callable[[str, str], Awaitable[bool]],
        silenced: Callable[[str], bool],
    ) -> None:
        self._vips = frozenset(vips)
        self._held, self._send, self._tell, self._has, self._silenced = held, send, tell, has, silenced
        self._roll = Roll()
        self._here: set[str] = set()  # were put on, or seen, and not taken off since
        self._leaving: set[str] = set()
        self._wake = asyncio.Event()
        self._blind = False
        self._theirs: dict[str, tuple[Flow, ...]] = {}
        self._resets: dict[str, asyncio.Task[None]] = {}
        self._thread = ThreadPoolExecutor(1, "clients")

    def close(self) -> None:
        for task in self._resets.values():
            task.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    # -- ours, told ----------------------------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Looks at them, as long as the daemon lives."""
        while True:
            pause_s = await self._look()
            try:
                await asyncio.wait_for(self._wake.wait(), pause_s)
            except TimeoutError:
                pass
            self._wake.clear()

    async def _look(self) -> float:
        """Tell what is to be told; the pause until the next look."""
        leaving, self._leaving = self._leaving, set()
        held = self._held() & self._vips
        self._here |= held
        ips = held | leaving
        begun = clock.now_ns()
        if not ips:
            self._roll.look({}, begun)
            return EVERY_S
        try:
            seen = await asyncio.get_running_loop().run_in_executor(self._thread, tcp.established, ips)
        except OSError as error:
            if error.errno not in WHERE_NONE:
                return EVERY_S
            if not self._blind:
                self._blind = True
                self._tell("clients-unseen", {"error": errno.errorcode[error.errno or 0]}, "warning")
            return BLIND_S
        now = clock.now_ns()
        if self._roll.look(seen, now):
            self._send(Clients(self._roll.flows))
        return max(EVERY_S, SHARE * (now - begun) / SECOND)

    # -- theirs, reset -------------------------------------------------------------------------------------------------

    def heard(self, flows: Flows) -> None:
        """What the other node tells of the addresses that it names. Of others it tells nothing, so what it said of them
        stays: it may have given them away just now, or be dead."""
        self._theirs |= {ip: clients for ip, clients in flows if ip in self._vips}

    def announce(self, device: str, ip: str, *, at_once: bool = True) -> None:
        """The address is on this host, and the neighbours are told so."""
        self._stop(ip)
        self._here.add(ip)
        self._resets[ip] = asyncio.get_running_loop().create_task(self._reset(device, ip), name=f"reset {ip}")

    def hush(self, ip: str) -> None:
        """It goes: its connections are looked at once more, so that the other node knows the youngest, too. They stay
        in the kernel after it."""
        self._stop(ip)
        if ip in self._here:
            self._here.remove(ip)
            self._leaving.add(ip)
            self._wake.set()

    def _stop(self, ip: str) -> None:
        task = self._resets.pop(ip, None)
        if task is not None:
            task.cancel()

    async def _reset(self, device: str, ip: str) -> None:
        begun, said = 0.0, False
        for after in ROUNDS_S:
            await asyncio.sleep(max(0.0, begun + after - _now_s()) if begun else 0.0)
            if not await self._opens(device, ip):
                return
            begun = begun or _now_s()
            mine = set(dict(self._roll.flows).get(ip, ()))  # who came back to us with the same port is left alone
            old = [flow for flow in self._theirs.get(ip, ()) if flow not in mine]
            sent = 0
            for at in range(0, len(old), AT_ONCE):
                try:
                    sent += tcp.tickle(ip, old[at : at + AT_ONCE], device)
                except OSError:
                    return  # it is gone, or its device
                await asyncio.sleep(GAP_S)
            if sent and not said:
                said = True
                self._tell("clients-told", {"ip": ip, "count": str(sent)}, "info")
        self._theirs.pop(ip, None)

    async def _opens(self, device: str, ip: str) -> bool:
        """Waits until the guard lets packets of this address out; False where it does not, or the address is gone."""
        end = _now_s() + SHUT_S
        while self._silenced(ip):
            if _now_s() > end:
                return False
            await asyncio.sleep(LOOK_AGAIN_S)
        return await self._has(ip, device)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
