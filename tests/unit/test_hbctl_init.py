"""hbctl init as an administrator uses it: options and a machine in, three files that pass `hbctl check` out.

A machine of its own for each test: a namespace with a card, a route and a name. Must not know how files are read.
"""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hbcore.formats.load import load
from tests.unit.mistakes import SCRIPT

ROOT = Path(__file__).resolve().parents[2]
# As the machine Node1 with eth0 (and a second wire), and a router.
MACHINE = """
hostname Node1
ip link set lo up
ip link add eth0 type veth peer name eth1
ip addr add 192.168.100.11/24 dev eth0 && ip link set eth0 up
ip addr add 10.0.0.1/30 dev eth1 && ip link set eth1 up
ip route add default via 192.168.100.254
"""
BARE = "hostname node1\nip link add eth0 type veth peer name eth1\n"
PLAIN = ("--peer", "node2", "--address", "192.168.100.100", "--service", "httpd")


def hbctl(*words: str, machine: str = MACHINE) -> subprocess.CompletedProcess[str]:
    script = f'PATH="$PATH:/usr/sbin:/sbin"\n{machine}exec "$@"'
    argv = ["unshare", "-Urn", "--uts", "sh", "-ec", script, "sh", sys.executable, "-m", "hbcore.cli.hbctl", *words]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory that has the script, and no files yet."""
    scripts = tmp_path / "ha.d" / "resource.d"
    scripts.mkdir(parents=True)
    (scripts / "httpd").write_text(SCRIPT)
    (scripts / "httpd").chmod(0o755)
    return tmp_path / "ha.d"


def said(path: Path) -> list[str]:
    """The lines that count."""
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


def test_what_it_writes_passes_check_and_teaches(place: Path) -> None:
    done = hbctl("init", str(place), *PLAIN)
    assert (done.returncode, done.stderr) == (0, "")
    assert said(place / "ha.cf") == [
        "logfile /var/log/ha-log", "mcast eth0 225.0.0.1 694 1 0", "ping 192.168.100.254", "auto_failback on",
        "node node1", "node node2",
    ]  # fmt: skip
    assert said(place / "haresources") == ["node1 192.168.100.100/24/eth0 httpd"]
    auth, key = said(place / "authkeys")
    assert auth == "auth 1" and re.fullmatch(r"1 sha256 [0-9a-f]{64}", key)
    modes = [stat.S_IMODE((place / name).stat().st_mode) for name in ("ha.cf", "authkeys", "haresources")]
    assert modes == [0o644, 0o600, 0o644]
    for name in ("ha.cf", "authkeys", "haresources"):
        text = (place / name).read_text()
        assert text.count("# ") >= 2 and "{" not in text and max(map(len, text.splitlines())) <= 100
    checked = hbctl("check", str(place))
    assert checked.returncode == 0 and "warning" not in checked.stdout and checked.stderr == ""
    secret = key.split()[2]
    assert secret not in done.stdout + checked.stdout
    loaded = load(place, "node1")
    assert loaded.keys is not None and loaded.keys.weakest_bits == 256
    assert f"root@node2:{place}/" in done.stdout


def test_the_key_is_another_each_time(tmp_path: Path) -> None:
    keys = set()
    for name in ("a", "b"):
        assert hbctl("init", str(tmp_path / name), "--peer", "node2").returncode == 0
        keys.add(said(tmp_path / name / "authkeys")[1])
    assert len(keys) == 2


def test_addresses_of_the_peer_give_the_same_file_on_both_nodes(place: Path) -> None:
    words = ("--peer", "node2", "--peer-address", "192.168.100.12", "--peer-address", "10.0.0.2")
    assert hbctl("init", str(place), *words).returncode == 0
    assert [line for line in said(place / "ha.cf") if line.startswith("ucast")] == [
        "ucast eth0 192.168.100.11", "ucast eth0 192.168.100.12", "ucast eth1 10.0.0.1", "ucast eth1 10.0.0.2",
    ]  # fmt: skip
    assert not any(line.startswith("mcast") for line in said(place / "ha.cf"))


def test_without_an_address_there_is_no_group_yet(tmp_path: Path) -> None:
    done = hbctl("init", str(tmp_path / "new" / "ha.d"), "--peer", "node2", "--device", "eth0", "--device", "eth1")
    assert done.returncode == 0 and "there is no group" in done.stdout
    assert said(tmp_path / "new" / "ha.d" / "haresources") == []
    assert "node1 192.168.1.100/24/eth0 httpd" in (tmp_path / "new" / "ha.d" / "haresources").read_text()
    assert sum(line.startswith("mcast") for line in said(tmp_path / "new" / "ha.d" / "ha.cf")) == 2


def test_json_says_what_was_found_out_and_no_key(place: Path) -> None:
    done = hbctl("init", str(place), *PLAIN, "--json")
    told = json.loads(done.stdout)
    assert told["files"] == [str(place / name) for name in ("ha.cf", "authkeys", "haresources")]
    assert (told["node"], told["peer"], told["devices"]) == ("node1", "node2", ["eth0"])
    assert (told["ping"], told["address"], told["services"]) == (
        "192.168.100.254", "192.168.100.100/24/eth0", ["httpd"],
    )  # fmt: skip
    assert {p["severity"] for p in told["problems"]} == {"note"}
    assert said(place / "authkeys")[1].split()[2] not in done.stdout


@pytest.mark.parametrize("name", ["ha.cf", "authkeys", "haresources"])
def test_nothing_is_overwritten(place: Path, name: str) -> None:
    (place / name).symlink_to("nowhere")  # a link to a file that is not there is one of that name, too
    done = hbctl("init", str(place), *PLAIN)
    assert done.returncode == 1 and f"There is {name} in {place} already" in done.stderr
    assert {p.name for p in place.iterdir()} == {"resource.d", name}


REFUSED: dict[tuple[str, ...], str] = {
    (): "--peer NAME",
    ("--peer", "NODE1"): "node1 is this node",
    ("--peer", "192.168.100.12"): "--peer: a node is known by its name",
    ("--peer", "node2", "--address", "192.168.100.300"): "--address: 192.168.100.300 is no address",
    ("--peer", "node2", "--address", "172.16.0.1"): "ADDRESS/MASK/DEVICE",
    ("--peer", "node2", "--device", "eth7"): "this machine has no eth7, but eth0, eth1",
    ("--peer", "node2", "--peer-address", "172.16.0.1"): "in no subnet of this machine",
    ("--peer", "node2", "--ping", "router"): "--ping: router is no IPv4 address",
    ("--peer", "node2", "--service", "httpd # x"): "--service: httpd # x is no name of a script",
    ("--peer", "node2", "--host", "node2"): "--host and --socket are not for it",
}
UNFIT = {  # found out by the examination of what was written
    ("--address", "192.168.100.100", "--service", "frobnicator"): "there is no script frobnicator",
    ("--address", "192.168.100.254"): "is the ping node",
    ("--address", "192.168.100.255"): "broadcast",
    ("--ping", "192.168.100.11"): "is this machine",
}
EACH = """
import json, sys
from hbcore.cli.hbctl import main
for words in json.loads(sys.argv[1]):
    print(main(["init", *words]), file=sys.stderr)
"""


def test_what_cannot_be_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    """All on one machine, one after the other."""
    place = str(tmp_path / "etc" / "ha.d")
    cases = [(words, 2, word) for words, word in REFUSED.items()]
    cases += [(("--peer", "node2", *words), 1, word) for words, word in UNFIT.items()]
    lines = json.dumps([[place, *words] for words, _, _ in cases])
    argv = ["unshare", "-Urn", "--uts", "sh", "-ec", f'PATH="$PATH:/usr/sbin:/sbin"\n{MACHINE}exec "$@"', "sh"]
    done = subprocess.run(
        [*argv, sys.executable, "-c", EACH, lines], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout == ""
    said = done.stderr.splitlines()
    assert len(said) == 2 * len(cases), said  # one sentence and one exit code each
    for (words, code, word), sentence, exit_code in zip(cases, said[::2], said[1::2], strict=True):
        assert (word in sentence, int(exit_code)) == (True, code), (words, sentence)
        assert sentence.startswith("hbctl: Nothing was written: ") is (code == 1)
    assert list(tmp_path.iterdir()) == []


def test_a_machine_without_a_route_is_asked_for_its_device_and_warned(tmp_path: Path) -> None:
    asked = hbctl("init", str(tmp_path / "ha.d"), "--peer", "node2", machine=BARE)
    assert asked.returncode == 2 and "--device (here: eth0, eth1)" in asked.stderr
    done = hbctl("init", str(tmp_path / "ha.d"), "--peer", "node2", "--device", "eth1", machine=BARE)
    assert done.returncode == 0 and "hole H3" in done.stdout
    assert "No router was found" in (tmp_path / "ha.d" / "ha.cf").read_text()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = hbctl("init", str(tmp_path / "file" / "ha.d"), "--peer", "node2")
    assert done.returncode == 1 and "cannot be written" in done.stderr and str(tmp_path / "file") in done.stderr
