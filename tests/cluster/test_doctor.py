"""hbctl doctor in a cluster that runs: nothing to say where all is well; then several things are wrong on
one node, and it names each, from there and from the other node over a real SSH.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hbcore.lab.lab import TEMPLATE
from tests import programs
from tests.cluster.asking import HBCORED, HOST, alarms, at_home, codes, until
from tests.cluster.harness import Cluster
from tests.cluster.stalls import ROOT

KEY = "auth 1\n1 sha256 6b1f0c9a7e2d4f58b3a1c0d9e8f706156b1f0c9a7e2d4f58b3a1c0d9e8f70615\n"
HBCTL = f"env PYTHONPATH={ROOT} {sys.executable} -m hbcore.cli.hbctl"
QUIET = "cd /etc && rm -f rc[2-5].d && mkdir rc2.d rc3.d rc4.d rc5.d"  # whatever this machine starts at boot
SSHD = """Port 22
PidFile none
HostKey /var/log/ssh/host
AuthorizedKeysFile /var/log/ssh/key.pub
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
"""
SSH = """User root
IdentityFile /var/log/ssh/key
UserKnownHostsFile /var/log/ssh/known
GlobalKnownHostsFile /dev/null
"""


@pytest.fixture(scope="module")
def c(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    config = tmp_path_factory.mktemp("doctor") / "ha.d"
    shutil.copytree(TEMPLATE, config)
    (config / "authkeys").write_text(KEY)
    (config / "authkeys").chmod(0o600)
    with Cluster(config=config) as made:
        made.start()
        at_home(made)
        for node in HOST:
            done = made.run(node, "sh", "-ec", QUIET)
            assert done.code == 0, done.err
        yield made


NAMESAKE = {"alarm-namesake", "alarm-refused"}
WRONG = """
cd /etc
sed 's/^\\(www-data:[^:]*\\):[0-9]*/\\1:4242/' passwd >passwd.new && mv passwd.new passwd
echo "127.0.1.1 $(uname -n)" >hosts
ln -s ../init.d/httpd rc3.d/S01httpd
rm ha.d/resource.d/httpd
cp /bin/sleep /run/keepalived
cp /bin/sleep /run/apache2
nft add table inet wall
nft add chain inet wall input '{ type filter hook input priority 0; policy accept; }'
nft add rule inet wall input udp dport 694 drop
/run/keepalived 1000 </dev/null >/dev/null 2>&1 &
/run/apache2 1000 </dev/null >/dev/null 2>&1 &
"""


@pytest.fixture(scope="module")
def broken(c: Cluster) -> Cluster:
    """The same, and from then on all that is wrong on node2."""
    done = c.run("node2", "sh", "-ec", WRONG)
    assert done.code == 0, done.err
    return c


def doctor(c: Cluster, node: str, *words: str) -> tuple[int, dict[tuple[str, str], dict[str, Any]]]:
    """Exit code, and what it found by node and code."""
    env = ["env", "HBCORE_SSH=ssh", "HBCORE_SSH_CONFIG=/var/log/ssh/ssh_config", f"HBCORE_REMOTE={HBCTL}"]
    done = c.run(node, *env, *shlex.split(HBCTL.removeprefix("env ")), "doctor", "--json", *words, timeout=40)
    assert done.err == "", done.err
    return done.code, {(one["node"], one["code"]): one for one in json.loads(done.out)}


def let_in(c: Cluster, folder: Path) -> None:
    """sshd on node2, and a key of node1 that it takes."""
    for name in ("host", "key"):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(folder / name)]
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    here, there = (c.folder(node, "log") / "ssh" for node in HOST)  # a folder: what lies beside it is shown on failure
    for place in (here, there):
        place.mkdir()
    (there / "sshd_config").write_text(SSHD)
    for name in ("host", "key.pub"):
        shutil.copy(folder / name, there)
    (here / "ssh_config").write_text(SSH)
    shutil.copy(folder / "key", here)
    (here / "known").write_text(f"{HOST['node2']} {(folder / 'host.pub').read_text()}")
    sshd = programs.found("sshd")
    done = c.run("node2", "sh", "-ec", f"mkdir -p -m 755 /run/sshd && {sshd} -f /var/log/ssh/sshd_config")
    assert done.code == 0, done.err


def test_where_all_is_well_there_is_nothing_to_say(c: Cluster) -> None:
    for node in HOST:
        assert doctor(c, node) == (0, {}), node


@pytest.mark.needs("nft", "getent")
def test_what_is_wrong_on_a_node_is_named_there(broken: Cluster) -> None:
    there = HOST["node2"]
    code, found = doctor(broken, "node2")
    assert code == 1
    fixes = {
        "loopback": there,
        "enabled": "update-rc.d httpd disable",
        "runs": "stop apache2",
        "manager-runs": "systemctl disable --now keepalived",
        "port-shut": "hbctl firewall",
    }
    assert {key for key in found if not key[1].startswith("script-missing")} == {(there, name) for name in fixes}
    for name, fix in fixes.items():
        assert fix in found[there, name]["fix"], found
    assert len(found) == len(fixes) + 1, "and the script"
    assert "inet wall input" in found[there, "port-shut"]["text"]


@pytest.mark.needs("nft", "sshd", "ssh", "ssh-keygen")
@pytest.mark.skipif(os.geteuid() != 0, reason="sshd in a user namespace cannot change its groups")
def test_the_other_node_is_looked_at_over_ssh(broken: Cluster, tmp_path: Path) -> None:
    c = broken
    let_in(c, tmp_path)
    until(lambda: [link["state"] for link in c.status("node2")["links"]] == ["down"], 20)
    here, there = HOST["node1"], HOST["node2"]
    code, found = doctor(c, "node1", "--peer")
    assert code == 1
    assert {name for node, name in found if node == there} >= {
        "loopback", "enabled", "runs", "manager-runs", "port-shut", "user", "link",
    }  # fmt: skip
    assert {name for node, name in found if node == here} <= {"link"}
    (script,) = [one for (node, name), one in found.items() if name.startswith("script-missing")]
    assert script["node"] == there and f"{here} has it" in script["fix"]
    assert "4242" in found[there, "user"]["text"] and "usermod -u 33 www-data" in found[there, "user"]["fix"]


def test_without_a_way_to_the_other_node_that_is_said(c: Cluster) -> None:
    code, found = doctor(c, "node1", "--peer", "root@192.168.100.99")
    assert code == 1
    (unseen,) = [one for (_, name), one in found.items() if name == "peer-unseen"]
    assert "192.168.100.99" in unseen["text"] and "ssh" in unseen["fix"]


def named(c: Cluster, node: str) -> str:
    """What it says of a machine of its own name that has told which cards it has."""
    return next((text for code, text in alarms(c, node).items() if code in NAMESAKE and ":" in text), "")


def test_two_live_machines_of_one_name_both_say_so_with_the_other_ones_card(c: Cluster) -> None:
    """node2's hbcored is started again, but told that it is node1."""
    c.run("node2", "nft", "delete", "table", "inet", "wall")
    shutil.copy(TEMPLATE / "resource.d/httpd", c.folder("node2", "config") / "resource.d")
    c.kill("node2", "pulse", "TERM")
    until(lambda: not c.pids("node2", "ours"))
    name = HOST["node1"]
    start = f"setsid {shlex.join(HBCORED)} --node {name} </dev/null >>/var/log/hbcored.err 2>&1 &"
    assert c.run("node2", "sh", "-c", start).code == 0
    for node, other in (("node1", "node2"), ("node2", "node1")):
        mac = c.run(other, "cat", "/sys/class/net/eth0/address").out.strip()
        said = until(partial(named, c, node), 20)
        assert mac in said
        code, found = doctor(c, node)
        heard = [one for (_, code), one in found.items() if code == "namesake-heard"]
        assert code == 1 and mac in heard[0]["text"] and "hostnamectl" in heard[0]["fix"]
        assert NAMESAKE & set(codes(c, node))
