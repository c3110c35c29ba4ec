"""What hbctl drill plays: a configuration directory as the simulator can have it, and what had to be assumed for it.

Owns the reading, and the differences between this cluster and its simulation. Invariant: where the simulator cannot
have a protection as it is, it has less, and that is said. Must not know runs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, ip_address
from pathlib import Path

from hbcore.cli.preflight import examine, guard_trouble
from hbcore.cli.readable import readable
from hbcore.control.errors import ControlError
from hbcore.engine.config import ClusterConfig, GroupDef, Severity
from hbcore.sim.network import service_of
from hbcore.words import say

Said = tuple[str, tuple[tuple[str, str], ...]]  # a code of words with its arguments


@dataclass(frozen=True, slots=True)
class Scene:
    """`capable`: kernels that can guard. `assumed`: for a person."""

    config: ClusterConfig
    capable: tuple[bool, bool]
    assumed: tuple[Said, ...]


def scene(path: Path) -> Scene:
    """Raises ControlError with the place and the first thing to mend."""
    path = path.parent if path.is_file() else path
    config = _read(path)
    here = os.uname().nodename.lower() in config.nodes
    unfit = _unfit(path) if here else ()
    capable, guard = _guard(config, here=here)
    config, control = _control(config)
    return Scene(config, (capable, capable), (*unfit, *guard, *control, *_networks(config)))


def _read(path: Path) -> ClusterConfig:
    config, _, _ = readable(path, "drill")
    if not config.groups:
        raise ControlError("drill-no-group", where=path.absolute() / "haresources", what=say("no-group"))
    return config


def _unfit(path: Path) -> tuple[Said, ...]:
    """What would keep this machine, which is one of the nodes, from it."""
    found = examine(path.absolute()).problems
    first = next((problem for problem in found if problem.severity is Severity.ERROR), None)
    if first is None:
        return ()
    return (("drill-would-not-start", (("first", say(first.code, **dict(first.args))), ("path", str(path)))),)


def _guard(config: ClusterConfig, *, here: bool) -> tuple[bool, tuple[Said, ...]]:
    """As this kernel can, where it is a node's; who may not ask it knows nothing of it."""
    if not any(group.gated for group in config.groups):
        return True, ()
    trouble = guard_trouble() if here else ""
    if not here or (trouble == "EPERM" and os.geteuid() != 0):
        return True, (("drill-guard-unasked", ()),)
    return (False, (("drill-guard-none", (("error", trouble),)),)) if trouble else (True, (("drill-guard-here", ()),))


def _control(config: ClusterConfig) -> tuple[ClusterConfig, tuple[Said, ...]]:
    """safety.md 1 asks a ping node on the network of the address, else its gateway, which no file names."""
    networks = {group.name: _network(group) for group in config.groups}
    far = [n for n, net in networks.items() if net and not any(_within(config, ping, net) for ping in config.pings)]
    untold = [group.name for group in config.groups if group.addresses and networks[group.name] is None]
    if far or not config.pings:
        return replace(config, pings=()), (("drill-no-control", (("groups", ", ".join(far or networks)),)),)
    return config, (("drill-control-near", (("groups", ", ".join(untold)),)),) if untold else ()


def _within(config: ClusterConfig, ping: str, net: IPv4Network) -> bool:
    return all("%" not in ip and ip_address(ip) in net for ip in config.asked(ping))


def _network(group: GroupDef) -> IPv4Network | None:
    """Where the files tell it, and a ping node can be in it."""
    first = next(iter(group.addresses), None)
    if first is None or first.prefix is None or ":" in first.ip:
        return None
    return IPv4Network((first.ip, first.prefix), strict=False)


def _networks(config: ClusterConfig) -> tuple[Said, ...]:
    service = service_of(config)
    named = dict.fromkeys(a.device for g in config.groups for a in g.addresses if a.device and a.device != service)
    return (("drill-one-network", (("service", service), ("others", ", ".join(named)))),) if named else ()
