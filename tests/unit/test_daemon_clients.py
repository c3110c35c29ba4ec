"""The daemon's share of old connections against the real kernel: on loopback, in a network namespace for each case.

The server's end of a connection is closed in silence (TCP_REPAIR), as by a loss of power; the new owner is this host.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path

import pytest

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hbcore.daemon import clients
from hbcore.daemon.clients import OldConnections
from hbcore.daemon.gatekeeper import Gatekeeper
from hbcore.engine.config import MS, Address, GroupDef, Resource, Timing, Weight
from hbcore.engine.flows import Flow, Flows
from hbcore.host import tcp
from hbcore.host.guard import Guard
from hbcore.host.pipe import Clients
from hbcore.words import say
from tests.unit.test_host_tcp import CLIENT, FOUR, ROOT, SIX, TCP_REPAIR, Server, ip, put


class Host:
    """An OldConnections and what it says. `held`: what it holds; `silenced`: what the guard shuts."""

    def __init__(self, silenced: Callable[[str], bool] = lambda ip: False) -> None:
        self.held: set[str] = set()
        self.sent: list[Flows] = []
        self.told: list[tuple[str, Mapping[str, str], str]] = []
        self.here = True
        self.old = OldConnections(
            [FOUR, SIX], lambda: self.held, self._send, lambda *note: self.told.append(note), self._has, silenced
        )

    def _send(self, message: Clients) -> None:
        self.sent.append(message.flows)

    async def _has(self, ip: str, device: str) -> bool:
        return self.here and device == "lo"

    async def said(self, seconds: float) -> None:
        watching = asyncio.create_task(self.old.watch())
        await asyncio.sleep(seconds)
        watching.cancel()


def orphan(server: Server) -> tuple[socket.socket, Flow]:
    """A client that waits, whose server's end is no more."""
    theirs, ours = server.pair(FOUR, CLIENT)
    ours.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    ours.close()
    theirs.setblocking(False)
    return theirs, server.flow(theirs)


def nft(words: str) -> None:
    subprocess.run(["nft", words], check=True, timeout=10)


async def ended(theirs: socket.socket, seconds: float) -> bool:
    """Whether it was reset within this time."""
    try:
        assert not await asyncio.wait_for(asyncio.get_running_loop().sock_recv(theirs, 1), seconds)
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    raise AssertionError("closed")


# -- in a world of their own -------------------------------------------------------------------------------------------


async def nothing_is_sent_before_the_gate_is_open() -> None:
    """What is sent before would be lost, and the next comes half a second later."""
    put(FOUR, CLIENT)
    theirs, flow = orphan(Server())
    web = GroupDef("web", ("a", "b"), (Resource(FOUR, "address", "IPaddr2", (), Address(FOUR)),), Weight.LIGHT)
    gates = Gatekeeper(Timing(), lambda: (web,), lambda ips: None)
    gates.told("")
    assert gates.shut(FOUR) == "" and gates.silenced(FOUR)
    host, guard = Host(gates.silenced), Guard()
    host.old.heard(((FOUR, (flow,)),))
    host.old.announce("lo", FOUR)
    assert not await ended(theirs, 0.7) and not host.told
    guard.ticket([FOUR], 50 * MS)
    guard.swap([FOUR], 2000 * MS, fresh=True)
    begun = time.monotonic()
    assert await ended(theirs, 2)
    took = time.monotonic() - begun
    await asyncio.sleep(0.1)
    print(f"reset {took * 1000:.0f} ms after the gate opened")
    assert took < 0.3 and [code for code, *_ in host.told] == ["clients-told"]
    assert "1" in say(*host.told[0][:1], **host.told[0][1])


async def it_is_repeated_for_who_is_away_and_forgotten_afterwards() -> None:
    clients.ROUNDS_S = (0.0, 0.3, 0.6, 0.6)
    put(FOUR, CLIENT)
    theirs, flow = orphan(Server())
    nft("table ip away { chain out { type filter hook output priority 0; ip saddr 10.1.1.1 drop; }; }")
    host = Host()
    host.old.heard(((FOUR, (flow,)), ("10.9.9.9", (flow,))))
    host.old.announce("lo", FOUR)
    assert not await ended(theirs, 0.15)
    nft("delete table ip away")
    assert await ended(theirs, 1)
    await asyncio.sleep(0.6)
    again, same = orphan(Server())
    host.old.announce("lo", FOUR)
    assert not await ended(again, 0.3) and same.port, "nobody told of this one"
    assert [args["count"] for _, args, _ in host.told] == ["1"]


async def an_address_that_is_gone_sends_nothing() -> None:
    put(FOUR, CLIENT)
    for how in ("hushed", "not here", "gone"):
        theirs, flow = orphan(Server())
        host = Host()
        host.old.heard(((FOUR, (flow,)),))
        host.here = how != "not here"
        if how == "gone":
            ip("addr", "del", f"{FOUR}/32", "dev", "lo")
        host.old.announce("lo", FOUR)
        if how == "hushed":
            host.old.hush(FOUR)
        assert not await ended(theirs, 0.2), how
        assert not host.told


async def what_the_other_node_does_not_name_stays() -> None:
    put(FOUR, CLIENT)
    theirs, flow = orphan(Server())
    host = Host()
    host.old.heard(((FOUR, (flow,)),))
    host.old.heard(((SIX, ()),))  # it gave FOUR away
    host.old.announce("lo", FOUR)
    assert await ended(theirs, 1)
    theirs, flow = orphan(Server())
    host.old.heard(((FOUR, (flow,)),))
    host.old.heard(((FOUR, ()),))  # it has FOUR, and the connection ended
    host.old.announce("lo", FOUR)
    assert not await ended(theirs, 0.2)


async def what_is_held_is_told_and_once_more_when_it_goes() -> None:
    put(FOUR, CLIENT, SIX)
    server, host = Server(), Host()
    first, kept = server.pair(FOUR, CLIENT)
    await host.said(0.1)
    assert host.sent == [], "nothing is held"
    host.held = {FOUR, "10.7.7.7"}
    await host.said(0.1)
    assert host.sent == [((FOUR, (server.flow(first),)),)]
    watching = asyncio.create_task(host.old.watch())
    await asyncio.sleep(0.1)
    second, kept2 = server.pair(FOUR, CLIENT)
    host.held = set()
    host.old.hush(FOUR)
    await asyncio.sleep(0.1)
    (told,) = host.sent[1:]
    assert told == ((FOUR, (server.flow(first), server.flow(second))),), "at once, not a second later"
    watching.cancel()
    assert kept and kept2


async def a_kernel_that_lists_nothing_is_told_of_once() -> None:
    tcp._SOCK_DIAG = 31  # a netlink family that no kernel has: its own refusal
    put(FOUR)
    host = Host()
    host.held = {FOUR}
    for _ in range(2):
        await host.said(0.1)
    assert [(code, args["error"], severity) for code, args, severity in host.told] == [
        ("clients-unseen", "EPROTONOSUPPORT", "warning")
    ]
    assert say(*host.told[0][:1], **host.told[0][1]) and host.sent == []


CASES: list[Callable[[], Coroutine[None, None, None]]] = [
    nothing_is_sent_before_the_gate_is_open,
    it_is_repeated_for_who_is_away_and_forgotten_afterwards,
    an_address_that_is_gone_sends_nothing,
    what_the_other_node_does_not_name_stays,
    what_is_held_is_told_and_once_more_when_it_goes,
    a_kernel_that_lists_nothing_is_told_of_once,
]


@pytest.mark.needs("ip", "unshare", "nft")
@pytest.mark.parametrize("name", [case.__name__ for case in CASES])
def test_old_connections(name: str) -> None:
    world = ["unshare", *([] if os.geteuid() == 0 else ["-Ur"]), "-n", sys.executable, __file__, name]
    run = subprocess.run(world, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    print(run.stdout)
    assert run.returncode == 0, run.stderr


if __name__ == "__main__":
    chosen = next(case for case in CASES if case.__name__ == sys.argv[1])
    asyncio.run(chosen())
