"""UDP echo on a node: answers each datagram with itself and the node's name, from the address that was asked.

Owns nothing; run as `python3 -c SOURCE NAME PORT`, so that no path of ours is in its command line: what freezes or
kills "all of ours" must leave this alone. Invariant: it answers while the kernel delivers, whatever our daemons do.
"""

import contextlib
import socket
import sys

IP_PKTINFO = 8  # linux/in.h; Python has no name for it


def main(name: bytes, port: int) -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    server.bind(("0.0.0.0", port))
    while True:
        data, extra, _, peer = server.recvmsg(256, 64)
        for level, kind, info in extra:
            if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
                # struct in_pktinfo {interface, address to send from, destination}: any interface, the address asked
                asked = bytes(4) + bytes(info[8:12]) + bytes(4)
                with contextlib.suppress(OSError):  # the address may have gone meanwhile
                    server.sendmsg([data + b" " + name], [(level, kind, asked)], 0, peer)


if __name__ == "__main__":
    main(sys.argv[1].encode(), int(sys.argv[2]))
