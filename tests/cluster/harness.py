"""A whole cluster for a test: the lab as a subprocess, its faults as methods, the client's figures as the verdict.

Owns one `python -m hbcore.lab` and its JSON lines. Invariant: leaving the `with` leaves nothing behind, an exception
and a kill -9 of the tests included. Must not know the engine.

    with Cluster() as c:
        c.start()
        c.wait_served(by="node1")
        off = c.power_off("node1")
        c.wait_served(by="node2")
        assert c.outage_ms(since=off["at"]) <= 1000
"""

from __future__ import annotations

import json
import os
import queue
import select
import shlex
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.cluster.stalls import ROOT, Stalls

TUTORIAL = ROOT / "tests/data/tutorial/1-httpd/ha.d"
VIP = "192.168.100.100"
BUILD_S = 20.0


class Refused(Exception):
    """The lab said no. `code` stands in hbcore.words.lab."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: str
    err: str


class Cluster:
    """`command`: what each node starts at boot (None: hbcored, (): nothing). `config`: a folder for each node's
    /etc/ha.d (None: the tutorial's files and the lab's httpd). `address`: the one that serves ("": the tutorial's).
    `prefix`: before the lab's own command, e.g. setpriv."""

    def __init__(
        self,
        command: Sequence[str] | None = None,
        config: Path | None = None,
        nodes: Sequence[str] = (),
        disk: Path | None = None,
        address: str = "",
        prefix: Sequence[str] = (),
        python: str = sys.executable,
        code: Path = ROOT,
    ) -> None:
        argv = [*prefix, python, "-m", "hbcore.lab"]
        argv += ["--command", shlex.join(command)] if command is not None else []
        argv += ["--config", str(config)] if config else []
        argv += ["--nodes", ",".join(nodes)] if nodes else []
        argv += ["--disk", str(disk)] if disk else []
        argv += ["--address", address] if address else []
        self._argv = argv
        self._code = code
        self._number = 0
        self._lock = threading.Lock()
        self._waiting: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._ready: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.clients: deque[dict[str, Any]] = deque(maxlen=10_000)  # events "client"
        self.lab: dict[str, Any] = {}  # the last event "lab"
        self.ready: dict[str, Any] = {}
        self.stalls = Stalls()

    # life

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self._argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=self._code,
            env={**os.environ, "PYTHONPATH": str(self._code)},
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True).start()
        self.stalls.__enter__()
        try:
            self.ready = self._ready.get(timeout=BUILD_S)
        except queue.Empty:
            self.process.kill()
            self.stalls.close()
            raise TimeoutError("the lab was not built") from None
        if self.ready["event"] == "failed":
            self.stalls.close()
            raise Refused(self.ready.get("code", ""), self.ready["text"])
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is not None:
            print(self.logs())
        self.stalls.close()
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            match message.get("event"):
                case "client":
                    self.clients.append(message)
                case "lab":
                    self.lab = message
                case "ready" | "failed":
                    self._ready.put(message)
                case _:
                    self._waiting.pop(message["id"]).put(message)
        gone = {"ok": False, "error": {"code": "lab-gone", "text": "the lab has ended"}}
        self._ready.put({"event": "failed", "text": "the lab has ended"})
        for waiter in list(self._waiting.values()):
            waiter.put(gone)

    def do(self, cmd: str, /, wait_s: float = 30.0, **arguments: Any) -> dict[str, Any]:
        """One command of serve.py; its result. Raises Refused."""
        answer: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        with self._lock:
            self._number += 1
            self._waiting[self._number] = answer
            assert self.process.stdin is not None
            self.process.stdin.write(json.dumps({"id": self._number, "cmd": cmd, **arguments}).encode() + b"\n")
            self.process.stdin.flush()
        message = answer.get(timeout=wait_s)
        if not message["ok"]:
            raise Refused(message["error"]["code"], message["error"]["text"])
        result: dict[str, Any] = message["result"]
        return result

    # faults; each returns at least {"at": time.monotonic() just before}

    def start(self, *nodes: str) -> dict[str, Any]:
        return self.do("start", nodes=list(nodes))

    def power_on(self, node: str) -> dict[str, Any]:
        return self.do("power_on", node=node)

    def power_off(self, node: str) -> dict[str, Any]:
        return self.do("power_off", node=node)

    def freeze(self, node: str, whole: bool = False) -> dict[str, Any]:
        return self.do("freeze", node=node, whole=whole)

    def thaw(self, node: str) -> dict[str, Any]:
        return self.do("thaw", node=node)

    def kill(self, node: str, kind: str, signal: str = "KILL") -> dict[str, Any]:
        return self.do("kill", node=node, kind=kind, signal=signal)

    def cut_beats(self, source: str | None = None, target: str | None = None) -> dict[str, Any]:
        """One direction, or without arguments all."""
        return self.do("cut", what="beats", **dict[str, Any]({"from": source, "to": target}))

    def cut_link(self, node: str, silent: bool = False) -> dict[str, Any]:
        return self.do("cut", what="traffic" if silent else "link", node=node)

    def heal(self) -> dict[str, Any]:
        return self.do("heal")

    def ping(self, on: bool) -> dict[str, Any]:
        return self.do("ping_on" if on else "ping_off")

    def foreign(self, on: bool) -> dict[str, Any]:
        return self.do("foreign_on" if on else "foreign_off")

    # what the nodes say

    def run(self, node: str, *argv: str, timeout: float = 30.0, stdin: str = "") -> Ran:
        done = self.do("run", node=node, argv=list(argv), timeout=timeout, stdin=stdin, wait_s=timeout + 5)
        return Ran(done["code"], done["stdout"], done["stderr"])

    def hbctl(self, node: str, *arguments: str, timeout: float = 30.0) -> Ran:
        """hbctl in the node, as its administrator would."""
        return self.run(node, sys.executable, "-m", "hbcore.cli.hbctl", *arguments, timeout=timeout)

    def socket(self, node: str) -> str:
        """The control socket, reachable from here."""
        return str(self.ready["sockets"][node])

    def folder(self, node: str, kind: str) -> Path:
        """`kind`: config (/etc/ha.d), state (/var/lib/hbcore), log (/var/log): to read and write from here."""
        return Path(self.ready["nodes"][node][kind])

    def status(self, node: str, timeout: float = 2.0) -> dict[str, Any]:
        """The status as the node's control socket tells it. Raises OSError while there is none."""
        return self.ask(node, "status", timeout=timeout)

    def ask(self, node: str, method: str, /, timeout: float = 2.0, **params: Any) -> dict[str, Any]:
        """One request of the control API (hbcore.control.schema), spoken here without the client under test."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(timeout)
            s.connect(self.socket(node))
            with s.makefile("rwb") as lines:
                lines.readline()  # hello
                lines.write(
                    json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode() + b"\n"
                )
                lines.flush()
                while line := lines.readline():
                    message = json.loads(line)
                    if message.get("id") == 1:
                        if "error" in message:
                            raise Refused(message["error"].get("data", ""), message["error"]["message"])
                        result: dict[str, Any] = message["result"]
                        return result
        raise ConnectionError("no answer")

    def pids(self, node: str, kind: str) -> list[int]:
        """Processes of the node by kind (pulse, daemon, ours, web, all), by their number here."""
        return list(self.do("find", node=node, kind=kind)["pids"])

    def logs(self) -> str:
        """The ends of all logs, for pytest to show beside a failure."""
        found = []
        for node, place in self.ready.get("nodes", {}).items():
            for log in sorted(Path(place["log"]).glob("*")):
                if log.is_file():
                    found += [f"--- {node} {log.name}", *log.read_text(errors="replace").splitlines()[-40:]]
        return "\n".join(found)

    # what the client saw

    def wait_served(
        self, by: str | None = None, timeout: float = 30.0, steady: float = 0.5, page: bool = True
    ) -> float:
        """Returns when this node (None: any one) has answered for `steady` seconds; the time. AssertionError if not."""
        done = self.do("wait_served", wait_s=timeout + 5, by=by, timeout=timeout, steady=steady, page=page)
        assert done["served"], f"not served by {by} within {timeout} s: {done['client']}"
        return float(done["at"])

    def report(self, since: float, until: float | None = None) -> dict[str, Any]:
        """See serve.py. Waits until all that happened before `until` (now) is told. `machine_ms`: the longest time that
        the machine itself stood still."""
        found = self.do("report", since=since, **({} if until is None else {"until": until}))
        return {**found, "machine_ms": self.stalls.longest_ms(since, found["until"])}

    def outage_ms(self, since: float, until: float | None = None, page: bool = False) -> float:
        """The longest gap between answers of the echo (or pages), design.md 2.5."""
        gap = self.report(since, until)["page" if page else "echo"]
        assert gap is not None, "nothing was ever answered"
        return float(gap["ms"])

    def watch(self, seconds: float, since: float | None = None) -> dict[str, Any]:
        """Looks on for so long, then reports."""
        begun = time.monotonic()
        select.select([], [], [], seconds)
        return self.report(begun if since is None else since)

    @contextmanager
    def capture(self) -> Iterator[dict[str, Any]]:
        """Captures on the switch while inside; the dict is filled with its verdict at the end."""
        found: dict[str, Any] = {}
        self.do("capture_start")
        yield found
        found |= self.do("capture_stop")
