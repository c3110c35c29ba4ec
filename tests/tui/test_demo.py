"""`hbtui --demo` on a real lab: the screen follows the service from node to node, and nothing is left behind."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import msgspec
import pytest

from hbcore.control.client import Question
from hbtui.demo import Demo, LabState, NodeState, Seen
from tests.tui.driving import window
from tests.tui.test_terminal import Terminal


def children_of(pid: int) -> set[int]:
    """All descendants of `pid`."""
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        try:
            tasks = Path(f"/proc/{waiting.pop()}/task").glob("*/children")
            new = {int(child) for path in tasks for child in path.read_text().split()}
        except OSError:
            continue
        waiting += new - found
        found |= new
    return found


def alive(pids: set[int]) -> set[int]:
    return {pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes()}


@pytest.mark.parametrize("ending", ["quit", "kill"])
def test_failover_by_keys_and_nothing_left(ending: str) -> None:
    with Terminal("--demo", size=(120, 36)) as terminal:
        terminal.until(b"DEMO", 5.0)
        terminal.until(b"answers from", 40.0)
        terminal.until(b"page from", 10.0)
        if ending == "quit":
            terminal.type("P")
            mark = len(terminal.out)
            terminal.until(b"Power on node1", 10.0, mark)
            terminal.until(b"announcing", 15.0, mark)
            terminal.until(b"answers from", 15.0, terminal.out.rindex(b"Power on node1"))
            terminal.type("P")
            terminal.until(b"Power off node1", 20.0, mark)
        left = children_of(terminal.process.pid)
        assert len(left) > 5, "the lab's processes hang under the window's"
        if ending == "quit":
            terminal.type("q")
            assert terminal.end(15.0) == 0
        else:
            terminal.process.kill()
            terminal.process.wait()
    end = time.monotonic() + 10.0
    while alive(left) and time.monotonic() < end:
        time.sleep(0.05)
    assert not alive(left)


def lab(**nodes: NodeState) -> LabState:
    return LabState(nodes=nodes)


ON, OFF, FROZEN = NodeState(power="on"), NodeState(power="off"), NodeState(power="on", frozen="ours")


def test_keys_say_what_they_would_do_now() -> None:
    demo = Demo()
    demo.lab, demo.seen = lab(node1=ON, node2=ON), Seen(node="node2", silent_ms=2.0)
    assert demo.labels()["demo.power"] == "Power off node2"
    assert demo.labels()["demo.oneway"] == "Cut node1>node2"
    demo.lab = msgspec.structs.replace(demo.lab, beats_cut=[{"from": "node1", "to": "node2"}])
    assert demo.labels()["demo.oneway"] == "Cut node2>node1"
    demo.lab = msgspec.structs.replace(demo.lab, beats_cut=[{"from": "node2", "to": "node1"}], ping=False)
    assert demo.labels()["demo.oneway"] == "Mend beats" and demo.labels()["demo.ping"] == "Ping node on"
    demo.lab = lab(node1=FROZEN, node2=OFF)
    assert demo.labels()["demo.power"] == "Power on node2" and demo.labels()["demo.freeze"] == "Thaw node1"


@pytest.mark.parametrize("width", [80, 120])
def test_the_bar_fits_and_says_silence(width: int) -> None:
    demo = Demo()
    demo.lab, demo.note = lab(node1=ON, node2=ON), None
    demo.seen = Seen(
        node="node1", page="node1", answers_per_s=495.0, pages_per_s=67.0, owners=["node1"], silent_ms=2.0,
        outage_ms=666.0, page_outage_ms=723.0,
    )  # fmt: skip
    lines = ["".join(text for text, _ in line) for line in demo.lines(width)]
    assert all(len(line) <= width for line in lines), lines
    assert "node1" in lines[0] and "666 ms" in lines[0] and "495/s" in lines[0]
    demo.seen = msgspec.structs.replace(demo.seen, silent_ms=312.0, node=None)
    assert "NO ANSWER for 312 ms" in "".join(text for text, _ in demo.lines(width)[0])


async def test_a_lab_that_cannot_start_is_said() -> None:
    demo = Demo(command=(sys.executable, "-c", "import sys; print('no room \x1b[2J', file=sys.stderr); sys.exit(1)"))
    await demo.start()
    for _ in range(100):
        await asyncio.sleep(0.05)
        if demo.note is not None and "ended" in demo.note[0]:
            break
    assert demo.note is not None and demo.note[0] == "The lab ended: no room [2J."
    await demo.close()


async def test_an_unknown_host_key_is_asked_and_nothing_is_the_default() -> None:
    question = Question(host="hb1", port=22, kind="ssh-ed25519", fingerprint="SHA256:abc[/x]")
    async with window() as it:
        for keys, answer in ((["enter"], "abort"), (["escape"], "abort"), (["o"], "once"), (["w"], "save")):
            asked = asyncio.create_task(it.app.ask_host_key(question))
            await it.shows("Unknown SSH host", "SHA256:abc[/x]", "[hb1]:22")
            await it.press(*keys)
            assert await asyncio.wait_for(asked, 5.0) == answer
