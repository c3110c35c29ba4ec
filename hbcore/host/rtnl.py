"""Taking an IPv4 address off with nothing but the standard library: for pulse, when nobody else is left to do it.

Owns one netlink message. Invariant: no fork, no import beyond the standard library, answers within `timeout_s`.
The daemon uses `netlink`, which knows more; this one must work when the daemon does not.
"""

from __future__ import annotations

import errno
import socket
import struct

from hbcore.host import sysctl

_DELADDR = 21
_ERROR = 2
_REQUEST_ACK = 0x1 | 0x4
_LOCAL = 2
_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_GONE = (0, errno.EADDRNOTAVAIL, errno.ENODEV)  # deleted; was not there; nor its interface


def open_socket(timeout_s: float = 0.5) -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    sock.settimeout(timeout_s)
    sock.bind((0, 0))
    return sock


def delete_address(sock: socket.socket, ifindex: int, ip: str, prefix: int, sequence: int = 1) -> int:
    """Delete one address; 0 where it is gone now (also: was not there), else an errno. Raises OSError of the socket.

    Other addresses of its subnet stay, wherever the kernel lets us ask for that (sysctl.keep_others).
    """
    try:
        sysctl.keep_others(socket.if_indextoname(ifindex))
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENODEV):
            return 0  # no such interface, so no address on it
    body = struct.pack("=BBBBIHH4s", socket.AF_INET, prefix, 0, 0, ifindex, 8, _LOCAL, socket.inet_aton(ip))
    sock.send(_HEADER.pack(_HEADER.size + len(body), _DELADDR, _REQUEST_ACK, sequence, 0) + body)
    while True:
        answer = sock.recv(4096)
        _, kind, _, answers, _ = _HEADER.unpack_from(answer)
        if kind == _ERROR and answers == sequence:  # a late answer to an earlier request has another number
            (code,) = struct.unpack_from("=i", answer, _HEADER.size)
            return 0 if -code in _GONE else -code
