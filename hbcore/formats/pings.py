"""Who is asked whether this node's own network works: `ping`, `ping6` and `ping_group` in ha.cf.

Owns the reading of those lines. Invariant: as ha_cf.py's; every machine asked is named by its address and is none of
the nodes. Must not know other words of ha.cf, files on disk, nor sentences.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from hbcore.engine.config import PingGroup
from hbcore.formats import values
from hbcore.formats.media import Read, options
from hbcore.formats.text import Findings, Placed
from hbcore.formats.values import Fault

MAX_PINGS = 16  # machines, those of groups included
MAX_NAME = 64
EXAMPLES = {
    "ping": "ping 192.168.1.254",
    "ping6": "ping6 fd00::254",
    "ping_group": "ping_group routers 192.168.1.253 192.168.1.254",
}


class Reading:
    """`pings`: addresses and names of groups, in the order of the file. `nodes`: those named so far."""

    def __init__(self, found: Findings, nodes: Sequence[Placed], read: Read) -> None:
        self.pings: list[Placed] = []
        self.groups: list[PingGroup] = []
        self._machines = 0
        self._found = found
        self._nodes = nodes
        self._read = read
        self.handlers: dict[str, Callable[[int, str, list[str]], None]] = {
            "ping": self._ping,
            "ping6": self._ping,
            "ping_group": self._ping_group,
        }

    def _ping(self, line: int, option: str, words: list[str]) -> None:
        for word in options(words):
            address = self._machine(line, option, word, _machine6 if option == "ping6" else _machine4)
            if address is None:
                return
            if self._twice(line, address):
                continue
            if not self._room(line, 1):
                return
            self.pings.append(Placed(address, line))

    def _ping_group(self, line: int, option: str, words: list[str]) -> None:
        name, *hosts = options(words)
        if not hosts or not isinstance(_either(name), Fault):
            write = EXAMPLES[option] if not hosts else " ".join([option, "routers", name, *hosts])
            self._found.error(line, "ping-group-short", word=name, write=write)
            return
        if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) is None or len(name) > MAX_NAME:
            self._found.error(line, "ping-group-name", word=name, limit=MAX_NAME)
            return
        if name.lower() in [n.word for n in self._nodes]:
            self._found.error(line, "ping-is-node", word=name)
            return
        if other := next((p for p in self.pings if p.word == name), None):
            self._found.error(line, "ping-group-twice", word=name, other=other.line)
            return
        members = [self._machine(line, option, host, _either) for host in hosts]
        if None in members or not self._room(line, len(members)):
            return
        self.pings.append(Placed(name, line))
        self.groups.append(PingGroup(name, tuple(dict.fromkeys(map(str, members)))))

    def _machine(self, line: int, option: str, word: str, read: Callable[[str], str | Fault]) -> str | None:
        if word.lower() in [n.word for n in self._nodes]:
            self._found.error(line, "ping-is-node", word=word)
            return None
        address = self._read(line, option, word, read)
        return None if address is None else str(address)

    def _twice(self, line: int, address: str) -> bool:
        other = next((p for p in self.pings if p.word == address), None)
        if other is not None:
            self._found.warning(line, "ping-twice", word=address, other=other.line)
        return other is not None

    def _room(self, line: int, more: int) -> bool:
        self._machines += more
        if self._machines > MAX_PINGS:
            self._found.error(line, "ping-many", limit=MAX_PINGS)
        return self._machines <= MAX_PINGS


def _machine4(word: str) -> str | Fault:
    address = values.host_ipv4(word)
    if isinstance(address, Fault) and address.code == "ipv4-bad":
        return values.fault("ping-name", word=word)
    if isinstance(address, Fault) and address.code == "ipv6-not-yet":
        return values.fault("ping-six", word=word)
    return address


def _machine6(word: str) -> str | Fault:
    """A link-local address has its device behind `%`, where it stays; no other has."""
    bare, percent, scope = word.partition("%")
    address = values.host_ipv6(bare)
    if isinstance(address, Fault):
        if not isinstance(values.ipv4(bare), Fault):
            return values.fault("ping6-four", word=word)
        return values.fault("ping-name", word=word) if ":" not in bare else address
    if not address.startswith("fe80:"):
        return values.fault("ping6-scope", word=word, write=address) if percent else address
    device = values.device(scope) if percent else values.fault("ping6-no-scope", word=word, write=f"{address}%eth0")
    return device if isinstance(device, Fault) else f"{address}%{device}"


def _either(word: str) -> str | Fault:
    return _machine6(word) if values.is_ipv6(word) else _machine4(word)
