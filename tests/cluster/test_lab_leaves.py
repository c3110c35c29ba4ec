"""What the lab leaves behind: nothing, also after kill -9; and it is built by an ordinary user as well.

Invariant: compared with what was there before: links, named network namespaces, mounts, and every process it had.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cluster.harness import Cluster
from tests.cluster.stalls import ROOT

CLEAR_S = 2.0


def outside() -> tuple[str, str, str]:
    """Links by name, named network namespaces, and mounts, as this machine has them."""
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    spaces = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
    names = "\n".join(line.split(": ")[1] for line in links.splitlines())
    return names, spaces, Path("/proc/mounts").read_text()


def table() -> dict[int, tuple[int, str, str]]:
    """pid -> (parent, state, start time) of every process that runs."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[int(name)] = (int(fields[1]), fields[0], fields[19])
    return found


def family(root: int) -> set[tuple[int, str]]:
    """(pid, start time) of a process and all that descend from it."""
    now = table()
    members = {root}
    while more := {pid for pid, (parent, _, _) in now.items() if parent in members} - members:
        members |= more
    return {(pid, now[pid][2]) for pid in members if pid in now}


def assert_gone(members: set[tuple[int, str]], before: tuple[str, str, str]) -> None:
    end = time.monotonic() + CLEAR_S
    while True:
        now = table()
        left = {pid for pid, start in members if pid in now and now[pid][2] == start and now[pid][1] != "Z"}
        if not left and outside() == before:
            return
        assert time.monotonic() < end, (left, [Path(f"/proc/{p}/cmdline").read_bytes() for p in left])
        time.sleep(0.02)


def test_a_kill_9_at_any_moment_leaves_nothing() -> None:
    before = outside()
    rng = random.Random(694)
    sizes = []
    for _ in range(12):
        child = subprocess.Popen(
            [sys.executable, "-m", "hbcore.lab", "--command", ""],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert child.stdin is not None
        child.stdin.write(b'{"cmd": "start"}\n{"cmd": "capture_start"}\n')
        child.stdin.flush()
        time.sleep(rng.uniform(0.0, 0.8))
        members = family(child.pid)
        child.kill()
        child.wait()
        sizes.append(len(members))
        assert_gone(members, before)
        child.stdin.close()
    assert max(sizes) > 12, f"none was caught with its nodes on: {sizes}"


def test_it_ends_with_whoever_started_it() -> None:
    """As when `hbtui --demo` gets a kill -9: the lab's stdin ends, or its parent is gone."""
    before = outside()
    for arguments in ([], ["--once"]):
        script = (
            "import subprocess, sys, time\n"
            f"lab = [sys.executable, '-m', 'hbcore.lab', '--command', '', *{arguments!r}]\n"
            "p = subprocess.Popen(lab, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)\n"
            "print(p.pid, flush=True)\n"
            "time.sleep(60)\n"
        )
        parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert parent.stdout is not None
        lab = int(parent.stdout.readline())
        time.sleep(0.7)
        members = family(parent.pid)
        assert len(members) > 5 and lab in {pid for pid, _ in members}
        parent.kill()
        parent.wait()
        parent.stdout.close()
        assert_gone(members, before)


def test_a_clean_end_is_complete_when_it_returns() -> None:
    before = outside()
    with Cluster(command=()) as c:
        c.start()
        members = family(c.process.pid)
    now = table()
    assert not [pid for pid, start in members if pid in now and now[pid][2] == start and now[pid][1] != "Z"]
    assert outside() == before


def test_an_ordinary_user_gets_the_same_lab(tmp_path_factory: pytest.TempPathFactory) -> None:
    """In one user namespace. As root this runs a copy of the lab as user 65534; as someone else, simply the lab."""
    prefix: list[str] = []
    python, code = sys.executable, ROOT
    if os.geteuid() == 0:
        prefix = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        code = tmp_path_factory.mktemp("copy")
        for parent in (code, code.parent, code.parent.parent):
            parent.chmod(0o755)
        shutil.copytree(ROOT / "hbcore", code / "hbcore", ignore=shutil.ignore_patterns("__pycache__"))
        (code / "hbcore/lab/ha.d/authkeys").chmod(0o644)  # the lab gives its nodes 600
        python = "/usr/bin/python3"
    with Cluster(command=(), prefix=prefix, python=python, code=code) as c:
        c.start()
        assert c.run("node1", "id", "-u").out == "0\n"
        script = "ip addr add 192.168.100.100/24 dev eth0 && /etc/ha.d/resource.d/httpd start"
        assert c.run("node1", "sh", "-c", script).code == 0
        c.wait_served("node1", 5)
        for low in ("udp 694", "raw icmp"):
            kind = "SOCK_DGRAM" if low == "udp 694" else "SOCK_RAW, socket.IPPROTO_ICMP"
            ask = f"import socket; socket.socket(socket.AF_INET, socket.{kind}).bind(('', 694))"
            assert c.run("node1", "/usr/bin/python3", "-c", ask).code == 0, low
        c.cut_beats("node1", "node2")
        assert c.lab["beats_cut"] == [{"from": "node1", "to": "node2"}]
        os.listdir(c.folder("node1", "log"))
        with c.capture() as seen:
            c.watch(0.3)  # or it may go before the client asked once
            off = c.power_off("node1")
        assert seen["owners"][0]["node"] == "node1" and seen["dropped"] == 0
        assert c.watch(0.5, since=off["at"])["echo"]["from"] <= off["at"] + 0.02


def test_without_namespaces_it_says_what_to_allow() -> None:
    """Inside a user namespace that may have no more of them, as where an administrator forbids them."""
    script = 'echo 0 >/proc/sys/user/max_net_namespaces; exec "$0" -m hbcore.lab </dev/null'
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", script, sys.executable],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    message = json.loads(done.stdout)
    assert message["code"] == "lab-no-namespaces" and "max_user_namespaces" in message["text"]


def test_the_end_of_a_signal_is_clean() -> None:
    before = outside()
    with Cluster(command=()) as c:
        members = family(c.process.pid)
        c.process.send_signal(signal.SIGTERM)
        assert c.process.wait(5) == 0
    assert_gone(members, before)
