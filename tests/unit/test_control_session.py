"""Connections that end and come back: what the window is told, how soon, and how fast it can leave."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from hbcore.control import connection
from hbcore.control.client import Connected, ControlError, EventSeen, Lost, News, Session, Snapshot, connect
from hbcore.control.schema import Action, Event
from hbcore.control.server import Server
from hbcore.control.session import BACKOFF_LOCAL_S
from tests.unit.backend import Cluster, status


@pytest.fixture
def path() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="hbctl-"))
    yield directory / "hbcore.sock"
    shutil.rmtree(directory)


class Window:
    """Collects a session's news as a screen would."""

    def __init__(self, path: Path) -> None:
        self.session = Session(str(path), tool="test")
        self.news: list[News] = []
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        async for item in self.session.news():
            self.news.append(item)
            self._changed.set()

    async def until(self, wanted: Callable[[News], bool], within_s: float = 3.0) -> News:
        """The first item of this kind among those not yet taken."""
        async with asyncio.timeout(within_s):
            while True:
                while self.news:
                    if wanted(item := self.news.pop(0)):
                        return item
                self._changed.clear()
                await self._changed.wait()

    async def close(self) -> None:
        await self.session.close()
        await self._task


@pytest.fixture
async def window(path: Path) -> AsyncIterator[Window]:
    made = Window(path)
    yield made
    await made.close()


async def serve(path: Path, cluster: Cluster) -> Server:
    server = Server(cluster, path)
    await server.start()
    return server


def is_snapshot(item: News) -> bool:
    return isinstance(item, Snapshot)


async def test_a_daemon_that_comes_later_goes_and_comes_again(path: Path, window: Window) -> None:
    lost = await window.until(lambda n: isinstance(n, Lost))
    assert isinstance(lost, Lost) and lost.code == "no-daemon" and lost.retry_in_s == BACKOFF_LOCAL_S[0]
    second = await window.until(lambda n: isinstance(n, Lost))
    assert isinstance(second, Lost) and (second.attempt, second.retry_in_s) == (2, BACKOFF_LOCAL_S[1])
    cluster = Cluster()
    server = await serve(path, cluster)
    hello = await window.until(lambda n: isinstance(n, Connected), BACKOFF_LOCAL_S[-1] + 0.5)
    assert isinstance(hello, Connected) and hello.hello.role == "admin"
    await window.until(is_snapshot)
    assert window.session.client is not None
    await server.close()
    gone = await window.until(lambda n: isinstance(n, Lost))
    assert isinstance(gone, Lost) and gone.attempt == 1
    assert window.session.client is None
    server = await serve(path, cluster)
    await window.until(is_snapshot, 1.0)
    await server.close()


async def test_each_event_comes_once_also_those_of_the_time_apart(path: Path, window: Window) -> None:
    cluster = Cluster()
    server = await serve(path, cluster)
    seen: list[int] = []

    def event(item: News) -> bool:
        if isinstance(item, EventSeen):
            seen.append(item.event.id)
        return bool(seen) and seen[-1] == want

    def happen(number: int) -> Event:
        made = Event(id=number, at=1000.0 + number, node="node1.xiaofei.com", code="x", text="t")
        cluster.log.append(made)
        return made

    want = 5
    await window.until(event)
    server.announce(happen(6))
    want = 6
    await window.until(event)
    await server.close()
    await window.until(lambda n: isinstance(n, Lost))
    happen(7)
    happen(8)
    server = await serve(path, cluster)
    server.announce(happen(9))
    want = 9
    await window.until(event)
    assert seen == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    await server.close()


async def test_news_follow_the_daemon(path: Path, window: Window) -> None:
    cluster = Cluster()
    server = await serve(path, cluster)
    await window.until(is_snapshot)
    cluster.now = status("node2.xiaofei.com")
    server.publish(cluster.now)
    now = await window.until(lambda n: isinstance(n, Snapshot) and n.status.groups[0].node == "node2.xiaofei.com", 0.5)
    assert isinstance(now, Snapshot) and 0 <= time.monotonic() - now.received < 0.5
    client = window.session.client
    assert client is not None and (await client.act(Action(verb="standby"))).accepted
    await server.close()


async def test_a_window_that_looks_away_gets_the_newest_snapshot_and_all_events(path: Path) -> None:
    server = await serve(path, Cluster())
    async with connect(str(path)) as client:
        notes = client.subscribe()
        await anext(notes)
        for number in range(50):
            server.publish(msgspec.structs.replace(status(), generation=number))
            server.announce(Event(id=number, at=1.0, node="n", code="c", text="t"))
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.1)
        got = [await anext(notes) for _ in range(51)]
    assert [n.event.id for n in got if isinstance(n, EventSeen)] == list(range(50))
    assert [n.status.generation for n in got if isinstance(n, Snapshot)] == [49]
    await server.close()


async def test_waking_tries_at_once(path: Path, window: Window) -> None:
    for _ in range(6):
        await window.until(lambda n: isinstance(n, Lost))
    server = await serve(path, Cluster())
    start = time.monotonic()
    window.session.wake()
    await window.until(lambda n: isinstance(n, Connected))
    assert time.monotonic() - start < 0.15
    await server.close()


async def test_closing_is_quick_while_connected_trying_and_waiting(path: Path) -> None:
    silent = await asyncio.start_unix_server(lambda r, w: asyncio.sleep(60), path)
    for delay in (0.0, 0.1):
        window = Window(path)
        await asyncio.sleep(delay)
        start = time.monotonic()
        await window.close()
        assert time.monotonic() - start < 0.5
    silent.close()


async def _impostor(path: Path, *lines: bytes) -> asyncio.Server:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"".join(lines))
        await reader.read()
        writer.close()

    return await asyncio.start_unix_server(answer, path)


HELLO = b'{"product":"hbcore","version":"2.1.0","api":"1.9","role":"admin","node":"node1","cluster":"web","new":1}\n'


@pytest.mark.parametrize(
    ("lines", "code", "words"),
    [
        ([HELLO.replace(b'"1.9"', b'"2.0"')], "api-mismatch", "node1 runs hbcore 2.1.0 with control API 2.0"),
        ([b"hello?\n" * 60], "not-a-daemon", "not as hbcored does"),
        ([b'{"id":1}\n'], "not-a-daemon", "not as hbcored does"),
        ([HELLO, b'{"method":"status","params":{"api":7}}\n'], "bad-answer", "no message of this API"),
        ([HELLO, b"{" * 10_000 + b"\n"], "bad-answer", "no message of this API"),
        ([HELLO, b'{"id":1,"result":[]}\n'], "bad-answer", "no message of this API"),
        ([HELLO, b"x" * (17 << 20)], "bad-answer", "no message of this API"),
        ([HELLO, b'{"id":1,"error":{"code":1,"message":"\\u001b[2J","data":"refused"}}\n'], "refused", "[2J"),
    ],
)  # fmt: skip
async def test_what_is_not_a_daemon_of_ours_is_named_in_a_sentence(
    path: Path, lines: list[bytes], code: str, words: str
) -> None:
    server = await _impostor(path, *lines)
    with pytest.raises(ControlError) as error:
        async with connect(str(path)) as client:
            await client.status()
    assert error.value.code == code and words in str(error.value)
    assert "\x1b" not in str(error.value) and "{" not in str(error.value).replace("{}", "")
    server.close()


async def test_noise_before_the_hello_and_news_of_a_newer_minor_are_passed_over(path: Path) -> None:
    answers = b'{"id":1,"result":' + HELLO.strip() + b',"more":true}\n{"method":"weather","params":{"sun":1}}\n'
    server = await _impostor(path, b"Welcome to node1!\n\n", HELLO, answers)
    async with connect(str(path)) as client:
        assert client.hello.api == "1.9"
    server.close()


async def test_a_daemon_that_says_nothing_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HELLO_S", 0.2)
    server = await _impostor(path)
    with pytest.raises(ControlError) as error:
        async with connect(str(path)):
            pass
    assert error.value.code == "no-answer"
    server.close()


async def test_who_waits_hears_of_the_end(path: Path) -> None:
    cluster = Cluster()
    cluster.hang = True
    server = await serve(path, cluster)
    async with connect(str(path)) as client:
        waiting = asyncio.create_task(client.settled(1, 30.0))
        await asyncio.sleep(0.05)
        await server.close()
        with pytest.raises(ControlError) as error:
            await waiting
        assert error.value.code == "lost"
        with pytest.raises(ControlError):
            await client.status()


async def test_a_call_has_its_time(path: Path) -> None:
    server = await _impostor(path, HELLO, b'{"id":1,"result":' + HELLO.strip() + b"}\n")
    async with connect(str(path)) as client:
        with pytest.raises(ControlError, match=r"did not answer ping within 0\.1 s"):
            await client.ping(0.1)
    server.close()
