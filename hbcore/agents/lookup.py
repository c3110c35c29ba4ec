"""What runs a resource on this machine: a script of `resource.d` or `/etc/init.d`, an OCF agent, a systemd unit.

Owns the search, for a plain word as heartbeat does it (`resource.d/KIND` under the configuration directory, then
`/etc/init.d/KIND`; a regular, executable file), then the OCF agent that heartbeat's own script of that name stood for;
and what to offer where there is nothing: the service under its other usual names, else the nearest word, and a unit.
Invariant: only looks, never runs; every listing is bounded; a kind with a slash finds nothing.
Must not know configuration files, nor sentences.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hbcore.agents import ocf
from hbcore.agents.places import fault_of, listing
from hbcore.agents.verdict import Kind
from hbcore.engine.config import Resource

INIT_DIR = Path("/etc/init.d")
UNIT_DIRS = tuple(  # systemd.unit(5), "Unit File Load Path"
    Path(path)
    for path in ("/etc/systemd/system", "/run/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system",
                 "/usr/local/lib/systemd/system", "/run/systemd/generator.late")
)  # fmt: skip
# One service, many names: Red Hat's, Debian's, upstream's.
ALIASES: tuple[tuple[str, ...], ...] = (
    ("httpd", "apache2", "apache"),
    ("mysql", "mysqld", "mariadb"),
    ("named", "bind9", "bind"),
    ("nfs", "nfs-kernel-server", "nfs-server", "nfsserver", "nfsd"),
    ("smb", "smbd", "samba"),
    ("nmb", "nmbd"),
    ("postgresql", "postgres", "pgsql"),
    ("sshd", "ssh"),
    ("crond", "cron"),
    ("squid", "squid3"),
    ("ntpd", "ntp", "ntpsec", "chronyd", "chrony"),
    ("dhcpd", "isc-dhcp-server"),
    ("slapd", "openldap", "ldap"),
    ("vsftpd", "proftpd", "pure-ftpd"),
    ("redis", "redis-server"),
    ("tgtd", "tgt", "iscsi-target", "iscsitarget"),
    ("rsyslog", "syslog", "syslogd"),
    ("nginx", "nginx-full"),
    ("tomcat", "tomcat9", "tomcat10"),
    ("exim", "exim4"),
    ("dovecot", "imapd"),
)


@dataclass(frozen=True, slots=True)
class Missing:
    """Why there is nothing to run. `code`: script-missing | agent-missing | unit-missing, or what is wrong with the
    file at `path`: script-not-executable | script-is-directory | script-broken-link | script-not-regular; `near`: what
    is here and may be meant, or ""; `unit`: a systemd unit that may be meant, or "".
    """

    code: str
    kind: str
    path: str = ""
    near: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Agent:
    """What runs a resource. `path`: of the program (the unit's file is systemd's). `name`: "PROVIDER:TYPE" of an OCF
    agent, whose `args` are "NAME=VALUE"; or of the unit.
    """

    kind: Kind
    path: Path
    args: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class Places:
    """Where agents are looked for. `config_dir`: has resource.d. `init_dir`: None for none."""

    config_dir: Path
    init_dir: Path | None = INIT_DIR
    unit_dirs: tuple[Path, ...] = UNIT_DIRS
    ocf_root: Path = ocf.ROOT


def find(resource: Resource, places: Places) -> Agent | Missing:
    """What runs this resource (which is no address) here."""
    return FINDERS[resource.agent](resource, places)


def _script(resource: Resource, places: Places) -> Agent | Missing:
    path = find_script(resource.kind, places.config_dir, places.init_dir, places.unit_dirs)
    if isinstance(path, Path):
        kind = Kind.LSB if path.parent == places.init_dir else Kind.HEARTBEAT
        return Agent(kind, path, resource.args)
    meant = ocf.of_wrapper(resource.kind, resource.args)
    if path.code == "script-missing" and meant is not None:
        file, fault = ocf.find(meant[0], places.ocf_root)
        if not fault:
            return Agent(Kind.OCF, file, meant[1], meant[0])
    return path


def _lsb(resource: Resource, places: Places) -> Agent | Missing:
    if places.init_dir is None:
        return Missing("script-missing", resource.kind)
    path = places.init_dir / resource.kind
    fault = fault_of(path)
    if fault is None:
        return Agent(Kind.LSB, path, resource.args)
    near = _near(resource.kind, [places.init_dir])
    return Missing(fault or "script-missing", resource.kind, str(path) if fault else "", near)


def _ocf(resource: Resource, places: Places) -> Agent | Missing:
    path, fault = ocf.find(resource.kind, places.ocf_root)
    if not fault:
        return Agent(Kind.OCF, path, resource.args, resource.kind)
    near = ocf.near(resource.kind, places.ocf_root) if fault == "agent-missing" else ""
    return Missing(fault, resource.kind, str(path), near)


def _systemd(resource: Resource, places: Places) -> Agent | Missing:
    unit = resource.kind
    template = "@".join((unit.partition("@")[0], "." + unit.rpartition(".")[2]))
    for name in dict.fromkeys((unit, template) if "@" in unit else (unit,)):
        for folder in places.unit_dirs:
            if (folder / name).exists():
                return Agent(Kind.SYSTEMD, folder / name, (), unit)
    near = _unit(unit.rpartition(".")[0].partition("@")[0], places.unit_dirs)
    return Missing("unit-missing", unit, near=near)


FINDERS: dict[str, Callable[[Resource, Places], Agent | Missing]] = {
    "script": _script,
    "lsb": _lsb,
    "ocf": _ocf,
    "systemd": _systemd,
}


def find_script(
    kind: str, config_dir: Path, init_dir: Path | None = INIT_DIR, unit_dirs: tuple[Path, ...] = UNIT_DIRS
) -> Path | Missing:
    """The first usable script of that name, as heartbeat would run it; else what stands in its place."""
    if not kind or "/" in kind or kind in (".", ".."):
        return Missing("script-missing", kind)
    places = [place for place in (config_dir / "resource.d", init_dir) if place is not None]
    wrong: Missing | None = None
    for place in places:
        path = place / kind
        code = fault_of(path)
        if code is None:
            return path
        if code and wrong is None:
            wrong = Missing(code, kind, str(path))
    if wrong is not None:
        return wrong
    return Missing("script-missing", kind, near=_near(kind, places), unit=_unit(kind, unit_dirs))


def names_of(kind: str) -> tuple[str, ...]:
    """The usual names of that service, the given one first."""
    family = next((names for names in ALIASES if kind.lower() in names), ())
    return (kind, *(name for name in family if name != kind))


def _near(kind: str, places: list[Path]) -> str:
    present = [name for place in places for name in listing(place)]
    for name in names_of(kind)[1:]:
        if name in present:
            return name
    folded = {name.lower(): name for name in present}
    close = difflib.get_close_matches(kind[:64].lower(), folded, 1, 0.6)
    return folded[close[0]] if close else ""


def _unit(kind: str, unit_dirs: tuple[Path, ...]) -> str:
    for name in names_of(kind):
        if any((directory / f"{name}.service").exists() for directory in unit_dirs):
            return f"{name}.service"
    return ""
