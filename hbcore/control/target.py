"""Where a window wants to connect to: the TARGET of `hbtui TARGET`, `hbctl --socket` and `hbctl --host`.

Owns that grammar. Invariant: a Target that exists cannot be mistaken for an option by ssh, and its parts are bounded.
Must not know how to connect.
"""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from pathlib import Path

from hbcore.control.endpoint import check_path, default_path
from hbcore.control.errors import ControlError

# A host name or address: RFC 1123 letters plus "_" (many have it), ":" and "%zone" for IPv6. No leading "-".
_HOST = re.compile(r"[A-Za-z0-9_:][A-Za-z0-9_.:%-]{0,253}\Z")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@\\-]{0,63}\Z")


@dataclass(frozen=True, slots=True)
class Target:
    """Exactly one of `socket` and `host` is set. `port` and `user` None: as ssh_config says."""

    socket: Path | None = None
    host: str = ""
    user: str | None = None
    port: int | None = None

    @property
    def local(self) -> bool:
        return self.socket is not None

    def __str__(self) -> str:
        if self.socket is not None:
            return str(self.socket)
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (f"{self.user}@" if self.user else "") + host + (f":{self.port}" if self.port else "")


def parse(text: str | None) -> Target:
    """Nothing: the local daemon. A path (has a "/", or is a socket): that socket. Else [USER@]HOST[:PORT].

    Raises ControlError: bad-target, control-path-long.
    """
    if not text:
        path = default_path()
        check_path(path)
        return Target(socket=path)
    if "/" in text or _is_socket(Path(text)):
        check_path(Path(text))
        return Target(socket=Path(text))
    return parse_host(text)


def parse_host(text: str) -> Target:
    """[USER@]HOST[:PORT], IPv6 with a port as [ADDRESS]:PORT, which any HOST may be. Raises ControlError bad-target."""
    user, at, rest = text.rpartition("@")
    port = ""
    if rest.startswith("["):
        host, closed, after = rest[1:].partition("]")
        port = after.removeprefix(":")
        valid = bool(closed) and (after == "" or after.startswith(":")) and after != ":"
    elif rest.count(":") == 1:
        host, _, port = rest.partition(":")
        valid = port != ""
    else:
        host, valid = rest, True
    if at:
        valid = valid and _USER.match(user) is not None
    if port:
        valid = valid and port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536
    if not valid or _HOST.match(host) is None:
        raise ControlError("bad-target", target=text[:80])
    return Target(host=host, user=user or None, port=int(port) if port else None)


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False
