"""The ways for heartbeats in ha.cf: multicast, unicast, broadcast, serial; `udpport` and `baud` for those below.

Owns the reading of those lines. Invariant: as ha_cf.py's; two links are never the same path. Must not know other words
of ha.cf, files on disk, nor sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv6Address

from hbcore.engine.config import Link, Media, Where
from hbcore.engine.serial import BAUDS, DEFAULT_BAUD
from hbcore.formats import values
from hbcore.formats.text import Findings, blank_split
from hbcore.formats.values import Fault

MAX_LINKS = 16
DEFAULT_PORT = 694  # ha-cluster/udp
MCAST_WORDS = ("device", "group", "port", "ttl", "loop")
MCAST_EXAMPLE = ("eth0", "225.0.0.1", "694", "1", "0")
MCAST6_EXAMPLE = ("eth0", "ff05::694", "694", "1", "0")
SCOPES6 = (2, 4, 5, 8)  # heartbeat's: link, administration, site, organisation
MAX_TTL = 4  # heartbeat refuses more, whatever its manual says
EXAMPLES = {
    "mcast": "mcast " + " ".join(MCAST_EXAMPLE),
    "mcast6": "mcast6 " + " ".join(MCAST6_EXAMPLE),
    "ucast": "ucast eth0 192.168.1.2",
    "ucast6": "ucast6 eth0 fd00::2",
    "bcast": "bcast eth0",
    "udp": "bcast eth0",
    "serial": "serial /dev/ttyS0",
    "udpport": "udpport 694",
    "baud": f"baud {DEFAULT_BAUD}",
}
# What counts for the lines below it only, and which those are.
ABOVE = {"udpport": (Media.UCAST, Media.BCAST, Media.UCAST6), "baud": (Media.SERIAL,)}


# Reads a word of a line (its number, what it is of) or tells the fault; None then.
Read = Callable[[int, str, str, Callable[[str], object]], object]


class Reading:
    """What the lines about media said so far; the order counts for `udpport` and `baud`."""

    def __init__(self, found: Findings, read: Read) -> None:
        self.links: list[Link] = []
        self._found = found
        self._read = read
        self._set: dict[str, tuple[int, int]] = {}  # udpport, baud -> value, line
        self.handlers: dict[str, Callable[[int, str, list[str]], None]] = {
            "mcast": self._mcast,
            "mcast6": self._mcast,
            "ucast": self._ucast,
            "ucast6": self._ucast,
            "bcast": self._bcast,
            "udp": self._bcast,
            "serial": self._serial,
            "udpport": self._above,
            "baud": self._above,
        }

    def close(self) -> None:
        """What can be told only when all lines were read."""
        if "udpport" in self._set and not self._below("udpport"):
            port, line = self._set["udpport"]
            if other := [o for o in self.links if o.to_group and o.port != port]:
                self._found.warning(line, "udpport-mcast", port=port, mcast=other[0].port)
        if "baud" in self._set and not self._below("baud"):
            self._found.note(self._set["baud"][1], "idle-baud")

    # -- lines ---------------------------------------------------------------------------------------------------

    def _mcast(self, line: int, option: str, words: list[str]) -> None:
        six = option == "mcast6"
        if not self._whole(line, option, words, MCAST_WORDS, MCAST6_EXAMPLE if six else MCAST_EXAMPLE):
            return
        device = self._read(line, option, words[0], values.device)
        group = device and self._read(line, option, words[1], _group6 if six else _group)
        port = group and self._read(line, f"the port of {option}", words[2], lambda w: values.whole(w, 1, 65535))
        ttl = port and self._read(line, f"the ttl of {option}", words[3], lambda w: values.whole(w, 1, MAX_TTL))
        loop = ttl and self._read(line, f"loop of {option}", words[4], lambda w: values.whole(w, 0, 1))
        if loop is None or not isinstance(port, int) or not isinstance(ttl, int):
            return
        if str(group).startswith("224.0.0."):
            self._found.warning(line, "mcast-reserved", group=str(group))
        self._link(line, Media(option), str(device), str(group), port, ttl, loop == 1)

    def _ucast(self, line: int, option: str, words: list[str]) -> None:
        if len(words) == 3 and words[2].isdigit():
            write = " ".join([option, *words[:2]])
            self._found.error(line, "ucast-port", option=option, word=words[2], write=write)
            return
        example = EXAMPLES[option].split()[1:]
        if not self._whole(line, option, words, ("device", "address of the peer"), example):
            return
        device = self._read(line, option, words[0], values.device)
        read = _peer if option == "ucast" else lambda word: _peer6(word, str(device))
        peer = device and self._read(line, option, words[1], read)
        if peer is not None:
            self._link(line, Media(option), str(device), str(peer), self._given("udpport", DEFAULT_PORT))

    def _bcast(self, line: int, option: str, words: list[str]) -> None:
        if option == "udp":
            self._found.warning(line, "udp-old", write=" ".join(["bcast", *words]))
        for word in options(words):
            if not isinstance(values.ipv4(word), Fault):
                self._found.error(line, "media-device", option=option, word=word, write="bcast eth0")
                return
            if (device := self._read(line, option, word, values.device)) is None:
                return
            self._link(line, Media.BCAST, str(device), "", self._given("udpport", DEFAULT_PORT))

    def _serial(self, line: int, option: str, words: list[str]) -> None:
        for word in options(words):
            if (path := self._read(line, option, word, values.path)) is None:
                return
            self._link(line, Media.SERIAL, str(path), "", 0, baud=self._given("baud", DEFAULT_BAUD))

    def _above(self, line: int, option: str, words: list[str]) -> None:
        """A value for all lines below; another one that comes too late would silently not count."""
        parts = options(words)
        if len(parts) > 1:
            self._found.error(line, "too-many-values", option=option, first=parts[0], second=parts[1])
            return
        value = self._read(line, option, parts[0], _port if option == "udpport" else _baud)
        if not isinstance(value, int):
            return
        if late := [link for link in self._below(option) if value not in (link.port, link.baud)]:
            port, first = option == "udpport", late[0]
            medium, other = first.media, first.where.line
            self._found.error(line, "udpport-late" if port else "baud-late", medium=medium, other=other)
            return
        if option in self._set:
            self._found.warning(line, "repeated", option=option, other=self._set[option][1])
        self._set[option] = (value, line)

    # -- shared --------------------------------------------------------------------------------------------------

    def _given(self, option: str, default: int) -> int:
        return self._set.get(option, (default, 0))[0]

    def _below(self, option: str) -> list[Link]:
        return [link for link in self.links if link.media in ABOVE[option]]

    def _whole(self, line: int, option: str, words: list[str], names: Sequence[str], example: Sequence[str]) -> bool:
        """Are all the words of a medium there? heartbeat separates them by blanks only."""
        if "," in "".join(words):
            self._found.error(line, "media-comma", option=option, write=" ".join([option, *options(words)]))
        elif values.is_ipv6(words[0]) or not isinstance(values.ipv4(words[0]), Fault):
            self._found.error(
                line, "media-device", option=option, word=words[0], write=" ".join([option, "eth0", *words])
            )
        elif len(words) < len(names):
            lost = 1 if names[1] == "group" and len(words) > 1 and words[1].isdigit() else len(words)
            missing = names[lost : lost + len(names) - len(words)]
            write = " ".join([option, *words[:lost], *example[lost : lost + len(missing)], *words[lost:]])
            self._found.error(line, "media-short", option=option, missing=", ".join(missing), write=write)
        elif len(words) > len(names):
            self._found.error(line, "media-long", option=option, word=words[len(names)], names=", ".join(names))
        else:
            return True
        return False

    def _link(
        self, line: int, media: Media, device: str, target: str, port: int, ttl: int = 1, loop: bool = False,
        baud: int = 0,
    ) -> None:  # fmt: skip
        wire = (media, device, target, port)
        if twin := next((o for o in self.links if (o.media, o.device, o.target, o.port) == wire), None):
            self._found.error(line, "medium-twice", other=twin.where.line)
            return
        if len(self.links) >= MAX_LINKS:
            self._found.error(line, "medium-many", limit=MAX_LINKS)
            return
        names = {o.name for o in self.links}
        stem = device.rpartition("/")[2]
        candidates = (stem if n == 1 else f"{stem}.{n}" for n in range(1, MAX_LINKS + 2))
        name = next(c for c in candidates if c not in names)
        self.links.append(Link(name, media, device, target, port, ttl, loop, Where(self._found.file, line), baud))


def options(words: list[str]) -> list[str]:
    """heartbeat separates the values of an option by blanks or commas."""
    return blank_split(" ".join(words).replace(",", " "))


def _port(word: str) -> int | Fault:
    return values.whole(word, 1, 65535)


def _baud(word: str) -> int | Fault:
    if word.isdigit() and int(word) in BAUDS:
        return int(word)
    return values.fault("not-one-of", word=word, allowed=", ".join(map(str, BAUDS)))


def _peer(word: str) -> str | Fault:
    address = values.host_ipv4(word)
    if isinstance(address, Fault) and address.code == "ipv4-bad":
        return values.fault("ucast-name", word=word)
    if isinstance(address, Fault) and address.code == "ipv4-multicast":
        return values.fault("ucast-multicast", word=word)
    if isinstance(address, Fault) and address.code == "ipv6-not-yet":
        return values.fault("ucast-six", word=word)
    return address


def _peer6(word: str, device: str) -> str | Fault:
    """The address without its scope, which can only be the device."""
    bare, percent, scope = word.partition("%")
    if percent and scope != device:
        return values.fault("ucast6-scope", word=word, write=f"{bare}%{device}", device=device)
    address = values.host_ipv6(bare)
    if isinstance(address, Fault) and not isinstance(values.ipv4(bare), Fault):
        return values.fault("ucast6-four", word=word)
    if isinstance(address, Fault) and address.code == "ipv4-multicast":
        return values.fault("ucast6-multicast", word=word)
    if isinstance(address, Fault) and address.code == "ipv6-bad" and ":" not in bare:
        return values.fault("ucast-name", word=word)
    return address


def _group(word: str) -> str | Fault:
    address = values.ipv4(word)
    if isinstance(address, Fault):
        return values.fault("mcast-six", word=word) if address.code == "ipv6-not-yet" else address
    if not 224 <= int(address.partition(".")[0]) <= 239:
        return values.fault("mcast-group", word=word)
    return address


def _group6(word: str) -> str | Fault:
    """heartbeat's rule: a permanent or transient group, of a scope that is more than this machine and less than the
    world.
    """
    try:
        group = IPv6Address(word)
    except ValueError:
        return values.fault("mcast6-group", word=word)
    flags, scope = group.packed[1] >> 4, group.packed[1] & 15
    if group.packed[0] != 0xFF or flags > 1 or not any(group.packed[2:]):
        return values.fault("mcast6-group", word=word)
    if scope not in SCOPES6:
        return values.fault("mcast6-scope", word=word, write=IPv6Address(b"\xff" + bytes([5]) + group.packed[2:]))
    return str(group)
