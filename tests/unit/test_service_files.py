"""The service, its manual and the firewall as they would be installed and typed: real files, systemd's, groff's and the
kernel's own judgement.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from hbcore.cli import firewall, grammar, hbcored, manual
from hbcore.daemon.journal import Journal
from hbcore.engine.config import ClusterConfig, Link, Media
from hbcore.engine.effects import Note
from hbcore.formats import directives
from tests import programs
from tests.unit.links_net import in_namespace, two_nodes
from tests.unit.test_hbctl import HBCTL, TREE

UNIT = "etc/systemd/system/hbcored.service"
PAGES = ("man8/hbctl.8", "man8/hbcored.8", "man5/hbcore-ha.cf.5")
GROUP = "225.100.0.1"


def hbctl(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*HBCTL, *words], cwd=TREE, capture_output=True, text=True, timeout=20, check=False)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("root")
    done = hbctl("install-service", "--prefix", str(place))
    assert done.returncode == 0 and "systemctl daemon-reload" in done.stdout, done.stderr
    return place


def settings(unit: str) -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", unit, re.M))


def test_the_unit_says_what_keeps_services_alive(installed: Path) -> None:
    text = (installed / UNIT).read_text()
    found = settings(text)
    want = {
        "Type": "notify",
        "NotifyAccess": "all",
        "KillMode": "process",
        "Restart": "always",
        "LimitMEMLOCK": "infinity",
        "OOMScoreAdjust": "-900",
        "OOMPolicy": "continue",
        "TasksMax": "infinity",
        "WatchdogSec": "30",
    }
    assert {name: found.get(name) for name in want} == want
    assert "network-online.target" in text and "@" not in text.replace("man:", "")
    argv = found["ExecStart"].split()
    done = subprocess.run([*argv, "--version"], cwd=TREE, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0 and done.stdout.startswith("hbcored "), done.stderr


@pytest.mark.needs("systemd-analyze")
def test_systemd_finds_nothing_wrong_with_it(installed: Path) -> None:
    argv = ["systemd-analyze", "verify", "--man=no", str(installed / UNIT)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert [line for line in done.stderr.splitlines() if "hbcored" in line] == [], done.stderr
    assert done.returncode == 0


def test_print_installs_nothing_and_shows_the_same(installed: Path) -> None:
    done = hbctl("install-service", "--print", "--prefix", "/nowhere", "--json")
    shown = json.loads(done.stdout)
    assert shown["/" + UNIT] == (installed / UNIT).read_text()
    assert "/var/log/ha-log" in shown["/etc/logrotate.d/hbcored"]
    assert hbctl("install-service", "--print").stdout.startswith(f"# /{UNIT}\n")
    assert not Path("/nowhere").exists()


def test_a_unit_of_somebody_else_stays(tmp_path: Path) -> None:
    theirs = tmp_path / UNIT
    theirs.parent.mkdir(parents=True)
    theirs.write_text("[Unit]\nDescription=mine\n")
    done = hbctl("install-service", "--prefix", str(tmp_path))
    assert done.returncode == 1 and str(theirs) in done.stderr
    assert not (tmp_path / "usr").exists()


def test_it_goes_as_it_came(tmp_path: Path) -> None:
    assert hbctl("install-service", "--prefix", str(tmp_path)).returncode == 0
    assert hbctl("install-service", "--prefix", str(tmp_path), "--remove").returncode == 0
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_log_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    """As logrotate does it with what we install: rename, and tell nobody."""
    log, old = tmp_path / "ha-log", tmp_path / "ha-log.1"
    journal = Journal("node1", str(log), lambda event: None)
    journal.write(Note("leaving"))
    log.rename(old)
    journal.write(Note("leaving"))
    journal.write(Note("leaving"))
    assert [len(path.read_text().splitlines()) for path in (old, log)] == [1, 2]
    assert log.stat().st_mode & 0o777 == 0o640


# -- the manual --------------------------------------------------------------------------------------------------------


def plain(page: str) -> str:
    return page.replace("\\-", "-").replace("\\e", "\\").replace("\\&", "")


def test_every_command_and_option_is_in_the_manual() -> None:
    pages = {name: plain(text) for name, text in manual.pages().items()}
    parser = grammar.build()
    (commands,) = [action.choices for action in parser._actions if isinstance(action.choices, dict)]
    assert len(commands) > 12
    for name, command in commands.items():
        part = pages["hbctl.8"].partition(f"\n.SS {name}")[2].partition("\n.SS ")[0]
        assert part, name
        for action in command._actions:
            where = part if action.dest not in ("help", "json", "socket", "host") else pages["hbctl.8"]
            assert all(option in where for option in action.option_strings), (name, action)
    for action in hbcored.build()._actions:
        assert all(option in pages["hbcored.8"] for option in action.option_strings)
    for word in directives.KNOWN:
        assert f"\n.B {word}\n" in pages["hbcore-ha.cf.5"], word


def test_no_text_of_the_manual_is_missing_or_unfilled() -> None:
    for name, page in manual.pages().items():
        assert not re.search(r"\{\w+\}|^man\\?-", page, re.M), name
        assert page.isascii(), name


@pytest.mark.needs("groff")
@pytest.mark.parametrize("page", PAGES)
def test_groff_finds_nothing_wrong_with_a_page(installed: Path, page: str) -> None:
    path = installed / "usr/local/share/man" / page
    argv = ["groff", "-man", "-Tutf8", "-ww", "-z", str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# -- the firewall ------------------------------------------------------------------------------------------------------


def config(*links: Link) -> ClusterConfig:
    return ClusterConfig("test", ("node1", "node2"), links, (), ())


MCAST = Link("eth0", Media.MCAST, "eth0", GROUP, 694)
UCAST = Link("eth0.2", Media.UCAST, "eth0", "10.0.0.2", 1694)
OWN = Link("eth0.3", Media.UCAST, "eth0", "10.0.0.1", 1694)


def test_exactly_what_the_configuration_names_in_three_languages() -> None:
    wanted = firewall.openings(config(MCAST, UCAST, OWN), {"10.0.0.1"})
    assert firewall.nftables(wanted) == [
        f'nft insert rule inet filter input iifname "eth0" ip daddr {GROUP} udp dport 694 accept',
        'nft insert rule inet filter input iifname "eth0" ip saddr 10.0.0.2 udp dport 1694 accept',
        'nft insert rule inet filter input iifname "eth0" ip protocol igmp accept',
    ]
    assert firewall.ufw(wanted) == [
        f"ufw allow in on eth0 to {GROUP} port 694 proto udp",
        "ufw allow in on eth0 from 10.0.0.2 to any port 1694 proto udp",
        "ufw allow in on eth0 to 224.0.0.0/4 proto igmp",
    ]
    first, second, igmp, reload = firewall.firewalld(wanted)
    assert f'destination address="{GROUP}" port port="694" protocol="udp" accept' in first
    assert 'source address="10.0.0.2" port port="1694"' in second
    assert igmp.endswith("--add-protocol=igmp") and reload == "firewall-cmd --reload"
    assert "igmp" not in " ".join(firewall.nftables(firewall.openings(config(UCAST), set())))


@pytest.mark.needs("nft")
@in_namespace
def test_the_kernel_lets_the_heartbeats_in_and_nothing_else() -> None:
    a, b = two_nodes()
    nft = programs.found("nft") or "nft"
    with b:
        ears = {}
        for name, port in (("mcast", 694), ("ucast", 1694), ("other", 1695)):
            ear = ears[name] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            ear.bind(("", port))
            ear.settimeout(0.3)
        request = socket.inet_aton(GROUP) + socket.inet_aton("10.0.0.2")
        ears["mcast"].setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
        drops = "table inet filter { chain input { type filter hook input priority 0; policy drop; }; }"
        subprocess.run([nft, "-f", "-"], input=drops, text=True, check=True)

    def arrives() -> set[str]:
        with a, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
            mouth.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.0.0.1"))
            for address in ((GROUP, 694), ("10.0.0.2", 694), ("10.0.0.2", 1694), ("10.0.0.2", 1695)):
                mouth.sendto(str(address).encode(), address)
        found = set()
        for ear in ears.values():
            try:
                while True:
                    found.add(ear.recv(100).decode())
            except TimeoutError:
                pass
        return found

    assert arrives() == set()
    mine = Link("eth0.2", Media.UCAST, "eth0", "10.0.0.1", 1694)
    with b:
        for line in firewall.nftables(firewall.openings(config(MCAST, mine), {"10.0.0.2"})):
            subprocess.run(["sh", "-ec", line.replace("nft", nft, 1)], check=True)
    assert arrives() == {str((GROUP, 694)), str(("10.0.0.2", 1694))}


def test_it_reads_the_files_and_says_where_they_are_wrong() -> None:
    place = Path(tempfile.mkdtemp())
    shutil.copytree(TREE / "hbcore/lab/ha.d", place / "ha.d")
    (place / "ha.d/authkeys").chmod(0o600)
    done = hbctl("firewall", "--config", str(place / "ha.d"), "--json")
    assert done.returncode == 0, done.stderr
    assert f"ip daddr {GROUP} udp dport 694" in json.loads(done.stdout)["nftables"][0]
    text = hbctl("firewall", "--config", str(place / "ha.d")).stdout
    assert "# nftables" in text and "# ufw\nufw allow in on eth0" in text
    with (place / "ha.d/ha.cf").open("a") as file:
        file.write("mcast eth0\n")
    done = hbctl("firewall", "--config", str(place / "ha.d"))
    assert done.returncode == 1 and "ha.cf:6: " in done.stderr
    shutil.rmtree(place)
