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
_MOST = 1024  # bytes Python's getsockopt() takes: 256 groups
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


def gid_of(group: str) -> int | None:
    """None where this machine has no such group."""
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        return None


def caller(sock: socket.socket) -> Caller:
    """Read the credentials of the process that called connect(). OSError where the kernel has none."""
    pid, uid, gid = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    login = _login(pid)
    return Caller(pid, uid, frozenset({gid, *_groups(sock, pid)}), login, _name(uid if login is None else login))


def role_of(who: Caller, operators: int | None) -> Role | None:
    if who.uid in (0, os.geteuid()):
        return "admin"
    return "operator" if operators is not None and operators in who.gids else None


def _groups(sock: socket.socket, pid: int) -> list[int]:
    """The caller's supplementary groups, as they were at connect(); where those are many, as they are now."""
    try:
        return list(array("I", sock.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST)))
    except OSError:
        pass
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return [int(gid) for line in lines if line.startswith("Groups:") for gid in line.split()[1:]]
    except (OSError, ValueError):
        return []


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
