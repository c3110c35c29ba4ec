"""The dashboard as an operator sees it: what is on it at both sizes, and how it behaves when data stops or nodes go."""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import tempfile
import time
from pathlib import Path

import msgspec
import pytest

from hbtui.app import HbApp
from hbtui.glyphs import ASCII
from tests.tui.driving import NARROW, WIDE, Window, window
from tests.tui.fixtures import ONE, TWO, Cluster, many, serving, troubled, two_nodes


async def test_wide_shows_all_of_it() -> None:
    async with window(WIDE) as it:
        await it.shows("latency".upper(), "0.4 ms")
        text = it.text
        for wanted in (
            " web ", "ADMIN", "local node1", "live", "OK", "quorum ✔ 2/2", "protection classic, 4 holes", "pending 0",
            "1 Nodes 2/2", "node1", "two-way", "eth0 mcast", "192.168.100.254", "0.3 ms",
            "2 Groups 1/1", "192.168.100.100", "httpd", "started", "HOME", "FAIL", "SINCE", "3h07m",
            "comes first in haresources", "3 Detail", "4 Events", "joined the cluster",
            "5 Protection: classic, 4 holes", "H1: a paused or isolated peer", "H2:", "H6:", "H7:",
            "keepalive 100 ms", "heartbeat 1 s", "s Standby", "t Takeover", "? Help", "q Quit",
        ):  # fmt: skip
            assert wanted in text, wanted
        assert [len(line) for line in it.lines] == [120] * 36


async def test_narrow_shows_the_same_in_less_room() -> None:
    async with window(NARROW) as it:
        await it.shows("0.4 ms")
        for wanted in ("web", "live", "classic, 4 holes", "node2", "two-way", "eth0", "httpd", "4 Events", "? Help"):
            assert wanted in it.text, wanted
        assert [len(line) for line in it.lines] == [80] * 24
        await it.press("5")
        await it.shows("H1: a paused", "5 Protection: classic")
        await it.press("escape", "2", "enter")
        await it.shows("group 192.168.100.100", "home", "all its resources may run twice")
        assert "live" in it.text
        await it.press("escape")
        await it.shows("1 Nodes")


async def test_no_line_is_left_empty_where_a_longer_one_was() -> None:
    async with window(WIDE) as it:
        await it.pilot.resize_terminal(*NARROW)
        await it.until(lambda: len(it.lines) == 24 and "1 Nodes" in it.lines[2])


async def test_trouble_is_spelled_out() -> None:
    for size in (WIDE, NARROW):
        async with window(size, troubled()) as it:
            await it.shows("is heard one-way on every link", "DEGRADED", "one-way", "node2 does not hear us", "12 late")
            assert "⇄ node1" in it.text and "pinned to node2 by root" in it.text
            band = next(line for line in it.lines if "heard one-way on every link" in line)
            assert it.lines.index(band) == 2, "the alarm band stands under the two header lines"


async def test_actor_and_reason_stand_with_the_event() -> None:
    async with window(WIDE) as it:
        await it.press("s")
        await it.shows("Apply")
        await it.press("r", *"kernel", "tab", "y")
        await it.shows("Settled")
        await it.press("escape")
        await it.shows(f"{pwd.getpwuid(os.geteuid()).pw_name}, hbtui", '"kernel"')


async def test_age_ticks_and_turns_stale_by_itself() -> None:
    """No news at all after the first status: the header must say so, in words, within a second each."""
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "hbcore.sock"
        cluster = Cluster(two_nodes())
        async with serving(cluster, socket):
            app = HbApp([str(socket)])
            async with app.run_test(size=WIDE) as pilot:
                it = Window(app, pilot, cluster, socket)
                await it.shows("live", "started")
                server, cluster.server = cluster.server, None  # connected, but silent: as a stopped daemon
                start = time.monotonic()
                await it.until(lambda: re.search(r"live 1\.\d s", it.lines[0]) is not None, 3.0)
                await it.until(lambda: re.search(r"stale 3\.\d s", it.lines[0]) is not None, 4.0)
                assert time.monotonic() - start < 4.2
                assert "╱ ╱" in it.text, "the empty parts are hatched"
                assert "OK" in it.lines[0]
                cluster.server = server
                cluster.publish()
                took = await it.until(lambda: "live" in it.lines[0] and "╱" not in it.text, 2.0)
                assert took < 2.0


async def test_it_reconnects_by_itself() -> None:
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "hbcore.sock"
        cluster = Cluster(two_nodes())
        async with serving(cluster, socket):
            app = HbApp([str(socket)])
            running = app.run_test(size=NARROW)
            pilot = await running.__aenter__()
            it = Window(app, pilot, cluster, socket)
            await it.shows("live", "started")
        await it.shows("reconnecting", "data", "old")
        assert "httpd" in it.text, "the last known state stays"
        async with serving(cluster, socket):
            await it.shows("live", seconds=5.0)
            await running.__aexit__(None, None, None)


async def test_no_daemon_is_said_and_waited_for(tmp_path: Path) -> None:
    app = HbApp([str(tmp_path / "none.sock")])
    async with app.run_test(size=NARROW) as pilot:
        it = Window(app, pilot, Cluster(two_nodes()), tmp_path)
        await it.shows("reconnecting", "none.sock")


async def test_another_node_takes_over_the_screen() -> None:
    with tempfile.TemporaryDirectory() as folder:
        sockets = [Path(folder) / "one.sock", Path(folder) / "two.sock"]
        first, second = Cluster(two_nodes()), Cluster(msgspec.structs.replace(two_nodes(), node=TWO))
        async with serving(second, sockets[1]):
            async with serving(first, sockets[0]):
                app = HbApp([str(path) for path in sockets])
                running = app.run_test(size=WIDE)
                it = Window(app, await running.__aenter__(), first, sockets[0])
                await it.shows("local node1", "node2 live")
            await it.shows("local node2", "node1 reconnecting")
            assert "live" in it.lines[0]
            assert first.now.node == ONE
            await running.__aexit__(None, None, None)


async def test_only_changed_lines_are_painted() -> None:
    async with window(WIDE, many(8, 20, 3)) as it:
        groups = it.app.dashboard.tables["groups"]
        await it.pilot.pause(0.3)
        it.app.repaint()
        await it.pilot.pause()
        before = groups.painted
        it.app.repaint()
        await it.pilot.pause()
        assert groups.painted - before <= 1, "nothing changed, nothing painted (but a SINCE may tick)"
        it.cluster.set_group("group-001", state="failed")
        await it.until(lambda: "FAILED" in it.text)
        assert groups.painted - before < 12


async def test_cursor_stays_on_its_row_when_rows_come_and_go() -> None:
    async with window(WIDE, many(4, 6, 2)) as it:
        await it.press("2", "j", "j", "j")
        groups = it.app.dashboard.tables["groups"]
        key = groups.cursor_key
        it.cluster.change(groups=it.cluster.now.groups[1:])
        await it.hides("group-000")
        assert groups.cursor_key == key
        assert it.app.model.selection == key


async def test_filter_zoom_fold_and_help() -> None:
    async with window(WIDE) as it:
        await it.press("slash", *"state:failed")
        await it.shows("keeps nothing")
        await it.press("escape")
        await it.shows("httpd")
        assert it.app.model.filter_text == ""
        await it.press("2", "o")
        await it.until(lambda: "resource:" not in str(it.app.dashboard.tables["groups"].rows))
        await it.press("o", "z")
        await it.until(lambda: "1 Nodes" not in it.text)
        await it.press("z")
        await it.shows("1 Nodes")
        await it.press("question_mark")
        await it.shows("Keys", "Move the group to another node")
        await it.press("escape")
        await it.press("colon", *"group 192")
        await it.shows("show it")


async def test_events_of_the_selection() -> None:
    async with window(WIDE) as it:
        it.cluster.say("node", "unrelated news", about="elsewhere")
        it.cluster.say("node", f"{TWO} answers", about=TWO)
        await it.shows("unrelated news")
        await it.press("j", "l")
        await it.shows(f"about {TWO}")
        await it.hides("unrelated news")
        await it.press("escape")
        await it.shows("unrelated news")


@pytest.mark.parametrize("size", [(200, 60), (100, 30), (120, 20), (60, 16), (50, 12), (40, 10), (30, 5), (12, 3)])
async def test_every_size_shows_something_true(size: tuple[int, int]) -> None:
    async with window(size) as it:
        await it.press("2", "tab", "tab", "z", "z", "3", "4")
        await it.pilot.pause()
        assert [len(line) for line in it.lines] == [size[0]] * size[1]
        assert "web" in it.lines[0]


async def test_resizing_keeps_going() -> None:
    async with window(WIDE) as it:
        for size in (NARROW, (50, 12), (30, 5), WIDE):
            await it.pilot.resize_terminal(*size)
            await it.pilot.pause(0.1)
        await it.shows("5 Protection", "H7", "httpd")


async def test_mouse_selects_and_an_input_method_is_noticed() -> None:
    async with window(WIDE) as it:
        await it.pilot.click("#groups", offset=(6, 3))
        await it.until(lambda: it.app.model.selection.startswith("resource:"))
        await it.press("节")
        await it.shows("Input method is on")


async def test_ascii_glyphs_only() -> None:
    for size in (WIDE, NARROW):
        async with window(size, glyphs=ASCII) as it:
            await it.shows("started")
            strange = {char for char in it.text if ord(char) > 126 and char != "\n"}
            assert not strange, strange


async def test_a_burst_of_news_is_few_paints() -> None:
    async with window(WIDE) as it:
        painted = 0
        original = it.app.dashboard.paint_tables

        def counting() -> None:
            nonlocal painted
            painted += 1
            original()

        it.app.dashboard.paint_tables = counting  # type: ignore[method-assign]
        for _ in range(200):
            it.cluster.say("other", "burst")
        await asyncio.sleep(0.6)
        await it.pilot.pause()
        assert 0 < painted <= 8
        assert len(it.app.model.store.events) >= 200
