"""One address probe (safety.md 5): what was asked, who answered, who did so twice.

Owns the bookkeeping of a probe. Invariant: an answer counts as confirmed only if it answers the unicast question, which
is told from the broadcast one by its sender address. Must not know sockets; its only clock is the event loop's.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from hbcore.host import clock
from hbcore.host.frames import ANY, REPLY, REQUEST, Arp, build

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


class Round:
    def __init__(self, targets: Iterable[str], source: str, confirm: Collection[bytes]) -> None:
        self.targets = frozenset(targets)
        self.asks_late = source == ANY  # the two questions then look alike, so the second waits until the first is over
        self.begun_s = asyncio.get_running_loop().time()
        self._begun_ns = clock.now_ns()
        self._source = source
        self._confirm = frozenset(confirm)
        self._again = False
        self._first: dict[tuple[str, bytes], int] = {}
        self._confirmed: set[tuple[str, bytes]] = set()
        self._trouble = 0

    def ask(self, mac: bytes) -> list[bytes]:
        return [build(REQUEST, mac, self._source, ip) for ip in sorted(self.targets)]

    def ask_again(self, mac: bytes) -> list[bytes]:
        """The unicast questions to all that are still in doubt; answers from now on are answers to them."""
        self._again = True
        return [build(REQUEST, mac, ANY, ip, to=to) for ip, to in self.doubtful()]

    def take(self, arp: Arp, at_ns: int, mac: bytes) -> bytes | None:
        """Note what was heard; gives the unicast question to send where its sender is to be confirmed."""
        if arp.sender not in self.targets:
            return None
        key = (arp.sender, arp.source)
        if key not in self._first:
            if sum(ip == arp.sender for ip, _ in self._first) >= MAX_ANSWERERS:
                return None
            self._first[key] = at_ns
        if arp.source not in self._confirm or key in self._confirmed:
            return None
        if arp.op == REPLY and arp.target == ANY and (self._again or not self.asks_late):
            self._confirmed.add(key)
            return None
        return None if self.asks_late else build(REQUEST, mac, ANY, arp.sender, to=arp.source)

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
