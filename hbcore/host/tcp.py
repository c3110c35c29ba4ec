"""TCP connections of others with this host: which there are, and how their clients are told that one is no more.

Owns two small protocols: the kernel's list of sockets (sock_diag(7), linux/inet_diag.h), and the ACK that makes a
client ask. A client answers an ACK that is out of its window with one of its own (RFC 9293 3.10.7.4); a host without
such a connection resets it then, with the very number that the client waits for, so nobody here has to know it.
Invariant: only from an address that this host has does a packet leave (the kernel binds no other), and only to one
machine each. Must not know nodes.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress

from hbcore.engine.flows import Flow, is_host
from hbcore.host.rtnl import packed

MOST = 8192  # sockets looked at, of each family: some 20 ms of work; who has more has them told in part
ANSWER_S = 1.0

_SOCK_DIAG, _BY_FAMILY, _BYTECODE = 4, 20, 1  # NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, INET_DIAG_REQ_BYTECODE
_REQUEST, _DUMP, _ERROR, _DONE = 0x1, 0x300, 2, 3
_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ASKED = struct.Struct("=BBBxI48x")  # inet_diag_req_v2: family, protocol, extensions, states, id
_SOCKET = struct.Struct("=BBBB2s2s16s16s12x20x")  # inet_diag_msg: family, state, .., ports and addresses of both ends
_CODE = struct.Struct("=i")
_ATTRIBUTE = struct.Struct("=HH")
_OPERATION = struct.Struct("=BBH")  # inet_diag_bc_op: code, what to add where it is so, and where it is not
_CONDITION = struct.Struct("=BBxxi")  # inet_diag_hostcond: family, prefix length, port (-1: any); the address follows
_JUMP, _SOURCE = 1, 7  # INET_DIAG_BC_JMP, INET_DIAG_BC_S_COND
# Who may wait for us: ESTABLISHED; FIN_WAIT1 and LAST_ACK (it has not heard of our end); CLOSE_WAIT (it said all).
_STATES = 1 << 1 | 1 << 4 | 1 << 8 | 1 << 9
_MAPPED = bytes(10) + b"\xff\xff"

_TCP = struct.Struct(">HHIIBBHHH")  # ports, sequence, acknowledgement, header length, flags, window, checksum, urgent
_ACK, _LENGTH, _WINDOW = 0x10, 5 << 4, 1024
_HALF = 1 << 31


def established(ips: Iterable[str]) -> dict[str, list[Flow]]:
    """The clients of connections whose end here is one of these addresses, by address.

    Raises OSError; ENOENT, EPROTONOSUPPORT: this kernel does not tell (no inet_diag, no tcp_diag).
    """
    wanted = {packed(ip)[1]: ip for ip in ips}
    found: dict[str, list[Flow]] = {ip: [] for ip in wanted.values()}
    if not wanted:
        return found
    program = any_source(list(wanted))
    four = any(len(address) == 4 for address in wanted)
    # a server that listens in IPv6 has its clients of IPv4 there, too
    for family in (socket.AF_INET, socket.AF_INET6) if four else (socket.AF_INET6,):
        for address, flow in _dump(family, program):
            if (ip := wanted.get(address)) and is_host(flow.client) and flow.client != address:
                found[ip].append(flow)
    return found


def any_source(addresses: Sequence[bytes]) -> bytes:
    """The kernel's filter program: the end here has one of these addresses.

    A condition that holds goes on to the jump behind it, which goes to the end: "yes". One that does not goes past that
    jump, to the next condition, or past the end: "no". The kernel wants no jump backwards, and none into a piece.
    """
    program = b""
    for address in reversed(addresses):
        if program:
            program = _OPERATION.pack(_JUMP, _OPERATION.size, _OPERATION.size + len(program)) + program
        family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
        size = _OPERATION.size + _CONDITION.size + len(address)
        condition = _OPERATION.pack(_SOURCE, size, size + _OPERATION.size)
        program = condition + _CONDITION.pack(family, 8 * len(address), -1) + address + program
    return program


def _dump(family: int, program: bytes) -> Iterator[tuple[bytes, Flow]]:
    """At most MOST of them: what comes after is not read. A socket for each: one whose list was not read to its end
    takes no other question (EBUSY).
    """
    body = _ASKED.pack(family, socket.IPPROTO_TCP, 0, _STATES) + _ATTRIBUTE.pack(4 + len(program), _BYTECODE) + program
    with closing(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG)) as sock:
        sock.settimeout(ANSWER_S)
        sock.bind((0, 0))
        sock.send(_HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, _REQUEST | _DUMP, 0, 0) + body)
        read = 0
        while read < MOST:
            packet = sock.recv(1 << 16)
            at = 0
            while at + _HEADER.size <= len(packet):
                length, kind, *_ = _HEADER.unpack_from(packet, at)
                if kind in (_DONE, _ERROR):
                    (code,) = _CODE.unpack_from(packet, at + _HEADER.size)
                    if code:
                        raise OSError(-code, os.strerror(-code))
                    return
                if kind == _BY_FAMILY:
                    read += 1
                    yield _read(packet, at + _HEADER.size)
                at += max(length + 3 & ~3, _HEADER.size)


def _read(packet: bytes, at: int) -> tuple[bytes, Flow]:
    family, _, _, _, port, client_port, address, client = _SOCKET.unpack_from(packet, at)
    if family == socket.AF_INET:
        address, client = address[:4], client[:4]
    elif address.startswith(_MAPPED):
        address, client = address[12:], client[12:]
    return address, Flow(int.from_bytes(port, "big"), client, int.from_bytes(client_port, "big"))


def tickle(ip: str, flows: Iterable[Flow], device: str = "") -> int:
    """Make each of these clients ask about its connection with `ip`; how many were sent a packet. Never waits.

    `device`: where `ip` is, needed for a link-local address. Raises OSError; EADDRNOTAVAIL: `ip` is not on this host.
    """
    family, address = packed(ip)
    scope = socket.if_nametoindex(device) if device and family == socket.AF_INET6 else 0
    told = 0
    flags = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    with closing(socket.socket(family, flags, socket.IPPROTO_TCP)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)  # copies of all that comes are not for us
        sock.bind((ip, 0) if family == socket.AF_INET else (ip, 0, 0, scope))
        for flow in flows:
            client = socket.inet_ntop(family, flow.client)
            to = (client, 0) if family == socket.AF_INET else (client, 0, 0, scope)
            with suppress(OSError):  # no room, no way there, or a rule here forbids it: another time, or never mind
                for packet in acks(address, flow):
                    sock.sendto(packet, to)
                told += 1
    return told


def acks(address: bytes, flow: Flow) -> list[bytes]:
    """Four bare ACKs of this connection, so that one comes out of any window, and through most firewalls.

    With numbers by chance one in some thousand would lie in the window and be taken for a plain ACK. And a firewall
    that follows connections calls what is ahead of the window invalid, but newer kernels let pass what is behind it, as
    old news that came late (nf_conntrack_proto_tcp.c, tcp_in_window). Of two numbers half a circle apart one is behind.
    """
    sequence, acknowledged = struct.unpack(">II", os.urandom(8))
    return [ack(address, flow, sequence ^ s, acknowledged ^ a) for s in (0, _HALF) for a in (0, _HALF)]


def ack(address: bytes, flow: Flow, sequence: int, acknowledged: int) -> bytes:
    """A TCP segment without data (RFC 9293 3.1)."""
    fields = flow.port, flow.client_port, sequence, acknowledged, _LENGTH, _ACK, _WINDOW
    pseudo = address + flow.client + struct.pack(">II", _TCP.size, socket.IPPROTO_TCP)  # sums up as IPv4's does
    return _TCP.pack(*fields, _checksum(pseudo + _TCP.pack(*fields, 0, 0)), 0)


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
