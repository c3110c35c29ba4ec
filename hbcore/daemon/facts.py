"""What this host says of the groups: where their addresses live, what vouches for that network, what is missing.

Owns the translation of the host's tables into `engine.events.Facts` and into the places pulse must know.
Invariant: only reads. Must not know what the engine makes of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from hbcore.agents.lookup import Missing, Places, find
from hbcore.engine.config import ClusterConfig, GroupDef
from hbcore.engine.events import Facts, GroupFacts
from hbcore.engine.lease import lease_of, valid_s
from hbcore.host import address as host_address
from hbcore.host.address import Addresses
from hbcore.host.pipe import Place
from hbcore.host.placing import HostAddress, Resolved, is_ipv6, network


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the host. `own`: by device, all our own addresses there; what is asked there is asked from them."""

    facts: Facts
    places: tuple[Place, ...]
    own: dict[str, tuple[str, ...]]


async def gather(
    config: ClusterConfig, definitions: tuple[GroupDef, ...], addresses: Addresses, config_dir: Path
) -> Look:
    """`definitions`: what the groups run by here, be it that of the files in `config_dir` or the one last agreed."""
    groups, places = [], []
    own: dict[str, tuple[str, ...]] = {}
    for group in definitions:
        facts, found = await _group(config, group, addresses, config_dir, own)
        groups.append(facts)
        places += found
    services = await addresses.services([a for g in definitions for a in g.addresses], _devices(config))
    return Look(Facts(services, tuple(groups)), tuple(places), own)


async def _group(
    config: ClusterConfig,
    group: GroupDef,
    addresses: Addresses,
    config_dir: Path,
    own: dict[str, tuple[str, ...]],
) -> tuple[GroupFacts, list[Place]]:
    problem = ""
    places: list[Place] = []
    first: Resolved | None = None
    for wanted in group.addresses:
        place = await addresses.resolve(wanted)
        if isinstance(place, Resolved):
            first = first or place
            ends = valid_s(lease_of(config.timing)) if group.can_be_gated else 0
            places.append(Place(group.name, place.ifindex, place.ip, place.prefix, group.gated, group.director, ends))
        else:
            problem = problem or place.code
    for resource in group.resources:
        if resource.address is None and isinstance(find(resource, Places(config_dir)), Missing):
            problem = problem or "script-missing-here"
    if group.addresses and first is None:
        return GroupFacts(group.name, problem=problem), places
    if first is None:  # no address: its machine is asked for where the heartbeats go
        first = await addresses.base(next(iter(_devices(config)), ""))
    if first is None:
        return GroupFacts(group.name, problem=problem), places
    here = await addresses.own(first.device)
    own[first.device] = tuple(a.ip for a in here)
    return GroupFacts(group.name, first.device, first.base, _control(config, first, here), problem), places


def _devices(config: ClusterConfig) -> list[str]:
    return list(dict.fromkeys(link.device for link in config.links if link.on_network))


def _control(config: ClusterConfig, place: Resolved, own: list[HostAddress]) -> str:
    """safety.md 1: a ping node on the network of the VIP, else its gateway, else nothing.

    It may be one of the other family in a subnet of the same interface: whoever answers there proves the same card,
    cable and switch. Of a ping group all must be there, since any of them speaks for it.
    """
    six = is_ipv6(place.ip)
    subnets = [network(place.ip, place.prefix), *(a.network for a in own if six or is_ipv6(a.ip))]

    def near(ip: str) -> bool:
        bare, scoped, device = ip.partition("%")
        if scoped:
            return device == place.device
        return any(ip_address(bare) in subnet for subnet in subnets)

    gateway = host_address.gateway(place.device)
    known = [*config.pings, *([gateway] if gateway else [])]
    return next((name for name in known if all(near(ip) for ip in config.asked(name))), "")
