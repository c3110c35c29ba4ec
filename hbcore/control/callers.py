"""Who is at the other end of a local socket, by the kernel's word, and what role that gives.

Owns the rule "root and the daemon's own uid are admin, members of haclient are operators, others get nothing".
Invariant: nothing the caller sends is looked at here. Must not know the protocol.
"""

from __future__ import annotations

import grp
import os
import socket
import struct
from array import array
from dataclasses import dataclass
from pathlib import Path

from hbcore.control.schema import Role

GROUP = "haclient"
_SO_PEERGROUPS = 59  # asm-generic/socket.h, Linux 4.13; the socket module has no name for it
_NO_LOGIN = 0xFFFFFFFF  # "not set", audit(7)
_UCRED = struct.Struct("3i")


@dataclass(frozen=True, slots=True)
class Caller:
    """`login`: the uid that logged in, surviving sudo; None where the kernel does not keep it."""

    pid: int
    uid: int
    gids: frozenset[int]
    login: int | None
    name: str


def operators_gid() -> int | None:
    """The gid of the group that may operate, None where this machine has no such group."""
    try:
        return grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return None


def caller(sock: socket.socket) -> Caller:
    """Read the credentials of the process that called connect(). OSError where the kernel has none."""
    pid, uid, gid = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    login = _login(pid)
    return Caller(pid, uid, frozenset({gid, *_groups(sock)}), login, _name(uid if login is None else login))


def role_of(who: Caller, operators: int | None) -> Role | None:
    if who.uid in (0, os.geteuid()):
        return "admin"
    return "operator" if operators is not None and operators in who.gids else None


def _groups(sock: socket.socket) -> list[int]:
    """The caller's supplementary groups, as they were at connect()."""
    try:
        raw = sock.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, 65536 * 4)  # NGROUPS_MAX
    except OSError:
        return []
    return list(array("I", raw))


def _login(pid: int) -> int | None:
    try:
        uid = int(Path(f"/proc/{pid}/loginuid").read_text())
    except (OSError, ValueError):
        return None
    return None if uid == _NO_LOGIN else uid


def _name(uid: int) -> str:
    """From /etc/passwd only: a directory service that hangs must not hang the daemon with it."""
    try:
        with open("/etc/passwd", encoding="utf-8", errors="replace") as passwd:
            for line in passwd:
                fields = line.split(":")
                if len(fields) > 2 and fields[2] == str(uid):
                    return fields[0]
    except OSError:
        pass
    return ""
