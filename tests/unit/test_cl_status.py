"""cl_status as a monitor asks it: real processes against a real control socket, and the table of its words."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hbcore.cli import cl_status
from hbcore.cli.cl_status import Asked, answer, holding
from hbcore.control import schema as api
from tests.unit.backend import status
from tests.unit.test_hbctl import NODE1, NODE2, Served

PING = "192.168.100.254"


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    directory = Path(tempfile.mkdtemp(prefix="cl-"))
    made = Served(directory)
    values = [api.Value(option="keepalive", value="100 ms", source="ours"), api.Value(option="deadtime", value="1.5 s",
              source="file"), api.Value(option="auto_failback", value="on", source="ours")]  # fmt: skip
    pings = [api.Ping(name=PING, state="up"), api.Ping(name="192.168.100.253", state="down")]
    made.cluster.now = msgspec.structs.replace(made.cluster.now, values=values, pings=pings, version="1.2")
    yield made
    made.close()
    shutil.rmtree(directory)


def ask(served: Served, *words: str) -> tuple[int, str, str]:
    argv = [sys.executable, "-m", "hbcore.cli.cl_status", *words]
    done = subprocess.run(argv, env=served.env, capture_output=True, text=True, timeout=20, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("hbstatus", 0, "Heartbeat is running on this machine.\n"),
        ("listnodes", 0, f"{NODE1}\n{NODE2}\n{PING}\n192.168.100.253\n"),
        ("listnodes -n", 0, f"{NODE1}\n{NODE2}\n"),
        ("-p listnodes", 0, f"{PING}\n192.168.100.253\n"),
        (f"nodestatus {NODE2}", 0, "active\n"),
        (f"nodestatus {NODE2.upper()}", 0, "active\n"),  # heartbeat folds names of nodes
        (f"nodestatus {PING}", 0, "ping\n"),
        ("nodestatus 192.168.100.253", 1, "dead\n"),
        (f"nodetype {NODE1}", 0, "normal\n"),
        (f"nodetype {PING}", 0, "ping\n"),
        (f"nodeweight {NODE1}", 0, "100\n"),
        (f"listhblinks {NODE2}", 0, "\teth0\n"),
        (f"listhblinks {PING}", 0, f"\t{PING}\n"),
        (f"hblinkstatus {NODE2} eth0", 0, "up\n"),
        (f"hblinkstatus {PING} {PING}", 0, "up\n"),
        ("hbparameter -p keepalive", 0, "100ms\n"),
        ("parameter -p deadtime", 0, "1.5\n"),
        ("hbparameter -p auto_failback", 0, "on\n"),
        ("rscstatus", 0, "local\n"),
        (f"nodestatus -m {NODE2}", 0, f"{NODE2} is a normal node and active.\n"),
    ],
)
def test_it_answers_as_scripts_expect(served: Served, line: str, code: int, said: str) -> None:
    assert ask(served, *line.split()) == (code, said, "")


def test_more_words_where_asked_for(served: Served) -> None:
    code, said, _ = ask(served, "hbstatus", "-v")
    assert code == 0 and "version:\t1.2\n" in said and "managed by:\tharesources\n" in said
    assert f"{NODE2}\tactive\t(nodetype: normal)\n\teth0\tup\n" in said
    assert f"{PING}\tping\t(nodetype: ping)\n\t{PING}\tup\n" in said


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("", 11, "SUB-COMMAND"),
        ("hbstatsu", 11, "did you mean hbstatus"),
        ("nodestatus", 11, "nodestatus wants parameters: 1; given: 0"),
        ("nodestatus node9.xiaofei.com", 11, "there is no node node9.xiaofei.com; nearest: node"),
        (f"hblinkstatus {NODE2} eth7", 11, "there are: eth0"),
        ("hbparameter keepalive", 11, "hbparameter -p keepalive"),
        ("hbparameter", 11, "there are: keepalive"),
        ("hbparameter -p watchdog", 1, "hbcored tells no value of watchdog"),
        (f"hblinkstatus {NODE1} eth0", 1, f"ask about {NODE2}"),
        (f"clientstatus {NODE1} ipfail 100", 1, "built in"),
    ],
)
def test_what_is_wrong_or_not_there_is_said(served: Served, line: str, code: int, told: str) -> None:
    found, _, note = ask(served, *line.split())
    assert found == code
    assert told in note and "Traceback" not in note


def test_without_a_daemon(served: Served, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "hbcore.cli.cl_status"]
    env = {**served.env, "HBCORE_RUNTIME": str(tmp_path)}
    done = subprocess.run([*argv, "hbstatus"], env=env, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (1, "Heartbeat is stopped on this machine.\n")
    done = subprocess.run([*argv, "listnodes"], env=env, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1 and done.stdout == "" and "is it running?" in done.stderr


def test_one_who_takes_the_connection_and_says_nothing(served: Served) -> None:
    """heartbeat's program was ended by its alarm after five seconds, with 12."""
    runtime = Path(tempfile.mkdtemp(prefix="cl-"))
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(runtime / "hbcore.sock"))
        mute.listen()
        env = {**served.env, "HBCORE_RUNTIME": str(runtime)}
        argv = [sys.executable, "-m", "hbcore.cli.cl_status", "hbstatus"]
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=20, check=False)
    shutil.rmtree(runtime)
    assert done.returncode == 12 and done.stdout == "" and "says nothing" in done.stderr


def test_one_who_is_no_daemon(served: Served) -> None:
    runtime = Path(tempfile.mkdtemp(prefix="cl-"))
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(runtime / "hbcore.sock"))
        other.listen()
        env = {**served.env, "HBCORE_RUNTIME": str(runtime)}
        argv = [sys.executable, "-m", "hbcore.cli.cl_status", "hbstatus"]
        with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as asking:
            caller, _ = other.accept()
            with caller:
                caller.sendall(b'{"jsonrpc": "2.0"}\n')
                said, note = asking.communicate(timeout=20)
    shutil.rmtree(runtime)
    assert (asking.returncode, said) == (13, "") and "not as hbcored does" in note


def changed(**fields: Any) -> api.Status:
    return msgspec.structs.replace(status(), **fields)


def heard(how: str, state: Any = "offline") -> list[api.Node]:
    return [api.Node(name=NODE1, state="online"), api.Node(name=NODE2, state=state, heard=how)]


@pytest.mark.parametrize(
    ("how", "said", "code"), [("lost", "dead", 1), ("left", "dead", 1), ("never", "init", 1), ("one-way", "active", 0)]
)
def test_a_node_that_is_not_there(how: str, said: str, code: int) -> None:
    found = answer(Asked("nodestatus", (NODE2,)), changed(nodes=heard(how)))
    assert (found.lines, found.code) == ((said,), code)


def test_a_link_heard_one_way_is_not_called_up() -> None:
    link = msgspec.structs.replace(status().links[0], state="one-way")
    found = answer(Asked("hblinkstatus", (NODE2, "eth0")), changed(links=[link]))
    assert (found.lines, found.code) == (("dead",), cl_status.FAILED) and "does not hear us" in found.note


def groups(*owners: str | None, state: Any = "started") -> list[api.Group]:
    """At home on node1, node2, node1, ... ; `owners`: where each is."""
    one = status().groups[0]
    homes = ([NODE1, NODE2], [NODE2, NODE1])
    return [
        msgspec.structs.replace(one, name=f"g{n}", prefer=homes[n % 2], node=owner, state=state)
        for n, owner in enumerate(owners)
    ]


@pytest.mark.parametrize(
    ("owners", "other", "said", "partly"),
    [
        ((NODE1, NODE2), "two-way", "local", False),
        ((NODE1, NODE1), "two-way", "all", False),
        ((NODE2, NODE1), "two-way", "foreign", False),
        ((NODE2, NODE2), "two-way", "none", False),
        ((NODE1,), "two-way", "local", False),
        ((NODE1,), "lost", "all", False),  # heartbeat, too, holds all where the other is dead
        ((NODE1, NODE2, NODE2), "two-way", "local", True),
        ((NODE1, NODE1, NODE1, NODE2), "two-way", "local", True),
        ((NODE1, NODE1, NODE2), "two-way", "foreign", True),
    ],
)
def test_what_this_node_holds(owners: tuple[str, ...], other: str, said: str, partly: bool) -> None:
    found = changed(groups=groups(*owners), nodes=heard(other, "online"))
    assert holding(found) == (said, partly)


def test_while_something_moves_it_is_a_transition() -> None:
    assert holding(changed(groups=groups(NODE1, state="starting"))) == ("transition", False)
