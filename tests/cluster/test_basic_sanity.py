"""Heartbeat's BasicSanityCheck (10.3 of our notes on it; docs/heartbeat-cases.md has its rows): one real node beside a
peer that is configured and never there, with the files of that check as far as they are had here.

Of its files three lines are refused, each by name: a ping node that is this machine, fencing (a later issue), and an
address that is its network's broadcast. Must not know the engine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from hbcore.engine.beat import Beat
from hbcore.engine.flows import Page
from hbcore.engine.keys import Keyring
from hbcore.formats.load import Loaded, load
from hbcore.lab import owners
from hbcore.links.carriers import read
from tests.cluster.asking import logged, until, write
from tests.cluster.harness import Cluster, Ran
from tests.cluster.stalls import ROOT

ME, DUMMY = "vm.xiaofei.com", "dummy"
IP, BASE, GROUP = "10.253.252.250", "10.253.252.249", "225.224.223.222"
PING, CLIENT = "192.168.100.254", "192.168.100.200"
NOT_RUNNING = 7  # OCF
CORES = ("/", "-xdev", "-name", "core*", "-type", "f", "-newer", "/var/log/init.py", "-size", "+100k")
THEIRS = f"""\
logfile /var/log/ha-log
keepalive 10ms
deadtime 5
initdead 5
mcast eth0 {GROUP} 694 1 1
ping 127.0.0.1
ping_group pings 127.0.0.1
use_apphbd yes
stonith_host * null {ME} {DUMMY}
node {ME} {DUMMY}
"""
OURS = THEIRS.replace("127.0.0.1", PING).replace(f"stonith_host * null {ME} {DUMMY}\n", "")
FILES = {
    "ha.cf": OURS,
    "authkeys": "auth 1\n1 sha1 6b1f0c9a7e2d4f58b3a1c0d9e8f70615\n2 md5 6b1f0c9a7e2d4f58b3a1c0d9e8f70616\n3 crc\n",
    "haresources": f"{DUMMY} IPaddr::{IP}/30\n",
}
PAUSES = ("stalled", "peer-never", "peer-lost")
REFUSED = [["ha.cf", "6"], ["ha.cf", "7"], ["ha.cf", "9"], ["haresources", "1"]]
NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
PYTHON = "/usr/bin/python3"  # of Debian: the other user may not reach the one that runs the tests

# Starts hbcored as its init system would, and writes how each process of ours ended, heirs included.
INIT = """
import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER, linux/prctl.h
with open("/var/log/hbcored.err", "ab") as said:
    subprocess.Popen([sys.executable, "-m", "hbcore.cli.hbcored"], stdout=said, stderr=said)
while True:
    try:
        pid, status = os.wait()
    except ChildProcessError:
        break
    with open("/var/log/ended", "a") as file:
        print(pid, os.waitstatus_to_exitcode(status), file=file)
"""
LISTEN = f"""
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
s.bind(("{GROUP}", 694))
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
             socket.inet_aton("{GROUP}") + socket.inet_aton("{CLIENT}"))
s.settimeout(0.1)
end = time.monotonic() + 2
while time.monotonic() < end:
    try:
        print(s.recv(2048).hex(), flush=True)
    except TimeoutError:
        print("none", flush=True)
"""


class Lab:
    """The cluster, which Python its nodes run, and its files."""

    def __init__(self, cluster: Cluster, python: str, loaded: Loaded, files: dict[str, str]) -> None:
        self.cluster, self._python, self.loaded, self.files = cluster, python, loaded, files

    def python(self, *words: str, node: str = "node1", stdin: str = "") -> Ran:
        return self.cluster.run(node, self._python, *words, stdin=stdin)

    def hbctl(self, *words: str) -> Ran:
        return self.python("-m", "hbcore.cli.hbctl", *words)

    def cl_status(self, *words: str) -> tuple[int, str]:
        done = self.python("-m", "hbcore.cli.compat", "cl_status", *words)
        return done.code, done.out.strip()

    def events(self) -> list[str]:
        """Their codes, asked in the node: a stranger's uid is none that the socket answers. At 10 ms a beat every short
        pause of a busy machine is told, and who was never heard is waited for again after it; these are left out.
        """
        done = self.hbctl("events", "--json")
        lines = done.out.splitlines() if done.code == 0 else ()  # no daemon, for a moment
        return [code for line in lines if (code := json.loads(line)["code"]) not in PAUSES]

    def write(self, path: str, text: str) -> None:
        """By a user of the node: another one's file would belong to nobody there. authkeys get their mode."""
        mode = "600" if path.endswith("authkeys") else "644"
        done = self.cluster.run("node1", "install", "-m", mode, "/dev/stdin", path, stdin=text)
        assert done.code == 0, done

    def start(self) -> None:
        self.write("/var/log/init.py", INIT)
        line = f"setsid {self._python} /var/log/init.py </dev/null >/dev/null 2>&1 &"
        assert self.cluster.run("node1", "sh", "-c", line).code == 0

    def listen(self) -> list[str]:
        """What a third machine hears of the heartbeats in 2 s; "none" where 0.1 s were silent."""
        return self.python("-c", LISTEN, node="client").out.split()


def users() -> list[tuple[str, int]]:
    """Who runs it, and with which deadtime: one is enough to wait for the 5 s of the original twice over.

    Root also takes the place of another one, as far as Debian's Python reads what was installed for the tests.
    """
    if os.geteuid() != 0:
        return [("an ordinary user", 5)]
    ask = [PYTHON, "-c", f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"]
    same = Path(PYTHON).exists() and subprocess.run(ask, check=False).returncode == 0
    return [("root", 5), ("an ordinary user", 1)] if same else [("root", 5)]


def copied(folder: Path) -> Path:
    """Our code and all it needs, where everybody may read it."""
    shutil.copytree(ROOT / "hbcore", folder / "hbcore")  # with what is compiled, which nobody may write there
    for package in Path(msgspec.__file__).parents[1].iterdir():
        if not (folder / package.name).exists():
            (folder / package.name).symlink_to(package)
    return folder


@pytest.fixture(params=users(), ids=lambda param: param[0])
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Nothing of ours runs yet; the address has a subnet on node1."""
    config = tmp_path_factory.mktemp("sanity")
    for folder in (config, config.parent, config.parent.parent):
        folder.chmod(0o755)
    files = {**FILES, "ha.cf": OURS.replace(" 5\n", f" {request.param[1]}\n")}
    for name, text in files.items():
        write(config / name, text, 0o644)  # the lab gives its nodes a key file of mode 600
    (config / "authkeys").chmod(0o600)
    loaded = load(config, ME)
    (config / "authkeys").chmod(0o644)
    prefix: tuple[str, ...] = ()
    python, code = sys.executable, ROOT
    if request.param[0] == "an ordinary user" and os.geteuid() == 0:
        prefix, python, code = NOBODY, PYTHON, copied(tmp_path_factory.mktemp("copy"))
        code.chmod(0o755)
    with Cluster((), config, (ME, DUMMY), prefix=prefix, python=python, code=code) as c:
        c.start("node1")
        assert c.run("node1", "ip", "addr", "add", f"{BASE}/30", "dev", "eth0").code == 0
        yield Lab(c, python, loaded, files)


def addresses(c: Cluster) -> str:
    return c.run("node1", "ip", "-o", "-4", "addr", "show", "eth0").out


def ip_addr(c: Cluster, operation: str) -> Ran:
    """Debian's own agent, as another judge."""
    agent = "/usr/lib/ocf/resource.d/heartbeat/IPaddr2"
    env = ("env", "OCF_ROOT=/usr/lib/ocf", f"OCF_RESKEY_ip={IP}", "OCF_RESKEY_cidr_netmask=30")
    return c.run("node1", *env, agent, operation)


def ours(c: Cluster) -> tuple[list[int], list[int]]:
    return c.pids("node1", "pulse"), c.pids("node1", "daemon")


@contextmanager
def kept(c: Cluster) -> Iterator[None]:
    """The address is there at every moment inside: the kernel never tells that it went."""
    log = "/var/log/addresses"
    assert c.run("node1", "sh", "-c", f"setsid ip monitor address dev eth0 >{log} 2>&1 & echo $! >{log}.pid").code == 0
    yield
    assert c.run("node1", "sh", "-c", f"kill $(cat {log}.pid)").code == 0
    said = (c.folder("node1", "log") / "addresses").read_text()
    assert IP in addresses(c) and not [line for line in said.splitlines() if line.startswith("Deleted") and IP in line]


def signers(datagrams: list[str], loaded: Loaded) -> list[tuple[int, int]]:
    """Of each beat its number, and which of the three keys signed it. Lists of connections may be among them, else
    nothing."""
    assert loaded.config is not None and loaded.keys is not None
    found, lists = [], 0
    for data in datagrams:
        for key in loaded.keys.keys:
            got = read(bytes.fromhex(data), Keyring(key.id, (key,)), loaded.config.cluster_id, 2)
            lists += isinstance(got, Page)
            if isinstance(got, Beat):
                found.append((got.frame.seq, key.id))
    assert len(found) + lists == len(datagrams)
    return found


def test_one_node_beside_a_peer_that_is_never_there(lab: Lab) -> None:
    c, cl_status = lab.cluster, lab.cl_status
    log = c.folder("node1", "log")

    # config: what is not had here is refused line by line, and nothing else is
    lab.write("/etc/ha.d/ha.cf", THEIRS)
    lab.write("/etc/ha.d/haresources", f"{DUMMY} IPaddr::10.253.252.251/30\n")
    done = lab.hbctl("check", "/etc/ha.d")
    wrong = [line for line in done.out.splitlines() if ": warning: " not in line and ": note: " not in line]
    assert done.code == 1 and [line.split(":")[:2] for line in wrong] == REFUSED, done.out
    for name, text in lab.files.items():
        lab.write(f"/etc/ha.d/{name}", text)

    # before start
    assert cl_status("hbstatus") == (1, "Heartbeat is stopped on this machine.")

    # start
    with c.capture() as seen:
        begun = time.monotonic()
        lab.start()
        until(lambda: cl_status("hbstatus") == (0, "Heartbeat is running on this machine."), 30)
        for name, state in ((ME, "active"), (PING, "ping"), ("pings", "ping")):
            until(lambda: cl_status("nodestatus", name) == (0, state))  # noqa: B023
        assert cl_status("nodestatus", DUMMY)[0] == 1
        until(lambda: cl_status("rscstatus") == (0, "all"), 20)
        print(f"all is held {time.monotonic() - begun:.1f} s after the start")
    assert IP in addresses(c) and ip_addr(c, "status").code == ip_addr(c, "monitor").code == 0
    until(lambda: cl_status("nodestatus", DUMMY) == (1, "dead"))  # "init" again for a deadtime after an own pause
    announced = owners.capture(Path(seen["file"]), IP, 0)
    assert announced and {(one.mac, one.round) for one in announced} == {(c.ready["nodes"]["node1"]["mac"], 0)}
    said = logged(c, "node1")
    assert f": error: peer-lost: {DUMMY} is lost" in said and f"taken-over: {IP}: taken over, since {DUMMY}" in said

    # ha.cf changed, and a reload: told, not taken (heartbeat executed itself anew); one restart takes it, all is kept
    first = ours(c)
    lab.write("/etc/ha.d/ha.cf", lab.files["ha.cf"].replace("keepalive 10ms", "keepalive 20ms"))
    c.kill("node1", "pulse", "HUP")
    until(lambda: lab.events()[-2:] == ["keys-taken", "files-changed"])
    assert ours(c) == first and cl_status("hbparameter", "-p", "keepalive") == (0, "10ms")
    with kept(c):
        assert lab.hbctl("restart").code == 0
        until(lambda: "daemon-resumed" in lab.events())
    until(lambda: [len(pids) for pids in ours(c)] == [1, 1])  # the former pulse ends last
    second = ours(c)
    assert not set(second[0] + second[1]) & set(first[0] + first[1])
    until(lambda: cl_status("hbparameter", "-p", "keepalive") == (0, "20ms"))
    until(lambda: cl_status("rscstatus") == (0, "all"))
    assert logged(c, "node1").count(": daemon-resumed: ") == 1

    # auth 1 to 2, and a reload: read once, nothing restarts, no beat is missing, and from then on the new key signs
    before = lab.events()
    with ThreadPoolExecutor() as beside:
        hearing = beside.submit(lab.listen)
        time.sleep(0.7)
        lab.write("/etc/ha.d/authkeys", FILES["authkeys"].replace("auth 1", "auth 2"))
        c.kill("node1", "pulse", "HUP")
        heard = hearing.result()
    assert lab.events() == [*before, "keys-taken"] and ours(c) == second
    numbers, keys = zip(*signers(heard, lab.loaded), strict=True)
    assert numbers == tuple(range(numbers[0], numbers[0] + len(numbers))) and len(numbers) > 50
    assert sorted(set(keys)) == [1, 2] and list(keys) == sorted(keys)

    # stop
    c.kill("node1", "pulse", "TERM")
    until(lambda: not c.pids("node1", "ours"))
    ended = until(lambda: (log / "ended").read_text().splitlines()[2:])  # the first hbcored and its daemon: see above
    assert all(line.split()[1] == "0" for line in ended), ended
    assert IP not in addresses(c) and ip_addr(c, "monitor").code == NOT_RUNNING
    assert cl_status("hbstatus")[0] == 1
    assert "hbcore" not in c.run("node1", "nft", "list", "tables").out

    # extras: no core file, and nothing in the log that is an error but the death of the one who never was
    assert c.run("node1", "find", *CORES).out == ""
    errors = [line for line in logged(c, "node1").splitlines() if ": error: " in line]
    assert errors and all(": peer-lost: " in line for line in errors), errors
    assert "Traceback" not in (log / "hbcored.err").read_text()
