"""The last output of each operation of each resource, for a person who looks for the cause.

Owns those texts, in memory. Invariant: bounded in all, the oldest go first; a text is clean (capture).
Must not know what they mean, nor who reads them.
"""

from __future__ import annotations

from dataclasses import dataclass

from hbcore.agents.capture import TAIL
from hbcore.engine.events import Outcome

ROOM = 16 << 20  # bytes of all of them
_EACH = 1024  # bytes one counts for beside its text


@dataclass(frozen=True, slots=True)
class Output:
    """`operation`: start | stop | status. `code`: the exit code, None where there was none. `said`: the outcome's
    sentence. `ended_s`: unix seconds. `raw`: the end of what it printed, UTF-8, at most 64 KiB.
    """

    group: str
    resource: str
    operation: str
    outcome: Outcome
    code: int | None
    said: str
    ended_s: float
    took_ns: int
    raw: bytes

    @property
    def text(self) -> str:
        return self.raw.decode("utf-8", "ignore")  # cut within a character


class Outputs:
    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._used = 0
        self._kept: dict[tuple[str, str, str], Output] = {}  # the oldest first

    def put(self, output: Output) -> None:
        """It takes the place of the same operation's last one."""
        key = (output.group, output.resource, output.operation)
        if former := self._kept.pop(key, None):
            self._used -= len(former.raw) + _EACH
        self._kept[key] = output
        self._used += len(output.raw) + _EACH
        while self._used > self._room and len(self._kept) > 1:
            self._used -= len(self._kept.pop(next(iter(self._kept))).raw) + _EACH

    def of(self, group: str, resource: str, operation: str = "") -> list[Output]:
        """Those that are kept of that resource, `operation` "" = of each, the oldest first."""
        return [o for key, o in self._kept.items() if key[:2] == (group, resource) and operation in ("", key[2])]


def raw_of(text: str) -> bytes:
    """The end of a text as it is kept."""
    return text.encode("utf-8", "replace")[-TAIL:]
