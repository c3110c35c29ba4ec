"""IPv6 addresses, Neighbour Discovery and addresses with an end against the real kernel: as test_addresses.py does it.

Our host has eth0, the peer has p0 at the other end. No link-local address is asked for first (accept_dad 0), so that
all is there at once; ours are added as the agent adds them.
"""

from __future__ import annotations

import asyncio
import errno
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pytest

from hbcore.daemon import facts
from hbcore.daemon.gatekeeper import Gatekeeper
from hbcore.engine.beat import Service
from hbcore.engine.config import SECOND, Address, ClusterConfig, GroupDef, Guard, Link, Media, Resource, Timing, Weight
from hbcore.engine.events import Outcome
from hbcore.host import clock, ndp, rtnl, sysctl
from hbcore.host.address import Addresses
from hbcore.host.netlink import AddressEvent, Report
from tests.cluster import test_addresses as four
from tests.cluster.test_addresses import GHOST, Case, Host, ip, put, took, until
from tests.unit.guard_net import ruleset

VIP, OTHER, LOCAL = "fd00:100::100", "fd00:100::101", "fe80::100"
BASE, PEER = "fd00:100::1", "fd00:100::2"
FAR = "2001:db8::100"  # no address of ours is in its prefix
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    CASES[function.__name__] = function
    return function


def put6(device: str, key: str, value: int, inside: Sequence[str] = ()) -> None:
    line = f"echo {value} > /proc/sys/net/ipv6/conf/{device}/{key}"
    subprocess.run([*inside, "sh", "-c", line], check=True, timeout=10)


def wake(device: str, inside: list[str]) -> None:
    """Its link-local address is there at once."""
    put6(device, "accept_dad", 0, inside)
    for state in ("down", "up"):
        subprocess.run([*inside, "ip", "link", "set", device, state], check=True, timeout=10)


def send(address: str, inside: list[str]) -> subprocess.Popen[bytes]:
    """Has a kernel ask for an address, as any client would, and send it an "x"."""
    body = f"import socket; socket.socket(10, 2).sendto(b'x', ('{address}', 7))"
    return subprocess.Popen([*inside, sys.executable, "-S", "-c", body])


@asynccontextmanager
async def host(*, base: bool = True) -> AsyncIterator[Host]:
    async with four.host((VIP, OTHER, LOCAL, FAR, four.VIP), __file__) as here:
        wake("eth0", [])
        wake("p0", here.peer.inside)
        settled = ("-6", "addr", "show", "scope", "link", "-tentative")
        await until(lambda: all("fe80" in shown(*settled) for shown in (ip, here.peer.ip)))
        here.peer.ip("addr", "replace", f"{four.PEER}/24", "dev", "p0")
        here.peer.ip("addr", "add", f"{PEER}/64", "dev", "p0", "nodad")
        if base:
            ip("addr", "add", f"{BASE}/64", "dev", "eth0", "nodad")
        here.arp.own = await here.addresses.own_macs()
        yield here


def have(device: str = "eth0") -> dict[str, set[str]]:
    """The global addresses of a device with what `ip` says of them."""
    (link,) = json.loads(ip("-6", "-j", "addr", "show", "dev", device)) or [{}]
    return {
        f"{a['local']}/{a['prefixlen']}": {key for key, value in a.items() if value is True}
        for a in link.get("addr_info", ())
        if a["scope"] == "global"
    }


def lives(address: str, device: str = "eth0") -> int | None:
    """The seconds an address has left; None where it is not there."""
    (link,) = json.loads(ip("-j", "addr", "show", "dev", device))
    return next((int(a["valid_life_time"]) for a in link["addr_info"] if a.get("local") == address), None)


async def ended(address: str) -> None:
    await until(lambda: lives(address) is None)


def routes() -> list[str]:
    return [r["dst"] for r in json.loads(ip("-6", "-j", "route", "show", "dev", "eth0")) if r["dst"] != "fe80::/64"]


def index(device: str = "eth0") -> int:
    return socket.if_nametoindex(device)


def source_for(address: str) -> str:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        s.connect((address, 9))
        return str(s.getsockname()[0])


async def link_local(here: Host) -> str:
    return next(a.ip for a in await here.addresses.own("eth0") if a.ip.startswith("fe80:"))


# --- addresses -----------------------------------------------------------------------------------------------------


@case
async def add_and_remove_are_idempotent() -> None:
    async with host() as here:
        vip = Address(VIP)
        assert await here.outcome(vip, "look") == ("stopped", "address-absent")
        assert await here.outcome(vip) == ("ok", "address-up")
        assert have() == {f"{BASE}/64": {"nodad"}, f"{VIP}/64": {"nodad", "deprecated", "noprefixroute"}}
        assert lives(VIP) == 2**32 - 1
        assert await here.outcome(vip, "look") == ("running", "address-present")
        assert await here.outcome(vip) == ("ok", "address-adopted")
        assert await here.outcome(vip, "down") == ("ok", "address-down")
        assert (list(have()), routes()) == ([f"{BASE}/64"], ["fd00:100::/64"])
        assert await here.outcome(vip, "down") == ("ok", "address-absent")


@case
async def it_serves_at_once_and_is_nobodys_source() -> None:
    """No second of duplicate address detection; and this node's own connections keep coming from its base address."""
    async with host() as here:
        put6("eth0", "accept_dad", 1)
        server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        server.bind(("::", 7))
        server.settimeout(1)
        with took(700):  # duplicate address detection takes a second and more
            await here.outcome(Address(VIP))
            asking = send(VIP, here.peer.inside)
            assert server.recvfrom(16)[0] == b"x"
        asking.wait()
        assert source_for(PEER) == BASE
        ip("addr", "change", f"{VIP}/64", "dev", "eth0", "nodad", "preferred_lft", "forever")
        assert source_for(PEER) == VIP, "the kernel does not do what `deprecated` is for"


@case
async def refusals() -> None:
    async with host(base=False) as here:
        assert await here.outcome(Address(VIP)) == ("failed", "address-no-subnet")
        assert await here.outcome(Address(VIP, 64, "eth9")) == ("failed", "address-no-device-near")
        assert await here.outcome(Address(VIP, None, "eth0")) == ("failed", "address-no-prefix")
        late = await here.addresses.up(Address(VIP, 64, "eth0"), clock.now_ns() - 1)
        assert late[:2] == (Outcome.LATE, "address-late")
        put6("eth0", "disable_ipv6", 1)
        assert await here.outcome(Address(VIP, 64, "eth0")) == ("failed", "address-ipv6-off")
        assert await here.outcome(Address(VIP, 64, "eth0"), "down") == ("ok", "address-absent")
        put6("eth0", "disable_ipv6", 0)
        ip("link", "set", "eth0", "down")
        assert await here.outcome(Address(VIP, 64, "eth0")) == ("failed", "address-device-down")
        assert have() == {}


@case
async def one_place_only() -> None:
    """Found with another length or on another card, it ends up where it belongs, once."""
    async with host() as here:
        ip("link", "add", "eth1", "type", "bridge")
        ip("link", "set", "eth1", "up")
        ip("addr", "add", f"{VIP}/128", "dev", "eth0", "nodad")
        ip("addr", "add", f"{VIP}/64", "dev", "eth1", "nodad")
        ip("addr", "add", f"{VIP}/128", "dev", "lo")  # a director's: not ours to touch
        assert await here.outcome(Address(VIP)) == ("ok", "address-up")
        assert (set(have()), have("eth1")) == ({f"{VIP}/64", f"{BASE}/64"}, {})
        await here.outcome(Address(VIP), "down")
        assert list(have()) == [f"{BASE}/64"]
        assert f"{VIP}/128" in have("lo")


@case
async def a_link_local_one_is_of_its_card_alone() -> None:
    async with host() as here:
        ip("link", "add", "eth1", "type", "bridge")
        ip("link", "set", "eth1", "up")
        ip("addr", "add", f"{LOCAL}/64", "dev", "eth1", "nodad")  # another machine's in all but name
        vip = Address(LOCAL, 64, "eth0")
        assert await here.outcome(vip, "look") == ("stopped", "address-absent")
        assert await here.outcome(vip) == ("ok", "address-up")
        assert await here.addresses.is_present(LOCAL, "eth0")
        assert await here.outcome(vip, "down") == ("ok", "address-down")
        assert not await here.addresses.is_present(LOCAL, "eth0")
        assert LOCAL in ip("-6", "addr", "show", "dev", "eth1")


@case
async def one_the_kernel_refused_is_not_there_and_is_mended() -> None:
    """Somebody added it by hand while the peer had it: it answers nobody, until it is added as we add it."""
    async with host() as here:
        here.peer.ip("addr", "add", f"{VIP}/64", "dev", "p0", "nodad")
        put6("eth0", "accept_dad", 1)
        ip("addr", "add", f"{VIP}/64", "dev", "eth0")
        await until(lambda: "dadfailed" in have().get(f"{VIP}/64", set()))
        assert await here.outcome(Address(VIP), "look") == ("stopped", "address-absent")
        assert not await here.addresses.is_present(VIP)
        assert await here.outcome(Address(VIP)) == ("ok", "address-up")
        assert "dadfailed" not in have()[f"{VIP}/64"]
        assert await here.outcome(Address(VIP), "look") == ("running", "address-present")
        assert await here.outcome(Address(VIP), "down") == ("ok", "address-down")


@case
async def emergency_removal_without_pyroute2() -> None:
    async with host() as here:
        for address in (VIP, OTHER):
            await here.outcome(Address(address))
        sock = rtnl.open_socket()
        with took(50):
            assert rtnl.delete_address(sock, index(), VIP, 64) == 0
        assert set(have()) == {f"{OTHER}/64", f"{BASE}/64"}
        assert rtnl.delete_address(sock, index(), VIP, 64) == 0  # gone is gone
        assert rtnl.delete_address(sock, 9999, VIP, 64) == 0
        put6("eth0", "disable_ipv6", 1)
        assert rtnl.delete_address(sock, index(), VIP, 64) == 0
        sock.close()


@case
async def reports_of_the_kernel() -> None:
    """Who asked the kernel does not say for IPv6; what we took off ourselves is known all the same."""
    async with host() as here:
        heard: list[Report] = []

        async def listen() -> None:
            async for report in here.addresses.reports():
                heard.append(report)

        def gone() -> list[tuple[str, bool]]:
            return [(r.ip, r.ours) for r in heard if isinstance(r, AddressEvent) and not r.added]

        listening = asyncio.create_task(listen())
        await until(lambda: bool(heard))
        for address in (VIP, OTHER):
            await here.outcome(Address(address))
        await until(lambda: {r.ip for r in heard if isinstance(r, AddressEvent)} >= {VIP, OTHER})
        await here.outcome(Address(VIP), "down")
        await until(lambda: gone() == [(VIP, True)])
        ip("addr", "del", f"{OTHER}/64", "dev", "eth0")
        await until(lambda: gone() == [(VIP, True), (OTHER, False)])
        await here.outcome(Address(VIP))
        ip("addr", "del", f"{VIP}/64", "dev", "eth0")
        await until(lambda: gone()[2:] == [(VIP, False)])
        await here.outcome(Address(VIP), "down")
        await here.addresses.up(Address(VIP), valid_s=1)
        await until(lambda: gone()[3:] == [(VIP, False)])  # its end
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening


# --- addresses with an end -----------------------------------------------------------------------------------------


def told(address: str) -> list[str]:
    """All that `ip` says of an address but its lifetimes."""
    words = ip("-o", "addr", "show", "to", address).partition(" valid_lft")[0].split()
    return [word for word in words if word != "autojoin"]


@case
async def an_address_ends_unless_it_is_refreshed() -> None:
    """Both families; the refresh changes nothing but the end, and never brings back what is gone."""
    async with host() as here:
        here.base()
        sock = rtnl.open_socket()
        vips = {Address(four.VIP): 24, Address(VIP): 64, Address(FAR, 64, "eth0"): 64}

        def refreshed() -> set[int]:
            return {rtnl.refresh_address(sock, index(), vip.ip, n, 2) for vip, n in vips.items()}

        for vip in vips:
            assert (await here.addresses.up(vip, valid_s=2))[1] == "address-up"
        before = [told(vip.ip) for vip in vips]
        for _ in range(8):
            assert refreshed() == {0}
            await asyncio.sleep(0.5)
        assert [told(vip.ip) for vip in vips] == before
        assert {lives(vip.ip) for vip in vips} <= {1, 2}
        assert set(routes()) == {"fd00:100::/64", "2001:db8::/64"}
        last = time.monotonic()
        for vip in vips:
            await ended(vip.ip)
            print(f"{vip.ip} ended {time.monotonic() - last:.2f} s after its last half second")
            assert 0.4 < time.monotonic() - last < 3.5
        assert "fd00:100::/64" in routes()
        assert refreshed() == {errno.EADDRNOTAVAIL}
        assert [lives(vip.ip) for vip in vips] == [None] * 3

        ip("addr", "add", f"{VIP}/64", "dev", "eth0", "nodad")  # as others add it: with a share in the route
        assert rtnl.refresh_address(sock, index(), VIP, 64, 2) == 0
        assert lives(VIP) == 2**32 - 1 and "expires" not in ip("-6", "route", "show", "fd00:100::/64")
        assert rtnl.refresh_address(sock, 9999, VIP, 64, 2) == errno.EADDRNOTAVAIL
        assert rtnl.refresh_address(sock, 9999, four.VIP, 24, 2) == errno.EADDRNOTAVAIL
        sock.close()


@case
async def a_refresh_without_the_trick_would_bring_it_back() -> None:
    """Why rtnl.refresh_address asks for a multicast group: the kernel is as its docstring says."""
    async with host():
        for address in (f"{four.VIP}/24", f"{VIP}/64"):
            ip("addr", "change", address, "dev", "eth0", "valid_lft", "5", "preferred_lft", "0")  # REPLACE, no CREATE
            assert lives(address.partition("/")[0]) is not None


@case
async def a_refresh_is_quick() -> None:
    async with host() as here:
        here.base()
        sock = rtnl.open_socket()
        for vip, prefix in ((four.VIP, 24), (VIP, 64)):
            await here.addresses.up(Address(vip), valid_s=5)
            spans = []
            for _ in range(200):
                begun = time.perf_counter()
                assert rtnl.refresh_address(sock, index(), vip, prefix, 5) == 0
                spans.append((time.perf_counter() - begun) * 1000)
            print(f"refresh of {vip}: median {sorted(spans)[100]:.3f} ms, worst {max(spans):.3f} ms")
            assert sorted(spans)[100] < 2
        sock.close()


@case
async def an_end_takes_no_other_address_along() -> None:
    """IPv4, no base address when it came, promote_secondaries 0, and nobody there when the kernel takes it off."""
    async with host() as here:
        for key in ("all", "eth0"):
            put(key, "promote_secondaries", 0)
        await here.addresses.up(Address(four.VIP, 24, "eth0"), valid_s=1)
        here.base()
        await ended(four.VIP)
        assert lives(four.BASE) is not None
        assert sysctl.get("eth0", "promote_secondaries") == 1


@case
async def what_is_found_gets_the_end_that_is_asked_for() -> None:
    async with host() as here:
        here.base()
        for vip in (Address(four.VIP), Address(VIP), Address(FAR, 64, "eth0")):
            for valid_s, ends in ((None, False), (9, True), (5, True), (None, False), (5, True)):
                assert (await here.addresses.up(vip, valid_s=valid_s))[0] is Outcome.OK
                left = lives(vip.ip)
                assert left is not None and (left <= (valid_s or 0)) is ends, (vip, valid_s, left)
                if vip.ip == FAR:  # its own route lives as long as it does
                    (route,) = json.loads(ip("-6", "-j", "route", "show", "2001:db8::/64"))
                    assert route.get("expires", 0) in ((4, 5, 8, 9) if ends else (0,)), (valid_s, route)
            assert "expires" not in ip("-6", "route", "show", "fd00:100::/64")
            await here.outcome(vip, "down")
            assert "fd00:100::/64" in routes()


@case
async def the_runner_hands_the_end_on() -> None:
    async with host() as here:
        runner = here.runner()
        vip = Resource(VIP, "address", "IPv6addr", address=Address(VIP, 64, "eth0"))
        said = []
        for operation in ("status", "start", "status", "stop", "status"):
            done = await runner.run(1, vip, operation, SECOND, valid_s=7)
            said.append((done.outcome.value, done.detail))
            if operation == "start":
                assert lives(VIP) in (6, 7)
        assert said == [
            ("stopped", f"{VIP} is not on this node"),
            ("ok", f"{VIP}/64 eth0"),
            ("running", f"{VIP}/64 eth0"),
            ("ok", f"{VIP} taken off"),
            ("stopped", f"{VIP} is not on this node"),
        ]


@case
async def gates_that_a_dead_daemon_left() -> None:
    """Also of a link-local address, which is another one on every interface."""
    async with host() as here:
        vip = Address(LOCAL, 64, "eth0")
        web = GroupDef("web", ("a", "b"), (Resource(LOCAL, "address", "IPv6addr", address=vip),), Weight.LIGHT)
        uses = [web]
        gates = Gatekeeper(Timing(), lambda: tuple(uses), lambda ips: None)
        gates.told("")
        addresses = Addresses(here.netlink, [LOCAL], gates=gates)
        assert (await addresses.up(vip))[0] is Outcome.OK and gates.silenced(LOCAL)
        await addresses.lift_stale([vip])
        assert LOCAL in ruleset(), "it is there, so it stays gated"
        uses[0] = replace(web, guard=Guard.OFF)
        await addresses.lift_stale([vip])
        assert LOCAL not in ruleset(), "nobody would open it"
        uses[0] = web
        assert gates.shut(LOCAL) == "" and LOCAL in ruleset()
        ip("addr", "del", f"{LOCAL}/64", "dev", "eth0")
        await addresses.lift_stale([vip])
        assert LOCAL not in ruleset()
        gates.close()


# --- what the daemon tells its engine -------------------------------------------------------------------------------


def config(*addresses: Address, pings: tuple[str, ...] = ()) -> ClusterConfig:
    resources = tuple(Resource(a.ip, "address", "IPv6addr", address=a) for a in addresses)
    group = GroupDef(addresses[0].ip, ("node1", "node2"), resources)
    link = Link("eth0", Media.MCAST, "eth0", "225.0.0.1", 694)
    return ClusterConfig("test", ("node1", "node2"), (link,), pings, (group,))


async def gather(here: Host, address: Address, pings: tuple[str, ...] = ()) -> facts.Look:
    written = config(address, pings=pings)
    return await facts.gather(written, written.groups, here.addresses, Path("/nowhere"))


@case
async def facts_of_the_host() -> None:
    async with host() as here:
        own = await link_local(here)
        (link,) = json.loads(ip("-j", "link", "show", "eth0"))
        mac = bytes.fromhex(link["address"].replace(":", ""))
        assert await here.addresses.services([Address(VIP)], ["eth0"]) == (Service(mac, BASE),)

        look = await gather(here, Address(VIP))
        (group,) = look.facts.groups
        assert (group.device, group.source, group.control, group.problem) == ("eth0", BASE, "", "")
        assert look.own == {"eth0": (BASE, own)}
        assert [(p.ip, p.prefix, p.ifindex) for p in look.places] == [(VIP, 64, index())]

        here.base()  # the same card has IPv4, too: then the peer's machine and the network are asked for by that
        assert await here.addresses.services([Address(VIP), Address(four.VIP)], ["eth0"]) == (Service(mac, four.BASE),)
        pings = ("10.9.9.9", "192.168.100.254")
        for wanted, source in ((Address(VIP), BASE), (Address(FAR, 64, "eth0"), own)):
            look = await gather(here, wanted, pings=pings)
            (group,) = look.facts.groups
            assert (group.source, group.control) == (source, "192.168.100.254")
        assert look.own == {"eth0": (four.BASE, BASE, own)}
        ip("route", "add", "default", "via", "192.168.100.253")
        (group,) = (await gather(here, Address(VIP))).facts.groups
        assert group.control == "192.168.100.253"


@case
async def neighbours_of_both_families() -> None:
    async with host() as here:
        for address in (PEER, four.PEER):
            ip("neigh", "replace", address, "lladdr", here.peer.mac.hex(":"), "dev", "eth0", "nud", "stale")
        assert [n.ip for n in await here.addresses.neighbours("eth0")] == [four.PEER, PEER]
        assert [n.ip for n in await here.addresses.neighbours("eth0", 1)] == [four.PEER]


# --- Neighbour Discovery --------------------------------------------------------------------------------------------


@case
async def probe_of_a_living_peer() -> None:
    """From the base address and again from the link-local one; from a single address; from none at all."""
    async with host() as here:
        here.peer.ip("addr", "add", f"{VIP}/64", "dev", "p0", "nodad")
        mac, own = here.peer.mac, await link_local(here)
        for source, others in ((BASE, (BASE, own)), (own, (own,)), (BASE, ()), ("", ())):
            with took(190):
                found = await here.arp.probe("eth0", [VIP, PEER, OTHER], source, confirm=[mac], others=others)
            assert (found.trouble, found.answers[OTHER]) == ("", [])
            for target in (VIP, PEER):
                (answer,) = found.answers[target]
                assert (answer.mac, answer.confirmed) == (mac, True), (source, others)
                assert found.begun_ns <= answer.at_ns <= found.ended_ns
        (foreign,) = (await here.arp.probe("eth0", [VIP], BASE)).answers[VIP]
        assert (foreign.mac, foreign.confirmed) == (mac, False)


@case
async def probe_finds_silence_in_95_ms_and_asks_in_both_protocols_at_once() -> None:
    async with host() as here:
        here.base()
        own = tuple(a.ip for a in await here.addresses.own("eth0"))
        spans = []
        for _ in range(5):
            found = await here.arp.probe("eth0", [VIP, four.VIP], four.BASE, others=own)
            assert found.answers == {VIP: [], four.VIP: []}
            assert found.trouble == ""
            spans.append((found.ended_ns - found.begun_ns) / 1e6)
        print(f"silent probe: median {sorted(spans)[2]:.1f} ms")
        assert sorted(spans)[2] < 115
        here.peer.ip("addr", "add", f"{VIP}/64", "dev", "p0", "nodad")
        here.peer.ip("addr", "add", f"{four.VIP}/24", "dev", "p0")
        for source in (four.BASE, BASE):  # whichever family the group's first address has
            found = await here.arp.probe("eth0", [VIP, four.VIP], source, confirm=[here.peer.mac], others=own)
            assert {ip: [a.confirmed for a in answers] for ip, answers in found.answers.items()} == {
                VIP: [True],
                four.VIP: [True],
            }


@case
async def a_switch_that_answers_for_a_dead_machine_is_not_confirmed() -> None:
    """Questions to the group are answered with the dead machine's MAC; unicast ones reach nobody."""
    async with host() as here:
        ghost, own = bytes.fromhex(GHOST.replace(":", "")), await link_local(here)
        for source, others in ((BASE, (BASE, own)), (BASE, ()), ("", ())):
            async with here.peer.program("suppress", VIP, GHOST):
                found = await here.arp.probe("eth0", [VIP], source, confirm=[ghost], others=others)
            (answer,) = found.answers[VIP]
            assert (answer.mac, answer.confirmed) == (ghost, False), (source, others)


@case
async def our_own_cards_are_nobody() -> None:
    async with host() as here:
        here.arp.own = frozenset()
        here.peer.second_wire()
        put6("eth1", "accept_dad", 0)
        ip("addr", "add", f"{VIP}/128", "dev", "eth1", "nodad")
        assert len((await here.arp.probe("eth0", [VIP], BASE)).answers[VIP]) == 1  # it does answer itself
        here.arp.own = await here.addresses.own_macs()
        assert (await here.arp.probe("eth0", [VIP], BASE)).answers[VIP] == []


@case
async def a_probe_that_cannot_leave_says_so() -> None:
    async with host() as here:
        ip("link", "set", "eth0", "down")
        assert (await here.arp.probe("eth0", [VIP], BASE)).trouble == "ENETDOWN"
        assert (await here.arp.probe("eth9", [VIP], BASE)).trouble == "ENODEV"


async def captured(here: Host, seconds: float, act: Callable[[], Awaitable[None]]) -> list[dict[str, Any]]:
    """What the peer's card hears of Neighbour Discovery about the address while we act."""
    async with here.peer.program("listen", str(seconds)) as listener:
        assert listener.stdout is not None
        await act()
        said = await asyncio.wait_for(listener.stdout.read(), seconds + 10)
    return [heard for heard in map(json.loads, said.splitlines()) if heard["sender"] == VIP]


@case
async def announcing() -> None:
    async with host() as here:
        here.peer.ip("neigh", "replace", VIP, "lladdr", GHOST, "dev", "p0", "nud", "reachable")
        put6("eth0", "forwarding", 1)

        async def start() -> None:
            assert await here.outcome(Address(VIP)) == ("ok", "address-up")
            await asyncio.sleep(0.02)
            (neighbour,) = json.loads(here.peer.ip("-j", "neigh", "show", VIP))
            (own,) = json.loads(ip("-j", "link", "show", "eth0"))
            assert neighbour["lladdr"] == own["address"]  # the peer believes it at once

        heard = await captured(here, 2.5, start)
        assert {(f["op"], f["to"], f["target"]) for f in heard} == {(2, "33:33:00:00:00:01", "ff02::1")}
        assert {f["flags"] for f in heard} == {0xA0}, "override, and a router's"
        times = [f["at"] - heard[0]["at"] for f in heard]
        assert len(times) == 5, heard
        for got, due in zip(times, (0, 0.05, 0.2, 1.0, 2.0), strict=True):
            assert due - 0.01 <= got <= due + 0.15, times
        print("announced at " + ", ".join(f"{t * 1000:.0f}" for t in times) + " ms")


@case
async def no_announcement_after_the_address_went() -> None:
    for remove in ("ours", "theirs"):
        async with host() as here:
            gone: list[float] = []

            async def act(here: Host = here, remove: str = remove, gone: list[float] = gone) -> None:
                await here.outcome(Address(VIP))
                if remove == "ours":
                    await here.outcome(Address(VIP), "down")
                else:
                    ip("addr", "del", f"{VIP}/64", "dev", "eth0")
                gone.append(time.monotonic())

            heard = await captured(here, 1.3, act)
            assert heard, "the first announcement"
            assert {f["flags"] for f in heard} == {0x20}
            assert [f for f in heard if f["at"] > gone[0] + 0.02] == [], (remove, heard)


def joined() -> bool:
    return "ff02::1:ff00:100" in ip("-6", "maddr", "show", "dev", "eth0")


@case
async def sightings() -> None:
    """A foreign announcement and a foreign question; the question is heard, for we are in the group it is asked in."""
    async with host() as here:
        assert not joined()
        here.arp.watch({"eth0": [VIP, OTHER]})
        assert joined()
        async with here.peer.program("say", VIP, GHOST, "20"):
            await until(lambda: bool(here.seen))
            await asyncio.sleep(0.05)
        ghost = bytes.fromhex(GHOST.replace(":", ""))
        assert [(s.device, s.ip, s.mac, s.kind) for s in here.seen] == [
            ("eth0", VIP, ghost, "announce")
        ]  # 20 were sent
        assert abs(clock.now_ns() - here.seen[0].at_ns) < SECOND
        here.seen.clear()
        await asyncio.sleep(0.11)
        asking = send(OTHER, here.peer.inside)
        await until(lambda: bool(here.seen))
        asking.wait()
        assert {(s.ip, s.mac, s.kind) for s in here.seen} == {(OTHER, here.peer.mac, "probe")}
        here.seen.clear()
        put6("p0", "accept_dad", 1, here.peer.inside)  # a machine that comes to have it asks for it first
        here.peer.ip("addr", "add", f"{VIP}/64", "dev", "p0")
        await until(lambda: (VIP, "probe") in [(s.ip, s.kind) for s in here.seen])
        here.arp.watch({})
        assert not joined()


@pytest.mark.needs("ip", "unshare", "nsenter", "nft")
@pytest.mark.parametrize("name", sorted(CASES))
def test_addresses_ipv6(name: str) -> None:
    four.run_case(__file__, name)


# --- this file as a program ----------------------------------------------------------------------------------------


def on_the_peer(role: str, *words: str) -> None:
    """What the machine at the other end does: listen, say, suppress."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ndp.ETHERTYPE))
    sock.bind(("p0", ndp.ETHERTYPE))
    print("ready", flush=True)
    if role == "listen":
        end = time.monotonic() + float(words[0])
        while (left := end - time.monotonic()) > 0:
            sock.settimeout(left)
            try:
                frame, sender = sock.recvfrom(128)
            except TimeoutError:
                break
            spoken = ndp.read(frame)
            if spoken is not None and sender[2] != 4:
                line = {"op": spoken.op, "sender": spoken.sender, "target": spoken.target, "flags": frame[58]}
                print(json.dumps({"at": time.monotonic(), "to": frame[:6].hex(":"), **line}), flush=True)
        return
    mac = bytes.fromhex(words[1].replace(":", ""))
    if role == "say":
        for _ in range(int(words[2])):
            sock.send(ndp.tell(mac, words[0])[0])
    elif role == "suppress":
        sock.settimeout(10)
        while True:
            frame, _ = sock.recvfrom(128)
            spoken = ndp.read(frame)
            if spoken is not None and (spoken.op, spoken.target) == (1, words[0]) and frame[:2] == b"\x33\x33":
                sock.send(ndp.answer(mac, words[0], spoken.sender if spoken.sender != "::" else "ff02::1"))
    time.sleep(30)


if __name__ == "__main__":
    if sys.argv[1] in CASES:
        asyncio.run(asyncio.wait_for(CASES[sys.argv[1]](), 50))
    else:
        on_the_peer(*sys.argv[1:])
