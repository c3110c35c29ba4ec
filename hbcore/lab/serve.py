"""Steers a lab by JSON lines: a command a line on stdin, answers and events a line on stdout.

Owns the protocol. Invariant: every command gets exactly one answer with its id; nothing else but events is written.
Ends at `close` or at the end of stdin, and with it everything the lab made. Must not know how the lab works.

A command is {"id": any, "cmd": NAME, ...}. Answers: {"id": ..., "ok": true, "result": {...}} or
{"id": ..., "ok": false, "error": {"code": "lab-...", "text": SENTENCE}}. NODE is the short name ("node1") or the full
one. Times are CLOCK_MONOTONIC seconds, the same clock as Python's time.monotonic() in any process of this machine.

  start     {"nodes": [NODE...]?}                       powers on these (default: all that are off)
  power_on  {"node"}            power_off {"node"}      -> {"at", "link_ms", "kill_ms", "dead_ms", "gone_ms"}
  freeze    {"node", "whole": false}                    SIGSTOP to all of ours, or to the whole machine, which then
                                                        answers nothing at all -> {"pids": [...]}
  thaw      {"node"}                                    -> {"pids"}
  kill      {"node", "kind": "pulse|daemon|ours|web", "signal": "KILL"}                 -> {"pids"}
  cut       {"what": "beats", "from": NODE?, "to": NODE?}   heartbeats in this direction; both left out: all
            {"what": "link", "node"}                    the cable is out     {"what": "traffic", "node"} frames vanish
  heal      {}                                          undoes all cuts
  ping_on / ping_off / foreign_on / foreign_off {}      the ping node; a foreign host that has the service's address
  run       {"node", "argv": [...], "timeout": 30, "stdin": ""}      -> {"code", "stdout", "stderr"}; also "client"
  find      {"node", "kind": as for kill, or "all"}     -> {"pids": [...]}, their numbers outside
  wait_served {"by": NODE?, "timeout": 30, "steady": 0.5, "page": true}      -> {"served": bool, "at", "client": {...}}
  report    {"since": t?, "until": t?}                  the client's figures since t (default: the mark), see below
  capture_start {} -> {"file"}   capture_stop {} -> {"file", "frames", "dropped", "owners", "two_owners",
                                                        "conflicts"}: every frame the switch saw, a pcap file
  state     {}                                          -> as the event "lab"
  close     {}                                          answers, then ends

Every fault (power_off, power_on, freeze, thaw, kill, cut, heal, ping_*, foreign_*) sets the mark `at`, which is in its
result, and from which `report` and the event `client` count.

report -> {"since", "until", "echo": GAP|null, "page": GAP|null, "sent", "answered", "lost", "fetches", "pages",
  "pages_lost", "owners": [{"node", "mac", "from", "to", "seen"}], "two_owners": bool,
  "conflicts": [{"t", "nodes", "seen": [[t, node, question]]}]}.
  GAP is the longest time without an answer: {"ms", "from", "to", "before": node, "after": node|null, "open": it lasts,
  "stall_ms": the longest pause of the client itself in it}; null where nothing was ever answered. `echo` is the outage
  of design.md 2.5; `lost`: not answered in 200 ms. `owners`: who spoke for the address by ARP or NDP (asked every 20 ms
  by a machine of its own), in order, a line each time that changed. `two_owners`: two answered the same question.

Events (no id):
  {"event": "ready", "pid", "address", "nodes": {"node1": {"host", "address", "six", "mac", "socket", "config", "state",
   "log"}}, "sockets": {"node1": PATH}}   once, when all is built; nodes are still off. Paths work outside the room.
  {"event": "lab", "nodes": {"node1": {"power": "on|off", "frozen": null|"ours"|"node", "link": "up|down|silent"}},
   "beats_cut": [{"from", "to"}], "ping": bool, "foreign": bool, "capture": bool}      after each change
  {"event": "client", "t", "node": who answers echoes|null, "page": who the page names|null, "answers_per_s",
   "pages_per_s", "owners": [by ARP], "silent_ms": since the last echo's answer|null, "mark", "outage_ms",
   "page_outage_ms", "two_owners", "sent", "answered", "lost"}      four times a second; the last six since the mark
  {"event": "failed", "text"}                               the lab can go on no more
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hbcore.lab.lab import Lab
from hbcore.lab.trouble import LabError
from hbcore.words import say

STATS_S = 0.25
OVERLAP_S = 2.0  # a gap or a conflict may reach back so far into what was judged already; longer gaps are kept whole
LINE_LIMIT = 1 << 20
SIGNALS = ("KILL", "TERM", "STOP", "CONT", "HUP", "INT", "USR1", "USR2")

Command = Mapping[str, Any]
Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Worst:
    """The worst outages between the mark and `until`."""

    mark: float
    until: float
    outage_ms: float | None = None
    page_outage_ms: float | None = None
    two_owners: bool = False


class Server:
    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.mark = time.monotonic()
        self._closing = asyncio.Event()
        self._known = Worst(self.mark, self.mark)
        self._tasks: set[asyncio.Task[None]] = set()
        faults: dict[str, Callable[[Command], Result | None]] = {
            "start": self._start,
            "power_on": lambda c: lab.power_on(word(c, "node")),
            "power_off": lambda c: asdict(lab.power_off(word(c, "node"))),
            "freeze": lambda c: {"pids": lab.freeze(word(c, "node"), bool(c.get("whole", False)))},
            "thaw": lambda c: {"pids": lab.thaw(word(c, "node"))},
            "kill": self._kill,
            "cut": self._cut,
            "heal": lambda c: lab.heal(),
            "ping_on": lambda c: lab.set_ping(True),
            "ping_off": lambda c: lab.set_ping(False),
            "foreign_on": lambda c: lab.set_foreign(True),
            "foreign_off": lambda c: lab.set_foreign(False),
        }
        self._faults = faults
        self._questions: dict[str, Callable[[Command], Awaitable[Result]]] = {
            "run": self._run,
            "find": self._find,
            "wait_served": self._wait_served,
            "report": self._report,
            "capture_start": self._capture_start,
            "capture_stop": self._capture_stop,
            "state": self._state,
            "close": self._close,
        }

    # commands

    def _start(self, c: Command) -> None:
        names = c.get("nodes") or [name for name, node in self.lab.nodes.items() if not node.on]
        for name in names:
            self.lab.power_on(str(name))

    def _kill(self, c: Command) -> Result:
        name = word(c, "signal", "KILL")
        if name not in SIGNALS:
            raise LabError("lab-bad-command", why=f"signal {name!r}")
        return {"pids": self.lab.kill(word(c, "node"), word(c, "kind"), signal.Signals[f"SIG{name}"])}

    def _cut(self, c: Command) -> None:
        match word(c, "what"):
            case "beats":
                self.lab.cut_beats(c.get("from"), c.get("to"))
            case "link":
                self.lab.cut_link(word(c, "node"))
            case "traffic":
                self.lab.cut_link(word(c, "node"), silent=True)
            case other:
                raise LabError("lab-bad-command", why=f"cut {other!r}")

    async def _run(self, c: Command) -> Result:
        argv = [str(a) for a in c.get("argv") or ()]
        if not argv:
            raise LabError("lab-bad-command", why="argv is empty")
        seconds = float(c.get("timeout", 30))
        code, out, err = await self.lab.run(word(c, "node"), argv, seconds, str(c.get("stdin", "")))
        return {"code": code, "stdout": out, "stderr": err}

    async def _find(self, c: Command) -> Result:
        return {"pids": self.lab.node(word(c, "node")).find(word(c, "kind"))}

    async def _wait_served(self, c: Command) -> Result:
        by = self.lab.node(str(c["by"])).machine.name if c.get("by") else None
        seconds, steady = float(c.get("timeout", 30)), float(c.get("steady", 0.5))
        served = await self.lab.client.wait_served(by, seconds, steady, bool(c.get("page", True)))
        return {"served": served, "at": time.monotonic(), "client": asdict(self.lab.client.served())}

    async def _report(self, c: Command) -> Result:
        until = float(c.get("until", time.monotonic()))
        await self.lab.client.caught_up(until)
        return self.lab.client.report(float(c.get("since", self.mark)), until)

    async def _capture_start(self, c: Command) -> Result:
        return {"file": f"{self.lab.room.outside}{self.lab.start_capture()}"}

    async def _capture_stop(self, c: Command) -> Result:
        found = self.lab.stop_capture()
        if found is None:
            raise LabError("lab-no-capture")
        return found

    async def _state(self, c: Command) -> Result:
        return self.lab.state()

    async def _close(self, c: Command) -> Result:
        self._closing.set()
        return {}

    # the wire

    async def answer(self, line: bytes) -> None:
        ident = None
        try:
            command = json.loads(line)
            if not isinstance(command, dict):
                raise LabError("lab-bad-command", why="not an object")
            ident, name = command.get("id"), command.get("cmd")
            result: Result | None
            if name in self._faults:
                self.mark = time.monotonic()
                result = {"at": self.mark, **(self._faults[name](command) or {})}
                write({"event": "lab", **self.lab.state()})
            elif name in self._questions:
                result = await self._questions[name](command)
            else:
                raise LabError("lab-bad-command", why=f"cmd {name!r}")
            write({"id": ident, "ok": True, "result": result})
        except (ValueError, TypeError, KeyError) as error:
            write(refusal(ident, "lab-bad-command", say("lab-bad-command", why=error)))
        except LabError as error:
            write(refusal(ident, error.code, str(error)))
        except OSError as error:
            write(refusal(ident, "lab-kernel", say("lab-kernel", why=error)))

    def stats(self) -> None:
        client = self.lab.client
        now = time.monotonic()
        worst = self._worst(now)
        counts = client.echo.counts(self.mark, now)
        last = client.echo.last
        write(
            {
                "event": "client",
                "t": now,
                **asdict(client.served()),
                "silent_ms": None if last is None else round((client.echo.known - last) * 1000, 1),
                "mark": self.mark,
                "outage_ms": worst.outage_ms,
                "page_outage_ms": worst.page_outage_ms,
                "two_owners": worst.two_owners,
                "sent": counts.sent,
                "answered": counts.answered,
                "lost": counts.lost,
            }
        )
        if client.failed:
            write({"event": "failed", "text": say("lab-client-failed", why=client.failed)})
            self._closing.set()

    def _worst(self, now: float) -> Worst:
        """The worst since the mark: what was known at the last call, and what came since, for the mark may be old."""
        if self._known.mark != self.mark:
            self._known = Worst(self.mark, self.mark)
        old = self._known
        new = self.lab.client.report(max(self.mark, old.until - OVERLAP_S), now)
        self._known = Worst(
            self.mark,
            now,
            longer(old.outage_ms, new["echo"]),
            longer(old.page_outage_ms, new["page"]),
            old.two_owners or bool(new["two_owners"]),
        )
        return self._known

    async def serve(self) -> None:
        """Until `close`, the end of stdin, or SIGTERM, SIGINT, SIGHUP."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._closing.set)
        await self.lab.client.start()
        self._ready()
        jobs = [asyncio.create_task(self._listen()), asyncio.create_task(self._tell())]
        closing = asyncio.create_task(self._closing.wait())
        await asyncio.wait([*jobs, closing], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(0)  # the answer to `close`
        for job in (*jobs, closing, *self._tasks):
            job.cancel()
        await self.lab.close()

    def _ready(self) -> None:
        lab, outside = self.lab, self.lab.room.outside
        nodes = {
            name: {
                "host": node.machine.host,
                "address": node.machine.address,
                "six": node.machine.six,
                "mac": node.machine.mac,
                "socket": lab.socket(name),
                "config": f"{outside}{node.disk.config}",
                "state": f"{outside}{node.disk.state}",
                "log": f"{outside}{node.disk.log}",
            }
            for name, node in lab.nodes.items()
        }
        sockets = {name: lab.socket(name) for name in lab.nodes}
        address = lab.plan.address
        write({"event": "ready", "pid": lab.room.pid, "address": address, "nodes": nodes, "sockets": sockets})

    async def _listen(self) -> None:
        reader = asyncio.StreamReader(limit=LINE_LIMIT)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            if line.strip():
                task = asyncio.create_task(self.answer(line))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(STATS_S)
            self.stats()


def word(command: Command, key: str, default: str | None = None) -> str:
    value = command.get(key, default)
    if not isinstance(value, str):
        raise LabError("lab-bad-command", why=f"{key} is missing")
    return value


def refusal(ident: object, code: str, text: str) -> Result:
    return {"id": ident, "ok": False, "error": {"code": code, "text": text}}


def longer(known: float | None, gap: object) -> float | None:
    """The greater of a known outage and a report's gap, in ms; None where there is neither."""
    new = gap["ms"] if isinstance(gap, dict) else None
    return max((ms for ms in (known, new) if ms is not None), default=None)


def write(message: Mapping[str, Any]) -> None:
    """One line, at once. A reader that is gone ends the lab (SIGPIPE is off: BrokenPipeError)."""
    sys.stdout.write(json.dumps(message, separators=(",", ":")) + "\n")
    sys.stdout.flush()
