"""The lab is what it says: machines that know nothing of each other, faults that do what they are called, true figures.

Invariant: everything here is tried with real packets. What serves is put there by hand, so that a defect of our
daemons cannot hide one of the lab, or the other way round.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.harness import VIP, Cluster, Refused
from tests.cluster.stalls import ROOT

PYTHON = os.path.realpath(sys.executable)

# Sends "count" datagrams to a group or address, or counts those that come in a second. argv: send|count TARGET PORT
DATAGRAMS = """
import socket, struct, sys, time
what, target, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
if what == "send":
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(sys.argv[4]))
    for _ in range(10):
        s.sendto(b"beat", (target, port))
        time.sleep(0.01)
else:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", port))
    if target.startswith("225."):
        own = socket.inet_aton(sys.argv[4])
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(target) + own)
    open("/tmp/listens", "w").close()
    end, got = time.monotonic() + 1.2, 0
    while got < 10 and (left := end - time.monotonic()) > 0:
        s.settimeout(left)
        try:
            got += s.recv(64) == b"beat"
        except TimeoutError:
            break
    print(got)
"""

# Takes the service's address and says so, as any cluster manager does.
TAKE = f"""
import socket, struct, subprocess
subprocess.run(["ip", "addr", "add", "{VIP}/24", "dev", "eth0"], check=True)
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0x0806))
mac, ip = s.getsockname()[4], socket.inet_aton("{VIP}")
s.send(b"\\xff" * 6 + mac + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1) + mac + ip + bytes(6) + ip)
"""


# Whether an address answers one of a few pings.
PING = """
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
s.settimeout(0.3)
for sequence in range(3):
    total = 0x0800 + 77 + sequence
    s.sendto(struct.pack("!BBHHH", 8, 0, ~total & 0xFFFF, 77, sequence), (sys.argv[1], 0))
    try:
        while s.recv(99)[20] != 0:
            pass
        sys.exit(0)
    except OSError:
        pass
sys.exit(1)
"""


def pings(c: Cluster, node: str, address: str) -> bool:
    done = c.run(node, PYTHON, "-I", "-S", "-c", PING, address)
    assert done.code in (0, 1) and not done.err, done
    return done.code == 0


def take(c: Cluster, node: str) -> None:
    done = c.run(node, PYTHON, "-I", "-S", "-c", TAKE)
    assert done.code == 0, done.err
    done = c.run(node, "/etc/ha.d/resource.d/httpd", "start")
    assert done.code == 0, done.err


def drop(c: Cluster, node: str) -> None:
    assert c.run(node, "ip", "addr", "del", f"{VIP}/24", "dev", "eth0").code == 0
    assert c.run(node, "/etc/ha.d/resource.d/httpd", "stop").code == 0


def heard(c: Cluster, source: str, target: str, port: int, group: str | None = None) -> int:
    """How many of ten datagrams from one node another hears; to its own address, or a multicast group."""
    base = {n: str(info["address"]) for n, info in c.ready["nodes"].items()}
    to = group or base[target]
    c.run(target, "rm", "-f", "/tmp/listens")
    script = 'exec "$@" >/tmp/heard 2>&1 &'
    c.run(target, "sh", "-c", script, "sh", PYTHON, "-c", DATAGRAMS, "count", to, str(port), base[target])
    assert c.run(target, "sh", "-c", "until [ -e /tmp/listens ]; do sleep 0.01; done", timeout=5).code == 0
    assert c.run(source, PYTHON, "-c", DATAGRAMS, "send", to, str(port), base[source]).code == 0
    said = c.run(target, "sh", "-c", "until [ -s /tmp/heard ]; do sleep 0.01; done; cat /tmp/heard", timeout=5)
    return int(said.out)


def test_a_node_is_a_machine_of_its_own(lab: Cluster) -> None:
    assert lab.run("node2", "uname", "-n").out == "node2.xiaofei.com\n"
    assert "192.168.100.2/24 brd 192.168.100.255" in lab.run("node2", "ip", "-o", "addr", "show", "eth0").out
    commands = lab.run("node2", "ps", "ax", "-o", "args").out
    assert commands.splitlines()[1] == "sleep infinity"
    assert "hbcore" not in commands, "what kills all of ours would kill the node"
    name = f"hbtui-test-{os.getpid()}"  # this machine has no file of that name
    for folder in ("/etc", "/etc/ha.d", "/etc/init.d", "/var/log", "/var/lib/hbcore", "/run/hbcore", "/tmp"):
        path = f"{folder}/{name}"
        assert lab.run("node1", "sh", "-c", f"echo 1 >{path}").code == 0
        assert lab.run("node2", "test", "-e", path).code == 1
        assert not Path(path).exists()
    assert lab.run("node1", "stat", "-c", "%a", "/etc/ha.d/authkeys").out == "600\n"
    assert lab.run("node1", PYTHON, "-c", f"import sys; sys.path[0] = {str(ROOT)!r}; import hbcore.words").code == 0
    assert lab.run("node1", "getent", "hosts", "node2").out.split()[0] == "192.168.100.2"


def test_the_tutorials_files_are_the_configuration(lab: Cluster) -> None:
    for name in ("ha.cf", "authkeys", "haresources"):
        wanted = (ROOT / "tests/data/tutorial/1-httpd/ha.d" / name).read_bytes()
        assert (lab.folder("node1", "config") / name).read_bytes() == wanted


def test_a_socket_is_reachable_from_outside(lab: Cluster) -> None:
    path = lab.socket("node1")
    assert len(path) < 60
    server = (
        "import socket; s = socket.socket(socket.AF_UNIX); s.bind('/run/hbcore/hbcore.sock'); s.listen(); s.accept()"
    )
    lab.run("node1", "sh", "-c", 'setsid "$@" &', "sh", PYTHON, "-c", server)
    import socket

    for _ in range(100):
        if os.path.exists(path):
            break
        time.sleep(0.02)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def test_power_off_is_at_once_and_the_disk_lasts(lab: Cluster) -> None:
    lab.run("node1", "sh", "-c", "echo kept >/var/lib/hbcore/a; echo lost >/run/hbcore/b; echo kept >/var/log/c")
    take(lab, "node1")
    lab.wait_served("node1", 5)
    off = lab.power_off("node1")
    assert off["kill_ms"] < 20 and off["dead_ms"] < 200, off
    report = lab.watch(0.5, since=off["at"])
    last_answer = report["echo"]["from"]
    assert last_answer <= off["at"] + 0.02, "it answered after its power was off"
    assert report["echo"]["open"] and report["page"]["open"]
    with pytest.raises(Refused, match="powered off"):
        lab.run("node1", "true")
    lab.power_on("node1")
    assert lab.run("node1", "cat", "/var/lib/hbcore/a", "/var/log/c").out == "kept\nkept\n"
    assert lab.run("node1", "ls", "/run/hbcore").out == ""
    assert VIP not in lab.run("node1", "ip", "addr").out
    assert lab.ready["nodes"]["node1"]["mac"] in lab.run("node1", "ip", "link", "show", "eth0").out


def test_an_outage_is_measured_as_long_as_it_was(lab: Cluster) -> None:
    take(lab, "node1")
    lab.wait_served("node1", 5)
    quiet = lab.watch(1.0)
    assert quiet["echo"]["ms"] - quiet["echo"]["stall_ms"] < 60, quiet  # two cores, and others on them
    assert quiet["sent"] >= 300 and quiet["lost"] <= 1
    assert quiet["pages"] >= 40 and [o["node"] for o in quiet["owners"]] == ["node1"]
    away = f"ip addr del {VIP}/24 dev eth0; sleep 0.3; ip addr add {VIP}/24 dev eth0"
    script = f"s=$(date +%s%N); {away}; echo $(($(date +%s%N) - s))"
    begun = time.monotonic()
    took_ms = int(lab.run("node1", "sh", "-c", script).out) / 1e6
    report = lab.watch(0.5, since=begun)
    assert took_ms - 20 <= report["echo"]["ms"] <= took_ms + 60, (took_ms, report)
    assert report["page"]["ms"] >= took_ms - 20
    assert report["lost"] >= 100


def test_a_move_is_one_owner_after_the_other(lab: Cluster) -> None:
    take(lab, "node1")
    lab.wait_served("node1", 5)
    begun = time.monotonic()
    with lab.capture() as seen:
        drop(lab, "node1")
        take(lab, "node2")
        lab.wait_served("node2", 5)
    report = lab.report(begun)
    assert [o["node"] for o in report["owners"]] == ["node1", "node2"] and not report["two_owners"]
    assert [o["node"] for o in seen["owners"]][-1] == "node2" and not seen["two_owners"], seen
    assert report["echo"]["before"] == "node1" and report["echo"]["after"] == "node2"


def test_two_owners_are_seen_by_the_client_and_by_the_capture(lab: Cluster) -> None:
    take(lab, "node1")
    lab.wait_served("node1", 5)
    with lab.capture() as seen:
        take(lab, "node2")
        report = lab.watch(1.0)
    assert report["two_owners"] and report["conflicts"][0]["nodes"] == ["node1", "node2"]
    assert seen["two_owners"] and seen["conflicts"][0]["nodes"] == ["node1", "node2"]
    deadline = time.monotonic() + 2
    while not lab.clients[-1]["two_owners"] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert lab.clients[-1]["two_owners"]


@pytest.mark.parametrize(("source", "target"), [("node1", "node2"), ("node2", "node1")])
def test_beats_are_cut_in_one_direction_only(lab: Cluster, source: str, target: str) -> None:
    assert heard(lab, source, target, 694, "225.100.0.1") == 10
    lab.cut_beats(source, target)
    assert heard(lab, source, target, 694, "225.100.0.1") == 0
    assert heard(lab, source, target, 694) == 0
    assert heard(lab, target, source, 694, "225.100.0.1") == 10
    assert heard(lab, source, target, 695) == 10, "only heartbeats are cut"
    lab.heal()
    assert heard(lab, source, target, 694) == 10


def test_a_link_is_cut_with_and_without_carrier(lab: Cluster) -> None:
    for silent, flag in ((False, "NO-CARRIER"), (True, "LOWER_UP")):
        lab.cut_link("node1", silent)
        assert lab.lab["nodes"]["node1"]["link"] == ("silent" if silent else "down")
        assert flag in lab.run("node1", "ip", "link", "show", "eth0").out
        assert not pings(lab, "node2", "192.168.100.1")
        lab.heal()
        assert pings(lab, "node2", "192.168.100.1")


def test_ping_node_and_foreign_host(lab: Cluster) -> None:
    assert pings(lab, "node1", "192.168.100.254")
    lab.ping(False)
    assert not pings(lab, "node1", "192.168.100.254")
    lab.ping(True)
    assert pings(lab, "node1", "192.168.100.254")
    lab.foreign(True)
    assert [o["node"] for o in lab.watch(0.5)["owners"]] == ["foreign"]
    lab.foreign(False)
    assert lab.watch(0.3)["owners"] == []


FAKE = (
    "import subprocess, sys, time\n"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', 'hbcore.' + 'daemon'])\n"
    "time.sleep(600)"
)


def test_freezing_and_killing_hit_whom_they_name() -> None:
    with Cluster(command=(PYTHON, "-c", FAKE, "hbcored", "hbcore")) as c:
        c.start()
        take(c, "node1")
        c.wait_served("node1", 5)
        daemon, pulse = wait_pids(c, "daemon"), wait_pids(c, "pulse")
        assert len(daemon) == len(pulse) == 1 and daemon != pulse

        assert len(c.freeze("node1")["pids"]) == 2
        assert c.lab["nodes"]["node1"]["frozen"] == "ours"
        assert states([*daemon, *pulse]) == ["T", "T"]
        frozen = c.watch(0.5)
        assert frozen["echo"]["ms"] < 100 and not frozen["echo"]["open"], "the kernel and the script go on answering"
        c.thaw("node1")
        for _ in range(100):
            if states([*daemon, *pulse]) == ["S", "S"]:
                break
            time.sleep(0.02)
        else:
            raise AssertionError("not woken")

        c.freeze("node1", whole=True)
        frozen = c.watch(0.5)
        assert frozen["echo"]["ms"] > 400 and frozen["echo"]["open"] and frozen["owners"] == []
        c.thaw("node1")
        c.wait_served("node1", 5)

        assert len(c.kill("node1", "daemon")["pids"]) == 1
        assert wait_pids(c, "pulse") == pulse and wait_gone(c, "daemon")
        c.kill("node1", "pulse")
        assert wait_gone(c, "pulse")
        with pytest.raises(Refused, match="No ours process"):
            c.kill("node1", "ours")


def wait_pids(c: Cluster, kind: str) -> list[int]:
    for _ in range(100):
        if found := c.pids("node1", kind):
            return found
        time.sleep(0.02)
    return []


def wait_gone(c: Cluster, kind: str) -> bool:
    for _ in range(100):
        if not c.pids("node1", kind):
            return True
        time.sleep(0.02)
    return False


def states(pids: list[int]) -> list[str]:
    return [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in pids]


def test_the_script_is_a_script_of_the_classic_kind(lab: Cluster) -> None:
    script = "/etc/ha.d/resource.d/httpd"

    def ask(*words: str) -> tuple[int, str]:
        done = lab.run("node1", script, *words)
        return done.code, done.out

    code, said = ask("status")
    assert code == 3 and "stopped" in said and "running" not in said
    assert ask("stop")[0] == 0
    for _ in range(2):  # a second start is no error
        assert ask("start")[0] == 0
    code, said = ask("status")
    assert code == 0 and "running" in said and "stopped" not in said
    assert lab.kill("node1", "web")["pids"]
    code, said = ask("status")
    assert code == 1 and "stopped" in said and "running" not in said
    assert ask("start")[0] == 0 and ask("restart")[0] == 0 and ask("stop")[0] == 0
    assert ask("status")[0] == 3
    assert ask("dance")[0] == 2


def test_start_and_stop_of_the_script_are_quick(lab: Cluster) -> None:
    script = "/etc/ha.d/resource.d/httpd"
    each = 's=$(date +%s%N); "$0" $w >/dev/null; echo $w $(($(date +%s%N) - s))'
    lines = lab.run("node1", "sh", "-c", f"for i in 1 2 3 4 5; do for w in start stop; do {each}; done; done", script)
    took: dict[str, list[float]] = {"start": [], "stop": []}
    for line in lines.out.splitlines():
        word, nanoseconds = line.split()
        took[word].append(int(nanoseconds) / 1e6)
    print(took)
    took = {word: sorted(times) for word, times in took.items()}
    assert took["start"][2] < 150 and took["stop"][2] < 150, took


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ({"cmd": "power_on", "node": "node1"}, "lab-node-on"),
        ({"cmd": "power_off", "node": "node9"}, "lab-unknown-node"),
        ({"cmd": "power_off"}, "lab-bad-command"),
        ({"cmd": "kill", "node": "node1", "kind": "cat"}, "lab-unknown-kind"),
        ({"cmd": "kill", "node": "node1", "kind": "ours", "signal": "NONE"}, "lab-bad-command"),
        ({"cmd": "cut", "what": "hair"}, "lab-bad-command"),
        ({"cmd": "run", "node": "node1", "argv": []}, "lab-bad-command"),
        ({"cmd": "capture_stop"}, "lab-no-capture"),
        ({"cmd": "dance"}, "lab-bad-command"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(lab: Cluster, command: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as refused:
        lab.do(command.pop("cmd"), **command)
    assert refused.value.code == code
    assert lab.do("state")["nodes"]["node1"]["power"] == "on"


def test_more_nodes_than_two(tmp_path: Path) -> None:
    with Cluster(command=(), nodes=[f"n{i}.example" for i in range(1, 5)], disk=tmp_path) as c:
        c.start()
        assert c.run("n4.example", "uname", "-n").out == "n4.example\n"
        assert heard(c, "node1", "node4", 694, "225.100.0.1") == 10
        c.cut_beats("node1", "node4")
        assert heard(c, "node1", "node3", 694, "225.100.0.1") == 10
        assert heard(c, "node1", "node4", 694, "225.100.0.1") == 0
        c.run("node4", "sh", "-c", "echo kept >/var/lib/hbcore/a")
    assert (tmp_path / "node4/state/a").read_text() == "kept\n", "a disk of one's own outlives the lab"
