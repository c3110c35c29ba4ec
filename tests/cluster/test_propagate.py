"""ha_propagate to a node behind a real sshd: what is shown, what is replaced, and what is left as it was."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.test_ssh import HBCTL, TREE, Place

pytestmark = pytest.mark.needs("sshd", "ssh", "ssh-keygen", "ps", "setpriv")
KEY, OTHER = "SECRET-0f4c9f0f4c9f0f4c9f0f4c9f0f4c9f", "OLDKEY-1a1b1c1d1e1f1a1b1c1d1e1f1a1b1c"
HA_CF = "keepalive 100ms\nmcast eth0 225.0.0.1 694 1 0\nnode here.example node1\n"
RESOURCES = "node1 192.168.100.100/24/eth0\n"
TOLD = {"keys": "reload hbcored", "files": "restart hbcored"}


class Pair:
    """Our directory (`here`) and the one of node1 (`there`), which sshd leads to."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.here, self.there = place.dir / "here", place.dir / "there"
        for folder in (self.here, self.there):
            folder.mkdir()
            self.write(folder, "ha.cf", HA_CF)
            self.write(folder, "haresources", RESOURCES)
            self.write(folder, "authkeys", f"auth 1\n1 sha1 {KEY}\n", 0o600)

    @staticmethod
    def write(folder: Path, name: str, text: str, mode: int = 0o644) -> None:
        (folder / name).write_text(text)
        (folder / name).chmod(mode)

    @property
    def env(self) -> dict[str, str]:
        remote = HBCTL.replace("env ", f"env HBCORE_NODE=node1 HBCORE_CONFIG={self.there} ", 1)
        return {
            **os.environ,
            "PYTHONPATH": str(TREE),
            "HBCORE_NODE": "here.example",
            "HBCORE_CONFIG": str(self.here),
            "HBCORE_SSH_CONFIG": str(self.place.config),
            "HBCORE_REMOTE": remote,
            "XDG_STATE_HOME": str(self.place.dir / "state"),
        }

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "hbcore.cli.compat", "ha_propagate", *words]
        done = subprocess.run(
            argv, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
        )
        for key in (KEY, OTHER):
            assert key not in done.stdout + done.stderr
        return done

    def at_a_terminal(self, answer: str) -> tuple[int, str]:
        argv = [sys.executable, "-m", "hbcore.cli.compat", "ha_propagate"]
        leader, follower = pty.openpty()
        process = subprocess.Popen(argv, env=self.env, stdin=follower, stdout=follower, stderr=follower)
        os.close(follower)
        screen, asked, end = "", False, time.monotonic() + 40
        while process.poll() is None or select.select([leader], [], [], 0)[0]:
            assert time.monotonic() < end, screen
            if not select.select([leader], [], [], 0.1)[0]:
                continue
            try:
                screen += os.read(leader, 4096).decode()
            except OSError:  # EIO: nobody has the other side any more
                break
            if "[y/N]" in screen and not asked:
                asked = True
                os.write(leader, answer.encode() + b"\n")
        os.close(leader)
        return process.wait(10), screen

    def listing(self) -> list[str]:
        return sorted(path.name for path in self.there.iterdir())


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    directory = Path(tempfile.mkdtemp(prefix="hbprop-"))
    made = Place(directory)
    yield made
    made.close()
    shutil.rmtree(directory)


@pytest.fixture
def pair(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    made = Pair(place)
    yield made
    for folder in (made.here, made.there):
        shutil.rmtree(folder)


@pytest.mark.parametrize("way", ["paramiko", "ssh"])
def test_what_differs_is_shown_kept_and_replaced(pair: Pair, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setenv("HBCORE_SSH", way)
    pair.write(pair.there, "ha.cf", HA_CF.replace("100ms", "200ms"))
    pair.write(pair.there, "authkeys", f"auth 1\n1 sha1 {OTHER}\n", 0o644)  # and too open
    pair.write(pair.here, "haresources", RESOURCES.replace("100.100", "100.101"))
    done = pair.run("--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--- node1:ha.cf\n+++ ha.cf\n" in done.stdout
    assert "-keepalive 200ms\n+keepalive 100ms\n" in done.stdout
    assert "authkeys differs (keys are not shown)" in done.stdout
    assert TOLD["keys"] in done.stdout and TOLD["files"] in done.stdout
    for name in ("ha.cf", "authkeys"):
        assert (pair.there / name).read_bytes() == (pair.here / name).read_bytes()
    assert (pair.there / "haresources").read_text() == RESOURCES  # stays out, as ever
    assert "200ms" in (pair.there / "ha.cf.before").read_text()
    assert OTHER in (pair.there / "authkeys.before").read_text()
    for name in ("authkeys", "authkeys.before"):
        facts = (pair.there / name).stat()
        assert (stat.S_IMODE(facts.st_mode), facts.st_uid) == (0o600, os.geteuid())
    assert pair.listing() == ["authkeys", "authkeys.before", "ha.cf", "ha.cf.before", "haresources"]


def test_all_means_the_other_files_too(pair: Pair) -> None:
    pair.write(pair.here, "haresources", RESOURCES.replace("100.100", "100.101"))
    pair.write(pair.here, "hbcore.yaml", "schema: 1\nprofile: standard\n")
    pair.write(pair.here, "ha.cf", HA_CF.replace("keepalive 100ms\n", ""))
    done = pair.run("--all", "--yes")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "100.101" in (pair.there / "haresources").read_text()
    assert (pair.there / "hbcore.yaml").exists() and not (pair.there / "hbcore.yaml.before").exists()
    assert "node1: hbcore.yaml is not there yet" in done.stdout and TOLD["keys"] not in done.stdout


def test_a_second_time_there_is_nothing_to_do(pair: Pair) -> None:
    pair.write(pair.there, "authkeys", f"auth 1\n1 sha1 {KEY}\n", 0o640)
    done = pair.run()
    assert (done.returncode, done.stderr) == (0, "") and "node1: nothing to do" in done.stdout
    assert pair.listing() == ["authkeys", "ha.cf", "haresources"]
    assert stat.S_IMODE((pair.there / "authkeys").stat().st_mode) == 0o600


def test_off_a_terminal_nothing_is_replaced_without_yes(pair: Pair) -> None:
    pair.write(pair.there, "ha.cf", HA_CF.replace("100ms", "200ms"))
    done = pair.run()
    assert done.returncode == 1 and "--yes" in done.stderr and "+keepalive 100ms" in done.stdout
    assert "200ms" in (pair.there / "ha.cf").read_text()


@pytest.mark.parametrize(("answer", "code", "now"), [("n", 1, "200ms"), ("", 1, "200ms"), ("y", 0, "100ms")])
def test_at_a_terminal_it_asks_after_showing(pair: Pair, answer: str, code: int, now: str) -> None:
    pair.write(pair.there, "ha.cf", HA_CF.replace("100ms", "200ms"))
    done, screen = pair.at_a_terminal(answer)
    assert done == code, screen
    assert screen.index("+keepalive 100ms") < screen.index("replace ha.cf in")
    assert now in (pair.there / "ha.cf").read_text()


def test_what_would_be_wrong_there_is_not_taken(pair: Pair) -> None:
    """The files are right here; with the haresources of that node they would not be."""
    pair.write(pair.there, "haresources", "node7 192.168.100.100/24/eth0\n")
    pair.write(pair.there, "ha.cf", HA_CF.replace("node1", "node7"))
    done = pair.run("--yes")
    assert done.returncode == 1 and "nothing was replaced" in done.stderr
    assert f"{pair.there}/haresources:1: " in done.stdout and "node7" in done.stdout
    assert "node7" in (pair.there / "ha.cf").read_text()
    assert pair.listing() == ["authkeys", "ha.cf", "haresources"]


def test_what_is_wrong_here_goes_nowhere(pair: Pair) -> None:
    pair.write(pair.here, "ha.cf", HA_CF + "keepaliv 2\n")
    done = pair.run("--yes")
    assert done.returncode == 1 and f"{pair.here}/ha.cf:4: " in done.stdout and "wrong" in done.stderr
    assert (pair.there / "ha.cf").read_text() == HA_CF


def test_a_node_that_is_not_known_gets_no_key(pair: Pair) -> None:
    known = pair.place.known.read_text()
    pair.place.known.write_text("")
    pair.write(pair.there, "ha.cf", HA_CF.replace("100ms", "200ms"))
    try:
        done = pair.run("--yes")
    finally:
        pair.place.known.write_text(known)
    assert done.returncode == 1 and "known_hosts" in done.stderr
    assert "200ms" in (pair.there / "ha.cf").read_text()


def test_what_came_between_showing_and_replacing_is_noticed(pair: Pair) -> None:
    """Somebody edits the file there while the question stands."""
    env = {**pair.env, "HBCORE_CONFIG": str(pair.there), "HBCORE_NODE": "node1"}
    argv = [sys.executable, "-m", "hbcore.cli.hbctl", "receive"]
    process = subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    offered = HA_CF.replace("100ms", "250ms")
    offer = {"files": [{"name": "ha.cf", "data": b64encode(offered.encode()).decode()}]}
    process.stdin.write(json.dumps(offer) + "\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["files"][0]["state"] == "differs"
    pair.write(pair.there, "ha.cf", HA_CF.replace("100ms", "150ms"))
    process.stdin.write('{"really": true}\n')
    process.stdin.flush()
    assert "changed here meanwhile" in json.loads(process.stdout.readline())["error"]
    assert process.wait(10) == 1 and "150ms" in (pair.there / "ha.cf").read_text()


def test_a_file_too_large_to_keep_a_copy_of_stays(pair: Pair) -> None:
    pair.write(pair.there, "ha.cf", HA_CF + "#" * 100_000)
    done = pair.run("--yes")
    assert done.returncode == 1 and "ha.cf has more than 65536 bytes" in done.stderr
    assert pair.listing() == ["authkeys", "ha.cf", "haresources"]
    assert (pair.there / "ha.cf").stat().st_size > 100_000


@pytest.mark.parametrize("name", ["../authkeys", "shadow", "resource.d/httpd", ""])
def test_only_the_files_of_a_configuration_are_received(pair: Pair, name: str) -> None:
    env = {**pair.env, "HBCORE_CONFIG": str(pair.there)}
    argv = [sys.executable, "-m", "hbcore.cli.hbctl", "receive"]
    line = json.dumps({"files": [{"name": name, "data": ""}]}) + '\n{"really": true}\n'
    done = subprocess.run(argv, env=env, input=line, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1 and "is no file that is copied" in done.stdout
    assert pair.listing() == ["authkeys", "ha.cf", "haresources"]
