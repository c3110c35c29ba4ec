"""The SSH transports against a real sshd on loopback: a private port, throw-away keys, the caller's own account.

Nothing of the person's ~/.ssh is read or written: sshd, ssh and we get files of the test's own.
"""

# ruff: noqa: ASYNC220, ASYNC221  (a test's own helpers may hold its own loop for a moment)

from __future__ import annotations

import asyncio
import contextlib
import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hbcore.control.client import Connected, ControlError, Lost, Question, Session, Snapshot, connect
from hbcore.control.schema import Action
from hbcore.control.server import Server
from hbcore.control.ssh_settings import settings
from hbcore.control.target import parse_host
from tests import programs
from tests.unit.backend import Cluster, status

pytestmark = pytest.mark.needs("sshd", "ssh", "ssh-keygen", "ssh-agent", "ps", "setpriv")
TREE = Path(__file__).parents[2]
USER = getpass.getuser()
HBCTL = f"env PYTHONPATH={TREE} {sys.executable} -m hbcore.cli.hbctl"


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _wait_for(path: Path) -> None:
    end = time.monotonic() + 5
    while not path.exists():
        assert time.monotonic() < end, path
        time.sleep(0.02)


def _keygen(path: Path, *more: str) -> None:
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path), *more]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)


class Place:
    """A node as SSH sees it: an sshd, a key that it lets in, and a daemon's control socket behind `hbctl stdio`."""

    def __init__(self, directory: Path) -> None:
        self.dir = directory
        self.port = _free_port()
        self.cluster = Cluster()
        self.known = directory / "known_hosts"
        self.config = directory / "ssh_config"
        _keygen(directory / "host")
        _keygen(directory / "key")
        self.allow()
        self.know()
        self.configure()
        self._sshd: subprocess.Popen[bytes] | None = None
        self.start()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.server = Server(self.cluster, directory / "hbcore.sock")
        self.run(self.server.start())

    def run(self, job: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(job, self.loop).result(5)

    def allow(self, options: str = "") -> None:
        public = (self.dir / "key.pub").read_text()
        (self.dir / "authorized_keys").write_text(f"{options} {public}".lstrip())

    def know(self, key: Path | None = None) -> None:
        kind, blob = (key or self.dir / "host.pub").read_text().split()[:2]
        self.known.write_text(f"[127.0.0.1]:{self.port},[127.0.0.2]:{self.port} {kind} {blob}\n")

    def configure(self, more: str = "") -> None:
        self.config.write_text(
            f"Host node1\n  HostName 127.0.0.1\n  Port {self.port}\n{more}\n"
            f"Host *\n  User {USER}\n  IdentityFile {self.dir}/key\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {self.known}\n  GlobalKnownHostsFile /dev/null\n"
        )

    def start(self) -> None:
        config = self.dir / "sshd_config"
        config.write_text(
            f"ListenAddress 127.0.0.1\nListenAddress 127.0.0.2\nPort {self.port}\nPidFile none\n"
            f"HostKey {self.dir}/host\n"
            f"AuthorizedKeysFile {self.dir}/authorized_keys\nStrictModes no\nUsePAM no\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
        )
        sshd = programs.found("sshd")
        assert sshd is not None
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # its privilege separation directory
        self._sshd = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", sshd, "-D", "-e", "-f", str(config)],
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        end = time.monotonic() + 5
        while time.monotonic() < end:
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError("sshd did not start")

    def cut(self) -> None:
        """sshd and all its sessions gone at once, as when the machine loses its power."""
        assert self._sshd is not None
        found = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
        pairs = [(int(pid), int(parent)) for pid, parent in map(str.split, found.splitlines())]
        tree = [self._sshd.pid]
        for above in tree:
            tree += [pid for pid, parent in pairs if parent == above]
        for pid in tree:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._sshd.wait()

    def close(self) -> None:
        self.run(self.server.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.cut()


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    directory = Path(tempfile.mkdtemp(prefix="hbssh-"))
    made = Place(directory)
    monkeypatch.setenv("HBCORE_SSH_CONFIG", str(made.config))
    monkeypatch.setenv("HBCORE_REMOTE", f"{HBCTL} --socket {directory}/hbcore.sock")
    monkeypatch.setenv("XDG_STATE_HOME", str(directory / "state"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    yield made
    made.close()
    shutil.rmtree(directory)


@pytest.fixture(params=["paramiko", "ssh"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HBCORE_SSH", request.param)
    return str(request.param)


async def test_look_act_and_follow_from_afar(place: Place, way: str) -> None:
    async with connect("node1", tool="hbtui") as client:
        assert client.hello.node == "node1.xiaofei.com" and client.hello.role == "admin"
        assert (await client.status()).cluster == "web"
        assert (await client.act(Action(verb="standby", reason="from afar"))).accepted
        notes = client.subscribe()
        assert isinstance(await anext(notes), Snapshot)
        place.loop.call_soon_threadsafe(place.server.publish, status("node2.xiaofei.com"))
        async with asyncio.timeout(2):
            note = await anext(notes)
        assert isinstance(note, Snapshot) and note.status.groups[0].node == "node2.xiaofei.com"
    (actor,) = place.cluster.actors
    assert (actor.uid, actor.tool, actor.reason) == (os.geteuid(), "hbtui", "from afar")
    assert actor.ssh.startswith("127.0.0.1 ") and actor.ssh.endswith(f" 127.0.0.1 {place.port}")


async def test_round_trips_are_short(place: Place, way: str) -> None:
    async with connect("node1") as client:
        times = sorted([await client.ping() for _ in range(50)])
    assert times[25] < 0.05


async def test_a_forced_command_makes_a_viewer_whatever_is_asked(place: Place, way: str) -> None:
    forced = f"{HBCTL} --socket {place.dir}/hbcore.sock stdio --role viewer"
    place.allow(f'command="{forced}",restrict')
    async with connect("node1", role="admin") as client:
        assert client.hello.role == "viewer"
        with pytest.raises(ControlError) as error:
            await client.act(Action(verb="standby"))
        assert error.value.code == "role-too-low"
    assert place.cluster.acted == []


async def test_our_own_wish_to_look_only_is_kept(place: Place, way: str) -> None:
    async with connect("node1", role="viewer") as client:
        assert client.hello.role == "viewer"


async def _web_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 no\r\n\r\n" * 20)
    writer.close()


@pytest.mark.parametrize(
    ("breakage", "codes"),
    [
        ("daemon", {"no-daemon"}),
        ("hbctl", {"no-hbctl-there"}),
        ("key", {"ssh-auth", "ssh-failed"}),
        ("sshd", {"unreachable", "ssh-failed"}),
        ("name", {"unknown-host", "ssh-failed"}),
        ("banner", {"ssh-failed"}),
    ],
)
async def test_each_way_to_fail_has_its_sentence(
    place: Place, way: str, monkeypatch: pytest.MonkeyPatch, breakage: str, codes: set[str]
) -> None:
    target = "node1"
    if breakage == "daemon":
        await asyncio.to_thread(place.run, place.server.close())
    elif breakage == "hbctl":
        monkeypatch.setenv("HBCORE_REMOTE", "hbctl-that-is-not-there")
    elif breakage == "key":
        (place.dir / "authorized_keys").write_text("")
    elif breakage == "sshd":
        target = f"127.0.0.1:{_free_port()}"
    elif breakage == "name":
        target = "no-such-host.invalid"
    else:
        other = await asyncio.start_server(_web_server, "127.0.0.1", 0)
        target = f"127.0.0.1:{other.sockets[0].getsockname()[1]}"
    start = time.monotonic()
    with pytest.raises(ControlError) as error:
        async with connect(target):
            pass
    assert error.value.code in codes, str(error.value)
    assert time.monotonic() - start < 8 and "{" not in str(error.value)


# -- host keys (ssh itself guards its own; these are paramiko's)


def _fingerprint(place: Place) -> str:
    line = subprocess.run(
        ["ssh-keygen", "-lf", str(place.dir / "host.pub")], capture_output=True, text=True, check=True
    ).stdout
    return line.split()[1]


async def test_an_unknown_host_is_refused_where_nobody_can_be_asked(place: Place) -> None:
    place.known.write_text("")
    with pytest.raises(ControlError) as error:
        async with connect("node1"):
            pass
    assert error.value.code == "host-key-unknown" and _fingerprint(place) in str(error.value)


@pytest.mark.parametrize("answer", ["once", "save", "abort"])
async def test_a_person_decides_on_an_unknown_host(place: Place, answer: str) -> None:
    place.known.write_text("")
    asked: list[Question] = []

    async def ask(question: Question) -> str:
        asked.append(question)
        return answer

    async def look() -> None:
        async with connect("node1", ask=ask) as client:
            await client.status()

    saved = place.dir / "state" / "hbtui" / "known_hosts"
    if answer == "abort":
        with pytest.raises(ControlError) as error:
            await look()
        assert error.value.code == "host-key-refused"
    else:
        await look()
        await look()
    want = Question(host="127.0.0.1", port=place.port, kind="ssh-ed25519", fingerprint=_fingerprint(place))
    assert asked == [want] * (2 if answer == "once" else 1)
    assert saved.exists() == (answer == "save") and place.known.read_text() == ""
    if answer == "save":
        assert saved.stat().st_mode & 0o777 == 0o600


async def test_a_changed_host_key_is_never_accepted(place: Place, way: str) -> None:
    _keygen(place.dir / "other")
    place.know(place.dir / "other.pub")

    async def trusting(question: Question) -> str:
        return "save"

    with pytest.raises(ControlError) as error:
        async with connect("node1", ask=trusting):
            pass
    if way == "paramiko":
        assert error.value.code == "host-key-changed"
        assert f"ssh-keygen -R '[127.0.0.1]:{place.port}'" in str(error.value)
        assert _fingerprint(place) in str(error.value)


async def test_the_agents_key_is_used_and_named_when_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = place.dir / "agent.sock"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(agent)], stdout=subprocess.DEVNULL)
    try:
        _wait_for(agent)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
        env = {**os.environ, "SSH_AUTH_SOCK": str(agent)}
        subprocess.run(["ssh-add", "-q", str(place.dir / "key")], env=env, check=True, stderr=subprocess.DEVNULL)
        (place.dir / "key").unlink()  # only the agent still has it; key.pub names it for IdentitiesOnly
        async with connect("node1") as client:
            await client.status()
        (place.dir / "authorized_keys").write_text("")
        with pytest.raises(ControlError, match="agent SHA256:"):
            async with connect("node1"):
                pass
    finally:
        process.terminate()
        process.wait()


async def test_a_locked_key_file_is_named(place: Place) -> None:
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", str(place.dir / "key")], check=True)
    with pytest.raises(ControlError, match=r"key \(locked: ssh-add it\)"):
        async with connect("node1"):
            pass


# -- ssh_config


async def test_a_jump_host_is_jumped_over(place: Place, way: str) -> None:
    place.configure(f"  ProxyJump {USER}@127.0.0.2:{place.port}")
    text = place.config.read_text().replace("Host node1", "Host behind")
    place.config.write_text(text)
    async with connect("behind") as client:
        assert (await client.status()).cluster == "web"


async def test_jumps_without_end_are_refused(place: Place) -> None:
    place.configure("  ProxyJump node1")
    with pytest.raises(ControlError) as error:
        async with connect("node1"):
            pass
    assert error.value.code == "too-many-jumps"


async def test_a_proxy_command_and_an_alias_are_honoured(place: Place, way: str) -> None:
    helper = place.dir / "pass"
    helper.write_text(
        f"#!{sys.executable}\nimport os, socket, sys, threading\n"
        "s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        "def up():\n    while d := os.read(0, 65536): s.sendall(d)\n"
        "threading.Thread(target=up, daemon=True).start()\n"
        "while d := s.recv(65536): os.write(1, d)\n"
    )
    helper.chmod(0o755)
    place.configure(f"  ProxyCommand {helper} %h %p\n  HostKeyAlias the-node")
    kind, blob = (place.dir / "host.pub").read_text().split()[:2]
    place.known.write_text(f"the-node {kind} {blob}\n")
    async with connect("node1") as client:
        await client.status()


def test_settings_are_the_same_from_ssh_and_from_the_parser(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.configure("  ProxyJump a.example, b@c:7\n  HostKeyAlias x")
    asked = [settings(parse_host(name)) for name in ("node1", "me@node1:99", "elsewhere")]
    with monkeypatch.context() as without_ssh:
        without_ssh.setenv("PATH", "/nonexistent")
        assert [settings(parse_host(name)) for name in ("node1", "me@node1:99", "elsewhere")] == asked
    assert (asked[0].host, asked[0].port, asked[0].name) == ("127.0.0.1", place.port, "x")
    assert asked[0].jumps[1] == "b@c:7" and (asked[1].user, asked[1].port) == ("me", 99)


# -- time


async def _until(news: Any, wanted: Callable[[Any], bool], within_s: float) -> Any:
    async with asyncio.timeout(within_s):
        async for item in news:
            if wanted(item):
                return item
    raise AssertionError("the news ended")


async def test_a_session_comes_back_when_the_node_does(place: Place, way: str) -> None:
    session = Session("node1", tool="test")
    news = session.news()
    await _until(news, lambda n: isinstance(n, Snapshot), 10)
    await asyncio.to_thread(place.cut)
    lost = await _until(news, lambda n: isinstance(n, Lost), 5)
    assert lost.retry_in_s is not None and 0.4 < lost.retry_in_s < 0.6
    await asyncio.to_thread(place.start)
    session.wake()
    await _until(news, lambda n: isinstance(n, Connected), 10)
    await session.close()


async def test_leaving_does_not_wait_for_a_host_that_does_not_answer(way: str) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        session = Session(f"127.0.0.1:{deaf.getsockname()[1]}")
        news = session.news()
        waiting = asyncio.ensure_future(anext(news))
        await asyncio.sleep(0.5)
        start = time.monotonic()
        await session.close()
        assert time.monotonic() - start < 1.0
        waiting.cancel()


def test_the_process_ends_at_once_while_ssh_still_hangs(tmp_path: Path) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        code = (
            "import asyncio, time\nfrom hbcore.control.client import Session\n"
            f"async def main():\n s = Session('127.0.0.1:{deaf.getsockname()[1]}')\n n = s.news()\n"
            " t = asyncio.create_task(anext(n, None))\n await asyncio.sleep(0.7)\n"
            " print(time.monotonic(), flush=True)\n await s.close()\nasyncio.run(main())"
        )
        env = {**os.environ, "PYTHONPATH": str(TREE)}
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=20, check=True
        )
        assert time.monotonic() - float(done.stdout) < 1.5
        assert done.stderr == ""


# -- hbctl


def test_hbctl_from_afar(place: Place, way: str) -> None:
    env = {**os.environ, "PYTHONPATH": str(TREE)}

    def hbctl(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "hbcore.cli.hbctl", "--host", "node1", *words]
        return subprocess.run(
            argv, env=env, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL, check=False
        )

    assert json.loads(hbctl("status", "--json").stdout)["cluster"] == "web"
    assert hbctl("standby", "node2", "--wait").returncode == 0
    assert place.cluster.acted[0].node == "node2.xiaofei.com"
    place.run(place.server.close())
    done = hbctl("status")
    assert done.returncode == 3 and "No hbcored answers" in done.stderr and "Traceback" not in done.stderr
