"""What this host says of the groups: where their addresses live, what vouches for that network, what is missing.

Owns the translation of the host's tables into `engine.events.Facts` and into the places pulse must know.
Invariant: only reads. Must not know what the engine makes of it.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from hbcore.engine.config import ClusterConfig, GroupDef
from hbcore.engine.events import Facts, GroupFacts
from hbcore.host import address as host_address
from hbcore.host.address import Addresses
from hbcore.host.pipe import Place
from hbcore.host.placing import Resolved


async def gather(config: ClusterConfig, addresses: Addresses, scripts: dict[str, str]) -> tuple[Facts, list[Place]]:
    """One look at the host."""
    groups, places = [], []
    for group in config.groups:
        facts, found = await _group(config, group, addresses, scripts)
        groups.append(facts)
        places += found
    services = await addresses.services([a for g in config.groups for a in g.addresses], _devices(config))
    return Facts(services, tuple(groups)), places


async def _group(
    config: ClusterConfig, group: GroupDef, addresses: Addresses, scripts: dict[str, str]
) -> tuple[GroupFacts, list[Place]]:
    problem = ""
    places: list[Place] = []
    first: Resolved | None = None
    for wanted in group.addresses:
        place = await addresses.resolve(wanted)
        if isinstance(place, Resolved):
            first = first or place
            places.append(Place(group.name, place.ifindex, place.ip, place.prefix))
        else:
            problem = problem or place.code
    for resource in group.resources:
        if resource.agent == "script" and resource.kind not in scripts:
            problem = problem or "script-missing-here"
    if group.addresses and first is None:
        return GroupFacts(group.name, problem=problem), places
    if first is None:  # no address: its machine is asked for where the heartbeats go
        first = await addresses.base(_devices(config)[0])
    if first is None:
        return GroupFacts(group.name, problem=problem), places
    return GroupFacts(group.name, first.device, first.base, _control(config, first), problem), places


def _devices(config: ClusterConfig) -> list[str]:
    return list(dict.fromkeys(link.device for link in config.links))


def _control(config: ClusterConfig, place: Resolved) -> str:
    """safety.md 1: a ping node on the network of the VIP, else its gateway, else nothing."""
    network = IPv4Network((place.ip, place.prefix), strict=False)
    for ping in config.pings:
        if IPv4Address(ping) in network:
            return ping
    gateway = host_address.gateway(place.device)
    return gateway if gateway and IPv4Address(gateway) in network else ""
