"""What happened, for people: the ring of events, the log file and the lines on stderr.

Owns the numbers of events and the log file's life (reopened when it was rotated). Invariant: a log that cannot be
written never stops the daemon. Must not know what caused an event.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec

from hbcore.control.schema import Actor, Event
from hbcore.engine import events as engine_events
from hbcore.engine.effects import Note
from hbcore.words import say

KEPT = 2000


class Journal:
    """`told` is called with each new event."""

    def __init__(self, node: str, logfile: str | None, told: Callable[[Event], None]) -> None:
        self.events: deque[Event] = deque(maxlen=KEPT)
        self._node = node
        self._path = Path(logfile) if logfile else None
        self._fd = -1
        self._inode = 0
        self._told = told
        self._next = 1

    def write(self, note: Note) -> Event:
        """Make an event of a note, keep it, log it, tell it."""
        now = time.time()
        args = dict(note.args)
        if "why" in args:
            args["why"] = say(f"cause-{args['why']}")
        text = say(note.code, **args)
        actor = shown(note.actor) if note.actor else None
        fields = {
            "id": self._next, "at": now, "node": self._node, "code": note.code, "text": text,
            "severity": note.severity, "kind": note.kind, "about": note.about, "actor": actor,
        }  # fmt: skip
        event = msgspec.convert(fields, Event)
        self._next += 1
        self.events.append(event)
        self._log(event)
        self._told(event)
        return event

    def since(self, since: float | None, limit: int) -> list[Event]:
        """The newest `limit` events after unix time `since`, oldest first."""
        found = [e for e in self.events if since is None or e.at > since]
        return found[-limit:]

    def _log(self, event: Event) -> None:
        by = f" by {event.actor.name or event.actor.uid}" if event.actor else ""
        line = f"{event.severity}: {event.code}: {event.text}{by}"
        print(f"{_LEVEL[event.severity]}hbcored[{os.getpid()}]: {line}", file=sys.stderr, flush=True)
        if self._path is None:
            return
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event.at))
        data = f"{stamp} {self._node} hbcored[{os.getpid()}]: {line}\n".encode()
        try:
            self._open()
            os.write(self._fd, data)
        except OSError as error:
            self._close()
            print(f"<4>hbcored: {self._path}: {error.strerror}", file=sys.stderr, flush=True)

    def _open(self) -> None:
        """Open the log, again where it was moved away (logrotate)."""
        assert self._path is not None
        try:
            same = self._fd >= 0 and os.stat(self._path).st_ino == self._inode
        except FileNotFoundError:
            same = False
        if not same:
            self._close()
            self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            self._inode = os.fstat(self._fd).st_ino

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


_LEVEL = {"info": "<6>", "warning": "<4>", "error": "<3>"}  # sd-daemon(3): the journal's priorities


def shown(actor: engine_events.Actor) -> Actor:
    """The engine's actor as the control API's."""
    return Actor(
        uid=actor.uid if actor.uid >= 0 else None, login=actor.login if actor.login >= 0 else None, name=actor.name,
        ssh=actor.ssh, tool=actor.tool, reason=actor.reason,
    )  # fmt: skip
