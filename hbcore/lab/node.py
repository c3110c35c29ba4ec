"""One node: a machine of its own as far as heartbeat can tell, which can be powered off and on, frozen and killed in.

Owns the node's cell, disk and processes. Invariant: after `power_off` no process of it runs, no frame of it is
forwarded and its addresses are gone; its disk is as it was. Must not know other nodes.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hbcore.lab import cell as cells
from hbcore.lab import storage
from hbcore.lab.cell import CODE, PATH, Cell
from hbcore.lab.disk import Disk, become_root
from hbcore.lab.switch import Switch
from hbcore.lab.trouble import LabError

ECHO_PORT = 7007
STOPPED_S = 1.0  # a process in the kernel takes its SIGSTOP when it leaves it
MARK = b"hbcore"  # in the command line of every process of ours (safety.md 7)

# Which processes a word stands for, by their command line (NUL-separated).
KINDS: Mapping[str, Callable[[bytes], bool]] = {
    "daemon": lambda line: b"hbcore.daemon" in line,
    "pulse": lambda line: b"hbcored" in line and b"hbcore.daemon" not in line,
    "ours": lambda line: MARK in line,
    "web": lambda line: line.partition(b"\0")[0].endswith((b"lighttpd", b"apache2")),
    "all": lambda line: True,
}


@dataclass(frozen=True, slots=True)
class Machine:
    """Who a host of the lab is. `port` is its port on the switch; `host` what `uname -n` says there; `six` its IPv6
    address, which it has where this machine lets it.
    """

    name: str
    host: str
    port: str
    address: str
    six: str
    mac: str

    def wire(self, cell: Cell, switch: Switch, gateway: str = "") -> None:
        """Gives eth0 of a new cell its cable and addresses; `brd +`, or broadcasts go to 0.0.0.0."""
        switch.plug(self.port, cell, self.mac)
        lines = ["link set lo up", f"addr add {self.address}/24 brd + dev eth0", "link set eth0 up"]
        if gateway:
            lines.append(f"route add default via {gateway}")
        cell.run(["ip", "-batch", "-"], "\n".join(lines) + "\n")
        with suppress(LabError):  # a machine without IPv6
            cell.run(["ip", "addr", "add", f"{self.six}/64", "dev", "eth0", "nodad"])


@dataclass(frozen=True, slots=True)
class Off:
    """A power off: CLOCK_MONOTONIC seconds of its beginning, and when (ms later) the link was down, the kill was
    sent, every process was dead, and the interface was gone."""

    at: float
    link_ms: float
    kill_ms: float
    dead_ms: float
    gone_ms: float


class Node:
    def __init__(
        self, machine: Machine, disk: Disk, switch: Switch, gateway: str, hosts: Iterable[tuple[str, str]]
    ) -> None:
        self.machine = machine
        self._gateway = gateway
        self.disk = disk
        self._switch = switch
        self._hosts = tuple(hosts)
        self._cell: Cell | None = None

    @property
    def on(self) -> bool:
        return self._cell is not None

    @property
    def cell(self) -> Cell:
        if self._cell is None:
            raise LabError("lab-node-off", node=self.machine.name)
        return self._cell

    def power_on(self, command: Sequence[str] | None) -> None:
        """A fresh boot; `command` is started in it, as its init system would start hbcored."""
        if self._cell is not None:
            raise LabError("lab-node-on", node=self.machine.name)
        self.disk.forget_runtime()
        cell = cells.make(cells.NODE_KINDS, self._boot)
        try:
            self.machine.wire(cell, self._switch, self._gateway)
            self._cell = cell
            echo = Path(__file__).with_name("echo.py").read_text()
            argv = [os.path.realpath(sys.executable), "-I", "-S", "-c", echo, self.machine.name, str(ECHO_PORT)]
            cell.start(argv, self.environment, "/run/echo.log").forget()
            if command:
                cell.start(command, self.environment, "/var/log/hbcored.err").forget()
        except BaseException:
            cell.first.signal(signal.SIGKILL)
            self._cell = None
            raise

    def _boot(self) -> None:
        socket.sethostname(self.machine.host)
        become_root(self.disk, self._hosts)
        for key in ("accept_dad", "router_solicitations"):  # no second after boot with half an address, nobody to ask
            with suppress(FileNotFoundError):  # a kernel without IPv6
                Path(f"/proc/sys/net/ipv6/conf/default/{key}").write_text("0")

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": PATH,
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(CODE),
        }

    def power_off(self) -> Off:
        """Link and disks first, then every process: nothing of it can answer or write while it dies."""
        cell = self.cell
        at = time.monotonic()
        stamps = []
        steps: tuple[Callable[[], object], ...] = (
            lambda: self._silence(cell),
            lambda: cell.first.signal(signal.SIGKILL),
            cell.first.wait_dead,
            lambda: self._switch.unplug(self.machine.port),
        )
        for step in steps:
            step()
            stamps.append(round((time.monotonic() - at) * 1000, 3))
        self._cell = None
        return Off(at, *stamps)

    def _silence(self, cell: Cell) -> None:
        self._switch.silence(self.machine.port)
        storage.cut(cell.pid)

    def find(self, kind: str) -> list[int]:
        """Processes of this kind (`KINDS`), by their number outside."""
        if kind not in KINDS:
            raise LabError("lab-unknown-kind", kind=kind, kinds=", ".join(KINDS))
        found = []
        for pid in self.cell.processes():
            with suppress(OSError):
                line = Path(f"/proc/{pid}/cmdline").read_bytes()
                if line and KINDS[kind](line):  # a zombie has none
                    found.append(pid)
        return found

    def signal(self, kind: str, number: signal.Signals) -> list[int]:
        """Sends a signal to all of a kind until no new one appears (they may fork meanwhile); returns whom it hit.
        After SIGSTOP they have stopped."""
        hit: set[int] = set()
        while new := set(self.find(kind)) - hit:
            for pid in new:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            hit |= new
        end = time.monotonic() + STOPPED_S
        while number == signal.SIGSTOP and not all(map(stopped, hit)) and time.monotonic() < end:
            time.sleep(0.001)
        return sorted(hit)


def stopped(pid: int) -> bool:
    """Whether a process is stopped, or no more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "TZX"
    except OSError:
        return True
