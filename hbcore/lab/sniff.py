"""A capture on the switch, written as a pcap file that any tool reads.

Run on the switch as `python -m hbcore.lab.sniff INTERFACE FILE ADDRESS PORT` until SIGTERM; kept are ARP, ICMP (both),
UDP to PORT, and every packet from ADDRESS, 128 bytes of each. Says "ready", and at last a JSON line {"frames",
"dropped"}. Not tcpdump: that gives up its rights first, which a user namespace with one user does not let it.
Invariant: a frame the kernel had to drop is counted. Must not know the lab.
"""

from __future__ import annotations

import json
import signal
import socket
import struct
import sys
from contextlib import suppress
from typing import BinaryIO

from hbcore.lab.kernel import hurry

SNAPLEN = 128
BUFFER = 8 << 20
# linux/if_packet.h, asm-generic/socket.h; Python has no names for them
SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_STATISTICS, PACKET_MR_PROMISC = 263, 1, 6, 1
SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35
ETH_P_ALL = 3
ARP, IPV4, IPV6 = b"\x08\x06", b"\x08\x00", b"\x86\xdd"


def wanted(frame: bytes, address: bytes, port: bytes) -> bool:
    if frame[12:14] == ARP:
        return True
    if frame[12:14] == IPV6:
        return frame[22:38] == address or frame[20:21] == bytes([socket.IPPROTO_ICMPV6])
    if frame[12:14] != IPV4 or len(frame) < 34:
        return False
    protocol, ports = frame[23], 14 + 4 * (frame[14] & 15)
    return (
        frame[26:30] == address
        or protocol == socket.IPPROTO_ICMP
        or (protocol == socket.IPPROTO_UDP and frame[ports + 2 : ports + 4] == port)
    )


def capture(wire: socket.socket, file: BinaryIO, address: bytes, port: bytes) -> int:
    """Writes until `wire` is made non-blocking and empty; the number of frames written."""
    file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, SNAPLEN, 1))
    frames = 0
    try:
        while True:
            frame, extra, _, _ = wire.recvmsg(SNAPLEN, 64)
            if wanted(frame, address, port):
                seconds, nanoseconds = struct.unpack("=qq", extra[0][2][:16])
                file.write(struct.pack("<IIII", seconds, nanoseconds // 1000, len(frame), len(frame)) + frame)
                frames += 1
    except BlockingIOError:
        return frames


def main(interface: str, path: str, address: str, port: int) -> None:
    hurry()
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    signal.signal(signal.SIGTERM, lambda *_: wire.setblocking(False))  # the read under way is tried again, and ends
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)  # as much as anyone may have
    with suppress(PermissionError):
        wire.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
    wire.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    promiscuous = struct.pack("=iHH8x", socket.if_nametoindex(interface), PACKET_MR_PROMISC, 0)
    wire.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, promiscuous)
    wire.bind((interface, ETH_P_ALL))
    with open(path, "wb") as file:
        print("ready", flush=True)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        where = (socket.inet_pton(family, address), struct.pack("!H", port))
        frames = capture(wire, file, *where)
        _, dropped = struct.unpack("=II", wire.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
    print(json.dumps({"frames": frames, "dropped": dropped}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
