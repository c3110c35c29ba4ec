"""UDP echo on a node: answers each datagram with itself and the node's name, from the address that was asked.

Owns nothing; run as `python3 -c SOURCE NAME PORT`, so that no path of ours is in its command line: what freezes or
kills "all of ours" must leave this alone. Invariant: it answers while the kernel delivers, whatever our daemons do.
"""

import contextlib
import select
import socket
import sys

IP_PKTINFO = 8  # linux/in.h; Python has no name for it


def main(name: bytes, port: int) -> None:
    four = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    four.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    four.bind(("0.0.0.0", port))
    servers = [four]
    with contextlib.suppress(OSError):  # a kernel without IPv6
        six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        six.bind(("::", port))
        servers.append(six)
    while True:
        for server in select.select(servers, [], [])[0]:
            answer(server, name)


def answer(server: socket.socket, name: bytes) -> None:
    data, extra, _, peer = server.recvmsg(256, 64)
    for level, kind, info in extra:
        if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
            # struct in_pktinfo {interface, address to send from, destination}: any interface, the address asked
            asked = bytes(4) + bytes(info[8:12]) + bytes(4)
        elif (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            asked = bytes(info[:16]) + bytes(4)  # struct in6_pktinfo {address, interface}
        else:
            continue
        with contextlib.suppress(OSError):  # the address may have gone meanwhile
            server.sendmsg([data + b" " + name], [(level, kind, asked)], 0, peer)


if __name__ == "__main__":
    main(sys.argv[1].encode(), int(sys.argv[2]))
