"""hb_standby, hb_takeover and send_arp under their old names: real processes, a real socket, real frames."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hbcore.host import frames
from tests.unit.links_net import in_namespace, two_nodes, until
from tests.unit.test_hbctl import NODE1, TREE, Served

COMPAT = [sys.executable, "-m", "hbcore.cli.compat"]


@pytest.fixture
def served() -> Iterator[Served]:
    directory = Path(tempfile.mkdtemp(prefix="old-"))
    made = Served(directory)
    yield made
    made.close()
    shutil.rmtree(directory)


def old(served: Served, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMPAT, *words], env=served.env, capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize("scope", ["", "all", "local", "foreign", "failback"])
@pytest.mark.parametrize("name", ["hb_standby", "hb_takeover"])
def test_it_asks_what_hbctl_asks_under_its_own_name(served: Served, name: str, scope: str) -> None:
    done = old(served, name, *([scope] if scope else []))
    assert (done.returncode, done.stderr) == (0, "")
    (action,) = served.cluster.acted
    assert (action.verb, action.node, action.scope) == (name.removeprefix("hb_"), NODE1, scope or "all")
    assert [actor.tool for actor in served.cluster.actors] == [name]


@pytest.mark.parametrize("words", [["al"], ["node2"], ["all", "local"], ["--yes"]])
def test_other_words_do_nothing(served: Served, words: list[str]) -> None:
    done = old(served, "hb_standby", *words)
    assert done.returncode == 1 and words[0] in done.stderr and "usage: hb_standby [all|local|" in done.stderr
    assert served.cluster.acted == []


def test_help_needs_no_daemon(served: Served) -> None:
    done = old(served, "hb_takeover", "--help")
    assert done.returncode == 0 and done.stdout.startswith("usage: hb_takeover [all|")
    assert served.cluster.acted == []


def test_where_nothing_can_be_done_it_is_said(served: Served, tmp_path: Path) -> None:
    """heartbeat's script wrote its message and answered 0, whether somebody read it or not."""
    env = {**served.env, "HBCORE_RUNTIME": str(tmp_path)}
    done = subprocess.run([*COMPAT, "hb_standby"], env=env, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1 and done.stderr.startswith("hb_standby: No hbcored answers")


def test_a_name_nobody_had(served: Served) -> None:
    done = old(served, "hb_dance")
    assert done.returncode == 1 and "hb_standby, hb_takeover" in done.stderr


# -- send_arp ----------------------------------------------------------------------------------------------------------


def send_arp(*words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(TREE)}
    return subprocess.run(
        [*COMPAT, "send_arp", *words], env=env, capture_output=True, text=True, timeout=20, check=False
    )


@in_namespace
def test_the_neighbours_hear_pairs_of_request_and_reply() -> None:
    a, b = two_nodes()
    with b:
        ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(frames.ETHERTYPE))
        ear.bind(("eth0", frames.ETHERTYPE))
    with a:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as card:
            card.bind(("eth0", 0))
            hers = bytes(card.getsockname()[4])
        done = send_arp("-i", "10", "-r", "2", "eth0:0", "10.0.0.100", "auto", "10.0.0.255", "ffffffffffff")
        assert (done.returncode, done.stderr) == (0, "")
        done = send_arp("eth0", "10.0.0.101", "02:00:00:00:00:09", "not_used", "not_used", "-i", "0")
        assert (done.returncode, done.stderr) == (0, "")
    heard: list[tuple[int, bytes, str, str]] = []
    ear.settimeout(2)
    while len(heard) < 6:
        spoken = frames.read(ear.recv(200))
        if spoken is not None and spoken.sender in ("10.0.0.100", "10.0.0.101"):
            heard.append((spoken.op, spoken.source, spoken.sender, spoken.target))
            assert spoken.frame_source == hers
    mine, given = "10.0.0.100", "10.0.0.101"
    theirs = bytes.fromhex("020000000009")
    both = [(frames.REQUEST, hers, mine, mine), (frames.REPLY, hers, mine, mine)]
    assert heard == both * 2 + [(op, theirs, given, given) for op in (frames.REQUEST, frames.REPLY)]


@in_namespace
def test_the_pidfile_ends_the_one_before_and_nobody_else() -> None:
    a, _ = two_nodes()
    folder = Path(tempfile.mkdtemp())
    path = folder / "run" / "send_arp-10.0.0.100"
    words = ["-p", str(path), "-r", "1000", "-i", "1000", "eth0", "10.0.0.100", "auto", "x", "x"]
    with a:
        first = subprocess.Popen([*COMPAT, "send_arp", *words])
        until(lambda: path.exists() and path.read_text() == f"{first.pid}\n", 10)
        second = subprocess.Popen([*COMPAT, "send_arp", *words])
        assert first.wait(10) == 0
        until(lambda: path.exists() and path.read_text() == f"{second.pid}\n", 10)
        second.terminate()
        assert second.wait(10) == 0 and not path.exists()
        other = subprocess.Popen(["sleep", "60"])  # has got the number of a send_arp that was killed
        path.write_text(f"{other.pid}\n")
        done = send_arp("-p", str(path), "eth0", "10.0.0.100", "auto", "x", "x")
        assert done.returncode == 0, done.stderr
        time.sleep(0.05)
        assert other.poll() is None
        other.kill()
        other.wait()
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "required: device"),
        ("eth0 10.0.0.300 auto x x", "10.0.0.300 is no IPv4 address"),
        ("eth0 10.0.0.1 0011 x x", "0011 is no hardware address"),
        ("-r 0 eth0 10.0.0.1 auto x x", "0 is not between 1 and"),
        ("-p here eth0 10.0.0.1 auto x x", "here cannot be the pidfile: a whole path is needed"),
        ("no-such0 10.0.0.1 auto x x", "no-such0 cannot be sent on: "),
    ],
)
def test_what_cannot_be_sent_is_said(line: str, told: str) -> None:
    done = send_arp(*line.split())
    assert done.returncode == 1 and told in done.stderr and "Traceback" not in done.stderr
