"""Where a resource's script is: `resource.d/KIND` under the configuration directory, then `/etc/init.d/KIND`.

Owns the search as heartbeat does it (a regular, executable file), and what to offer where there is none: the service
under its other usual names, else the nearest word, and a systemd unit of that name.
Invariant: only looks, never runs; every listing is bounded; a kind with a slash finds nothing.
Must not know configuration files, nor sentences.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

INIT_DIR = Path("/etc/init.d")
UNIT_DIRS = (Path("/etc/systemd/system"), Path("/lib/systemd/system"), Path("/usr/lib/systemd/system"))
MAX_LISTING = 2000
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
    """Why there is no script to run. `code`: script-missing | script-not-executable | script-is-directory |
    script-broken-link | script-not-regular; `path`: the file it is about ("" for script-missing); `near`: a usable
    script under a name that may be meant, or ""; `unit`: a systemd unit that may be meant, or "".
    """

    code: str
    kind: str
    path: str = ""
    near: str = ""
    unit: str = ""


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
        code = _fault(path)
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


def _fault(path: Path) -> str | None:
    """None: usable; "": not there; else the code of what is wrong with it."""
    try:
        if not path.exists():
            return "script-broken-link" if path.is_symlink() else ""
        if path.is_dir():
            return "script-is-directory"
        if not path.is_file():
            return "script-not-regular"
    except OSError:
        return ""
    return None if os.access(path, os.X_OK) else "script-not-executable"


def _near(kind: str, places: list[Path]) -> str:
    present = [name for place in places for name in _scripts(place)]
    for name in names_of(kind)[1:]:
        if name in present:
            return name
    folded = {name.lower(): name for name in present}
    close = difflib.get_close_matches(kind[:64].lower(), folded, 1, 0.6)
    return folded[close[0]] if close else ""


def _scripts(place: Path) -> Iterator[str]:
    try:
        with os.scandir(place) as entries:
            for entry, _ in zip(entries, range(MAX_LISTING), strict=False):
                if _fault(Path(entry.path)) is None:
                    yield entry.name
    except OSError:
        return


def _unit(kind: str, unit_dirs: tuple[Path, ...]) -> str:
    for name in names_of(kind):
        if any((directory / f"{name}.service").exists() for directory in unit_dirs):
            return f"{name}.service"
    return ""
