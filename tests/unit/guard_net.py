"""A node with a guard, a client, and a switch between them, for the tests of the guard: real packets only.

Owns three network namespaces of the test's own process. Invariant: the client has fixed neighbour entries for the
virtual addresses, so that packets and the questions of ARP and NDP are judged apart.
Must not know the guard's tables.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from hbcore.host import frames
from tests import programs
from tests.unit.links_net import Net, ip, until

NFT = programs.found("nft") or "nft"
V4, V6 = "10.9.0.100", "fd09::100"
OTHER4 = "10.9.0.101"
NODE4, CLIENT4, NODE6, CLIENT6 = "10.9.0.1", "10.9.0.2", "fd09::1", "fd09::2"
PORT = 7
WAIT_S = 0.25  # for an answer that comes in 0.1 ms, where the machine is not busy
_ETH_ALL = 3
_OUTGOING = 4


def nft(line: str) -> str:
    return subprocess.run([NFT, line], check=True, capture_output=True, text=True).stdout


def ruleset() -> str:
    return nft("list ruleset")


@contextlib.contextmanager
def owned_by_another() -> Iterator[None]:
    """Somebody's table under our name that nobody else may change: the kernel refuses every guard until it is gone."""
    with subprocess.Popen([NFT, "-i"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as owner:
        assert owner.stdin is not None
        owner.stdin.write("add table inet hbcore_guard { flags owner; }\n")
        owner.stdin.flush()
        until(lambda: "flags owner" in ruleset())
        yield
        owner.stdin.close()
    assert "hbcore_guard" not in ruleset()


class World:
    """`node` holds the virtual addresses as soon as `configure` was called, and answers UDP and TCP on PORT."""

    def __init__(self) -> None:
        self.node, self.client, self.switch = Net(), Net(), Net()
        with self.switch:
            ip("link add br0 type bridge mcast_snooping 0")
            ip("link set br0 up")
        for net, port in ((self.node, "node"), (self.client, "client")):
            with self.switch:
                ip(f"link add {port} type veth peer name eth0 netns {net.path}")
                ip(f"link set dev {port} master br0")
                ip(f"link set dev {port} up")
        for net, four, six in ((self.node, NODE4, NODE6), (self.client, CLIENT4, CLIENT6)):
            with net:
                ip(f"address add {four}/24 dev eth0")
                ip(f"address add {six}/64 dev eth0 nodad")
                ip("link set eth0 up")
        with self.node:
            self.node_mac = _mac()
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                threading.Thread(target=_serve, args=(_listener(kind),), daemon=True).start()
        with self.client:
            self.client_mac = _mac()
            for address in (V4, OTHER4, V6):
                ip(f"neigh replace {address} lladdr {self.node_mac.hex(':')} dev eth0 nud permanent")
        until(lambda: self.udp(NODE4) and self.udp(NODE6))

    def configure(self, *addresses: str) -> None:
        with self.node:
            for address in addresses or (V4, V6):
                ip(f"address add {address}/{'64 nodad' if ':' in address else '24'} dev eth0")

    def unconfigure(self, *addresses: str) -> None:
        with self.node:
            for address in addresses:
                ip(f"address del {address}/{'64' if ':' in address else '24'} dev eth0")

    # -- the client asks; True where something answers -----------------------------------------------------------------

    def neighbour(self, address: str) -> bool:
        return self.ndp(address) if ":" in address else self.arp(address)

    def arp(self, address: str) -> bool:
        with self.client:
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(frames.ETHERTYPE))
        with sock:
            sock.bind(("eth0", frames.ETHERTYPE))
            sock.send(frames.build(frames.REQUEST, self.client_mac, CLIENT4, address))
            for frame in _heard(sock):
                arp = frames.read(frame)
                if arp is not None and (arp.op, arp.sender, arp.source) == (frames.REPLY, address, self.node_mac):
                    return True
        return False

    def ndp(self, address: str) -> bool:
        target = socket.inet_pton(socket.AF_INET6, address)
        group = "ff02::1:ff" + target[13:14].hex() + ":" + target[14:].hex()
        with self.client:
            sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
            index = socket.if_nametoindex("eth0")
        with sock:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
            sock.bind((CLIENT6, 0))
            sock.sendto(
                struct.pack("!BBHI", 135, 0, 0, 0) + target + b"\x01\x01" + self.client_mac, (group, 0, 0, index)
            )
            return any(answer[0] == 136 and answer[8:24] == target for answer in _heard(sock))

    def icmp(self, address: str) -> bool:
        with self.client:
            sock = _pinger(address)
        with sock:
            sock.send(_echo(address, 1))
            return any(_echoed(address, packet) == 1 for packet in _heard(sock))

    def tcp(self, address: str) -> bool:
        return _tcp(self.client, address)

    def udp(self, address: str) -> bool:
        return _udp(self.client, address)

    def itself(self, address: str) -> bool:
        """The node asks, over its own loopback."""
        return _udp(self.node, address) or _tcp(self.node, address)

    def asked(self, *addresses: str) -> set[tuple[str, str]]:
        """(address, question) of all that is answered; all are asked at once, of both addresses unless named."""
        ways: list[Callable[[str], bool]] = [self.neighbour, self.icmp, self.tcp, self.udp, self.itself]
        pairs = [(address, way) for address in addresses or (V4, V6) for way in ways]
        with ThreadPoolExecutor(len(pairs)) as threads:
            answers = threads.map(lambda pair: pair[1](pair[0]), pairs)
        return {(address, way.__name__) for (address, way), answer in zip(pairs, answers, strict=True) if answer}

    # -- the node itself -----------------------------------------------------------------------------------------------

    def speak_from(self, address: str) -> None:
        """The node says all it can in that name: UDP to the client, ARP or NDP to find a stranger, an advertisement."""
        six = ":" in address
        with self.node:
            mouth = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
            raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) if six else None
            index = socket.if_nametoindex("eth0")
        with mouth:
            mouth.bind((address, 0))
            for to in (CLIENT6, "fd09::77") if six else (CLIENT4, "10.9.0.77"):
                with contextlib.suppress(PermissionError):  # dropped on its way out
                    mouth.sendto(b"x", (to, 9))
        if raw is not None:
            with raw:
                target = socket.inet_pton(socket.AF_INET6, address)
                raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
                raw.bind((NODE6, 0))
                advertisement = struct.pack("!BBHI", 136, 0, 0, 0x20000000) + target + b"\x02\x01" + self.node_mac
                with contextlib.suppress(PermissionError):
                    raw.sendto(advertisement, ("ff02::1", 0, 0, index))

    def listen(self) -> Sniffer:
        with self.client:
            return Sniffer(self.node_mac)


@dataclass
class Sniffer:
    """What the client's card gets of the node that says that `address` is there."""

    mac: bytes
    sock: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_ALL))
        self.sock.bind(("eth0", _ETH_ALL))

    def signs(self) -> set[tuple[str, str]]:
        """(virtual address, kind of packet), since the last call."""
        found: set[tuple[str, str]] = set()
        for frame in _heard(self.sock):
            if frame[6:12] == self.mac:
                found |= {(address, kind) for address in (V4, V6) if (kind := _sign(frame, address))}
        return found


def _sign(frame: bytes, address: str) -> str:
    raw = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    ethertype = frame[12:14]
    if ethertype == b"\x08\x06":
        return "arp" if frame[28:32] == raw else ""
    if ethertype == b"\x08\x00":
        return "ip" if frame[26:30] == raw else ""
    if ethertype != b"\x86\xdd":
        return ""
    source, kind, target = frame[22:38], frame[54] if frame[20] == 58 else 0, frame[62:78]
    if kind == 136 and target == raw:
        return "advertisement"
    if kind == 135 and (source == raw or (source == bytes(16) and target == raw)):
        return "solicitation"
    return "ip" if source == raw and kind not in (135, 136) else ""


class Echoes:
    """The client pings `address` once a millisecond while in `with`. Answered by the kernel: no process can be late.

    `sent`: time.monotonic_ns just before each, by number; `answered`: the numbers that came back.
    """

    def __init__(self, world: World, address: str) -> None:
        self.sent: list[int] = []
        self.answered: set[int] = set()
        self._address = address
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        with world.client:
            self._sock = _pinger(address)
        self._sock.setblocking(False)

    def __enter__(self) -> Echoes:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._sock.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            self.sent.append(time.monotonic_ns())
            self._sock.send(_echo(self._address, len(self.sent) - 1))
            time.sleep(0.001)
            self._read()
        time.sleep(WAIT_S)
        self._read()

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                self.answered.add(_echoed(self._address, self._sock.recv(256)))
        self.answered.discard(-1)


def _pinger(address: str) -> socket.socket:
    family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if ":" in address else (socket.AF_INET, 1)
    sock = socket.socket(family, socket.SOCK_RAW, protocol)
    sock.connect((address, 0))
    return sock


def _echo(address: str, number: int) -> bytes:
    """A request without a payload; of ICMPv6 the kernel makes the checksum."""
    if ":" in address:
        return struct.pack("!BBHHH", 128, 0, 0, 0, number)
    return struct.pack("!BBHHH", 8, 0, 0xFFFF - 0x0800 - number, 0, number)


def _echoed(address: str, packet: bytes) -> int:
    """The number of the request that this answers; -1: it is something else."""
    icmp = packet if ":" in address else packet[20:]
    return int.from_bytes(icmp[6:8], "big") if icmp[:1] == (b"\x81" if ":" in address else b"\0") else -1


def _mac() -> bytes:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind(("eth0", 0))
        return bytes(sock.getsockname()[4])


def _listener(kind: socket.SocketKind) -> socket.socket:
    sock = socket.socket(socket.AF_INET6, kind)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", PORT))
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    if kind is socket.SOCK_STREAM:
        sock.listen(64)
    return sock


def _serve(sock: socket.socket) -> None:
    if sock.type is socket.SOCK_DGRAM:
        while True:  # answers from the address that was asked, as IP_PKTINFO says
            data, ancillary, _, sender = sock.recvmsg(2048, 256)
            with contextlib.suppress(PermissionError):  # dropped on its way out
                sock.sendmsg([data], ancillary, 0, sender)
    while True:
        sock.accept()[0].close()


def _udp(net: Net, address: str) -> bool:
    with net:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        sock.connect((address, PORT))
        try:
            sock.send(b"udp")
        except PermissionError:
            return False
        return any(answer == b"udp" for answer in _heard(sock))


def _tcp(net: Net, address: str) -> bool:
    with net:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    with sock:
        sock.settimeout(WAIT_S)
        try:
            sock.connect((address, PORT))
        except OSError:
            return False
        return True


def _heard(sock: socket.socket) -> Iterator[bytes]:
    """What comes within WAIT_S."""
    end = time.monotonic() + WAIT_S
    while (left := end - time.monotonic()) > 0 and select.select([sock], [], [], left)[0]:
        try:
            yield sock.recv(2048)
        except OSError:  # of connect: nobody is there
            return
