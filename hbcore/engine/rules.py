"""The operator's standing words: standby, stopped groups, pins. Replicated by the beats.

Owns their merge: for each (kind, subject) the highest version wins, ties by content. Invariant: both nodes that
exchanged beats hold the same book. Must not know what follows from a rule.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import astuple

from hbcore.engine.beat import MAX_REASON, MAX_RULES, Rule

MAX_KEPT = 256
PIN_S = 8 * 3600  # safety.md 4: a pin lasts 8 h by default


class RuleBook:
    """`clock` is the highest version seen (Lamport)."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._rules: dict[tuple[str, str], Rule] = {(r.kind, r.subject): r for r in rules}
        self._digest: int | None = None

    def all(self) -> tuple[Rule, ...]:
        return tuple(self._rules[key] for key in sorted(self._rules))

    @property
    def clock(self) -> int:
        return max((r.version for r in self._rules.values()), default=0)

    def get(self, kind: str, subject: str) -> Rule | None:
        return self._rules.get((kind, subject))

    def value(self, kind: str, subject: str) -> str:
        """The value in force, "" where there is none."""
        rule = self._rules.get((kind, subject))
        return rule.value if rule is not None else ""

    def expire(self, now_s: int, by: str) -> None:
        """A rule whose time is over is replaced by an empty one: whoever sees it first says it to both, so that clocks
        that differ never make the nodes disagree."""
        for rule in self.all():
            if rule.value and rule.expires_s and now_s >= rule.expires_s:
                self.put(rule.kind, rule.subject, "", now_s=now_s, by=by)

    def put(
        self, kind: str, subject: str, value: str, *, now_s: int, by: str = "", reason: str = "", expires_s: int = 0
    ) -> bool:
        """Set a rule with a new version; False where it says the same already."""
        old = self.get(kind, subject)
        if old is not None and old.value == value and not value:
            return False
        if old is None and not value:
            return False
        rule = Rule(kind, subject, value, self.clock + 1, now_s, expires_s, by[:64], reason[:MAX_REASON])
        self._rules[kind, subject] = rule
        self._digest = None
        return True

    def merge(self, rules: Iterable[Rule]) -> bool:
        """Take the peer's rules, also about what only its files name, so that the books agree; True where it
        changed.
        """
        changed = False
        for rule in rules:
            key = (rule.kind, rule.subject)
            old = self._rules.get(key)
            if _rank(old) >= _rank(rule) if old is not None else len(self._rules) >= MAX_KEPT:
                continue
            self._rules[key] = rule
            self._digest = None
            changed = True
        return changed

    def digest(self) -> int:
        """32 bits of all rules, to compare with the peer's."""
        if self._digest is None:
            self._digest = zlib.crc32(repr([astuple(r)[:4] for r in self.all()]).encode())
        return self._digest

    def share(self, turn: int) -> tuple[Rule, ...]:
        """A portion to send to a peer whose digest differs; `turn` grows from beat to beat, so each has its turn."""
        rules = self.all()
        if len(rules) <= MAX_RULES:
            return rules
        start = turn * MAX_RULES % len(rules)
        return (rules + rules)[start : start + MAX_RULES]


def _rank(rule: Rule) -> tuple[int, str, str]:
    return rule.version, rule.value, rule.by
