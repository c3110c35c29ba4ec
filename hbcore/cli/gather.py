"""The facts of this node that doctor judges.

Owns how each is found out. Invariant: only looks; each look is bounded in time and size, and what cannot be seen is
said (`unseen`) or left out, never guessed. `root`: where /proc, /sys and /etc are. Must not know what is wrong.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from hbcore.agents.lookup import names_of
from hbcore.cli import preflight
from hbcore.cli.facts import LONGEST, MOST, Checked, Facts, Folder, LinkSeen, Manager, Occupied, Service, Shut, User
from hbcore.cli.firewall import openings
from hbcore.control.client import ControlError, connect, parse
from hbcore.control.schema import Status
from hbcore.engine.config import ClusterConfig, Problem, Resource, Severity
from hbcore.formats.load import load
from hbcore.host import firewall
from hbcore.words import say

ROOT = Path("/")
ASK_S = 3.0  # for getent, nft and the daemon each
MOST_PIDS = 20_000
MOST_BYTES = 4 << 20
NAMESAKE = ("alarm-namesake", "alarm-refused", "alarm-beside")
MANAGERS = ("heartbeat", "corosync", "pacemakerd", "pacemaker", "keepalived", "ucarp", "vrrpd", "cman", "rgmanager")
# Users that services run as beside those of the services' own names: Debian's, Red Hat's, SUSE's.
USERS = {
    "httpd": ("www-data", "wwwrun"), "nginx": ("www-data",), "named": ("bind",), "slapd": ("openldap",),
    "squid": ("proxy",), "exim": ("Debian-exim",), "nfs": ("nobody", "rpcuser", "statd"), "rsyslog": ("syslog",),
}  # fmt: skip


def facts(folder: Path, root: Path = ROOT) -> Facts:
    """This node, by the configuration in `folder`. Blocks for some seconds at most."""
    uname = os.uname().nodename
    node = (os.environ.get("HBCORE_NODE") or uname).lower()
    examined = preflight.examine(folder, node)
    config = examined.config or load(folder).config
    unseen: list[str] = []
    status = asyncio.run(_status())
    running = dict(programs(root))
    own = sorted(preflight.own_addresses(root / "proc"))
    known = Facts(
        node=node,
        uname=uname,
        config=str(folder),
        problems=checked(folder, examined.problems),
        resolved=resolved(node),
        addresses=own[:MOST],
        macs=macs(root)[:MOST],
        managers=list(managers(root, set(running.values())))[:MOST],
        daemon=status is not None,
        held=[g.name for g in status.groups if g.node == status.node][:MOST] if status else [],
        namesake=next((a.text for a in status.alarms if a.code in NAMESAKE), "") if status else "",
        links=[LinkSeen(link.name, link.state, link.reason or "") for link in status.links][:MOST] if status else [],
    )
    if config is None:
        return known
    ports = {link.port for link in config.links if link.on_network}
    wanted = openings(config, set(own))
    rules = asyncio.run(firewall.ruleset())
    if rules is None:
        unseen.append("firewall")
    found = {
        "nodes": list(config.nodes),
        "pings": list(config.pings),
        "services": list(services(config, root, set(running.values())))[:MOST],
        "users": list(users(config))[:MOST],
        "folders": list(folders(config, root))[:MOST],
        "taken": [] if status else [Occupied(port, program) for port, program in taken(root, ports)],
        "shut": list(shut(rules or [], wanted))[:MOST],
        "unseen": unseen,
    }
    return Facts(**{name: getattr(known, name) for name in known.__struct_fields__} | found)


def checked(folder: Path, problems: Iterable[Problem]) -> list[Checked]:
    """What `hbctl check` says, without its notes."""
    found = []
    for one in problems:
        if one.severity is Severity.NOTE:
            continue
        place = f"{folder / one.where.file}" + (f":{one.where.line}" if one.where.line else "")
        args = dict(one.args)
        severity: Literal["error", "warning"] = "error" if one.severity is Severity.ERROR else "warning"
        text, kind = say(one.code, **args), args.get("kind", "")
        found.append(Checked(place[:LONGEST], severity, one.code, text[:LONGEST], kind[:LONGEST]))
    return found[:MOST]


# -- names, addresses, cards -------------------------------------------------------------------------------------------


def resolved(name: str) -> list[str]:
    """What the resolver of this machine makes of a name; empty where nothing, or not in time."""
    said = _output(["getent", "ahosts", "--", name])
    return list(dict.fromkeys(line.split()[0] for line in said.splitlines() if line.strip()))[:MOST]


def macs(root: Path = ROOT) -> list[str]:
    """Of all cards but the loopback, whose address is all zeros."""
    found = (_read(path / "address").strip() for path in _children(root / "sys/class/net"))
    return sorted({mac for mac in found if mac and mac.strip("0:")})


# -- services ----------------------------------------------------------------------------------------------------------


def services(config: ClusterConfig, root: Path, running: set[str]) -> Iterator[Service]:
    """Of each resource every unit that may be the same service, or its program where systemd does not run."""
    booted = (root / "run/systemd/system").is_dir()
    for group in config.groups:
        for resource in (r for r in group.resources if r.address is None):
            names = _names(resource)
            for name in names:
                unit = name if "." in name else f"{name}.service"
                enabled, active = at_boot(unit, root, booted), in_cgroup(unit, root)
                program = not booted and bool({name[:15], f"{name}d"[:15]} & running)
                if enabled or active or program:
                    yield Service(group.name, resource.name, unit if booted else name, enabled, active or program)


def at_boot(unit: str, root: Path, booted: bool = True) -> bool:
    """`systemctl enable` left a link, or, where systemd does not run, update-rc.d did."""
    if booted:
        wanting = (f for f in _children(root / "etc/systemd/system") if f.suffix in (".wants", ".requires"))
        return any(os.path.lexists(folder / unit) for folder in wanting)
    name = unit.removesuffix(".service")
    return any(True for level in "2345" for _ in (root / f"etc/rc{level}.d").glob(f"S[0-9][0-9]{name}"))


def in_cgroup(unit: str, root: Path) -> bool:
    """A process of that unit runs: asked of the kernel, not of systemd."""
    for tree in ("sys/fs/cgroup", "sys/fs/cgroup/systemd"):
        place = root / tree / "system.slice" / unit
        if "populated 1" in _read(place / "cgroup.events") or _read(place / "cgroup.procs").strip():
            return True
    return False


def _names(resource: Resource) -> tuple[str, ...]:
    """The usual names of the service; of a unit only its own."""
    if resource.agent == "systemd":
        return (resource.kind,)
    return tuple(name for name in names_of(resource.kind.rpartition(":")[2]) if "/" not in name)


def users(config: ClusterConfig) -> Iterator[User]:
    """Whom the services may run as, as far as there are such users here, and those of respawn lines."""
    wanted = {one.user for one in config.respawn}
    for resource in (r for group in config.groups for r in group.resources if r.address is None):
        names = set(names_of(resource.kind.rpartition(":")[2].removesuffix(".service")))
        wanted |= names | {user for name in names for user in USERS.get(name, ())}
    for name in sorted(wanted - {"root"}):
        try:
            entry = pwd.getpwnam(name)
        except (KeyError, ValueError):
            continue
        yield User(name, entry.pw_uid, entry.pw_gid)


def folders(config: ClusterConfig, root: Path) -> Iterator[Folder]:
    """Mount points that are not there."""
    for group in config.groups:
        for resource in (r for r in group.resources if r.kind.rpartition(":")[2] == "Filesystem"):
            given = dict(arg.split("=", 1) for arg in resource.args if "=" in arg)
            plain = resource.args[1] if resource.agent == "script" and len(resource.args) > 1 else ""
            path = plain or given.get("directory", "")
            if path.startswith("/") and not (root / path.lstrip("/")).is_dir():
                yield Folder(group.name, path)


# -- programs and ports ------------------------------------------------------------------------------------------------


def programs(root: Path = ROOT) -> Iterator[tuple[int, str]]:
    """Number and name (at most 15 bytes: the kernel's comm) of what runs."""
    for path in _children(root / "proc", MOST_PIDS):
        if path.name.isdigit() and (name := _read(path / "comm").strip()):
            yield int(path.name), name


def managers(root: Path, running: set[str]) -> Iterator[Manager]:
    booted = (root / "run/systemd/system").is_dir()
    for name in MANAGERS:
        if name in running or at_boot(f"{name}.service", root, booted):
            yield Manager(name, name in running)


def taken(root: Path, ports: set[int]) -> Iterator[tuple[int, str]]:
    """UDP ports of these that somebody has, and whose they are ("" where that cannot be seen)."""
    for line in (line for name in ("udp", "udp6") for line in _read(root / "proc/net" / name).splitlines()[1:]):
        words = line.split()  # slot, local address:port, remote, ..., the tenth: inode
        if len(words) > 9 and (port := int(words[1].rpartition(":")[2], 16)) in ports:
            ports = ports - {port}
            yield port, _holder(root, words[9])


def shut(rules: Iterable[dict[str, object]], wanted: Iterable[firewall.Packet]) -> Iterator[Shut]:
    """Beats that a rule here surely drops."""
    book = list(rules)
    for packet in wanted:
        ruled = firewall.dropped(book, packet)
        if ruled is not None and ruled.sure:
            yield Shut(packet.device, packet.port, ruled.chain)


def _holder(root: Path, inode: str) -> str:
    for pid, name in programs(root):
        for path in _children(root / "proc" / str(pid) / "fd"):
            try:
                if os.readlink(path) == f"socket:[{inode}]":
                    return name
            except OSError:
                continue
    return ""


async def _status() -> Status | None:
    """What hbcored says here; None where none answers."""
    try:
        async with asyncio.timeout(ASK_S), connect(parse(None), tool="hbctl") as client:
            return await client.status()
    except (ControlError, OSError, TimeoutError):
        return None


def _output(argv: list[str]) -> str:
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=ASK_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout[:MOST_BYTES].decode("utf-8", "replace") if done.returncode == 0 else ""


def _children(folder: Path, most: int = 4096) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            for entry, _ in zip(entries, range(most), strict=False):
                yield folder / entry.name
    except OSError:
        return


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(1 << 20).decode("utf-8", "replace")
    except OSError:
        return ""
