"""Where an address belongs, from tables written by hand; and the bytes and filter of ARP."""

from __future__ import annotations

import socket
import struct

import pytest

from hbcore.engine.config import Address
from hbcore.host import frames
from hbcore.host.placing import HostAddress, Link, Refused, Resolved, dependents, instances, label, resolve
from tests.unit.test_host_ipv6 import run_filter

MAC = bytes.fromhex("020000000001")
LO = Link(1, "lo", b"", True, True, True)
ETH0 = Link(2, "eth0", MAC, True, True, False)
ETH1 = Link(3, "eth1", MAC, True, True, False)
DOWN = Link(4, "eth2", MAC, False, False, False)
LINKS = [LO, ETH0, ETH1, DOWN]
VIP = "192.168.100.100"
VIPS = {VIP, "192.168.100.101"}
HAVE = [
    HostAddress(1, "127.0.0.1", 8, "lo", False),
    HostAddress(2, "192.168.100.1", 24, "eth0", False),
    HostAddress(3, "10.0.0.1", 8, "eth1", False),
    HostAddress(4, "172.16.0.1", 16, "eth2", False),
]


def placed(wanted: Address, have: list[HostAddress] = HAVE, links: list[Link] = LINKS) -> Resolved:
    found = resolve(wanted, links, have, VIPS)
    assert isinstance(found, Resolved), found
    return found


def refused(wanted: Address, have: list[HostAddress] = HAVE) -> tuple[str, dict[str, str]]:
    found = resolve(wanted, LINKS, have, VIPS)
    assert isinstance(found, Refused), found
    return found.code, dict(found.args)


def test_as_the_tutorial_writes_it() -> None:
    place = placed(Address(VIP, 24, "eth0", "192.168.100.255"))
    assert place == Resolved(2, "eth0", VIP, 24, "192.168.100.255", "eth0:0", "192.168.100.1")
    assert place.shown == "192.168.100.100/24 eth0:0"


def test_a_bare_address_finds_device_netmask_and_broadcast() -> None:
    assert placed(Address(VIP)) == placed(Address(VIP, 24, "eth0", "192.168.100.255"))
    assert placed(Address("10.20.30.40")).broadcast == "10.255.255.255"


def test_a_device_alone_takes_the_netmask_of_its_base_address() -> None:
    assert placed(Address("10.1.1.1", device="eth1")).prefix == 8


def test_the_most_specific_subnet_wins_then_one_that_is_up() -> None:
    wider = [*HAVE, HostAddress(3, "192.168.0.1", 16, "eth1", False)]
    assert placed(Address(VIP), wider).device == "eth0"
    twice = [HostAddress(2, "172.16.0.2", 16, "eth0", False), HAVE[3]]
    assert placed(Address("172.16.0.9"), twice).device == "eth0"


def test_virtual_addresses_are_no_base() -> None:
    """Else a VIP left over on the wrong card would decide where the other one goes."""
    stray = [HAVE[0], HAVE[2], HostAddress(3, "192.168.100.101", 24, "eth1:0", False)]
    assert refused(Address(VIP), stray)[0] == "address-no-subnet"
    own = [HAVE[0], HostAddress(3, VIP, 24, "eth1:0", False)]
    assert refused(Address(VIP), own)[0] == "address-no-subnet"


def test_loopback_and_host_routes_are_no_base() -> None:
    assert refused(Address("127.0.0.9"))[0] == "address-no-subnet"
    assert refused(Address(VIP), [HostAddress(2, VIP[:-1] + "2", 32, "eth0", False)])[0] == "address-no-subnet"


def test_refusals_name_what_there_is() -> None:
    code, args = refused(Address(VIP, 24, "eht0"))
    assert (code, args["near"], args["have"]) == ("address-no-device-near", "eth0", "eth0, eth1, eth2")
    assert refused(Address(VIP, 24, "bond0"))[0] == "address-no-device"
    code, args = refused(Address("203.0.113.1"))
    assert (code, args["subnets"]) == (
        "address-no-subnet", "192.168.100.0/24 on eth0, 10.0.0.0/8 on eth1, 172.16.0.0/16 on eth2",
    )  # fmt: skip
    code, args = refused(Address("203.0.113.1", device="eth0"))
    assert (code, args["subnets"]) == ("address-no-prefix", "192.168.100.0/24 on eth0")
    assert refused(Address("172.16.0.9"))[0] == "address-device-down"


def test_labels_first_free_kept_while_up_asked_for_and_too_long() -> None:
    taken = [HostAddress(2, f"192.168.100.{n}", 24, f"eth0:{n}", True) for n in (0, 1, 3)]
    assert label(ETH0, VIP, "", taken) == "eth0:2"
    assert label(ETH0, "192.168.100.3", "", taken) == "eth0:3"  # what it has
    assert label(ETH0, VIP, "7", taken) == "eth0:7"
    assert label(ETH0, VIP, "1", taken) == "eth0:2"  # asked for, but taken
    assert label(ETH1, VIP, "", taken) == "eth1:0"
    assert label(Link(9, "enp0s31f6abcdef", MAC, True, True, False), VIP, "", taken) == ""
    assert label(Link(9, "enp0s31f6abcd", MAC, True, True, False), VIP, "", taken) == "enp0s31f6abcd:0"
    assert placed(Address(VIP, 24, "eth0:5")).label == "eth0:5"


def test_point_to_point_prefixes_have_no_broadcast() -> None:
    assert [placed(Address(VIP, prefix, "eth0")).broadcast for prefix in (30, 31, 32)] == ["192.168.100.103", "", ""]


def test_an_address_on_loopback_is_not_there() -> None:
    assert instances(VIP, LINKS, [HostAddress(1, VIP, 32, "lo", False)]) == []
    assert len(instances(VIP, LINKS, [HostAddress(2, VIP, 24, "eth0:0", True)])) == 1


def test_what_the_kernel_takes_along() -> None:
    first = HostAddress(2, "192.168.100.100", 24, "eth0:0", False)
    others = [
        HostAddress(2, "192.168.100.101", 24, "eth0:1", True),
        HostAddress(2, "192.168.100.102", 25, "eth0:2", True),  # another prefix
        HostAddress(3, "192.168.100.103", 24, "eth1:0", True),  # another card
        HostAddress(2, "192.168.101.104", 24, "eth0:3", True),  # another subnet
    ]
    assert dependents(first, [first, *others]) == others[:1]
    assert dependents(others[0], [first, *others]) == []


def test_gratuitous_frame_by_hand() -> None:
    expected = bytes.fromhex(
        "ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 c0a86464 000000000000 c0a86464"
    )
    assert frames.build(frames.REQUEST, MAC, VIP, VIP) == expected.ljust(60, b"\0")
    reply = frames.build(frames.REPLY, MAC, VIP, VIP)
    assert (reply[20:22], reply[32:38]) == (b"\0\2", b"\xff" * 6)


def test_frames_read_back_and_nothing_else_is_read() -> None:
    frame = frames.build(frames.REQUEST, MAC, "10.0.0.1", VIP)
    assert frames.read(frame) == frames.Spoken(frames.REQUEST, MAC, "10.0.0.1", VIP, MAC)
    assert frames.read(frame[:42]) is not None
    assert frames.read(frame[:41]) is None
    assert frames.read(b"") is None
    for at, value in ((12, 0x86), (14, 9), (16, 9), (18, 8), (19, 16), (21, 8)):
        broken = bytearray(frame)
        broken[at] = value
        assert frames.read(bytes(broken)) is None, at


@pytest.mark.parametrize("count", [0, 1, 2, 50, 100, 101, 500])
def test_the_filter_passes_what_is_asked_for(count: int) -> None:
    ips = [socket.inet_ntoa(struct.pack("!I", 0x0A000000 + n)) for n in range(count)]
    program = frames.only_about(ips)
    assert len(program) // 8 <= 255
    for ip in ips:
        assert run_filter(program, frames.build(1, MAC, ip, "192.0.2.1"))
        assert run_filter(program, frames.build(1, MAC, "192.0.2.1", ip))
    other = run_filter(program, frames.build(1, MAC, "192.0.2.1", "192.0.2.2"))
    assert bool(other) is (count > 100)  # too many for one filter: everything passes
