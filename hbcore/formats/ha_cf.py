"""ha.cf: nodes, links, ping nodes and times of the cluster.

Owns the reading of ha.cf's text, as heartbeat reads it (top to bottom, `#` ends a line anywhere, options separated by
blanks or commas), except where heartbeat's reading is a trap: then a problem says what to write.
Invariant: one useful problem a faulty line; what the result holds was read without fault. Relations between times are
timing.py's, relations between files cluster.py's. Must not know files on disk, nor sentences.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hbcore.engine.config import Link, Media, Problem, Respawn, Where
from hbcore.formats import directives, values
from hbcore.formats.text import Findings, Line, blank_split, lines, nearest
from hbcore.formats.values import Fault

MAX_LINKS = 16
MAX_PINGS = 16
MAX_RESPAWN = 16
DEFAULT_PORT = 694  # ha-cluster/udp
DEFAULT_CLUSTER = "linux-ha"  # heartbeat's own
MCAST_WORDS = ("device", "group", "port", "ttl", "loop")
MCAST_EXAMPLE = ("eth0", "225.0.0.1", "694", "1", "0")
MAX_TTL = 4  # heartbeat refuses more, whatever its manual says
EXAMPLES = {
    "node": "node node1 node2",
    "ping": "ping 192.168.1.254",
    "mcast": "mcast " + " ".join(MCAST_EXAMPLE),
    "ucast": "ucast eth0 192.168.1.2",
    "logfile": "logfile /var/log/ha-log",
    "debugfile": "debugfile /var/log/ha-debug",
    "logfacility": "logfacility local0",
    "auto_failback": "auto_failback on",
    "keepalive": "keepalive 100ms",
    "deadtime": "deadtime 500ms",
    "warntime": "warntime 250ms",
    "initdead": "initdead 12",
    "deadping": "deadping 500ms",
    "udpport": "udpport 694",
    "autojoin": "autojoin none",
}


@dataclass(frozen=True, slots=True)
class Placed:
    """A word and the line it stands in."""

    word: str
    line: int


@dataclass(frozen=True, slots=True)
class HaCf:
    """What one ha.cf says; None and absent keys: it says nothing. `times`: option -> (nanoseconds, line)."""

    nodes: tuple[Placed, ...] = ()
    links: tuple[Link, ...] = ()
    pings: tuple[Placed, ...] = ()
    times: dict[str, tuple[int, int]] = field(default_factory=dict)
    auto_failback: bool | None = None
    cluster: str = DEFAULT_CLUSTER
    logfile: str | None = None
    debugfile: str | None = None
    logfacility: str | None = None
    respawn: tuple[Respawn, ...] = ()


def parse(text: str, file: str = "ha.cf") -> tuple[HaCf, tuple[Problem, ...]]:
    """The typed ha.cf and all problems in it, sorted by line; what is faulty is left out of the result."""
    found = Findings(file)
    reader = _Reader(found)
    for line in lines(text, found):
        if line.body:
            reader.read(line)
    return reader.result(), found.close()


class _Reader:
    """Applies one line after the other; the order counts for `udpport`."""

    def __init__(self, found: Findings) -> None:
        self.found = found
        self.current = Line(0, "", "")
        self.nodes: list[Placed] = []
        self.pings: list[Placed] = []
        self.links: list[Link] = []
        self.programs: list[Respawn] = []
        self.times: dict[str, tuple[int, int]] = {}
        self.single: dict[str, object] = {}
        self.first: dict[str, int] = {}  # line in which a directive that counts once was first given
        self.ucast_line = 0
        self.handlers: dict[str, Callable[[int, str, list[str]], None]] = {
            **dict.fromkeys(directives.TIMES, self.time),
            **dict.fromkeys(("auto_failback", "cluster", "logfile", "debugfile", "logfacility"), self.one),
            **dict.fromkeys(("crm", "pacemaker"), self.crm),
            "node": self.node,
            "ping": self.ping,
            "mcast": self.mcast,
            "ucast": self.ucast,
            "udpport": self.udpport,
            "autojoin": self.autojoin,
            "respawn": self.respawn,
        }

    def result(self) -> HaCf:
        if not self.found.failed:  # else an absence may be the shadow of a faulty line
            if not self.nodes:
                self.found.error(0, "no-node")
            if not self.links:
                self.found.error(0, "no-medium")
        self._port_hint()
        said = self.single
        return HaCf(
            nodes=tuple(self.nodes),
            links=tuple(self.links),
            pings=tuple(self.pings),
            times=self.times,
            auto_failback=None if "auto_failback" not in said else bool(said["auto_failback"]),
            cluster=str(said.get("cluster", DEFAULT_CLUSTER)),
            logfile=_text(said.get("logfile")),
            debugfile=_text(said.get("debugfile")),
            logfacility=_text(said.get("logfacility")),
            respawn=tuple(self.programs),
        )

    def read(self, line: Line) -> None:
        self.current = line
        word = line.words[0]
        if written := re.match(r"([A-Za-z_]+)[ \t]*[=:][ \t]*(.*)", line.body):
            name, rest = written[1].lower(), written[2].strip()
            if name in directives.KNOWN - directives.REFUSED.keys():
                self.found.error(line.number, "equals-sign", option=name, write=f"{name} {rest or 'VALUE'}")
                return
        if word not in directives.KNOWN:
            self._unknown(line.number, word)
        elif word in directives.REFUSED:
            self.found.error(line.number, directives.REFUSED[word], option=word)
        elif line.body.endswith("\\"):
            self.found.error(line.number, "ha-continuation")
        elif not _options(line.words[1:]):
            self.found.error(line.number, "no-value", option=word, example=EXAMPLES.get(word, f"{word} VALUE"))
        elif quoted := next((w for w in line.words if w[0] in "\"'`" or w[-1] in "\"'`"), None):
            self.found.error(line.number, "quotes", word=quoted, write=quoted.strip("\"'`") or "the bare word")
        elif word in directives.IDLE:
            self._idle(line, word, directives.IDLE[word])
        else:
            self.handlers[word](line.number, word, line.words[1:])

    # -- directives ----------------------------------------------------------------------------------------------

    def time(self, line: int, option: str, words: list[str]) -> None:
        parts = _options(words)
        if len(parts) == 2 and parts[1] and values.is_unit(parts[1]):
            joined = values.time_ns("".join(parts))
            write = "".join(parts) if not isinstance(joined, Fault) else _write_of(joined)
            self.found.error(line, "time-split", option=option, word=" ".join(parts), write=write)
            return
        if len(parts) == 2 and "," in "".join(words) and all(p.isdigit() for p in parts):
            self.found.error(line, "time-comma", option=option, word=",".join(parts), write=".".join(parts))
            return
        ns = self._only(line, option, parts, values.time_ns)
        if isinstance(ns, int) and self._counts(line, option):
            if ns == 0:
                self.found.error(line, "time-zero", option=option, example=EXAMPLES[option])
            else:
                self.times[option] = (ns, line)

    def one(self, line: int, option: str, words: list[str]) -> None:
        parts = _options(words)
        read: dict[str, Callable[[str], object]] = {
            "auto_failback": values.switch,
            "cluster": _cluster,
            "logfile": values.path,
            "debugfile": values.path,
            "logfacility": _facility,
        }
        if option == "auto_failback" and [p.lower() for p in parts] == ["legacy"]:
            self.found.warning(line, "failback-legacy")
            parts = ["on"]
        value = self._only(line, option, parts, read[option])
        if value is not None and self._counts(line, option):
            self.single[option] = value

    def node(self, line: int, option: str, words: list[str]) -> None:
        for word in _options(words):
            name = self._read(line, option, word, values.node)
            if name is None:
                return
            if other := next((n for n in self.nodes if n.word == name), None):
                self.found.error(line, "node-twice", node=name, other=other.line)
                return
            self.nodes.append(Placed(str(name), line))

    def ping(self, line: int, option: str, words: list[str]) -> None:
        for word in _options(words):
            if word.lower() in [n.word for n in self.nodes]:
                self.found.error(line, "ping-is-node", word=word)
                return
            address = self._read(line, option, word, _reference)
            if address is None:
                return
            if other := next((p for p in self.pings if p.word == address), None):
                self.found.warning(line, "ping-twice", word=word, other=other.line)
            elif len(self.pings) >= MAX_PINGS:
                self.found.error(line, "ping-many", limit=MAX_PINGS)
                return
            else:
                self.pings.append(Placed(str(address), line))

    def mcast(self, line: int, option: str, words: list[str]) -> None:
        if not self._media(line, option, words, MCAST_WORDS, MCAST_EXAMPLE):
            return
        device = self._read(line, option, words[0], values.device)
        group = device and self._read(line, option, words[1], _group)
        port = group and self._read(line, "the port of mcast", words[2], lambda w: values.whole(w, 1, 65535))
        ttl = port and self._read(line, "the ttl of mcast", words[3], lambda w: values.whole(w, 1, MAX_TTL))
        loop = ttl and self._read(line, "loop of mcast", words[4], lambda w: values.whole(w, 0, 1))
        if loop is None or not isinstance(port, int) or not isinstance(ttl, int):
            return
        if str(group).startswith("224.0.0."):
            self.found.warning(line, "mcast-reserved", group=str(group))
        self._link(line, Media.MCAST, str(device), str(group), port, ttl, loop == 1)

    def ucast(self, line: int, option: str, words: list[str]) -> None:
        if len(words) == 3 and words[2].isdigit():
            self.found.error(line, "ucast-port", word=words[2], write=" ".join(["ucast", *words[:2]]))
            return
        if not self._media(line, option, words, ("device", "address of the peer"), ("eth0", "192.168.1.2")):
            return
        device = self._read(line, option, words[0], values.device)
        peer = device and self._read(line, option, words[1], _peer)
        if peer is not None:
            self.ucast_line = self.ucast_line or line
            port = self.single.get("udpport", DEFAULT_PORT)
            self._link(line, Media.UCAST, str(device), str(peer), int(str(port)))

    def udpport(self, line: int, option: str, words: list[str]) -> None:
        port = self._only(line, option, _options(words), lambda w: values.whole(w, 1, 65535))
        if port is None:
            return
        if self.ucast_line:
            self.found.error(line, "udpport-late", ucast=self.ucast_line, port=port)
        elif self._counts(line, option):
            self.single[option] = port

    def autojoin(self, line: int, option: str, words: list[str]) -> None:
        choice = self._only(line, option, _options(words), lambda w: w.lower())
        if choice in ("other", "any"):
            self.found.error(line, "refused-autojoin", word=choice)
        elif choice is not None and choice != "none":
            self.found.error(line, "not-one-of", option=option, word=choice, allowed="none")

    def crm(self, line: int, option: str, words: list[str]) -> None:
        choice = self._only(line, option, _options(words), lambda w: w.lower())
        if choice in values.ON or choice in directives.CRM_MODES:
            self.found.error(line, "refused-crm", option=option, word=choice)
        elif choice is not None and choice not in values.OFF:
            self.found.error(line, "not-one-of", option=option, word=choice, allowed="no")

    def respawn(self, line: int, option: str, words: list[str]) -> None:
        if len(words) < 2 or not words[1].startswith("/"):
            self.found.error(line, "respawn-short")
            return
        program = words[1].rpartition("/")[2]
        if program in directives.BUILT_IN:
            self.found.note(line, "respawn-built-in", program=program)
        elif program in directives.UNNEEDED:
            self.found.note(line, "respawn-unneeded", program=program)
        elif len(self.programs) >= MAX_RESPAWN:
            self.found.error(line, "respawn-many", limit=MAX_RESPAWN)
        else:
            self.programs.append(Respawn(words[0], tuple(words[1:]), Where(self.found.file, line)))

    # -- shared --------------------------------------------------------------------------------------------------

    def _unknown(self, line: int, word: str) -> None:
        near = directives.MEANT.get(word.lower()) or nearest(word, directives.KNOWN)
        if near is None and values.device(word) == word and re.fullmatch(r"(eth|en|wl|bond|br)[a-z]*[0-9].*", word):
            self.found.error(line, "unknown-device-first", word=word)
        elif near is None:
            self.found.error(line, "unknown-directive", word=word)
        else:
            self.found.error(line, "unknown-directive-near", word=word, near=near)

    def _idle(self, line: Line, option: str, idle: directives.Idle) -> None:
        parts = _options(line.words[1:]) if idle.read is not None else []
        if len(parts) > 1 and not idle.many:
            self.found.error(line.number, "too-many-values", option=option, first=parts[0], second=parts[1])
            return
        for part in parts:
            if idle.read is not None and self._read(line.number, option, part, idle.read) is None:
                return
        add = self.found.note if idle.severity == "note" else self.found.warning
        add(line.number, idle.why, option=option)

    def _media(self, line: int, option: str, words: list[str], names: Sequence[str], example: Sequence[str]) -> bool:
        """Are all the words of a medium there? heartbeat separates them by blanks only."""
        if "," in "".join(words):
            self.found.error(line, "media-comma", option=option, write=" ".join([option, *_options(words)]))
        elif not isinstance(values.ipv4(words[0]), Fault):
            self.found.error(
                line, "media-device", option=option, word=words[0], write=" ".join([option, "eth0", *words])
            )
        elif len(words) < len(names):
            lost = 1 if names[1] == "group" and len(words) > 1 and words[1].isdigit() else len(words)
            missing = names[lost : lost + len(names) - len(words)]
            write = " ".join([option, *words[:lost], *example[lost : lost + len(missing)], *words[lost:]])
            self.found.error(line, "media-short", option=option, missing=", ".join(missing), write=write)
        elif len(words) > len(names):
            self.found.error(line, "media-long", option=option, word=words[len(names)], names=", ".join(names))
        else:
            return True
        return False

    def _link(
        self, line: int, media: Media, device: str, target: str, port: int, ttl: int = 1, loop: bool = False
    ) -> None:
        wire = (media, device, target, port)
        if twin := next((o for o in self.links if (o.media, o.device, o.target, o.port) == wire), None):
            self.found.error(line, "medium-twice", other=twin.where.line)
            return
        if len(self.links) >= MAX_LINKS:
            self.found.error(line, "medium-many", limit=MAX_LINKS)
            return
        names = {o.name for o in self.links}
        candidates = (device if n == 1 else f"{device}.{n}" for n in range(1, MAX_LINKS + 2))
        name = next(c for c in candidates if c not in names)
        self.links.append(Link(name, media, device, target, port, ttl, loop, Where(self.found.file, line)))

    def _port_hint(self) -> None:
        """`udpport` says nothing about mcast, which names its own port."""
        port = self.single.get("udpport")
        other = [o for o in self.links if o.media is Media.MCAST and o.port != port]
        if port is not None and other and not self.ucast_line:
            self.found.warning(self.first["udpport"], "udpport-mcast", port=port, mcast=other[0].port)

    def _counts(self, line: int, option: str) -> bool:
        """Notes a directive that counts once; the last one wins, as with heartbeat, but it is said."""
        if option in self.first:
            self.found.warning(line, "repeated", option=option, other=self.first[option])
        self.first[option] = line
        return True

    def _only(self, line: int, option: str, parts: list[str], read: Callable[[str], object]) -> object:
        if not parts:
            self.found.error(line, "no-value", option=option, example=EXAMPLES.get(option, f"{option} VALUE"))
            return None
        if len(parts) > 1:
            self.found.error(line, "too-many-values", option=option, first=parts[0], second=parts[1])
            return None
        return self._read(line, option, parts[0], read)

    def _read(self, line: int, option: str, word: str, read: Callable[[str], object]) -> object:
        """The value, or None after its fault was told."""
        value = read(word)
        if isinstance(value, Fault):
            args = dict(value.args)
            if "at" in args:  # a foreign character behind a good value
                column = self.current.column(word) + int(args.pop("at"))
                args |= {"column": str(column), "line": self.current.body.replace(word, args.pop("write"), 1)}
            self.found.error(line, value.code, option=option, **args)
            return None
        return value


def _options(words: list[str]) -> list[str]:
    """heartbeat separates the values of an option by blanks or commas."""
    return blank_split(" ".join(words).replace(",", " "))


def _text(value: object) -> str | None:
    return None if value is None or value == "none" else str(value)


def _write_of(wrong: Fault) -> str:
    return dict(wrong.args).get("write", "the number alone, in seconds")


def _facility(word: str) -> str | Fault:
    if word in directives.FACILITIES:
        return word
    near = nearest(word, directives.FACILITIES, 0.4) or "local0"
    return values.fault("facility-bad", word=word, near=near)


def _cluster(word: str) -> str | Fault:
    return word if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", word) else values.fault("cluster-bad", word=word)


def _reference(word: str) -> str | Fault:
    address = values.host_ipv4(word)
    if isinstance(address, Fault) and address.code == "ipv4-bad":
        return values.fault("ping-name", word=word)
    return address


def _peer(word: str) -> str | Fault:
    address = values.host_ipv4(word)
    if isinstance(address, Fault) and address.code == "ipv4-bad":
        return values.fault("ucast-name", word=word)
    if isinstance(address, Fault) and address.code == "ipv4-multicast":
        return values.fault("ucast-multicast", word=word)
    return address


def _group(word: str) -> str | Fault:
    address = values.ipv4(word)
    if isinstance(address, Fault):
        return address
    if not 224 <= int(address.partition(".")[0]) <= 239:
        return values.fault("mcast-group", word=word)
    return address
