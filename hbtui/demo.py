"""The demo: a lab of two real nodes as a child process, and what its client sees.

Owns the child, its JSON lines (protocol: hbcore/lab/serve.py, not imported) and the wording of the demo bar.
Invariant: the lab ends with us, however we end, since it reads our pipe; its stderr never reaches the screen.
Must not know widgets.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from hbcore.words import say
from hbtui.footer import demo_keys
from hbtui.rows import Cell
from hbtui.spark import Run

COMMAND = (sys.executable, "-m", "hbcore.lab")
LINE_LIMIT = 1 << 20
ANSWER_S = 15.0
CLOSE_S = 5.0
QUIET_MS = 100.0  # the client asks every 2 ms: so long without an answer is an outage to show


class NodeState(msgspec.Struct, frozen=True):
    power: str = "off"
    frozen: str | None = None
    link: str = "up"


class LabState(msgspec.Struct, frozen=True):
    nodes: dict[str, NodeState] = {}
    beats_cut: list[dict[str, str]] = []
    ping: bool = True
    foreign: bool = False


class Seen(msgspec.Struct, frozen=True):
    """What the client saw in the last quarter of a second; the outages count since the last fault."""

    node: str | None = None
    page: str | None = None
    answers_per_s: float = 0.0
    pages_per_s: float = 0.0
    owners: list[str] = []
    silent_ms: float | None = None
    outage_ms: float | None = None
    page_outage_ms: float | None = None
    two_owners: bool = False
    answered: int = 0


class Line(msgspec.Struct, frozen=True):
    """An answer (`id`) or an event (`event`)."""

    id: int | None = None
    ok: bool = False
    error: dict[str, str] = {}
    event: str = ""
    text: str = ""
    sockets: dict[str, str] = {}


def printable(text: str) -> str:
    return "".join(char for char in text if char.isprintable())[:300]


class Demo:
    """`ready` is called with the nodes' sockets once the lab stands, `changed` after each piece of news."""

    def __init__(self, keymap: Mapping[str, str] | None = None, command: tuple[str, ...] = COMMAND) -> None:
        self.keymap = dict(keymap or {})
        self.lab = LabState()
        self.seen = Seen()
        self.note: Run | None = (say("tui-demo-starting"), "busy")
        self.longest_ms = 0.0
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Line]] = {}
        self._stderr: deque[str] = deque(maxlen=20)
        self._closing = False
        self.changed: Callable[[], None] = lambda: None
        self.ready: Callable[[list[str]], None] = lambda sockets: None

    # --- the child ---

    async def start(self) -> None:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=pipe, stdout=pipe, stderr=pipe, limit=LINE_LIMIT, start_new_session=True
        )
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._complaints())]

    async def _read(self) -> None:
        process = self._process
        assert process is not None and process.stdout is not None, "started"
        with contextlib.suppress(ValueError, OSError):  # a line beyond LINE_LIMIT ends it as its end does
            while line := await process.stdout.readline():
                with contextlib.suppress(msgspec.MsgspecError):
                    self._take(line)
                self.changed()
        if not self._closing:
            await asyncio.wait({self._tasks[1]}, timeout=1.0)
            why = f": {self._stderr[-1]}" if self._stderr else ""
            self._say(say("tui-demo-ended", why=why), "bad")

    async def _complaints(self) -> None:
        process = self._process
        assert process is not None and process.stderr is not None, "started"
        with contextlib.suppress(ValueError, OSError):
            while line := await process.stderr.readline():
                self._stderr.append(printable(line.decode("utf-8", "replace")))

    def _take(self, raw: bytes) -> None:
        line = msgspec.json.decode(raw, type=Line)
        match line.event:
            case "":
                future = self._waiting.pop(line.id or 0, None)
                if future is not None and not future.done():
                    future.set_result(line)
            case "ready":
                self.note = None
                self.ready(list(line.sockets.values()))
                self._tasks.append(asyncio.create_task(self.order("start")))
            case "lab":
                self.lab = msgspec.json.decode(raw, type=LabState)
            case "client":
                self.seen = msgspec.json.decode(raw, type=Seen)
                self.longest_ms = max(self.longest_ms, self.seen.outage_ms or 0.0)
            case "failed":
                self._say(say("tui-demo-ended", why=f": {printable(line.text)}"), "bad")

    def _say(self, text: str, tone: str) -> None:
        self.note = (text, tone)
        self.changed()

    async def order(self, command: str, **arguments: Any) -> None:
        """One command; a refusal shows in the demo bar."""
        process = self._process
        if process is None or process.stdin is None or process.returncode is not None:
            return
        number = next(self._ids)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            process.stdin.write(msgspec.json.encode({"id": number, "cmd": command, **arguments}) + b"\n")
            async with asyncio.timeout(ANSWER_S):
                answer = await future
            if answer.ok:
                self.note = None
            else:
                self._say(say("tui-demo-refused", why=printable(answer.error.get("text", ""))), "bad")
        except (TimeoutError, OSError) as error:
            self._say(say("tui-demo-refused", why=str(error) or "no answer"), "bad")
        finally:
            self._waiting.pop(number, None)

    async def close(self) -> None:
        """Ends the lab and waits until it has removed what it made, at most CLOSE_S, then kills it."""
        self._closing = True
        process = self._process
        if process is not None:
            with contextlib.suppress(OSError, AttributeError):
                process.stdin.close()  # type: ignore[union-attr]
            try:
                async with asyncio.timeout(CLOSE_S):
                    await process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
        for task in self._tasks:
            task.cancel()

    # --- the keys ---

    @property
    def owner(self) -> str:
        """Who answers, as the client sees it; while nobody does, the first node that is on and well."""
        well = [name for name, node in self.lab.nodes.items() if node.power == "on" and not node.frozen]
        return self.seen.node or (self.seen.owners[0] if self.seen.owners else "") or (well[0] if well else "")

    def _off(self) -> list[str]:
        return [name for name, node in self.lab.nodes.items() if node.power == "off"]

    def _frozen(self) -> list[str]:
        return [name for name, node in self.lab.nodes.items() if node.frozen]

    def _next_cut(self) -> tuple[str, str] | None:
        """The direction to cut next: first to second node, then back, then none."""
        names = list(self.lab.nodes)[:2]
        if len(names) < 2:
            return None
        cut = [(pair.get("from"), pair.get("to")) for pair in self.lab.beats_cut]
        there, back = (names[0], names[1]), (names[1], names[0])
        return there if not cut else back if cut == [there] else None

    def labels(self, short: bool = False) -> dict[str, str]:
        """What each key would do now; `short` for 80 columns."""
        off, frozen, way = self._off(), self._frozen(), self._next_cut()
        mend = "Mend" if short else "Mend beats"
        cut_way = f"{way[0]}>{way[1]}" if way else ""
        return {
            "demo.power": ("" if short else "Power ") + (f"on {off[0]}" if off else f"off {self.owner}"),
            "demo.cut": mend if self.lab.beats_cut else "Cut" if short else "Cut beats",
            "demo.oneway": (cut_way if short else f"Cut {cut_way}") if way else mend,
            "demo.freeze": f"Thaw {frozen[0]}" if frozen else f"Freeze {self.owner}",
            "demo.ping": f"Ping {'' if short else 'node '}{'off' if self.lab.ping else 'on'}",
            "demo.heal": "Heal" if short else "Heal all",
        }

    async def do(self, what: str) -> None:
        off, frozen, way = self._off(), self._frozen(), self._next_cut()
        match what:
            case "power":
                await (self.order("power_on", node=off[0]) if off else self.order("power_off", node=self.owner))
            case "cut":
                await (self.order("heal") if self.lab.beats_cut else self.order("cut", what="beats"))
            case "oneway":
                if self.lab.beats_cut:
                    await self.order("heal")
                if way is not None:
                    await self.order("cut", what="beats", **{"from": way[0], "to": way[1]})
            case "freeze":
                await (self.order("thaw", node=frozen[0]) if frozen else self.order("freeze", node=self.owner))
            case "ping":
                await self.order("ping_off" if self.lab.ping else "ping_on")
            case "heal":
                await self._heal()

    async def _heal(self) -> None:
        await self.order("heal")
        for node in self._frozen():
            await self.order("thaw", node=node)
        if not self.lab.ping:
            await self.order("ping_on")
        if self.lab.foreign:
            await self.order("foreign_off")
        for node in self._off():
            await self.order("power_on", node=node)

    # --- the bar ---

    def lines(self, width: int) -> list[Cell]:
        """Two lines: what the client sees, and the keys."""
        seen = self.seen
        of = " from " if width >= 100 else " "
        runs: list[Run] = [(" DEMO ", "badge"), (" ", "text")]
        if self.note is not None:
            runs.append(self.note)
        elif seen.silent_ms is None:
            runs.append((say("tui-demo-no-answer-yet"), "muted"))
        elif seen.silent_ms > QUIET_MS:
            runs += [(f"NO ANSWER for {seen.silent_ms:.0f} ms", "bad")]
        else:
            runs += [(f"answers{of}", "muted"), (seen.node or "?", "ok"), (f" {seen.answers_per_s:.0f}/s", "text")]
            runs += [(f"  page{of}", "muted"), (seen.page or "?", "ok" if seen.page else "bad")]
            runs += [(f" {seen.pages_per_s:.0f}/s", "text")]
        if seen.outage_ms is not None and self.note is None:
            tone = "bad" if seen.outage_ms > 1000 else "warn" if seen.outage_ms > QUIET_MS else "ok"
            runs += [("  outage since last fault ", "muted") if width >= 100 else ("  outage ", "muted")]
            runs += [(f"{seen.outage_ms:.0f} ms", tone)]
            if seen.page_outage_ms is not None:
                runs += [(", page ", "muted"), (f"{seen.page_outage_ms:.0f} ms", tone)]
        if seen.two_owners:
            runs += [("  TWO OWNERS by ARP", "alarm")]
        elif width >= 110 and seen.owners and self.note is None:
            runs += [("  ARP ", "muted"), (" ".join(seen.owners), "text")]
        return [tuple(runs), demo_keys(self.keymap, self.labels(width < 100), width)]
