"""IPv6: where an address belongs, from tables written by hand; and the bytes and filter of Neighbour Discovery."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hbcore.engine.config import Address
from hbcore.host import frames, ndp, spelling
from hbcore.host.frames import REPLY, REQUEST, Spoken
from hbcore.host.placing import HostAddress, Link, Refused, Resolved, base_on, dependents, instances, own_on, resolve

MAC, PEER = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
LO = Link(1, "lo", b"", True, True, True)
ETH0 = Link(2, "eth0", MAC, True, True, False)
ETH1 = Link(3, "eth1", MAC, True, True, False)
LINKS = [LO, ETH0, ETH1]
VIP = "2001:db8::5"
VIPS = {VIP, "192.168.100.100"}
LOCAL = HostAddress(2, "fe80::2", 64, "", False)
TEMPORARY = HostAddress(2, "2001:db8::aaaa", 64, "", True)
BASE = HostAddress(2, "2001:db8::2", 64, "", False)
HAVE = [
    HostAddress(1, "::1", 128, "", False),
    LOCAL,
    TEMPORARY,
    BASE,
    HostAddress(2, "192.168.100.2", 24, "eth0", False),
    HostAddress(3, "2001:db8::3", 48, "", False),
    HostAddress(3, "fe80::3", 64, "", False),
]


def placed(wanted: Address, have: list[HostAddress] = HAVE) -> Resolved:
    found = resolve(wanted, LINKS, have, VIPS)
    assert isinstance(found, Resolved), found
    return found


def test_a_bare_address_goes_where_its_prefix_is() -> None:
    place = placed(Address(VIP))
    assert place == Resolved(2, "eth0", VIP, 64, "", "", "2001:db8::2")
    assert place.shown == "2001:db8::5/64 eth0"
    assert placed(Address("2001:db8:0:7::5")) == Resolved(3, "eth1", "2001:db8:0:7::5", 48, "", "", "2001:db8::3")


def test_its_base_is_in_its_prefix_else_link_local() -> None:
    assert placed(Address(VIP, 64, "eth0")).based
    elsewhere = placed(Address("fd00::5", 64, "eth0"))
    assert (elsewhere.base, elsewhere.based) == ("fe80::2", False)
    assert placed(Address("fd00::5", 64, "eth0"), [BASE, HAVE[4]]).base == "2001:db8::2"
    assert placed(Address("fd00::5", 64, "eth0"), [HAVE[4]]).base == ""  # IPv4 asks for nothing of IPv6
    assert placed(Address("192.168.100.100")).base == "192.168.100.2"


def test_a_link_local_one_stays_on_its_device() -> None:
    place = placed(Address("fe80::99", None, "eth1"))
    assert (place.device, place.prefix, place.base) == ("eth1", 64, "fe80::3")
    twice = [HostAddress(n, "fe80::99", 64, "", False) for n in (2, 3)]
    assert [a.ifindex for a in instances("fe80::99", LINKS, twice, "eth1")] == [3]
    assert [a.ifindex for a in instances(VIP, LINKS, [HostAddress(n, VIP, 64, "", False) for n in (1, 2, 3)])] == [2, 3]


def test_what_the_kernel_refused_or_still_asks_about_is_no_base() -> None:
    asking = HostAddress(2, "2001:db8::2", 64, "", False, settled=False)
    assert placed(Address(VIP, 64, "eth0"), [LOCAL, asking]).base == "fe80::2"
    refused = resolve(Address(VIP), LINKS, [LOCAL, asking], VIPS)
    assert isinstance(refused, Refused) and refused.code == "address-no-subnet"
    assert dict(refused.args) == {"ip": VIP, "bits": "64", "subnets": "none"}


def test_own_addresses_ipv4_first_link_local_last_temporary_between() -> None:
    assert [a.ip for a in own_on(ETH0, [*HAVE, HostAddress(2, VIP, 64, "", False)], VIPS)] == [
        "192.168.100.2", "2001:db8::2", "2001:db8::aaaa", "fe80::2",
    ]  # fmt: skip
    base = base_on("eth1", LINKS, HAVE, VIPS)
    assert base is not None and (base.base, base.prefix, base.broadcast) == ("2001:db8::3", 48, "")


def test_nothing_goes_with_an_ipv6_address() -> None:
    assert dependents(BASE, HAVE) == []


# -- Neighbour Discovery ---------------------------------------------------------------------------------------------


def checked(frame: bytes) -> bytes:
    """The ICMPv6 part, its checksum computed here by hand."""
    body, total = bytearray(frame[54:]), 0
    wrote = bytes(body[2:4])
    body[2:4] = b"\0\0"
    data = frame[22:54] + len(body).to_bytes(4, "big") + bytes([0, 0, 0, 58]) + bytes(body)
    for at in range(0, len(data), 2):
        total += data[at] << 8 | data[at + 1]
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    assert wrote == (total ^ 0xFFFF).to_bytes(2, "big")
    return bytes(body)


def test_an_announcement_by_hand() -> None:
    (frame,) = ndp.tell(MAC, VIP)
    assert frame[:14] == bytes.fromhex("333300000001 020000000001 86dd")
    assert frame[14:22] == bytes.fromhex("60000000 0020 3a ff")
    assert frame[22:54] == socket.inet_pton(socket.AF_INET6, VIP) + socket.inet_pton(socket.AF_INET6, "ff02::1")
    override = bytes.fromhex("88 00 0000 20000000 20010db8000000000000000000000005 0201 020000000001")
    assert checked(frame) == override
    (router,) = ndp.tell(MAC, VIP, router=True)
    assert checked(router) == override.replace(b"\x88\0\0\0\x20", b"\x88\0\0\0\xa0")


def test_questions_by_hand() -> None:
    for to, mac, ip in ((None, "3333ff000005", "ff02::1:ff00:5"), (PEER, PEER.hex(), VIP)):
        frame = ndp.ask(MAC, "2001:db8::2", VIP, to)
        assert frame[:14].hex() == f"{mac}02000000000186dd"
        assert frame[38:54] == socket.inet_pton(socket.AF_INET6, ip)
        assert checked(frame) == bytes.fromhex("87 00 0000 00000000 20010db8000000000000000000000005 0101 020000000001")
    nobody = ndp.ask(MAC, ndp.ANY, VIP, PEER)  # to one card, but in the group: a kernel refuses it elsewhere
    assert (nobody[:6], nobody[38:54]) == (PEER, socket.inet_pton(socket.AF_INET6, "ff02::1:ff00:5"))
    assert len(checked(nobody)) == 24, "who has no address names no card"


def test_frames_read_back() -> None:
    assert ndp.read(ndp.ask(MAC, "2001:db8::2", VIP)) == Spoken(REQUEST, MAC, "2001:db8::2", VIP, MAC)
    assert ndp.read(ndp.ask(MAC, "::", VIP)) == Spoken(REQUEST, MAC, "::", VIP, MAC)
    assert ndp.read(ndp.tell(MAC, VIP)[0]) == Spoken(REPLY, MAC, VIP, "ff02::1", MAC)
    assert ndp.read(ndp.answer(MAC, VIP, "fe80::9", PEER)) == Spoken(REPLY, MAC, VIP, "fe80::9", MAC)


def resummed(frame: bytes) -> bytes:
    """A frame changed by hand, with a checksum that fits again."""
    body = bytearray(frame[54:])
    body[2:4] = b"\0\0"
    return frame[:54] + body[:2] + ndp._sum(frame[22:38], frame[38:54], bytes(body)).to_bytes(2, "big") + body[4:]


def changed(at: int, value: int) -> bytes:
    frame = bytearray(ndp.tell(MAC, VIP)[0])
    frame[at] = value
    return bytes(frame)


def test_an_answer_without_its_option_is_its_frames() -> None:
    """Linux answers a question by unicast so."""
    whole = ndp.answer(MAC, VIP, "fe80::9", PEER)
    bare = bytearray(whole[:-8])
    bare[19] = 24
    assert ndp.read(resummed(bytes(bare))) == Spoken(REPLY, MAC, VIP, "fe80::9", MAC)
    assert ndp.read(whole + bytes(6)) == ndp.read(whole), "padding"


@pytest.mark.parametrize(
    ("at", "value"),
    [(13, 0), (14, 0x40), (19, 16), (19, 200), (20, 17), (21, 254), (54, 133), (55, 1), (62, 0xFF), (79, 0)],
)
def test_nothing_else_is_read(at: int, value: int) -> None:
    """Another protocol, cut short, passed on by a router, another kind, a multicast target, broken options."""
    assert ndp.read(resummed(changed(at, value))) is None


def test_a_wrong_checksum_is_not_read() -> None:
    assert ndp.read(changed(77, 6)) is None


@given(st.binary(max_size=128), st.integers(0, 128))
def test_no_bytes_make_it_raise(noise: bytes, at: int) -> None:
    frame = ndp.tell(MAC, VIP)[0]
    ndp.read(noise)
    ndp.read(frame[:at] + noise)
    ndp.read(resummed((frame[:54] + noise).ljust(58, b"\0")))


def run_filter(program: bytes, frame: bytes) -> int:
    """A classic BPF machine of the instructions we use."""
    at, accumulator = 0, 0
    rows = list(struct.iter_unpack("=HBBI", program))
    while True:
        code, yes, no, k = rows[at]
        if code == 0x06:
            return int(k)
        if code in (0x20, 0x30):
            accumulator = int.from_bytes(frame[k : k + (4 if code == 0x20 else 1)], "big")
            at += 1
        else:
            assert code == 0x15
            at += 1 + (yes if accumulator == k else no)


@pytest.mark.parametrize("count", [0, 1, 2, 50, 100, 101, 500])
def test_the_filter_passes_what_is_asked_for(count: int) -> None:
    ips = [f"2001:db8::{n:x}" for n in range(1, count + 1)]
    program = ndp.only_about(ips)
    assert len(program) // 8 <= 255
    for ip in ips:
        assert run_filter(program, ndp.ask(MAC, "fe80::1:1", ip))
        assert run_filter(program, ndp.ask(MAC, ip, "fe80::1:1"))
        assert run_filter(program, ndp.tell(MAC, ip)[0])
    other = ndp.ask(MAC, "fe80::1:1", "fe80::1:2")
    assert bool(run_filter(program, other)) is (count > 100)  # too many for one filter: everything passes
    for at, value in ((20, 6), (54, 128)):  # another protocol; an echo
        assert not run_filter(program, changed(at, value))


def test_each_address_is_spoken_of_in_one_protocol() -> None:
    assert [spelling.of(ip) for ip in ("192.168.100.100", VIP)] == [frames, ndp]
    assert ndp.groups([VIP, "fd00::7:0:5"]) == {"ff02::1:ff00:5"}
    assert frames.groups(["192.168.100.100"]) == frozenset()
