"""The switch: one bridge, a port for each machine, and what it refuses to forward.

Owns ports, their state and the cuts. Invariant: what `Cut`s and `down` say is what the kernel does, after each call.
Must not know nodes, only port names.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from hbcore.lab import kernel
from hbcore.lab.cell import Cell, run

BRIDGE = "switch"


@dataclass(frozen=True, slots=True)
class Cut:
    """Frames from port `source` to port `target` are dropped: the heartbeats among them (UDP port), or all."""

    what: Literal["beats", "traffic"]
    source: str
    target: str


def ruleset(cuts: Iterable[Cut], beat_port: int) -> str:
    """All cuts as one nftables transaction, which replaces the one before."""
    rules = []
    for cut in sorted(cuts, key=lambda c: (c.source, c.target, c.what)):
        which = f"udp dport {beat_port} " if cut.what == "beats" else ""
        rules.append(f'iifname "{cut.source}" oifname "{cut.target}" {which}drop')
    chain = "\n".join(["chain forward {", "type filter hook forward priority 0;", *rules, "}"])
    return f"table bridge lab\ndelete table bridge lab\ntable bridge lab {{\n{chain}\n}}\n"


class Switch:
    def __init__(self, beat_port: int = 694) -> None:
        self._beat_port = beat_port
        self._plugged: set[str] = set()
        self.cuts: frozenset[Cut] = frozenset()
        self.down: frozenset[str] = frozenset()
        bridge = f"link add {BRIDGE} type bridge forward_delay 0 stp_state 0 mcast_snooping 0"
        run(["ip", "-batch", "-"], f"{bridge}\nlink set lo up\nlink set {BRIDGE} up\n")

    def plug(self, port: str, cell: Cell, mac: str) -> None:
        """A new cable between `port` and the cell's eth0."""
        lines = [
            f"link add {port} type veth peer name eth0 address {mac} netns {cell.net}",
            f"link set {port} master {BRIDGE}",
            *([f"link set {port} up"] if port not in self.down else []),
        ]
        run(["ip", "-batch", "-"], "\n".join(lines) + "\n")
        self._plugged.add(port)

    def unplug(self, port: str) -> None:
        """The cable is gone, with the interface at its other end and all that one's addresses."""
        self._plugged.discard(port)
        try:
            kernel.delete_link(port)
        except OSError as error:
            if error.errno != errno.ENODEV:  # the kernel may have been quicker, when its namespace ended
                raise

    def silence(self, port: str) -> None:
        """No frame leaves or enters by this port from now on; the step before `unplug`, in microseconds."""
        kernel.set_link(port, up=False)

    def set_down(self, ports: Iterable[str]) -> None:
        """These ports have no carrier, all others have."""
        wanted = frozenset(ports)
        for port in (wanted ^ self.down) & self._plugged:
            kernel.set_link(port, up=port not in wanted)
        self.down = wanted

    def set_cuts(self, cuts: Iterable[Cut]) -> None:
        """Exactly these cuts, in one step."""
        wanted = frozenset(cuts)
        if wanted != self.cuts:
            run(["nft", "-f", "-"], ruleset(wanted, self._beat_port))
            self.cuts = wanted
