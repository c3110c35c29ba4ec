"""Taking an address off, and letting it live on, with nothing but the standard library: for pulse.

Owns three netlink messages. Invariants: no fork, no import beyond the standard library, answers within `timeout_s`; a
refresh never puts on what is not there. The daemon uses `netlink`, which knows more; this one must work when the daemon
does not.
"""

from __future__ import annotations

import errno
import itertools
import socket
import struct
import sys

from hbcore.host import sysctl

_NEWADDR, _DELADDR, _GETADDR = 20, 21, 22
_ERROR = 2
_REQUEST, _ACK, _REPLACE = 0x1, 0x4, 0x100
_ADDRESS, _LOCAL, _CACHEINFO, _FLAGS = 1, 2, 6, 8
_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_IFADDR = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix length, flags, scope, interface
_ATTRIBUTE = struct.Struct("=HH")
_LIFE = struct.Struct("=IIII")  # ifa_cacheinfo: preferred, valid, created, updated
_DEPRECATED, _PERMANENT, _MCAUTOJOIN = 0x20, 0x80, 0x400
_SEQUENCES = itertools.count(1)
_GONE = (0, errno.EADDRNOTAVAIL, errno.ENODEV, errno.ENXIO)  # deleted; was not there; nor its interface, nor IPv6 on it


def open_socket(timeout_s: float = 0.5) -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    sock.settimeout(timeout_s)
    sock.bind((0, 0))
    return sock


def delete_address(sock: socket.socket, ifindex: int, ip: str, prefix: int) -> int:
    """Delete one address; 0 where it is gone now (also: was not there), else an errno. Raises OSError of the socket.

    Other addresses of its subnet stay, wherever the kernel lets us ask for that (sysctl.keep_others).
    """
    family, address = packed(ip)
    try:
        device = socket.if_indextoname(ifindex)
        if family == socket.AF_INET:
            sysctl.keep_others(device)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENODEV):
            return 0  # no such interface, so no address on it
    body = _IFADDR.pack(family, prefix, 0, 0, ifindex) + _attribute(_LOCAL, address)
    code, _ = _ask(sock, _DELADDR, _ACK, body)
    return 0 if code in _GONE else code


def refresh_address(sock: socket.socket, ifindex: int, ip: str, prefix: int, valid_s: int) -> int:
    """Let an address live for `valid_s` from now; 0, EADDRNOTAVAIL where it is not there (any more), or another errno.
    Raises OSError of the socket. To be called well within `valid_s`: the kernel counts in seconds.

    Facts (Linux 6.1 and 6.18, both families): RTM_NEWADDR with NLM_F_REPLACE puts an address on that is not there, be
    NLM_F_CREATE asked for or not ("userspace already relies on not having to provide this"), so a process that was
    stopped would bring back what the kernel took off meanwhile. Asked to join the address as a multicast group besides
    (IFA_F_MCAUTOJOIN), the kernel refuses with EINVAL where it would have to add it, and only there. So one message
    checks and refreshes, and no pause can come between.
    REPLACE changes of IPv4 the lifetimes (and the route's metric, which none of ours has): broadcast, label, scope and
    flags stay. Of IPv6 it also sets the flags to those in the message, so the present ones are asked for first; what is
    deprecated stays so; and "autojoin" stands among them from then on, which means nothing for one machine's address.
    An IPv6 address without an end is left so: given one now, it would put that on the route which it may share.
    """
    family, address = packed(ip)
    flags, deprecated = _MCAUTOJOIN, False
    if family == socket.AF_INET6:
        where = _IFADDR.pack(family, prefix, 0, 0, ifindex) + _attribute(_ADDRESS, address)
        code, answer = _ask(sock, _GETADDR, 0, where)
        if code:
            return errno.EADDRNOTAVAIL if code in _GONE else code
        if _IFADDR.unpack_from(answer, _HEADER.size)[4] != ifindex:  # no such interface: the kernel looks at all others
            return errno.EADDRNOTAVAIL
        have = int.from_bytes(_find(answer, _FLAGS), sys.byteorder)
        if have & _PERMANENT:
            return 0
        flags, deprecated = flags | have, bool(have & _DEPRECATED)
    body = _IFADDR.pack(family, prefix, 0, 0, ifindex)
    body += _attribute(_LOCAL, address) + _attribute(_ADDRESS, address) + _attribute(_FLAGS, struct.pack("=I", flags))
    body += _attribute(_CACHEINFO, _LIFE.pack(0 if deprecated else valid_s, valid_s, 0, 0))
    code, _ = _ask(sock, _NEWADDR, _ACK | _REPLACE, body)
    return errno.EADDRNOTAVAIL if code in (errno.EINVAL, *_GONE[1:]) else code


def packed(ip: str) -> tuple[int, bytes]:
    """Family, and the address as the kernel has it. Raises OSError where it is none."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    return family, socket.inet_pton(family, ip)


def _attribute(kind: int, value: bytes) -> bytes:
    """Values here have whole words, so none is padded."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value


def _find(answer: bytes, wanted: int) -> bytes:
    """The value of an attribute in an RTM_NEWADDR, b"" where it has none."""
    at = _HEADER.size + _IFADDR.size
    while at + _ATTRIBUTE.size <= len(answer):
        length, kind = _ATTRIBUTE.unpack_from(answer, at)
        if kind == wanted:
            return answer[at + _ATTRIBUTE.size : at + length]
        at += max(length + 3 & ~3, _ATTRIBUTE.size)
    return b""


def _ask(sock: socket.socket, kind: int, flags: int, body: bytes) -> tuple[int, bytes]:
    """One request; the kernel's errno (0: done) and the message that answers it."""
    sequence = next(_SEQUENCES) & 0xFFFFFFFF
    sock.send(_HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | flags, sequence, 0) + body)
    while True:
        answer = sock.recv(4096)
        _, answered, _, answers, _ = _HEADER.unpack_from(answer)
        if answers != sequence:  # a late answer to an earlier request has another number
            continue
        if answered == _ERROR:
            (code,) = struct.unpack_from("=i", answer, _HEADER.size)
            return -code, answer
        if answered == _NEWADDR:
            return 0, answer
