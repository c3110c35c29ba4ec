"""What the kernel offers for namespaces and links, and Python 3.11 has no words for.

Owns the ctypes and struct layouts. Invariant: every call either did it or raises OSError.
Must not know nodes, labs or sentences.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import struct
from contextlib import suppress
from typing import Final

# linux/sched.h
NEWNS: Final = 0x0002_0000
NEWUTS: Final = 0x0400_0000
NEWIPC: Final = 0x0800_0000
NEWUSER: Final = 0x1000_0000
NEWPID: Final = 0x2000_0000
NEWNET: Final = 0x4000_0000

# linux/mount.h
MS_BIND: Final = 0x1000
MS_MOVE: Final = 0x2000
MS_REC: Final = 0x4000
MS_PRIVATE: Final = 0x40000

PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h

# linux/rtnetlink.h, linux/netlink.h, linux/if.h, linux/if_link.h
_RTM_NEWLINK, _RTM_DELLINK = 16, 17
_NLM_F_REQUEST, _NLM_F_ACK = 1, 4
_NLMSG_ERROR = 2
_IFF_UP = 1
_IFLA_IFNAME = 3

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    _check(_libc.unshare(flags), "unshare")


def setns(fd: int, flags: int) -> None:
    """Enters the namespaces `flags` of the process that the pidfd `fd` stands for (Linux 5.8)."""
    _check(_libc.setns(fd, flags), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    arguments = [os.fsencode(x) if x else None for x in (source, target, kind)]
    options = os.fsencode(data) if data else None
    _check(_libc.mount(*arguments, ctypes.c_ulong(flags), options), f"mount {source or kind} on {target}")


def die_with_parent() -> None:
    """SIGKILL for me when the thread that forked me ends."""
    _check(_libc.prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0), "prctl")


def hurry() -> None:
    """A better place in the CPU's queue where I may have it: a delay of a client would look like an outage."""
    with suppress(OSError):
        os.nice(-10)


def set_link(name: str, up: bool) -> None:
    """Sets an interface of my network namespace up or down; some 0.1 ms, for `ip` takes 3."""
    _link(_RTM_NEWLINK, name, _IFF_UP if up else 0, _IFF_UP)


def delete_link(name: str) -> None:
    _link(_RTM_DELLINK, name, 0, 0)


def _link(kind: int, name: str, flags: int, change: int) -> None:
    label = name.encode() + b"\0"
    attribute = struct.pack("=HH", 4 + len(label), _IFLA_IFNAME) + label + b"\0" * (-len(label) % 4)
    body = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, 0, flags, change) + attribute
    head = struct.pack("=IHHII", 16 + len(body), kind, _NLM_F_REQUEST | _NLM_F_ACK, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as nl:
        nl.send(head + body)
        answer = nl.recv(4096)
    _, answered, _, _, _, error = struct.unpack_from("=IHHIIi", answer)
    if answered != _NLMSG_ERROR or error != 0:
        raise OSError(-error, f"link {name}: {os.strerror(-error)}")
