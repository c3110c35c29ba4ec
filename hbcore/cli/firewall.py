"""`hbctl firewall`: the rules that let the heartbeats of a configuration in, in the language of each firewall.

Owns which packets those are, and what must come in beside them: with multicast the switch's question who is in a group
(it forgets who never hears it), with IPv6 neighbour discovery, which no connection is known for. The answers of ping
nodes need nothing: each of these firewalls lets answers in, or the machine could not even ask for a name. Invariant:
exactly the ports, groups and peers that ha.cf names on their interfaces, and nothing is changed here. Must not know
which firewall runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from pathlib import Path

from hbcore.cli.look import put_json, put_lines
from hbcore.cli.preflight import own_addresses
from hbcore.cli.readable import readable
from hbcore.engine.config import ClusterConfig, Media
from hbcore.host.firewall import Packet
from hbcore.links.sockets import broadcast_of
from hbcore.words import say

SIX = (Media.MCAST6, Media.UCAST6)
DISCOVERY = ("neighbour-solicitation", "neighbour-advertisement")  # RFC 4861
MLD_QUERY = "130"  # RFC 3810; iptables has no name for it


def firewall(args: argparse.Namespace) -> int:
    """Raises ControlError where the files are wrong."""
    config, _, _ = readable(Path(args.config), "firewall")
    wanted = openings(config, own_addresses())
    if args.json:
        put_json({name: commands(wanted) for name, commands in KINDS.items()})
        return 0
    lines = []
    for name, commands in KINDS.items():
        lines += [f"# {say(f'firewall-{name}')}", *commands(wanted), ""]
    put_lines(lines[:-1] if wanted else [f"# {say('firewall-nothing')}"])
    return 0


def openings(config: ClusterConfig, own: set[str]) -> list[Packet]:
    """The beats that come in from others by a network. `own`: addresses of this machine; a ucast line that names one
    leads to us. A broadcast's `target` is "" where its device has no address now.
    """
    found = []
    for link in (one for one in config.links if one.on_network and one.target not in own):
        six = link.media in SIX
        if link.to_peer:
            found.append(Packet("in", link.device, link.port, six, source=link.target))
        else:
            found.append(Packet("in", link.device, link.port, six, target=link.target or broadcast_of(link.device)))
    return list(dict.fromkeys(found))


def nftables(wanted: Sequence[Packet]) -> list[str]:
    """Inserted, so that they stand before what drops."""
    rules = []
    for one in wanted:
        which = f"saddr {one.source}" if one.source else f"daddr {one.target}" if one.target else ""
        family = "ip6 " if one.six else "ip "
        rules.append(f'"{one.device}" {family + which + " " if which else ""}udp dport {one.port}')
    rules += [f'"{device}" ip protocol igmp' for device in _joined(wanted, six=False)]
    rules += [f'"{device}" icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }}' for device in _six(wanted)]
    rules += [f'"{device}" icmpv6 type mld-listener-query' for device in _joined(wanted, six=True)]
    return [f"nft insert rule inet filter input iifname {rule} accept" for rule in rules]


def iptables(wanted: Sequence[Packet]) -> list[str]:
    rules = []
    for one in wanted:
        which = f" -s {one.source}" if one.source else f" -d {one.target}" if one.target else ""
        rules.append((one.six, f"{one.device}{which} -p udp --dport {one.port}"))
    rules += [(False, f"{device} -p igmp") for device in _joined(wanted, six=False)]
    icmp = [(device, kind) for device in _six(wanted) for kind in DISCOVERY]
    icmp += [(device, MLD_QUERY) for device in _joined(wanted, six=True)]
    rules += [(True, f"{device} -p icmpv6 --icmpv6-type {kind}") for device, kind in icmp]
    return [f"{'ip6tables' if six else 'iptables'} -I INPUT -i {rule} -j ACCEPT" for six, rule in rules]


def firewalld(wanted: Sequence[Packet]) -> list[str]:
    """firewalld has zones where others have interfaces; the default zone's, unless --zone is added. Most of its zones
    let all of ICMPv6 in, and it has no name for a part of it that we need.
    """
    rules = []
    for one in wanted:
        which = f'source address="{one.source}" ' if one.source else ""
        which += f'destination address="{one.target}" ' if one.target else ""
        family = "ipv6" if one.six else "ipv4"
        rules.append(f'rich-rule=\'rule family="{family}" {which}port port="{one.port}" protocol="udp" accept\'')
    rules += ["protocol=igmp"] if _joined(wanted, six=False) else []
    rules += ["protocol=ipv6-icmp"] if _six(wanted) else []
    lines = [f"firewall-cmd --permanent --add-{rule}" for rule in dict.fromkeys(rules)]
    return [*lines, "firewall-cmd --reload"] if lines else []


def ufw(wanted: Sequence[Packet]) -> list[str]:
    """Its own rules (before6.rules) let neighbour discovery and MLD in."""
    rules = []
    for one in wanted:
        which = f"from {one.source} to any" if one.source else f"to {one.target or 'any'}"
        rules.append(f"{one.device} {which} port {one.port} proto udp")
    rules += [f"{device} to 224.0.0.0/4 proto igmp" for device in _joined(wanted, six=False)]
    return [f"ufw allow in on {rule}" for rule in rules]


def _joined(wanted: Sequence[Packet], *, six: bool) -> list[str]:
    """Devices on which groups of this family are joined."""
    groups = (one for one in wanted if one.target and ip_address(one.target).is_multicast)
    return list(dict.fromkeys(one.device for one in groups if one.six is six))


def _six(wanted: Sequence[Packet]) -> list[str]:
    return list(dict.fromkeys(one.device for one in wanted if one.six))


KINDS: dict[str, Callable[[Sequence[Packet]], list[str]]] = {
    "nftables": nftables, "iptables": iptables, "firewalld": firewalld, "ufw": ufw,
}  # fmt: skip
