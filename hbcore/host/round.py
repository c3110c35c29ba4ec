"""One address probe (safety.md 5): what was asked, who answered, who did so twice.

Owns the bookkeeping of a probe. Invariant: an answer counts as confirmed only if it answers the unicast question, which
is told from the one to all by the address it came from: ANY for ARP, another one of ours for Neighbour Discovery. Where
there is no other, the second question waits until the first is over. Must not know sockets; its only clock is the event
loop's.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from hbcore.host import clock, ndp, spelling
from hbcore.host.frames import REPLY, Spoken
from hbcore.host.spelling import Spelling

MAX_ANSWERERS = 16  # per target; more machines than that do not share one address


@dataclass(frozen=True, slots=True)
class Answer:
    """`at_ns`: when the first answer of that MAC arrived. `confirmed`: it answered by unicast, too."""

    mac: bytes
    at_ns: int
    confirmed: bool


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """`answers` has every target, with an empty list for silence.

    `trouble`: name of the errno where a frame did not leave ("ENETDOWN"): silence then proves nothing. "": all left.
    """

    begun_ns: int
    ended_ns: int
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Questions:
    """From which addresses of ours one protocol asks all, and asks again by unicast."""

    spelling: Spelling
    first: str
    second: str

    @property
    def alike(self) -> bool:
        """The answers to both look alike, so the second question waits until the first is over."""
        return self.first == self.second

    @property
    def answered_at(self) -> str:
        """Where answers to the second question go."""
        return self.spelling.ANYONE if self.second == self.spelling.ANY else self.second


class Round:
    """`sources`: addresses of ours there, of both families, the preferred ones first."""

    def __init__(self, targets: Iterable[str], sources: Iterable[str], confirm: Collection[bytes]) -> None:
        self.targets = frozenset(targets)
        self.begun_s = asyncio.get_running_loop().time()
        self._begun_ns = clock.now_ns()
        own = list(dict.fromkeys(filter(None, sources)))
        self._questions = {spelling.of(ip): _questions(spelling.of(ip), own) for ip in self.targets}
        self._confirm = frozenset(confirm)
        self._again = False
        self._first: dict[tuple[str, bytes], int] = {}
        self._confirmed: set[tuple[str, bytes]] = set()
        self._trouble = 0

    @property
    def spellings(self) -> list[Spelling]:
        """The protocols in which it has something to ask."""
        return list(self._questions)

    def ask(self, how: Spelling, mac: bytes) -> list[bytes]:
        first = self._questions[how].first
        return [how.ask(mac, first, ip) for ip in sorted(self.targets) if spelling.of(ip) is how]

    def ask_again(self, how: Spelling, mac: bytes) -> list[bytes]:
        """The unicast questions to all that are still in doubt; answers from now on are answers to them."""
        self._again = True
        second = self._questions[how].second
        return [how.ask(mac, second, ip, to) for ip, to in self.doubtful() if spelling.of(ip) is how]

    def take(self, spoken: Spoken, at_ns: int, mac: bytes) -> bytes | None:
        """Note what was heard; gives the unicast question to send where its sender is to be confirmed."""
        if spoken.sender not in self.targets:
            return None
        key = (spoken.sender, spoken.source)
        if key not in self._first:
            if sum(ip == spoken.sender for ip, _ in self._first) >= MAX_ANSWERERS:
                return None
            self._first[key] = at_ns
        if spoken.source not in self._confirm or key in self._confirmed:
            return None
        how = spelling.of(spoken.sender)
        asked = self._questions[how]
        if spoken.op == REPLY and spoken.target == asked.answered_at and (self._again or not asked.alike):
            self._confirmed.add(key)
            return None
        return None if asked.alike else how.ask(mac, asked.second, spoken.sender, spoken.source)

    def doubtful(self) -> list[tuple[str, bytes]]:
        return [key for key in self._first if key[1] in self._confirm and key not in self._confirmed]

    def note_sent(self, error: int) -> None:
        self._trouble = self._trouble or error

    def result(self) -> ProbeResult:
        answers: dict[str, list[Answer]] = {ip: [] for ip in sorted(self.targets)}
        for (ip, mac), at_ns in self._first.items():
            answers[ip].append(Answer(mac, at_ns, (ip, mac) in self._confirmed))
        trouble = errno.errorcode.get(self._trouble, os.strerror(self._trouble)) if self._trouble else ""
        return ProbeResult(self._begun_ns, clock.now_ns(), answers, trouble)

    @classmethod
    def impossible(cls, targets: Iterable[str], error: OSError) -> ProbeResult:
        """No socket on that device: nobody was asked."""
        now = clock.now_ns()
        return ProbeResult(now, now, {ip: [] for ip in targets}, errno.errorcode.get(error.errno or 0, "EIO"))


def _questions(how: Spelling, own: list[str]) -> Questions:
    mine = [ip for ip in own if spelling.of(ip) is how] or [how.ANY]
    return Questions(how, mine[0], mine[-1] if how is ndp else how.ANY)
