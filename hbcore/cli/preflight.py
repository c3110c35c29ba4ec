"""What `hbctl check` prints and what hbcored refuses to start with: one examination for both.

Owns the checks that need this machine beside the files: scripts, devices, subnets, own addresses, what keeps an address
silent or off, real-time scheduling, the kernel's guard, and the holes that follow from the files alone (safety.md 4:
H3, and H6 where it is asked for; authkeys.py tells H7). Invariant: `examine` only looks and changes nothing; `config`
is None where there is any error; users and the kernel's guard are asked for last, by sockets, and only where all else
was found right. Must not know how anything is run.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path

from hbcore.agents.lookup import Agent, Missing, Places, find
from hbcore.engine.config import ClusterConfig, GroupDef, Guard, Link, Problem, Severity
from hbcore.engine.keys import Keyring
from hbcore.engine.lease import real_time
from hbcore.formats.load import load
from hbcore.formats.text import Findings, nearest
from hbcore.host import realtime
from hbcore.words import say

PROC = Path("/proc")
Subnets = Sequence[
    tuple[IPv4Network | IPv6Network, str]
]  # connected subnets and their devices, the most specific first


@dataclass(frozen=True, slots=True)
class Examined:
    """`scripts`: kind -> the script found. `problems`: by file and line; config is None where one is an error."""

    config: ClusterConfig | None
    keys: Keyring | None
    scripts: dict[str, Path]
    problems: tuple[Problem, ...]


def examine(config_dir: Path, node: str | None = None, *, here: bool = True, proc: Path = PROC) -> Examined:
    """Reads a configuration directory and looks whether this machine can run it.

    `node`: my own name, which must then be one of the nodes; None asks `uname -n`, and does not insist. `here`: may
    this machine be looked at; its scripts always are then, its network only where it is one of the nodes.
    False for a configuration meant for another machine: only scripts beside it are found, none is missed.
    `proc`: where the kernel tells of routes, addresses and switches.
    """
    loaded = load(config_dir, node)
    problems = list(loaded.problems)
    scripts: dict[str, Path] = {}
    config = loaded.config
    if config is not None:
        scripts, lost = _scripts(config, config_dir, here)
        problems += (*lost, *_told(config), *(_programs(config) if here else ()))
        me = (node or os.uname().nodename).lower()
        if here and me in config.nodes:
            problems += (*_network(config, proc), *_scheduling(config))
        elif here:
            elsewhere = Findings("ha.cf")
            elsewhere.note(0, "node-elsewhere", node=me)
            problems += elsewhere.close()
        if here and not failed(problems):
            problems += _users(config)
        if here and me in config.nodes and not failed(problems):
            problems += _unguarded(config)
    problems.sort(key=lambda p: (p.where.file, p.where.line))
    return Examined(None if failed(problems) else config, loaded.keys, scripts, tuple(problems))


def failed(problems: Iterable[Problem]) -> bool:
    """One of them is an error."""
    return any(p.severity is Severity.ERROR for p in problems)


def render(problems: Iterable[Problem], prefix: str = "") -> list[str]:
    """`file:line: message` lines, with `warning:` or `note:` before what is no error. `prefix`: e.g. "/etc/ha.d/"."""
    lines = []
    for problem in problems:
        place = prefix + problem.where.file + (f":{problem.where.line}" if problem.where.line else "")
        word = "" if problem.severity is Severity.ERROR else f"{problem.severity}: "
        lines.append(f"{place}: {word}{say(problem.code, **dict(problem.args))}")
    return lines


def as_json(problems: Iterable[Problem]) -> list[dict[str, str | int]]:
    """The same, for `--json`: file, line (0: the file as a whole), severity, code, text."""
    return [
        {
            "file": p.where.file,
            "line": p.where.line,
            "severity": str(p.severity),
            "code": p.code,
            "text": say(p.code, **dict(p.args)),
        }
        for p in problems
    ]


# -- what the files alone tell --------------------------------------------------------------------------------------


def _told(config: ClusterConfig) -> list[Problem]:
    """Holes and choices a person should know of before the first start."""
    ha = Findings("ha.cf")
    if not config.pings:
        ha.warning(0, "no-control")
    if len(wires := {link.device for link in config.links}) == 1:
        ha.note(0, "one-link", device=next(iter(wires)))
    if other := [c for c in config.chosen if c.ours != c.heartbeats]:
        listed = ", ".join(f"{c.option} {c.ours} ({c.heartbeats})" for c in other)
        ha.note(0, "chosen", profile=config.chosen[0].profile, listed=listed)
    res = Findings("haresources")
    for group in config.groups:
        why = say(group.weight_why, of=group.weight_of)
        res.note(group.where.line, "group-weight", group=group.name, weight=group.weight, why=why)
        if group.guard is Guard.OFF and group.can_be_gated:
            res.warning(group.where.line, "guard-off", group=group.name)
    return [*ha.close(), *res.close()]


def _scripts(config: ClusterConfig, config_dir: Path, here: bool) -> tuple[dict[str, Path], tuple[Problem, ...]]:
    found = Findings("haresources")
    places = Places(config_dir) if here else Places(config_dir, None, (), Path("/nonexistent"))
    scripts: dict[str, Path] = {}
    lost: set[str] = set()
    for group in config.groups:
        for resource in (r for r in group.resources if r.address is None):
            agent = find(resource, places)
            if isinstance(agent, Agent):
                scripts[resource.kind] = agent.path
            elif resource.kind not in lost and (here or (resource.agent == "script" and agent.path)):
                lost.add(resource.kind)
                _lost(agent, group, config_dir, found)
    return scripts, found.close()


def _lost(missing: Missing, group: GroupDef, config_dir: Path, found: Findings) -> None:
    code = missing.code
    if code.endswith("-missing"):
        code += ("-near" if missing.near else "") + ("-unit" if missing.unit else "")
    found.error(
        group.where.line,
        code,
        kind=missing.kind,
        path=missing.path,
        near=missing.near,
        unit=missing.unit,
        dir=config_dir / "resource.d",
    )


def _programs(config: ClusterConfig) -> tuple[Problem, ...]:
    """What the `respawn` lines name, as heartbeat asked for at once."""
    found = Findings("ha.cf")
    for wanted in config.respawn:
        program = wanted.argv[0]
        if not os.path.isfile(program) or not os.access(program, os.X_OK):
            found.error(wanted.where.line, "respawn-no-program", program=program)
    return found.close()


def _users(config: ClusterConfig) -> tuple[Problem, ...]:
    """As whom. libc may ask nscd or a directory for them, by a socket."""
    found = Findings("ha.cf")
    for wanted in config.respawn:
        try:
            pwd.getpwnam(wanted.user)
        except KeyError:
            near = nearest(wanted.user, [entry.pw_name for entry in pwd.getpwall()])
            found.error(
                wanted.where.line, "respawn-no-user-near" if near else "respawn-no-user", user=wanted.user,
                program=wanted.argv[0], near=near or "",
            )  # fmt: skip
    return found.close()


# -- what this machine tells ----------------------------------------------------------------------------------------


def _network(config: ClusterConfig, proc: Path) -> list[Problem]:
    devices = own_devices(proc)
    ha, res = Findings("ha.cf"), Findings("haresources")
    for link in config.links:
        if not link.on_network:
            _line(link, ha)
        elif link.device not in devices:
            ha.error(link.where.line, "device-missing", device=link.device, devices=", ".join(devices))
    subnets = own_subnets(proc)
    for link in config.links:
        if link.to_peer and not _within_reach(link, subnets):
            ha.warning(link.where.line, "ucast-no-subnet", device=link.device, target=link.target)
    own = own_addresses(proc)
    for ip in dict.fromkeys(ip.partition("%")[0] for ping in config.pings for ip in config.asked(ping)):
        if ip in own:
            ha.error(0, "ping-is-own", word=ip)
    for group in config.groups:
        for address in group.addresses:
            device = address.device or device_of(address.ip, subnets)
            if device is None:
                res.warning(group.where.line, "vip-no-subnet", ip=address.ip)
            elif device not in devices:
                listed = ", ".join(devices)
                res.error(group.where.line, "vip-device-missing", ip=address.ip, device=device, devices=listed)
            elif ":" in address.ip:
                if not speaks_ipv6(device, proc):
                    res.warning(group.where.line, "ipv6-off", ip=address.ip, device=device)
            elif silent := _silent(device, arp_ignore(device, proc)):
                res.warning(group.where.line, "arp-ignore", ip=address.ip, device=device, value=silent)
    return [*ha.close(), *res.close()]


def _within_reach(link: Link, subnets: Subnets) -> bool:
    """The peer is on the wire of this device. One that has no address yet may get any."""
    here = [net for net, device in subnets if device == link.device and (net.version == 6) is (":" in link.target)]
    target = ip_address(link.target)
    return not here or target.is_link_local or any(target in net for net in here)


def _line(link: Link, found: Findings) -> None:
    """A serial line. One that is not there may come (an adapter), and is looked for all the time."""
    try:
        if not stat.S_ISCHR(os.stat(link.device).st_mode):
            found.error(link.where.line, "serial-no-line", device=link.device)
        elif not os.access(link.device, os.R_OK | os.W_OK):
            found.warning(link.where.line, "serial-no-right", device=link.device)
    except OSError:
        found.warning(link.where.line, "serial-not-there", device=link.device)


def _scheduling(config: ClusterConfig) -> tuple[Problem, ...]:
    found = Findings("hbcore.yaml")
    if real_time(config.timing) and realtime.refused():
        found.error(0, "fast-needs-realtime")
    return found.close()


def _silent(device: str, ignore: int) -> int:
    """safety.md 5: 8 never answers; on lo 1 and 2 do not either. The silence would look like a free address."""
    return ignore if ignore == 8 or (device == "lo" and ignore in (1, 2)) else 0


def _unguarded(config: ClusterConfig) -> tuple[Problem, ...]:
    """What stands against the guard that groups require, on this machine."""
    found = Findings("hbcore.yaml")
    required = [group.name for group in config.groups if group.guard is Guard.REQUIRED]
    if required and (trouble := guard_trouble()):
        found.error(0, "guard-impossible", groups=", ".join(required), error=trouble)
    return found.close()


def guard_trouble() -> str:
    """Why this kernel cannot guard addresses: the name of an errno, "" where it can. Nothing of it stays."""
    from hbcore.host.guard import Guard as KernelGuard  # opens sockets: only once the files were found right

    guard = KernelGuard()
    guard.close()
    return guard.trouble


def own_devices(proc: Path = PROC) -> list[str]:
    """This host's network devices by name. Read, because libc's own way of asking opens a socket."""
    return sorted(line.partition(":")[0].strip() for line in _read(proc / "net" / "dev").splitlines()[2:])


def own_addresses(proc: Path = PROC) -> set[str]:
    """This host's addresses as the kernel's tables have them; empty where they cannot be read."""
    own: set[str] = set()
    last = ""
    for line in _read(proc / "net" / "fib_trie").splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == "|--":
            last = words[1]
        elif "LOCAL" in words and "/32" in words:
            own.add(last)
    for line in _read(proc / "net" / "if_inet6").splitlines():
        own.add(str(IPv6Address(bytes.fromhex(line.partition(" ")[0]))))
    return own


def own_subnets(proc: Path = PROC) -> Subnets:
    """Directly connected subnets and their devices, the most specific first."""
    subnets: list[tuple[IPv4Network | IPv6Network, str]] = []
    for line in _read(proc / "net" / "route").splitlines()[1:]:
        words = line.split()
        if len(words) >= 8 and words[2] == "00000000" and words[7] != "00000000":
            # /proc/net/route prints the four bytes of a network-order word as one little-endian number
            network, mask = (IPv4Address(bytes.fromhex(words[n])[::-1]) for n in (1, 7))
            subnets.append((IPv4Network(f"{network}/{mask}", strict=False), words[0]))
    for line in _read(proc / "net" / "if_inet6").splitlines():
        words = line.split()  # address, interface, length of the prefix, scope, flags, device; all numbers in hex
        if len(words) == 6 and words[2] != "80":
            address = IPv6Address(bytes.fromhex(words[0]))
            if not address.is_link_local:
                subnets.append((IPv6Network((address, int(words[2], 16)), strict=False), words[5]))
    return sorted(subnets, key=lambda s: -s[0].prefixlen)


def default_route(proc: Path = PROC) -> tuple[str, str] | None:
    """This host's default gateway (IPv4) and the device to it, those that the kernel prefers; None: it has none."""
    found: list[tuple[int, str, str]] = []
    for line in _read(proc / "net" / "route").splitlines()[1:]:
        words = line.split()  # device, destination, gateway, flags, ..., metric, mask
        if len(words) >= 8 and words[1] == words[7] == "00000000" and words[2] != "00000000":
            found.append((int(words[6]), str(IPv4Address(bytes.fromhex(words[2])[::-1])), words[0]))
    return min(found)[1:] if found else None


def device_of(ip: str, subnets: Subnets) -> str | None:
    return next((device for net, device in subnets if ip_address(ip) in net), None)


def speaks_ipv6(device: str, proc: Path = PROC) -> bool:
    """False where the kernel has no IPv6, or it is switched off there: then no address of it can be added."""
    return _read(proc / "sys" / "net" / "ipv6" / "conf" / device / "disable_ipv6").strip() == "0"


def arp_ignore(device: str, proc: Path = PROC) -> int:
    """The kernel takes the larger of the value for all interfaces and that of the interface."""
    conf = proc / "sys" / "net" / "ipv4" / "conf"
    read = [_read(conf / name / "arp_ignore").strip() for name in ("all", device)]
    return max((int(text) for text in read if text.isdigit()), default=0)


def _read(path: Path, limit: int = 1 << 20) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(limit).decode("ascii", "replace")
    except OSError:
        return ""
