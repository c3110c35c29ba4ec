"""The lab: nodes on a switch, a ping node, a client, an observer, a foreign host; and all that can be done to them.

Owns the machines and which faults are in force. Invariant: `state()` is what was done; faults change one at a time.
Must not know how it is steered (serve.py, once.py).

Addresses follow the tutorial's three files: node N is 192.168.100.N, the ping node and gateway .254, the client .200,
the observer .201, the foreign host .66, the address that serves .100. Each has fd00:100::N beside it; the plan may name
an address of IPv6 that serves, which all that look on then look at.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Literal

from hbcore.lab import cell as cells
from hbcore.lab.capture import Capture
from hbcore.lab.cell import HOST_KINDS, PATH, Cell
from hbcore.lab.client import Client
from hbcore.lab.disk import Disk
from hbcore.lab.node import ECHO_PORT, Machine, Node, Off
from hbcore.lab.room import PLACE, Room
from hbcore.lab.switch import Cut, Switch
from hbcore.lab.trouble import LabError

NET, NET6 = "192.168.100", "fd00:100:"
TEMPLATE = Path(__file__).with_name("ha.d")
MAX_OUTPUT = 1 << 20


def hbcored() -> tuple[str, ...]:
    return (sys.executable, "-m", "hbcore.cli.hbcored")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to build. `command` is what each node starts at boot; empty: nothing. `disk`: a folder outside for the
    nodes' configuration, state and logs, which then outlive the lab; else they are in memory."""

    nodes: tuple[str, ...] = ("node1.xiaofei.com", "node2.xiaofei.com")
    config: Path = TEMPLATE
    command: tuple[str, ...] = field(default_factory=hbcored)
    address: str = f"{NET}.100"
    beat_port: int = 694
    disk: Path | None = None


def _machine(name: str, host: str, number: int) -> Machine:
    return Machine(name, host, name, f"{NET}.{number}", f"{NET6}:{number}", f"02:68:62:00:00:{number:02x}")


class Lab:
    """Made inside a room (room.py). Nodes are called by their short or full name."""

    def __init__(self, plan: Plan, room: Room) -> None:
        if not 2 <= len(plan.nodes) <= 32:
            raise LabError("lab-node-count", count=len(plan.nodes))
        self.plan = plan
        self.room = room
        self.switch = Switch(plan.beat_port)
        machines = [_machine(f"node{i}", host, i) for i, host in enumerate(plan.nodes, 1)]
        self._hosts = {
            "ping": _machine("ping", f"ping.{NET}.254", 254),
            "client": _machine("client", "client", 200),
            "observer": _machine("observer", "observer", 201),
            "foreign": _machine("foreign", "foreign", 66),
        }
        book = [(m.address, m.host) for m in machines]
        self.nodes = {m.name: Node(m, self._disk(m.name), self.switch, f"{NET}.254", book) for m in machines}
        self._cells = {name: self._host(machine) for name, machine in self._hosts.items()}
        names = {n.machine.host: n.machine.name for n in self.nodes.values()}
        names |= {m.mac: m.name for m in (*machines, *self._hosts.values())}
        self.client = Client(self._cells["client"], self._cells["observer"], plan.address, ECHO_PORT, names)
        self._frozen: dict[str, Literal["ours", "node"]] = {}
        self._beats: set[tuple[str, str]] = set()
        self._link: set[str] = set()
        self._traffic: set[str] = set()
        self.ping = True
        self.foreign = False
        self.capture: Capture | None = None

    def _disk(self, name: str) -> Disk:
        place = (self.plan.disk or PLACE / "disk") / name
        return Disk.make(place, PLACE / name, self.plan.config)

    def _host(self, machine: Machine) -> Cell:
        cell = cells.make(HOST_KINDS, lambda: None)
        machine.wire(cell, self.switch)
        return cell

    # the nodes

    def node(self, name: str) -> Node:
        for node in self.nodes.values():
            if name in (node.machine.name, node.machine.host):
                return node
        raise LabError("lab-unknown-node", node=name, nodes=", ".join(self.nodes))

    def socket(self, name: str) -> str:
        """The node's control socket, as a path that works outside the room."""
        return f"{self.room.outside}{self.node(name).disk.run}/hbcore.sock"

    def power_on(self, name: str) -> None:
        self.node(name).power_on(self.plan.command or None)

    def power_off(self, name: str) -> Off:
        node = self.node(name)
        off = node.power_off()
        self._frozen.pop(node.machine.name, None)
        self._apply()
        return off

    def freeze(self, name: str, whole: bool = False) -> list[int]:
        """SIGSTOP for all of ours; or, `whole`, for every process, with a kernel that answers nothing either."""
        node = self.node(name)
        self._frozen[node.machine.name] = "node" if whole else "ours"
        self._apply()
        return node.signal("all" if whole else "ours", signal.SIGSTOP)

    def thaw(self, name: str) -> list[int]:
        node = self.node(name)
        kind = self._frozen.pop(node.machine.name, None)
        woken = node.signal("all", signal.SIGCONT) if kind else []
        self._apply()
        return woken

    def kill(self, name: str, kind: str, number: signal.Signals = signal.SIGKILL) -> list[int]:
        node = self.node(name)
        found = node.find(kind)
        if not found:
            raise LabError("lab-nothing-to-kill", node=node.machine.name, kind=kind)
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return found

    async def run(self, name: str, argv: Sequence[str], timeout_s: float, text: str = "") -> tuple[int, str, str]:
        """Runs a program in a node, or at the client: (exit code, stdout, stderr); 124 where it took too long."""
        if name == "client":
            options, env = ["-t", str(self._cells[name].pid), "-u", "-n"], {**os.environ, "PATH": PATH}
        else:
            node = self.node(name)
            options, env = ["-t", str(node.cell.pid), "-m", "-u", "-i", "-n", "-p"], node.environment
        # files, not pipes: what the program leaves running in the node may keep them open
        with TemporaryFile(dir=PLACE) as stdin, TemporaryFile(dir=PLACE) as out, TemporaryFile(dir=PLACE) as err:
            stdin.write(text.encode())
            stdin.seek(0)
            process = await asyncio.create_subprocess_exec(
                *("nsenter", *options, "timeout", "-k", "1", f"{timeout_s:.3f}", *argv),
                stdin=stdin,
                stdout=out,
                stderr=err,
                env=env,
                start_new_session=True,
            )
            code = await process.wait()
            out.seek(0)
            err.seek(0)
            said = [f.read(MAX_OUTPUT).decode(errors="replace") for f in (out, err)]
        return code, said[0], said[1]

    # the network

    def cut_beats(self, source: str | None = None, target: str | None = None) -> None:
        """Heartbeats from `source` to `target` are dropped at the switch; None stands for every node."""
        sources = [self.node(source).machine.name] if source else list(self.nodes)
        targets = [self.node(target).machine.name] if target else list(self.nodes)
        self._beats |= {(s, t) for s in sources for t in targets if s != t}
        self._apply()

    def cut_link(self, name: str, silent: bool = False) -> None:
        """The node's only cable: unplugged (no carrier), or `silent`: every frame is lost and no one is told."""
        (self._traffic if silent else self._link).add(self.node(name).machine.name)
        self._apply()

    def heal(self) -> None:
        """Every cut of heartbeats, links and traffic is undone; nothing else."""
        self._beats.clear()
        self._link.clear()
        self._traffic.clear()
        self._apply()

    def set_ping(self, on: bool) -> None:
        self.ping = on
        self._apply()

    def set_foreign(self, on: bool) -> None:
        """A host that is none of ours takes the address, or lets it go."""
        if on != self.foreign:
            verb, six = "add" if on else "del", ":" in self.plan.address
            address = [f"{self.plan.address}/{64 if six else 24}", "dev", "eth0", *(["nodad"] if six and on else [])]
            self._cells["foreign"].run(["ip", "addr", verb, *address])
            self.foreign = on

    def _apply(self) -> None:
        mute = self._traffic | {name for name, kind in self._frozen.items() if kind == "node"}
        ports = [*self.nodes, *self._hosts]
        cuts = {Cut("beats", s, t) for s, t in self._beats}
        cuts |= {Cut("traffic", a, b) for m in mute for p in ports if p != m for a, b in ((m, p), (p, m))}
        self.switch.set_cuts(cuts)
        self.switch.set_down(self._link | (set() if self.ping else {"ping"}))

    # what was seen

    def start_capture(self) -> Path:
        """Captures on the switch, from now: ARP, heartbeats, ICMP (both), and all that the address itself sends."""
        self.stop_capture()
        self.capture = Capture(self.plan.address, self.plan.beat_port)
        return self.capture.file

    def stop_capture(self) -> dict[str, Any] | None:
        """Ends the capture and judges it; None where there is none."""
        if self.capture is None:
            return None
        capture, self.capture = self.capture, None
        return {"file": f"{self.room.outside}{capture.file}", **capture.stop(self.client.name)}

    def state(self) -> dict[str, Any]:
        return {
            "nodes": {
                name: {
                    "power": "on" if node.on else "off",
                    "frozen": self._frozen.get(name),
                    "link": "down" if name in self._link else "silent" if name in self._traffic else "up",
                }
                for name, node in self.nodes.items()
            },
            "beats_cut": [{"from": s, "to": t} for s, t in sorted(self._beats)],
            "ping": self.ping,
            "foreign": self.foreign,
            "capture": self.capture is not None,
        }

    async def close(self) -> None:
        """Ends what this process reads; all else ends with the room."""
        await self.client.close()
