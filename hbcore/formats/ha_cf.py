"""ha.cf: nodes, links, ping nodes and times of the cluster.

Owns the reading of ha.cf's text, as heartbeat reads it (top to bottom, `#` ends a line anywhere, options separated by
blanks or commas), except where heartbeat's reading is a trap: then a problem says what to write.
Invariant: one useful problem a faulty line; what the result holds was read without fault. Relations between times are
timing.py's, relations between files cluster.py's. Must not know files on disk, nor sentences.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from hbcore.engine.config import Link, PingGroup, Problem, Respawn, Where
from hbcore.formats import directives, media, pings, values
from hbcore.formats.media import options
from hbcore.formats.text import Findings, Line, Placed, lines, nearest
from hbcore.formats.values import Fault

MAX_RESPAWN = 16
DEFAULT_CLUSTER = "linux-ha"  # heartbeat's own
EXAMPLES = {
    **media.EXAMPLES,
    **pings.EXAMPLES,
    "node": "node node1 node2",
    "logfile": "logfile /var/log/ha-log",
    "debugfile": "debugfile /var/log/ha-debug",
    "logfacility": "logfacility local0",
    "auto_failback": "auto_failback on",
    "keepalive": "keepalive 100ms",
    "deadtime": "deadtime 500ms",
    "warntime": "warntime 250ms",
    "initdead": "initdead 12",
    "deadping": "deadping 500ms",
    "autojoin": "autojoin none",
}


@dataclass(frozen=True, slots=True)
class HaCf:
    """What one ha.cf says; None and absent keys: it says nothing. `times`: option -> (nanoseconds, line)."""

    nodes: tuple[Placed, ...] = ()
    links: tuple[Link, ...] = ()
    pings: tuple[Placed, ...] = ()
    ping_groups: tuple[PingGroup, ...] = ()
    times: dict[str, tuple[int, int]] = field(default_factory=dict)
    auto_failback: bool | None = None
    cluster: str = DEFAULT_CLUSTER
    logfile: str | None = None
    debugfile: str | None = None
    logfacility: str | None = None
    respawn: tuple[Respawn, ...] = ()

    @property
    def asked(self) -> list[Placed]:
        """Every machine that is pinged, alone or in a group."""
        members = {group.name: group.members for group in self.ping_groups}
        return [Placed(word, ping.line) for ping in self.pings for word in members.get(ping.word, (ping.word,))]


def parse(text: str, file: str = "ha.cf") -> tuple[HaCf, tuple[Problem, ...]]:
    """The typed ha.cf and all problems in it, sorted by line; what is faulty is left out of the result."""
    found = Findings(file)
    reader = _Reader(found)
    for line in lines(text, found):
        if line.body:
            reader.read(line)
    return reader.result(), found.close()


class _Reader:
    """Applies one line after the other."""

    def __init__(self, found: Findings) -> None:
        self.found = found
        self.current = Line(0, "", "")
        self.nodes: list[Placed] = []
        self.media = media.Reading(found, self._read)
        self.pings = pings.Reading(found, self.nodes, self._read)
        self.programs: list[Respawn] = []
        self.times: dict[str, tuple[int, int]] = {}
        self.single: dict[str, object] = {}
        self.first: dict[str, int] = {}  # line in which a directive that counts once was first given
        self.handlers: dict[str, Callable[[int, str, list[str]], None]] = {
            **dict.fromkeys(directives.TIMES, self.time),
            **dict.fromkeys(("auto_failback", "cluster", "logfile", "debugfile", "logfacility"), self.one),
            **dict.fromkeys(("crm", "pacemaker"), self.crm),
            "node": self.node,
            "autojoin": self.autojoin,
            "respawn": self.respawn,
            **self.media.handlers,
            **self.pings.handlers,
        }

    def result(self) -> HaCf:
        if not self.found.failed:  # else an absence may be the shadow of a faulty line
            if not self.nodes:
                self.found.error(0, "no-node")
            if not self.media.links:
                self.found.error(0, "no-medium")
        self.media.close()
        said = self.single
        return HaCf(
            nodes=tuple(self.nodes),
            links=tuple(self.media.links),
            pings=tuple(self.pings.pings),
            ping_groups=tuple(self.pings.groups),
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
        elif not options(line.words[1:]):
            self.found.error(line.number, "no-value", option=word, example=EXAMPLES.get(word, f"{word} VALUE"))
        elif quoted := next((w for w in line.words if w[0] in "\"'`" or w[-1] in "\"'`"), None):
            self.found.error(line.number, "quotes", word=quoted, write=quoted.strip("\"'`") or "the bare word")
        elif word in directives.IDLE:
            self._idle(line, word, directives.IDLE[word])
        else:
            self.handlers[word](line.number, word, line.words[1:])

    # -- directives ----------------------------------------------------------------------------------------------

    def time(self, line: int, option: str, words: list[str]) -> None:
        parts = options(words)
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
        parts = options(words)
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
        for word in options(words):
            name = self._read(line, option, word, values.node)
            if name is None:
                return
            if other := next((n for n in self.nodes if n.word == name), None):
                self.found.error(line, "node-twice", node=name, other=other.line)
                return
            self.nodes.append(Placed(str(name), line))

    def autojoin(self, line: int, option: str, words: list[str]) -> None:
        choice = self._only(line, option, options(words), lambda w: w.lower())
        if choice in ("other", "any"):
            self.found.error(line, "refused-autojoin", word=choice)
        elif choice is not None and choice != "none":
            self.found.error(line, "not-one-of", option=option, word=choice, allowed="none")

    def crm(self, line: int, option: str, words: list[str]) -> None:
        choice = self._only(line, option, options(words), lambda w: w.lower())
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
        parts = options(line.words[1:]) if idle.read is not None else []
        if len(parts) > 1 and not idle.many:
            self.found.error(line.number, "too-many-values", option=option, first=parts[0], second=parts[1])
            return
        for part in parts:
            if idle.read is not None and self._read(line.number, option, part, idle.read) is None:
                return
        add = self.found.note if idle.severity == "note" else self.found.warning
        add(line.number, idle.why, option=option)

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
