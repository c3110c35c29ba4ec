"""The control server against real sockets: roles by the kernel, bounds, and what no client may do to the others."""

# ruff: noqa: ASYNC240  (files of a test's own directory do not block)

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hbcore.control import callers
from hbcore.control.callers import Caller, role_of
from hbcore.control.client import ControlError, connect
from hbcore.control.endpoint import listen
from hbcore.control.methods import METHODS
from hbcore.control.peer import Peer
from hbcore.control.schema import Action, Event, Response, Status
from hbcore.control.server import KEPT_FOR_ADMIN, MAX_CLIENTS, Server
from tests.unit.backend import Cluster, status

ROOT = os.geteuid() == 0


@pytest.fixture
def path() -> Iterator[Path]:
    """A short path that every user may reach; pytest's own tmp_path is closed to others."""
    directory = Path(tempfile.mkdtemp(prefix="hbctl-"))
    directory.chmod(0o755)
    yield directory / "hbcore.sock"
    shutil.rmtree(directory)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
async def server(cluster: Cluster, path: Path) -> AsyncIterator[Server]:
    made = Server(cluster, path)
    await made.start()
    yield made
    await made.close()


class Raw:
    """A client that speaks bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, line: str | bytes) -> dict[str, Any]:
        self.writer.write((line.encode() if isinstance(line, str) else line) + b"\n")
        return await self.read()

    async def read(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            answer = json.loads(await self.reader.readline())
        assert isinstance(answer, dict)
        return answer


@contextlib.asynccontextmanager
async def raw(path: Path) -> AsyncIterator[Raw]:
    reader, writer = await asyncio.open_unix_connection(path, limit=8 << 20)
    try:
        client = Raw(reader, writer)
        await client.read()
        yield client
    finally:
        writer.transport.abort()


async def test_the_first_line_is_the_hello(server: Server, path: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    hello = json.loads(await reader.readline())
    assert hello["product"] == "hbcore" and hello["api"] == "1.0" and hello["role"] == "admin"
    assert (hello["node"], hello["cluster"]) == ("node1.xiaofei.com", "web")
    writer.close()


async def test_every_method_of_the_table_answers_its_type(server: Server, path: Path, cluster: Cluster) -> None:
    async with connect(str(path), tool="test") as client:
        assert (await client.status()).cluster == "web"
        assert [event.id for event in await client.events(since=1003.0)] == [3, 4, 5]
        assert [event.id for event in await client.events(limit=2)] == [4, 5]
        assert (await client.plan(Action(verb="standby"))).level == 2
        (output,) = await client.output("vip", "httpd")
        assert (output.operation, output.exit, output.lines) == ("start", 7, ["Starting httpd", "", "port 80 is taken"])
        assert await client.output("vip", "httpd", "stop") == []
        assert await client.agents("ocf") == ["ocf:heartbeat:Filesystem"] and len(await client.agents()) == 2
        described = await client.agent("ocf:heartbeat:Filesystem")
        assert [p.name for p in described.parameters] == ["device", "slow"] and described.problem is None
        outcome = await client.act(Action(verb="standby", node="node2.xiaofei.com", reason="update"))
        assert outcome.accepted and (await client.settled(outcome.ticket)).ok
        assert await client.ping() < 1.0
    assert cluster.acted[0].reason == "update"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("no json", "bad-request"),
        ('{"id":1}', "bad-request"),
        ('{"jsonrpc":"1.0","id":1,"method":"ping"}', "bad-request"),
        ('{"id":1,"method":"reboot"}', "no-such-method"),
        ('{"id":1,"method":"act","params":{}}', "bad-params"),
        ('{"id":1,"method":"act","params":{"verb":"standby","scope":"half"}}', "bad-params"),
        ('{"id":1,"method":"act","params":[1]}', "bad-params"),
        ('{"id":1,"method":"events","params":{"limit":"all"}}', "bad-params"),
        ('{"id":1,"method":"output","params":{"group":"vip"}}', "bad-params"),
        ('{"id":1,"method":"agents","params":{"kind":"snmp"}}', "bad-params"),
        ('{"id":1,"method":"hello","params":{"role":"god"}}', "bad-params"),
        ('{"id":1,"method":"act","params":' + "[" * 50000 + "}", "bad-request"),
    ],
)
async def test_a_wrong_request_is_answered_and_harms_nothing(
    server: Server, path: Path, cluster: Cluster, line: str, code: str
) -> None:
    async with raw(path) as client:
        assert (await client.ask(line))["error"]["data"] == code
        assert (await client.ask('{"id":2,"method":"ping"}')) == {"jsonrpc": "2.0", "id": 2, "result": {}}
    assert cluster.acted == []


async def test_a_line_over_the_bound_ends_only_its_own_connection(server: Server, path: Path) -> None:
    async with raw(path) as other, raw(path) as client:
        client.writer.write(b"x" * (Peer.MAX_LINE + 10))
        assert (await client.read())["error"]["data"] == "line-too-long"
        assert await client.reader.read() == b""
        assert "result" in await other.ask('{"id":2,"method":"ping"}')


async def test_a_failing_backend_is_an_error_not_an_end(
    server: Server, path: Path, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(ticket: int, timeout_s: float) -> Any:
        raise RuntimeError("secret detail")

    cluster.settled = broken  # type: ignore[method-assign]
    async with connect(str(path)) as client:
        with pytest.raises(ControlError) as error:
            await client.settled(1)
        assert error.value.code == "control-internal" and "secret" not in str(error.value)
        await client.ping()
    assert "secret detail" in caplog.text


# -- who


def test_roles() -> None:
    def who(uid: int, *gids: int) -> Caller:
        return Caller(1, uid, frozenset(gids), None, "")

    assert role_of(who(0, 0), 77) == "admin"
    assert role_of(who(os.geteuid(), 5), None) == "admin"
    assert role_of(who(54321, 5, 77), 77) == "operator"
    assert role_of(who(54321, 5), 77) is None
    assert role_of(who(54321, 77), None) is None


@pytest.mark.parametrize("asked", ["viewer", "operator", "admin"])
async def test_a_role_only_goes_down(server: Server, path: Path, asked: str) -> None:
    async with raw(path) as client:
        for role, want in ((asked, asked), ("admin", asked)):
            hello = await client.ask('{"id":1,"method":"hello","params":{"role":"ROLE"}}'.replace("ROLE", role))
            assert hello["result"]["role"] == want


async def test_a_viewer_can_do_nothing_but_look(server: Server, path: Path, cluster: Cluster) -> None:
    async with raw(path) as client:
        await client.ask('{"id":1,"method":"hello","params":{"role":"viewer"}}')
        for name, method in METHODS.items():
            params = {"verb": "standby", "ticket": 1, "timeout_s": 0, "group": "vip", "resource": "httpd", "name": "x"}
            answer = await client.ask(json.dumps({"id": 3, "method": name, "params": params}))
            assert ("error" in answer) == (method.least != "viewer")
            if name == "subscribe":
                assert "result" in answer
    assert cluster.acted == []


async def test_the_actor_is_the_kernels_word_and_the_tools_word_is_bounded(
    server: Server, path: Path, cluster: Cluster
) -> None:
    async with raw(path) as client:
        for address in ("192.0.2.7 50000 192.0.2.1 22", "198.51.100.1 1 2 3"):
            params = {"tool": "wid\x1bget" + "x" * 500, "ssh": address, "uid": 0}
            await client.ask(json.dumps({"id": 1, "method": "hello", "params": params}))
        action = {"verb": "standby", "reason": "up\ndate" + "é" * 500, "actor": {"uid": 12}}
        await client.ask(json.dumps({"id": 2, "method": "act", "params": action}))
    (actor,) = cluster.actors
    assert actor.uid == os.geteuid()
    assert actor.ssh == "192.0.2.7 50000 192.0.2.1 22", "the bridge speaks first, who comes after it cannot change that"
    assert actor.tool.startswith("wid get") and len(actor.tool.encode()) <= 64
    assert actor.reason.startswith("up date") and len(actor.reason.encode()) <= 120


@pytest.mark.skipif(not ROOT, reason="becoming other users takes root")
@pytest.mark.parametrize("count", [0, 1, 200, 300])
async def test_the_kernel_names_all_groups_of_the_caller(path: Path, count: int) -> None:
    groups = list(range(70_000, 70_000 + count))
    with listen(path, None) as sock:
        path.chmod(0o666)
        child = asyncio.create_task(_as(65534, groups, path))
        loop = asyncio.get_running_loop()
        there, _ = await loop.sock_accept(sock)
        with there:
            who = callers.caller(there)
            there.sendall(b'{"error":1}\n')
        await child
    assert who.gids == {65534, *groups} and who.uid == 65534 and who.name == "nobody"


def test_the_kernel_names_the_other_end() -> None:
    here, there = socket.socketpair()
    with here, there:
        who = callers.caller(here)
    assert (who.pid, who.uid) == (os.getpid(), os.geteuid())
    assert set(os.getgroups()) | {os.getegid()} == set(who.gids)


_PROBE = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
try:
    s.connect(sys.argv[1])
except PermissionError:
    sys.exit("EACCES")
f = s.makefile("rw")
hello = f.readline()
print(hello, end="")
if "error" in hello:
    sys.exit(0)
f.write('{"id":1,"method":"act","params":{"verb":"standby"}}\\n'); f.flush()
print(f.readline(), end="")
"""


async def _as(uid: int, groups: list[int], path: Path) -> tuple[int, list[dict[str, Any]]]:
    command = ["/usr/bin/python3", "-I", "-c", _PROBE, str(path)]  # ours may be where that user cannot look
    child = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, user=uid, group=uid, extra_groups=groups
    )
    out, err = await child.communicate()
    assert err == b"" or b"EACCES" in err, err
    return child.returncode or 0, [json.loads(line) for line in out.splitlines()]


@pytest.mark.skipif(not ROOT, reason="becoming other users takes root")
async def test_members_of_the_group_operate_and_others_are_kept_out(path: Path, cluster: Cluster) -> None:
    nobody, daemon = 65534, 1  # uid and gid that every Debian has
    made = Server(cluster, path, group="daemon")
    await made.start()
    assert stat.S_IMODE(path.stat().st_mode) == 0o660 and path.stat().st_gid == daemon
    code, lines = await _as(nobody, [daemon], path)
    assert code == 0 and lines[0]["role"] == "operator" and lines[1]["result"]["accepted"]
    assert cluster.actors[0].uid == nobody
    assert (await _as(nobody, [], path))[0] == 1, "the file's mode already refuses"
    path.chmod(0o666)
    code, lines = await _as(nobody, [], path)
    assert [line["error"]["data"] for line in lines] == ["not-permitted"], "and so does the server"
    assert len(cluster.acted) == 1
    await made.close()


def test_without_the_group_the_socket_is_its_owners_alone(path: Path) -> None:
    with listen(path, None):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


# -- the socket file


async def test_a_second_daemon_does_not_take_the_socket(server: Server, path: Path, cluster: Cluster) -> None:
    with pytest.raises(ControlError) as error:
        await Server(cluster, path).start()
    assert error.value.code == "control-busy"
    async with connect(str(path)) as client:
        await client.ping()


async def test_a_stale_socket_is_replaced_and_a_file_is_not(path: Path, cluster: Cluster) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    made = Server(cluster, path)
    await made.start()
    async with connect(str(path)) as client:
        await client.ping()
    await made.close()
    assert not path.exists()
    path.write_text("mine")
    with pytest.raises(ControlError) as error:
        await Server(cluster, path).start()
    assert error.value.code == "control-path-taken" and path.read_text() == "mine"


async def test_closing_leaves_a_successors_socket_alone(path: Path, cluster: Cluster) -> None:
    old = Server(cluster, path)
    await old.start()
    path.unlink()
    new = Server(cluster, path)
    await new.start()
    await old.close()
    async with connect(str(path)) as client:
        await client.ping()
    await new.close()


async def test_a_path_the_kernel_would_cut_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="at most 107"):
        await Server(cluster, tmp_path / ("x" * 120)).start()
    with pytest.raises(ControlError, match="No such file"):
        await Server(cluster, tmp_path / "none" / "s").start()


# -- bounds


async def test_too_many_clients_are_told_so(server: Server, path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(MAX_CLIENTS):
            await stack.enter_async_context(raw(path))
        with pytest.raises(ControlError) as error:
            async with connect(str(path)):
                pass
        assert error.value.code == "too-many-clients"
        assert server.clients == MAX_CLIENTS
    assert 0 < KEPT_FOR_ADMIN < MAX_CLIENTS


async def test_requests_that_wait_are_bounded_and_do_not_block_others(
    server: Server, path: Path, cluster: Cluster
) -> None:
    cluster.hang = True
    async with raw(path) as client:
        for number in range(Peer.MAX_FLIGHT + 1):
            client.writer.write(b'{"id":%d,"method":"settled","params":{"ticket":1,"timeout_s":30}}\n' % number)
        assert (await client.read())["error"]["data"] == "too-many-requests"
        assert "result" in await client.ask('{"id":99,"method":"ping"}')
    await asyncio.sleep(0.05)
    assert server.clients == 0, "what waited for a client that left is gone with it"


def _big(number: int) -> Status:
    return msgspec.structs.replace(status(), generation=number, counters={f"c{n:05}": n for n in range(20_000)})


async def test_a_slow_reader_gets_the_newest_status_not_all(server: Server, path: Path) -> None:
    async with raw(path) as client:
        await client.ask('{"id":1,"method":"subscribe"}')
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for number in range(100):
            server.publish(_big(number))
            await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        seen: list[int] = []
        while not seen or seen[-1] < 99:
            seen.append((await client.read())["params"]["generation"])
    assert len(seen) < 20 and seen == sorted(seen)
    assert server.dropped == 0


async def test_a_reader_that_stops_is_dropped_at_a_bound_of_memory(server: Server, path: Path) -> None:
    event = Event(id=1, at=1.0, node="n", code="c", text="t" * 4000)
    async with raw(path) as stuck, raw(path) as good:
        for client in (stuck, good):
            await client.ask('{"id":1,"method":"subscribe"}')
        stuck.writer.transport.pause_reading()  # type: ignore[attr-defined]
        got = 0
        for number in range(1, 3000):
            server.announce(msgspec.structs.replace(event, id=number))
            while got < number:
                got = (await good.read())["params"]["id"]
            if server.dropped:
                break
        assert server.dropped == 1 and server.clients == 1
        assert number * 4000 < Peer.MAX_QUEUE + (1 << 20), "the queue's bound, the kernel's buffer and no more"


async def test_a_reader_that_takes_nothing_for_long_is_dropped(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Peer, "STALL_S", 0.3)
    async with raw(path) as client:
        await client.ask('{"id":1,"method":"subscribe"}')
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        end = time.monotonic() + 5
        while not server.dropped and time.monotonic() < end:
            server.publish(_big(1))
            await asyncio.sleep(0.05)
    assert server.dropped == 1


async def test_a_client_that_asks_without_reading_is_asked_to_wait(server: Server, path: Path) -> None:
    async with raw(path) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for number in range(20_000):
            client.writer.write(b'{"id":%d,"method":"status"}\n' % number)
        start = time.monotonic()
        async with connect(str(path)) as other:
            assert await other.ping() < 0.5
        assert time.monotonic() - start < 1.0
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        numbers = [(await client.read())["id"] for _ in range(20_000)]
    assert numbers == list(range(20_000)) and server.dropped == 0


async def test_answers_still_leave_when_the_client_only_half_closes(
    server: Server, path: Path, cluster: Cluster
) -> None:
    async with raw(path) as client:
        client.writer.write(b'{"id":1,"method":"act","params":{"verb":"standby"}}\n{"id":2,"method":"ping"}\n')
        client.writer.write_eof()
        answers = [json.loads(line) async for line in client.reader]
    assert {answer["id"] for answer in answers} == {1, 2}
    assert len(cluster.acted) == 1


async def test_a_status_is_encoded_once_for_all(server: Server, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(raw(path)) for _ in range(10)]
        for client in clients:
            await client.ask('{"id":1,"method":"subscribe"}')
        lines: list[bytes] = []
        send = Peer.send_status

        def seen(peer: Peer, line: bytes) -> None:
            lines.append(line)
            send(peer, line)

        monkeypatch.setattr(Peer, "send_status", seen)
        server.publish(status())
        for client in clients:
            assert (await client.read())["method"] == "status"
    assert len(lines) == 10 and len({id(line) for line in lines}) == 1
    assert msgspec.json.decode(lines[0], type=Response).method == "status"
