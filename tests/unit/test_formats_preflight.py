"""Scripts and this machine: what examine() finds beside the files. Real directories, the real /proc."""

from __future__ import annotations

import os
import socket
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import pytest

from hbcore.agents.lookup import ALIASES, Missing, find_script
from hbcore.cli.preflight import (
    arp_ignore,
    device_of,
    examine,
    own_addresses,
    own_devices,
    own_subnets,
    render,
    speaks_ipv6,
)
from hbcore.engine.config import Severity
from tests.unit.mistakes import BASE, SCRIPT, write


def put(path: Path, mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SCRIPT)
    path.chmod(mode)
    return path


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path, tuple[Path, ...]]:
    """Configuration directory, init.d and unit directories, all empty."""
    for name in ("ha.d/resource.d", "init.d", "units"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path / "ha.d", tmp_path / "init.d", (tmp_path / "units", tmp_path / "gone")


Places = tuple[Path, Path, tuple[Path, ...]]


def test_resource_d_comes_before_init_d(places: Places) -> None:
    second = put(places[1] / "httpd")
    assert find_script("httpd", *places) == second
    first = put(places[0] / "resource.d" / "httpd")
    assert find_script("httpd", *places) == first
    first.chmod(0o644)
    assert find_script("httpd", *places) == second


def test_a_link_to_a_script_is_a_script(places: Places) -> None:
    put(places[1] / "apache2")
    (places[0] / "resource.d" / "httpd").symlink_to(places[1] / "apache2")
    assert find_script("httpd", *places) == places[0] / "resource.d" / "httpd"


def test_what_stands_in_its_place_is_named(places: Places) -> None:
    path = put(places[0] / "resource.d" / "httpd", 0o644)
    assert find_script("httpd", *places) == Missing("script-not-executable", "httpd", str(path))
    path.unlink()
    path.mkdir()
    assert find_script("httpd", *places) == Missing("script-is-directory", "httpd", str(path))
    path.rmdir()
    path.symlink_to("nowhere")
    assert find_script("httpd", *places) == Missing("script-broken-link", "httpd", str(path))


@pytest.mark.parametrize(
    "kind, present, near",
    [
        ("httpd", "apache2", "apache2"),
        ("apache2", "httpd", "httpd"),
        ("mysqld", "mariadb", "mariadb"),
        ("named", "bind9", "bind9"),
        ("nfs", "nfs-kernel-server", "nfs-kernel-server"),
        ("smb", "smbd", "smbd"),
        ("pgsql", "postgresql", "postgresql"),
        ("htpd", "httpd", "httpd"),
        ("filesystem", "Filesystem", "Filesystem"),
        ("frobnicator", "httpd", ""),
    ],
)
def test_the_nearest_script_is_named(places: Places, kind: str, present: str, near: str) -> None:
    put(places[1] / present)
    put(places[1] / "README", 0o644)
    assert find_script(kind, *places) == Missing("script-missing", kind, near=near)


def test_a_unit_of_that_name_is_named(places: Places) -> None:
    put(places[2][0] / "apache2.service", 0o644)
    assert find_script("httpd", *places) == Missing("script-missing", "httpd", unit="apache2.service")
    put(places[2][0] / "httpd.service", 0o644)
    assert find_script("httpd", *places) == Missing("script-missing", "httpd", unit="httpd.service")


@pytest.mark.parametrize("kind", ["", ".", "..", "../httpd", "/bin/true", "a/b"])
def test_nothing_is_found_outside(places: Places, kind: str) -> None:
    put(places[0] / "httpd")
    assert isinstance(find_script(kind, *places), Missing)


def test_aliases_name_a_service_once() -> None:
    names = [name for family in ALIASES for name in family]
    assert len(names) == len(set(names))


# -- examine -------------------------------------------------------------------------------------------------------


def told(directory: Path, node: str | None = None, *, here: bool = True) -> list[str]:
    problems = examine(directory, node, here=here).problems
    return [line for line in render(problems) if ": note: " not in line]


def files(ha_cf: str = "", haresources: str = "") -> dict[str, str]:
    return {**BASE, "ha.cf": ha_cf or BASE["ha.cf"], "haresources": haresources or BASE["haresources"]}


def test_devices_are_looked_at_only_where_this_is_a_node(tmp_path: Path) -> None:
    text = BASE["ha.cf"].replace("mcast eth0", "mcast nodev0")
    directory = write(tmp_path / "ha.d", files(text, "node1 192.168.100.100/24/nodev1 httpd\n"))
    assert told(directory) == []  # no node is named and uname -n is none
    assert "node-elsewhere" in [p.code for p in examine(directory).problems]
    assert told(directory, "node1", here=False) == []
    present = ", ".join(sorted(name for _, name in socket.if_nameindex()))
    assert told(directory, "node1") == [
        f"ha.cf:5: this machine has no device nodev0: write one of {present}",
        f"haresources:1: this machine has no device nodev1 for 192.168.100.100: write one of {present}",
    ]
    assert examine(directory, "node1").config is None


def test_loopback_is_a_device_and_a_ping_to_oneself_is_refused(tmp_path: Path) -> None:
    text = BASE["ha.cf"].replace("mcast eth0", "mcast lo")
    own = next((ip for ip in sorted(own_addresses()) if not ip.startswith("127.")), None)
    directory = write(tmp_path / "ha.d", files(text, "node1 192.168.100.100/24/lo httpd\n"))
    assert told(directory, "node1") == []
    if own is not None:
        (directory / "ha.cf").write_text(text.replace("192.168.100.254", own))
        assert told(directory, "node1") == [
            f"ha.cf: the ping node {own} is this machine, which always answers itself: write the router's address"
        ]


def test_an_address_without_a_subnet_here_is_warned_of(tmp_path: Path) -> None:
    text = BASE["ha.cf"].replace("mcast eth0", "mcast lo")
    directory = write(tmp_path / "ha.d", files(text, "node1 203.0.113.77 httpd\n"))
    (line,) = told(directory, "node1")
    assert line.startswith("haresources:1: warning: no subnet of this machine holds 203.0.113.77")


def test_no_control_is_a_hole(tmp_path: Path) -> None:
    directory = write(tmp_path / "ha.d", files(BASE["ha.cf"].replace("ping", "#ping")))
    (line,) = told(directory, here=False)
    assert line.startswith("ha.cf: warning: no ping node is named")
    assert "H3" in line
    assert examine(directory, here=False).config is not None


def test_a_missing_script_is_an_error_here_and_no_matter_elsewhere(tmp_path: Path) -> None:
    directory = write(tmp_path / "ha.d", BASE)
    (directory / "resource.d" / "httpd").unlink()
    put(directory / "resource.d" / "apache2")
    (line,) = told(directory)
    assert line.startswith("haresources:1: there is no script httpd in ")
    assert ": apache2 is there, write that" in line
    assert told(directory, here=False) == []


def test_an_unusable_script_beside_the_files_is_told_everywhere(tmp_path: Path) -> None:
    directory = write(tmp_path / "ha.d", BASE)
    (directory / "resource.d" / "httpd").chmod(0o644)
    (line,) = told(directory, here=False)
    assert f"chmod 755 {directory}/resource.d/httpd" in line
    (directory / "resource.d" / "httpd").unlink()
    (directory / "resource.d" / "httpd").symlink_to("gone")
    assert "link to nowhere" in told(directory)[0]
    (directory / "resource.d" / "httpd").unlink()
    (directory / "resource.d" / "httpd").mkdir()
    assert "is a directory" in told(directory)[0]
    (directory / "resource.d" / "httpd").rmdir()
    os.mkfifo(directory / "resource.d" / "httpd")
    assert "no regular file" in told(directory)[0]


def test_one_path_is_noted_two_are_not(tmp_path: Path) -> None:
    directory = write(tmp_path / "ha.d", BASE)
    assert "one-link" in [p.code for p in examine(directory).problems]
    (directory / "ha.cf").write_text(BASE["ha.cf"] + "mcast eth1 225.0.0.1 694 1 0\n")
    assert "one-link" not in [p.code for p in examine(directory).problems]


def test_notes_alone_do_not_refuse(tmp_path: Path) -> None:
    examined = examine(write(tmp_path / "ha.d", BASE))
    assert {p.severity for p in examined.problems} == {Severity.NOTE}
    assert examined.config is not None


def test_this_machine_reads_as_the_kernel_has_it(tmp_path: Path) -> None:
    """A /proc as Linux 6.1 prints it, for a machine whose facts are known."""
    net = tmp_path / "net"
    net.mkdir()
    head = "Inter-|   Receive\n face |bytes    packets errs drop\n"
    (net / "dev").write_text(head + "    lo: 1820 20 0 0\n  eth0:99 1 0 0\n")
    (net / "route").write_text(
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "eth1\t0000A8C0\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
        "eth1\t0005A8C0\t0101A8C0\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    )
    (net / "fib_trie").write_text(
        "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n"
        "     +-- 192.168.1.0/24 2 0 2\n        |-- 192.168.1.0\n           /24 link UNICAST\n"
        "        |-- 192.168.1.2\n           /32 host LOCAL\n        |-- 192.168.1.255\n           /32 link BROADCAST\n"
    )
    (net / "if_inet6").write_text(
        "00000000000000000000000000000001 01 80 10 80       lo\n"
        "fe800000000000005054fffffe000001 02 40 20 80     eth0\n"
        "20010db8000000000000000000000002 02 40 00 80     eth0\n"
        "20010db8000000000000000000000099 03 30 00 80     eth1\n"
    )
    for name, value in (("eth0", "0"), ("eth1", "1")):
        conf = tmp_path / "sys/net/ipv6/conf" / name
        conf.mkdir(parents=True)
        (conf / "disable_ipv6").write_text(value + "\n")
    for name, value in (("all", "1"), ("eth0", "8"), ("lo", "0")):
        conf = tmp_path / "sys/net/ipv4/conf" / name
        conf.mkdir(parents=True)
        (conf / "arp_ignore").write_text(value + "\n")
    assert own_devices(tmp_path) == ["eth0", "lo"]
    assert own_addresses(tmp_path) == {"192.168.1.2"}
    subnets = own_subnets(tmp_path)
    assert subnets == [
        (IPv6Network("2001:db8::/64"), "eth0"),
        (IPv6Network("2001:db8::/48"), "eth1"),
        (IPv4Network("192.168.1.0/24"), "eth0"),
        (IPv4Network("192.168.0.0/16"), "eth1"),
    ]
    assert device_of("192.168.1.100", subnets) == "eth0"
    assert device_of("192.168.5.1", subnets) == "eth1"
    assert device_of("10.0.0.1", subnets) is None
    assert [device_of(f"2001:db8:0:{n}::5", subnets) for n in (0, 1)] == ["eth0", "eth1"]
    assert device_of("fe80::5", subnets) is None
    assert [speaks_ipv6(name, tmp_path) for name in ("eth0", "eth1", "eth7")] == [True, False, False]
    assert [arp_ignore(name, tmp_path) for name in ("eth0", "lo", "eth7")] == [8, 1, 1]
    text = BASE["ha.cf"].replace("mcast eth0", "mcast lo")
    directory = write(tmp_path / "ha.d", files(text, "node1 192.168.100.100/24/lo httpd\n"))
    lines = render(examine(directory, "node1", proc=tmp_path).problems)
    assert [line for line in lines if "arp_ignore" in line] == [
        "haresources:1: warning: lo has arp_ignore 1, so it stays silent when asked for 192.168.100.100 and looks free "
        "to the peer: sysctl -w net.ipv4.conf.lo.arp_ignore=0 (and the value for all)"
    ]
    (tmp_path / "sys/net/ipv4/conf/all/arp_ignore").write_text("4\n")
    assert "arp-ignore" not in [p.code for p in examine(directory, "node1", proc=tmp_path).problems]


def test_an_ipv6_address_on_this_machine(tmp_path: Path) -> None:
    net, conf = tmp_path / "net", tmp_path / "sys/net/ipv6/conf/eth0"
    net.mkdir()
    conf.mkdir(parents=True)
    (net / "dev").write_text("\n\n  eth0: 0\n")
    (net / "if_inet6").write_text("20010db8000000000000000000000002 02 40 00 80     eth0\n")
    directory = write(tmp_path / "ha.d", files(haresources="node1 2001:db8::5 httpd\nnode1 2001:db9::5 named\n"))
    for value, due in (("0", []), ("1", ["ipv6-off"])):
        (conf / "disable_ipv6").write_text(value + "\n")
        problems = [p for p in examine(directory, "node1", proc=tmp_path).problems if p.severity is Severity.WARNING]
        assert [(p.where.line, p.code) for p in problems] == [*((1, code) for code in due), (2, "vip-no-subnet")]


def test_the_real_kernel_agrees() -> None:
    assert "127.0.0.1" in own_addresses()
    devices = {name for _, name in socket.if_nameindex()}
    assert set(own_devices()) == devices
    assert {device for _, device in own_subnets()} <= devices


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("respawn root /bin/sh -c true", ""),
        ("respawn rooot /bin/sh", "there is no user rooot on this machine to run /bin/sh as; did you mean root?"),
        ("respawn zzzzzzzzz /bin/sh", "there is no user zzzzzzzzz on this machine to run /bin/sh as"),
        ("respawn root /etc/passwd", "there is no program /etc/passwd on this machine that can be run"),
        ("respawn root /bin", "there is no program /bin on this machine that can be run"),
    ],
)
def test_who_and_what_a_respawn_line_names(tmp_path: Path, line: str, told: str) -> None:
    files = {**BASE, "ha.cf": BASE["ha.cf"] + line + "\n"}
    number = len(files["ha.cf"].splitlines())
    errors = [p for p in examine(write(tmp_path / "a", files)).problems if p.severity is Severity.ERROR]
    assert render(errors) == ([f"ha.cf:{number}: {told}"] if told else [])
    elsewhere = examine(write(tmp_path / "b", files), here=False).problems
    assert not [p for p in elsewhere if p.code.startswith("respawn-")]
