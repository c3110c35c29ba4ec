"""`hbctl firewall`: the rules that let the heartbeats of a configuration in, for nftables, firewalld and ufw.

Owns which packets those are. Invariant: exactly the ports, groups and peers that ha.cf names on their interfaces, and
nothing is changed here. Must not know which firewall runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hbcore.cli.look import put_json, put_lines
from hbcore.cli.preflight import own_addresses, render
from hbcore.control.errors import ControlError
from hbcore.engine.config import ClusterConfig, Media, Severity
from hbcore.formats.load import load
from hbcore.words import say


@dataclass(frozen=True, slots=True)
class Opening:
    """Datagrams on `device` to `port`: from `source` (a peer), or to `group` (multicast, with IGMP)."""

    device: str
    port: int
    source: str = ""
    group: str = ""


def firewall(args: argparse.Namespace) -> int:
    """Raises ControlError where the files are wrong."""
    path = Path(args.config)
    found = load(path.absolute())
    if found.config is None:
        errors = [problem for problem in found.problems if problem.severity is Severity.ERROR]
        raise ControlError("firewall-wrong", first=render(errors[:1], f"{path}/")[0])
    wanted = openings(found.config, own_addresses())
    if args.json:
        put_json({name: commands(wanted) for name, commands in KINDS.items()})
        return 0
    lines = []
    for name, commands in KINDS.items():
        lines += [f"# {say(f'firewall-{name}')}", *commands(wanted), ""]
    put_lines(lines[:-1])
    return 0


def openings(config: ClusterConfig, own: set[str]) -> list[Opening]:
    """What comes in from others. `own`: addresses of this machine; a ucast line that names one leads to us."""
    found = []
    for link in config.links:
        if link.media is Media.MCAST:
            found.append(Opening(link.device, link.port, group=link.target))
        elif link.target not in own:
            found.append(Opening(link.device, link.port, source=link.target))
    return list(dict.fromkeys(found))


def nftables(wanted: Sequence[Opening]) -> list[str]:
    """Inserted, so that they stand before what drops."""
    head = "nft insert rule inet filter input"
    rules = []
    for one in wanted:
        which = f"ip daddr {one.group}" if one.group else f"ip saddr {one.source}"
        rules.append(f'{head} iifname "{one.device}" {which} udp dport {one.port} accept')
    return rules + [f'{head} iifname "{device}" ip protocol igmp accept' for device in _multicast(wanted)]


def firewalld(wanted: Sequence[Opening]) -> list[str]:
    """firewalld has zones where others have interfaces; the default zone's, unless --zone is added."""
    rules = []
    for one in wanted:
        which = f'destination address="{one.group}"' if one.group else f'source address="{one.source}"'
        rule = f'rule family="ipv4" {which} port port="{one.port}" protocol="udp" accept'
        rules.append(f"firewall-cmd --permanent --add-rich-rule='{rule}'")
    igmp = ["firewall-cmd --permanent --add-protocol=igmp"] if _multicast(wanted) else []
    return [*dict.fromkeys(rules), *igmp, "firewall-cmd --reload"]


def ufw(wanted: Sequence[Opening]) -> list[str]:
    rules = []
    for one in wanted:
        which = f"to {one.group}" if one.group else f"from {one.source} to any"
        rules.append(f"ufw allow in on {one.device} {which} port {one.port} proto udp")
    return rules + [f"ufw allow in on {device} to 224.0.0.0/4 proto igmp" for device in _multicast(wanted)]


def _multicast(wanted: Sequence[Opening]) -> list[str]:
    """Devices on which switches may ask who is in a group, and forget who does not answer."""
    return list(dict.fromkeys(one.device for one in wanted if one.group))


KINDS = {"nftables": nftables, "firewalld": firewalld, "ufw": ufw}
