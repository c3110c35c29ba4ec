"""The kernel's list of connections, and the packet that makes a client ask: against this kernel's own loopback."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hbcore.engine.flows import Flow
from hbcore.host import tcp

ROOT = Path(__file__).resolve().parents[2]
FOUR, OTHER, CLIENT = "10.1.1.1", "10.1.1.3", "10.1.1.2"
TCP_REPAIR = 19  # linux/tcp.h: a socket in it is closed in silence
SIX, CLIENT6 = "fd00::1", "fd00::2"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=10)


def put(*addresses: str) -> None:
    ip("link", "set", "lo", "up")
    for address in addresses:
        ip("addr", "add", f"{address}/{128 if ':' in address else 32}", "dev", "lo", *["nodad"] * (":" in address))


class Server:
    """Listens in both families on one socket. `pairs`: (client's, its own) sockets."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.port = self.socket.getsockname()[1]

    def pair(self, address: str, client: str) -> tuple[socket.socket, socket.socket]:
        theirs = socket.create_connection((address, self.port), 5, (client, 0))
        return theirs, self.socket.accept()[0]

    def flow(self, theirs: socket.socket) -> Flow:
        ip, port = theirs.getsockname()[:2]
        return Flow(self.port, socket.inet_pton(theirs.family, ip), port)


# -- in a world of their own -------------------------------------------------------------------------------------------


def connections_are_found_by_address() -> None:
    put(FOUR, OTHER, CLIENT, SIX, CLIENT6)
    server = Server()
    four = [server.pair(FOUR, CLIENT) for _ in range(3)]
    other = [server.pair(OTHER, CLIENT)]
    six = [server.pair(SIX, CLIENT6) for _ in range(2)]
    kept = [
        *four,
        *other,
        *six,
        server.pair("127.0.0.1", "127.0.0.1"),
        server.pair(FOUR, FOUR),
        server.pair(FOUR, "127.0.0.1"),
    ]
    due = {ip: {server.flow(theirs) for theirs, _ in pairs} for ip, pairs in ((FOUR, four), (OTHER, other), (SIX, six))}
    for ips in (
        [FOUR],
        [SIX],
        [SIX, FOUR],
        [FOUR, SIX],
        [FOUR, OTHER, SIX],
        ["10.9.9.9"],
        [SIX, "10.9.9.9", OTHER],
        [],
    ):
        found = tcp.established(ips)
        assert {ip: set(flows) for ip, flows in found.items()} == {ip: due.get(ip, set()) for ip in ips}, ips
    many = [f"10.2.{n >> 8}.{n & 255}" for n in range(500)]
    assert set(tcp.established([*many, OTHER])[OTHER]) == due[OTHER], "as many addresses as anybody has"
    # the server said all and waits; the client said all and waits
    four[0][1].shutdown(socket.SHUT_WR)
    four[1][0].shutdown(socket.SHUT_WR)
    time.sleep(0.05)
    assert set(tcp.established([FOUR])[FOUR]) == {server.flow(theirs) for theirs, _ in four[1:]}, (
        "who knows the end is out"
    )
    assert kept


def as_many_as_the_bound_are_read_of_each_family() -> None:
    """More than that are not, and what was not read of one family is not in the way of the other."""
    put(FOUR, CLIENT, SIX, CLIENT6)
    both, four = Server(), socket.create_server((FOUR, 0))
    with ExitStack() as stack:
        for number in range(400):  # more than the kernel has ready at once
            theirs = socket.create_connection(four.getsockname(), 5, (CLIENT, 0))
            for sock in (theirs, four.accept()[0], *(both.pair(SIX, CLIENT6) if number < 5 else ())):
                stack.enter_context(sock)
        assert [len(tcp.established([FOUR, SIX])[ip]) for ip in (FOUR, SIX)] == [400, 5]
        tcp.MOST = 100
        found = tcp.established([FOUR, SIX])
        assert 100 <= len(found[FOUR]) < 400, "to the end of what was read already"
        assert len(found[SIX]) == 5


def a_client_that_waits_is_reset_when_its_server_is_no_more() -> None:
    """The server's kernel forgets the connection without a word, as a machine without power does."""
    put(FOUR, CLIENT, SIX, CLIENT6)
    for address, client in ((FOUR, CLIENT), (SIX, CLIENT6)):
        server = Server()
        theirs, ours = server.pair(address, client)
        living, here = server.pair(address, client)
        flow = server.flow(theirs)
        ours.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        ours.close()
        theirs.settimeout(0.3)
        try:
            theirs.recv(1)
            raise AssertionError("it heard of it")
        except TimeoutError:
            pass
        assert tcp.tickle(address, [flow, server.flow(living)]) == 2
        theirs.settimeout(2)
        try:
            theirs.recv(1)
            raise AssertionError("it got an answer")
        except ConnectionResetError:
            pass
        here.sendall(b"still there")
        assert living.recv(20) == b"still there", "one that is there is not hurt"


def nothing_leaves_from_an_address_that_is_not_here() -> None:
    put(CLIENT)
    try:
        tcp.tickle(FOUR, [Flow(1, socket.inet_pton(socket.AF_INET, CLIENT), 2)])
        raise AssertionError("it left")
    except OSError as error:
        assert error.errno == 99, error  # EADDRNOTAVAIL
    put(FOUR)
    assert tcp.tickle(FOUR, [Flow(1, socket.inet_pton(socket.AF_INET, ip), 2) for ip in ("10.9.9.9", CLIENT)]) == 1
    assert tcp.tickle(FOUR, [Flow(1, socket.inet_pton(socket.AF_INET, "255.255.255.255"), 2)]) == 0


FIREWALL = """table ip firewall {
    chain input { type filter hook input priority 0; policy drop
        ct state established,related accept
        ct state invalid drop
        tcp dport SERVED tcp flags & (fin | syn | rst | ack) == syn accept
    }
    chain output { type filter hook output priority 0; policy accept; ct state new accept; }
}"""
CONNECT = """import socket, sys
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
print(sock.getsockname()[1], flush=True)
sock.settimeout(3)
try:
    print("got", sock.recv(1))
except OSError as error:
    print(type(error).__name__)
"""


def firewalls_that_drop_what_is_invalid_let_it_through() -> None:
    """On the client, which knows the connection, and on the new owner, which does not: both as firewalld and ufw have
    them."""
    holder = subprocess.Popen(["unshare", "-n", "sleep", "30"])
    inside = ["nsenter", "-t", str(holder.pid), "-n"]
    while os.readlink(f"/proc/{holder.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
        time.sleep(0.01)
    ip("link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", str(holder.pid))
    ip("addr", "add", f"{FOUR}/24", "dev", "v0")
    ip("link", "set", "v0", "up")
    for words in (("addr", "add", f"{CLIENT}/24", "dev", "v1"), ("link", "set", "v1", "up")):
        subprocess.run([*inside, "ip", *words], check=True, timeout=10)
    server = socket.create_server((FOUR, 0))
    port = server.getsockname()[1]
    rules = FIREWALL.replace("SERVED", str(port))
    subprocess.run([*inside, "nft", rules], check=True, timeout=10)
    waiting = [*inside, sys.executable, "-c", CONNECT, FOUR, str(port)]
    with subprocess.Popen(waiting, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        client_port = int(client.stdout.readline())
        ours, _ = server.accept()
        ours.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        ours.close()
        subprocess.run(["nft", rules], check=True, timeout=10)  # only now, so that it has not seen the connection
        assert tcp.tickle(FOUR, [Flow(port, socket.inet_pton(socket.AF_INET, CLIENT), client_port)]) == 1
        assert client.stdout.read().strip() == "ConnectionResetError"
    holder.kill()
    holder.wait()


CASES = [
    connections_are_found_by_address,
    as_many_as_the_bound_are_read_of_each_family,
    a_client_that_waits_is_reset_when_its_server_is_no_more,
    nothing_leaves_from_an_address_that_is_not_here,
    firewalls_that_drop_what_is_invalid_let_it_through,
]
SEEN = (6, 18)  # the kernel that was seen to let it through
KERNEL = tuple(int(number) for number in os.uname().release.split("-")[0].split(".")[:2])


@pytest.mark.needs("ip", "unshare", "nsenter", "nft")
@pytest.mark.parametrize("name", [case.__name__ for case in CASES])
def test_tcp(name: str) -> None:
    if name.startswith("firewalls") and KERNEL < SEEN:
        pytest.skip("an older connection tracking may call invalid what is behind the window, too")
    world = ["unshare", *([] if os.geteuid() == 0 else ["-Ur"]), "-n", sys.executable, __file__, name]
    run = subprocess.run(world, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr


# -- bytes -------------------------------------------------------------------------------------------------------------


def test_a_packet_by_hand() -> None:
    """RFC 9293 3.1; the checksum over all with the pseudo header is zero (RFC 1071)."""
    vip, flow = bytes([192, 168, 100, 100]), Flow(443, bytes([10, 0, 0, 1]), 40001)
    packet = tcp.ack(vip, flow, 1, 2)
    assert packet[:16] == bytes.fromhex("01bb9c41 00000001 00000002 50100400") and packet[18:] == bytes(2)
    six = bytes([253] + [7] * 15), Flow(443, bytes(range(16)), 40001)
    for address, one in ((vip, flow), six):
        for number in (0, 1, 2**31, 2**32 - 1):
            packet = tcp.ack(address, one, number, number)
            words = address + one.client + bytes([0, 6]) + len(packet).to_bytes(2, "big") + packet
            total = sum(words[at] << 8 | words[at + 1] for at in range(0, len(words), 2))
            while total >> 16:
                total = (total & 0xFFFF) + (total >> 16)
            assert total == 0xFFFF


def test_one_of_the_packets_is_behind_any_window() -> None:
    flow = Flow(443, bytes([10, 0, 0, 1]), 40001)
    for here, there in ((0, 0), (2**31, 5), (2**32 - 1, 2**30)):
        numbers = [struct.unpack_from(">II", packet, 4) for packet in tcp.acks(bytes(4), flow)]
        behind = [(here - seq) % 2**32 <= 2**31 and (there - ack) % 2**32 <= 2**31 for seq, ack in numbers]
        assert len(set(numbers)) == 4 and any(behind)


if __name__ == "__main__":
    next(case for case in CASES if case.__name__ == sys.argv[1])()
