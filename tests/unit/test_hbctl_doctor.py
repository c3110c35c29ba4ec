"""hbctl doctor: what a machine shows is found in real files, sockets and rulesets; what it means is told with a fix."""

from __future__ import annotations

import json
import os
import shutil
import socket
import string
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hbcore.cli import gather, judge
from hbcore.cli.doctor import _text
from hbcore.cli.facts import Checked, Facts, Folder, LinkSeen, Manager, Occupied, Service, Shut, User
from hbcore.control.sanitise import MalformedError, decode
from hbcore.engine.config import SECOND, Severity
from hbcore.formats.load import load
from hbcore.host.firewall import Packet
from hbcore.words import CATALOGUE, say
from tests.unit.mistakes import BASE, write

TREE = Path(__file__).parents[2]
RESOURCES = "node1 192.168.100.100/24/eth0 Filesystem::/dev/sdb1::/srv/www::ext4 apache2\nnode2 systemd:nginx.service\n"


def hbctl(*words: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "hbcore.cli.hbctl", *words]
    environment = {**os.environ, **env}
    return subprocess.run(
        argv, cwd=TREE, env=environment, input=stdin, capture_output=True, text=True, timeout=60, check=False
    )


# -- what a machine shows ----------------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with systemd, where nothing is enabled or runs."""
    made = tmp_path / "machine"
    for folder in ("run/systemd/system", "etc/systemd/system/multi-user.target.wants", "proc"):
        (made / folder).mkdir(parents=True)
    return made


def found(root: Path, tmp_path: Path) -> set[tuple[str, bool, bool]]:
    folder = tmp_path / "ha.d"
    config = load(folder if folder.exists() else write(folder, {**BASE, "haresources": RESOURCES})).config
    assert config is not None
    running = {name for _, name in gather.programs(root)}
    return {(s.unit, s.enabled, s.runs) for s in gather.services(config, root, running)}


def enable(root: Path, unit: str) -> None:
    (root / "etc/systemd/system/multi-user.target.wants" / unit).symlink_to(f"/lib/systemd/system/{unit}")


def begin(root: Path, pid: int, name: str) -> None:
    (root / "proc" / str(pid)).mkdir(parents=True)
    (root / "proc" / str(pid) / "comm").write_text(f"{name}\n")


def test_a_service_at_rest_is_nothing(root: Path, tmp_path: Path) -> None:
    begin(root, 10, "apache2ctl")
    assert found(root, tmp_path) == set()


def test_units_that_are_enabled_or_run(root: Path, tmp_path: Path) -> None:
    enable(root, "httpd.service")  # apache2 under its other name
    group = root / "sys/fs/cgroup/system.slice/nginx.service"
    group.mkdir(parents=True)
    (group / "cgroup.events").write_text("populated 0\nfrozen 0\n")
    assert found(root, tmp_path) == {("httpd.service", True, False)}
    (group / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    assert found(root, tmp_path) == {("httpd.service", True, False), ("nginx.service", False, True)}


def test_without_systemd_the_links_of_init_and_the_programs_tell(root: Path, tmp_path: Path) -> None:
    shutil.rmtree(root / "run/systemd")
    enable(root, "apache2.service")  # of no effect there
    (root / "etc/rc3.d").mkdir()
    (root / "etc/rc3.d/K01apache2").symlink_to("../init.d/apache2")
    assert found(root, tmp_path) == set()
    (root / "etc/rc3.d/S01apache2").symlink_to("../init.d/apache2")
    assert found(root, tmp_path) == {("apache2", True, False)}
    begin(root, 10, "apache2")
    assert found(root, tmp_path) == {("apache2", True, True)}


def test_other_managers(root: Path) -> None:
    enable(root, "keepalived.service")
    begin(root, 10, "corosync")
    running = {name for _, name in gather.programs(root)}
    assert set(gather.managers(root, running)) == {Manager("keepalived", False), Manager("corosync", True)}


@pytest.mark.parametrize(
    "line",
    [
        "Filesystem::/dev/sdb1::/srv/www::ext4",
        "ocf:heartbeat:Filesystem::device=/dev/sdb1::directory=/srv/www::fstype=ext4",
    ],
)
def test_a_mount_point_that_is_not_there(root: Path, tmp_path: Path, line: str) -> None:
    config = load(write(tmp_path / "ha.d", {**BASE, "haresources": f"node1 {line}\n"})).config
    assert config is not None
    assert [f.path for f in gather.folders(config, root)] == ["/srv/www"]
    (root / "srv/www").mkdir(parents=True)
    assert list(gather.folders(config, root)) == []


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::")])
def test_a_port_that_another_program_has(family: int, address: str) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((address, 0))
        port = sock.getsockname()[1]
        own = Path("/proc/self/comm").read_text().strip()
        assert list(gather.taken(Path("/"), {port})) == [(port, own)]
    assert list(gather.taken(Path("/"), {port})) == []


def test_names_and_users(tmp_path: Path) -> None:
    assert set(gather.resolved("localhost")) <= {"127.0.0.1", "::1"} and gather.resolved("localhost")
    assert gather.resolved("no-such-name.invalid") == []
    ha_cf = BASE["ha.cf"] + "respawn daemon /bin/true\n"
    config = load(write(tmp_path / "ha.d", {**BASE, "ha.cf": ha_cf})).config
    assert config is not None
    assert "daemon" in {user.name for user in gather.users(config)}
    assert "root" not in {user.name for user in gather.users(config)}


# -- the firewall ------------------------------------------------------------------------------------------------------


@pytest.mark.needs("nft", "unshare")
def test_beats_that_the_firewall_surely_drops() -> None:
    text = """table inet filter { chain input { type filter hook input priority 0; policy drop;
      ct state established,related accept; udp dport 695 accept; }; }"""
    argv = ["unshare", "-rn", "sh", "-ec", "nft -f - && nft -j list ruleset"]
    listed = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=20, check=True).stdout
    rules = json.loads(listed)["nftables"]
    beats = [
        Packet("in", "eth0", 694, False, target="225.0.0.1"),
        Packet("in", "eth0", 694, False, source="10.0.0.2"),  # an answer to ours
        Packet("in", "eth1", 695, True, target="ff05::694"),
        Packet("in", "eth1", 694, True, target="ff05::694"),
    ]
    drops = "inet filter input"
    assert list(gather.shut(rules, beats)) == [Shut("eth0", 694, drops), Shut("eth1", 694, drops)]


# -- what it means -----------------------------------------------------------------------------------------------------

WELL = Facts(
    node="node1", uname="node1", config="/etc/ha.d", nodes=["node1", "node2"], resolved=["10.0.0.1"],
    addresses=["10.0.0.1", "127.0.0.1"], macs=["02:00:00:00:00:01"], daemon=True, held=["web"],
)  # fmt: skip
PEER = msgspec.structs.replace(
    WELL,
    node="node2",
    uname="node2",
    resolved=["10.0.0.2"],
    addresses=["10.0.0.2"],
    macs=["02:00:00:00:00:02"],
    held=[],
)


def service(*, enabled: bool = False, runs: bool = False) -> Service:
    return Service("web", "apache2", "apache2.service", enabled, runs)


def but(facts: Facts, **changed: Any) -> Facts:
    return msgspec.structs.replace(facts, **changed)


def codes(findings: Iterable[judge.Finding]) -> list[str]:
    return sorted(one.code.removeprefix("dr-") for one in findings)


def test_of_two_that_are_well_nothing_is_said() -> None:
    assert not [*judge.alone(WELL, PEER), *judge.alone(PEER, WELL), *judge.together(WELL, PEER, SECOND // 2, 0)]


@pytest.mark.parametrize(
    ("changed", "code", "fix"),
    [
        ({"namesake": "another live machine"}, "namesake-heard", "hostnamectl set-hostname NAME on one of them"),
        ({"uname": "other"}, "name", "hostnamectl set-hostname node2"),
        ({"resolved": ["127.0.1.1"]}, "loopback", "10.0.0.2 node2"),
        ({"resolved": []}, "unresolved", "10.0.0.2 node2"),
        ({"services": [service(enabled=True)]}, "enabled", "systemctl disable apache2.service"),
        ({"services": [service(enabled=True, runs=True)]}, "enabled-runs", "systemctl disable --now apache2.service"),
        ({"services": [service(runs=True)]}, "runs", "systemctl stop apache2.service"),
        ({"services": [service(runs=True)], "daemon": False}, "runs-before", "systemctl stop apache2.service"),
        ({"managers": [Manager("keepalived", True)]}, "manager-runs", "systemctl disable --now keepalived"),
        ({"managers": [Manager("heartbeat", False)]}, "manager-enabled", "systemctl disable --now heartbeat"),
        ({"taken": [Occupied(694, "ha_old")]}, "port-taken", "stop ha_old"),
        ({"shut": [Shut("eth0", 694, "inet filter input")]}, "port-shut", "hbctl firewall"),
        ({"folders": [Folder("web", "/srv/www")]}, "folder", "mkdir -p /srv/www (it is there on node1)"),
    ],
)
def test_one_thing_wrong_on_a_node(changed: dict[str, Any], code: str, fix: str) -> None:
    (one,) = judge.alone(but(PEER, **changed), WELL)
    assert (one.node, one.code) == ("node2", f"dr-{code}") and judge.wrong([one])
    assert fix in say(one.fix, **one.args)


def test_what_hbcored_runs_here_may_run() -> None:
    assert not list(judge.alone(but(WELL, services=[service(runs=True)])))


@pytest.mark.parametrize("offset_ns", [3 * SECOND, -3 * SECOND])
def test_a_clock_that_is_off_by_more_than_the_way_can_explain(offset_ns: int) -> None:
    assert codes(judge.together(WELL, PEER, offset_ns, SECOND)) == ["clock"]
    assert codes(judge.together(WELL, PEER, offset_ns, 2 * SECOND)) == []


def test_two_machines_with_one_name_are_told_apart_by_their_cards() -> None:
    (one,) = judge.together(WELL, but(PEER, node="node1"), 0, 0)
    text = _text(one)
    assert one.severity is Severity.ERROR and "02:00:00:00:00:01" in text and "02:00:00:00:00:02" in text
    assert codes(judge.together(WELL, but(WELL), 0, 0)) == ["peer-is-self"]
    assert codes(judge.together(WELL, but(PEER, node="node7"), 0, 0)) == ["stranger"]


def test_what_only_both_show() -> None:
    here = but(WELL, users=[User("mysql", 100, 101), User("www-data", 33, 33)], pings=["10.0.0.2"])
    there = but(PEER, users=[User("mysql", 102, 101), User("www-data", 33, 33), User("bind", 5, 5)])
    there = but(there, links=[LinkSeen("eth0", "one-way", ""), LinkSeen("eth1", "up", "")])
    assert codes(judge.together(here, there, 0, 0)) == ["link", "ping-member", "user"]
    assert codes(judge.together(but(here, daemon=False), there, 0, 0)) == ["ping-member", "user"]


def test_a_script_that_is_missing_on_one_node_only() -> None:
    lost = [Checked("/etc/ha.d/haresources:1", "error", "script-missing-near", "there is no script httpd", "httpd")]
    (one,) = judge.alone(but(PEER, problems=lost), WELL)
    assert one.code == "script-missing-near" and "node1 has it" in say(one.fix, **one.args)
    (one,) = judge.alone(but(PEER, problems=lost), but(WELL, problems=lost))
    assert "edit /etc/ha.d/haresources:1" in say(one.fix, **one.args)


def test_the_worst_comes_first_and_what_is_only_a_note_is_nothing_wrong() -> None:
    every = [*judge.alone(but(WELL, unseen=["firewall"], uname="x", managers=[Manager("corosync", True)]))]
    assert [one.severity for one in judge.sorted_findings([*every, *every])] == list(Severity)
    assert not judge.wrong(judge.alone(but(WELL, unseen=["firewall"])))


def test_every_finding_has_both_sentences_and_fills_them() -> None:
    source = (TREE / "hbcore/cli/judge.py").read_text() + (TREE / "hbcore/cli/doctor.py").read_text()
    known = [code for code in CATALOGUE if code.startswith(("dr-", "fix-"))]
    assert len(known) > 40
    for code in known:
        assert f'"{code.partition("-")[2]}"' in source or f'"{code}"' in source or code.endswith("-firewall"), code
    here = but(
        WELL, uname="x", resolved=[], services=[service(enabled=True)], managers=[Manager("cman", True)],
        taken=[Occupied(1, "")], shut=[Shut("a", 1, "b")], folders=[Folder("a", "b")], users=[User("u", 1, 1)],
        pings=["10.0.0.2"], links=[LinkSeen("eth0", "down", "")], unseen=["firewall"],
    )  # fmt: skip
    there = but(PEER, users=[User("u", 2, 2)], node="node3")
    for one in [*judge.alone(here), *judge.alone(here, there), *judge.together(here, there, 9 * SECOND, 0)]:
        assert one.code in CATALOGUE and one.fix in CATALOGUE
        for text in (_text(one), say(one.fix, **one.args)):
            assert not [name for _, name, _, _ in string.Formatter().parse(text) if name], text


# -- the command -------------------------------------------------------------------------------------------------------


def test_facts_are_answered_as_asked_and_nothing_else(tmp_path: Path) -> None:
    config = str(write(tmp_path / "ha.d", BASE))
    before = time.time_ns()
    done = hbctl(
        "facts", stdin='{"what":"facts"}\n{"what":"clock"}\n', HBCORE_CONFIG=config, HBCORE_NODE="node1",
        HBCORE_RUNTIME=str(tmp_path),
    )  # fmt: skip
    first, second = done.stdout.splitlines()
    facts = decode(first.encode(), Facts)
    assert (facts.node, facts.nodes, facts.daemon) == ("node1", ["node1", "node2"], False)
    assert before < json.loads(second)["unix_ns"] < time.time_ns()
    done = hbctl("facts", stdin='{"what":"keys"}\n', HBCORE_CONFIG=config)
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize("changed", [{"addresses": ["x"] * 257}, {"uname": "x" * 1001}, {"held": [7]}, {"node": None}])
def test_facts_out_of_bounds_are_refused(changed: dict[str, Any]) -> None:
    raw = msgspec.json.encode({**msgspec.to_builtins(WELL), **changed})
    with pytest.raises(MalformedError):
        decode(raw, Facts)


def test_what_check_says_is_said_with_a_fix_and_the_keys_are_not(tmp_path: Path) -> None:
    files = {**BASE, "ha.cf": BASE["ha.cf"].replace("eth0", "eth77"), "authkeys": BASE["authkeys"]}
    folder = write(tmp_path / "ha.d", files)
    (folder / "authkeys").chmod(0o644)
    done = hbctl("doctor", "--config", str(folder), HBCORE_NODE="node1", HBCORE_RUNTIME=str(tmp_path))
    assert done.returncode == 1 and done.stderr == ""
    assert f"  fix: chmod 600 {folder}/authkeys\n" in done.stdout
    (folder / "authkeys").chmod(0o600)
    done = hbctl("doctor", "--config", str(folder), "--json", HBCORE_NODE="node1", HBCORE_RUNTIME=str(tmp_path))
    (lost,) = [one for one in json.loads(done.stdout) if one["code"] == "device-missing"]
    assert lost["severity"] == "error" and "lo" in lost["text"] and "ha.cf:5" in lost["fix"]
    assert "6b1f0c9a" not in done.stdout


def test_a_peer_that_cannot_be_reached_is_a_finding(tmp_path: Path) -> None:
    folder = write(tmp_path / "ha.d", BASE)
    done = hbctl(
        "doctor", "--config", str(folder), "--peer", "127.0.0.1:1", "--json", HBCORE_NODE="node1",
        HBCORE_RUNTIME=str(tmp_path),
    )  # fmt: skip
    (unseen,) = [one for one in json.loads(done.stdout) if one["code"] == "peer-unseen"]
    assert done.returncode == 1 and "cannot be reached" in unseen["text"] and "ssh" in unseen["fix"]


@pytest.mark.parametrize(("words", "code"), [(["--config", "/nonexistent"], 2), (["--host", "node1"], 2)])
def test_wrong_usage(words: list[str], code: int) -> None:
    done = hbctl("doctor", *words)
    assert done.returncode == code
    assert "Traceback" not in done.stderr and done.stderr.count("\n") == 1
