"""What IPv4 and IPv6 call the same things: options, addresses, and how a group is joined.

Owns the differences between the two, for the UDP links. Invariant: a socket prepared here notes for each packet where
it came in and what for, and hears no group that others on this machine joined. Must not know links nor beats.
"""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv6Address
from typing import Protocol

from hbcore.links.sockets import (
    IP_MULTICAST_ALL,
    IP_PKTINFO,
    IP_UNICAST_IF,
    IPV6_MULTICAST_ALL,
    IPV6_UNICAST_IF,
)

Place = tuple[str, int] | tuple[str, int, int, int]


class Family(Protocol):
    """`packed`: an address as packets carry it; `place`: as sockets take it."""

    number: int

    def note(self, sock: socket.socket) -> None: ...
    def steer(self, sock: socket.socket, ifindex: int) -> None: ...
    def join(self, sock: socket.socket, group: str, ifindex: int, hops: int, loop: bool) -> None: ...
    def place(self, address: str, port: int, ifindex: int) -> Place: ...
    def packed(self, address: str) -> bytes: ...


class Ipv4:
    number: int = socket.AF_INET

    def note(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        sock.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)  # or groups others joined would come here too

    def steer(self, sock: socket.socket, ifindex: int) -> None:
        """Where a socket may not be bound to its device: at least it sends there."""
        sock.setsockopt(socket.IPPROTO_IP, IP_UNICAST_IF, struct.pack("!I", ifindex))

    def join(self, sock: socket.socket, group: str, ifindex: int, hops: int, loop: bool) -> None:
        member = struct.pack("=4s4si", socket.inet_aton(group), bytes(4), ifindex)  # struct ip_mreqn
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, member)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, hops)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, loop)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)

    def place(self, address: str, port: int, ifindex: int) -> Place:
        return address, port

    def packed(self, address: str) -> bytes:
        return socket.inet_aton(address)


class Ipv6:
    number: int = socket.AF_INET6

    def note(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has sockets of its own on this port
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0)

    def steer(self, sock: socket.socket, ifindex: int) -> None:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_UNICAST_IF, struct.pack("!I", ifindex))

    def join(self, sock: socket.socket, group: str, ifindex: int, hops: int, loop: bool) -> None:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, ifindex)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, hops)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, loop)
        member = self.packed(group) + struct.pack("=I", ifindex)  # struct ipv6_mreq
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, member)

    def place(self, address: str, port: int, ifindex: int) -> Place:
        """An address that exists on every network anew comes with its interface."""
        ip = IPv6Address(address)
        return address, port, 0, ifindex if ip.is_link_local or ip.is_multicast else 0

    def packed(self, address: str) -> bytes:
        return socket.inet_pton(socket.AF_INET6, address)
