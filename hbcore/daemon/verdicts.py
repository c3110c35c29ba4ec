"""Why a link is silent: one cause each, from what pulse met on it and what this host says of its device.

Owns the order in which causes are believed: what is wrong here comes before what may be wrong elsewhere.
Invariant: only looks, and at the packet filter only for a link from which nothing comes in. Must not judge the peer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from hbcore.daemon.snapshot import Extra
from hbcore.engine.config import SECOND, Link, Media
from hbcore.engine.world import World
from hbcore.host import clock, firewall
from hbcore.host.address import Addresses
from hbcore.host.firewall import Packet
from hbcore.host.netlink import Netlink
from hbcore.host.placing import Link as Interface

FILTER_NS = 10 * SECOND  # how long what the packet filter said is believed
SIX = (Media.MCAST6, Media.UCAST6)
Cause = tuple[str, Mapping[str, str]]  # a code for words, and its arguments


@dataclass(slots=True)
class Verdicts:
    """Remembers nothing but what the packet filter said."""

    links: tuple[Link, ...]
    netlink: Netlink
    addresses: Addresses
    _filter: dict[Packet, Cause] = field(default_factory=dict)
    _filtered_ns: int = 0

    async def look(self, world: World, met: Extra) -> dict[str, Cause]:
        """A cause for every link that is not up, as far as there is one. `met`: what pulse said of its links."""
        now, timing, paths = clock.now_ns(), world.config.timing, world.peer.paths
        states = {name: path.state(now, timing, world.lease) for name, path in paths.items() if name not in met.own}
        silent = [link for link in self.links if states.get(link.name, "up") != "up"]
        interfaces = {i.name: i for i in await self.netlink.links()} if silent else {}
        found: dict[str, Cause] = {}
        for link in silent:
            trouble = met.troubles.get(link.name, ("", {}))
            cause = _at_hand(link, interfaces.get(link.device), trouble)
            if cause is None and states[link.name] == "down":
                cause = met.refused.get(link.name) or await self._nothing_comes(link)
                if trouble[0] and not cause[0].startswith("link-rule"):
                    cause = trouble
            if cause is not None:
                found[link.name] = cause
        return found

    async def _nothing_comes(self, link: Link) -> Cause:
        if not link.on_network:
            return "link-line-silent", {"device": link.device, "baud": str(link.baud)}
        if link.to_peer and not ip_address(link.target).is_link_local:
            subnets = [address.network for address in await self.addresses.own(link.device)]
            if not any(ip_address(link.target) in subnet for subnet in subnets):
                listed = ", ".join(dict.fromkeys(map(str, subnets))) or "-"
                return "link-not-on-device", {"target": link.target, "device": link.device, "subnets": listed}
        return await self._filtered(link)

    async def _filtered(self, link: Link) -> Cause:
        """Whether the packet filter here is at fault, asked every now and then."""
        now = clock.now_ns()
        if now - self._filtered_ns >= FILTER_NS:
            self._filter.clear()
            self._filtered_ns = now
        source, target = (link.target, "") if link.to_peer else ("", link.target)
        asked = Packet("in", link.device, link.port, link.media in SIX, source, target)
        if asked not in self._filter:
            self._filter[asked] = _ruled(asked, await firewall.ruleset())
        return self._filter[asked]


def _at_hand(link: Link, interface: Interface | None, trouble: Cause) -> Cause | None:
    """What is wrong here for all to see. One that the kernel does not let send (EPERM) meets a rule, most likely."""
    if link.on_network and interface is not None:
        if not interface.up:
            return "link-device-off", {"device": link.device}
        if not interface.carrier:
            return "link-no-carrier", {"device": link.device}
    return trouble if trouble[0] not in ("", "link-send-failed") else None


def _ruled(asked: Packet, rules: list[dict[str, object]] | None) -> Cause:
    args = {"device": asked.device, "port": str(asked.port)}
    if rules is None:
        return "link-none-comes", args
    leaving = replace(asked, way="out", source="", target=asked.source or asked.target)
    for packet, code in ((asked, "link-rule-in"), (leaving, "link-rule-out")):
        if ruled := firewall.dropped(rules, packet):
            return code if ruled.sure else f"{code}-perhaps", {**args, "chain": ruled.chain}
    return "link-none-comes-unfiltered", args
