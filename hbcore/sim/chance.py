"""Chance that can be replayed: numbered draws from named streams.

Owns the generator. Invariant: the n-th draw of a stream depends on (seed, stream, n) alone, so taking one fault out of
a run changes no other stream. Must not know what is drawn.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15  # splitmix64 (Steele, Lea, Flood 2014)


class Stream:
    """One stream of draws in [0, 1)."""

    __slots__ = ("_key", "_n")

    def __init__(self, seed: int, name: str) -> None:
        self._key = (seed * 0xD1342543DE82EF95 + zlib.crc32(name.encode()) * _GOLDEN) & _MASK
        self._n = 0

    def u01(self) -> float:
        self._n += 1
        z = (self._key + self._n * _GOLDEN) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((z ^ (z >> 31)) >> 11) / (1 << 53)

    def chance(self, share: float) -> bool:
        return self.u01() < share

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.u01()

    def ns(self, low_ms: float, high_ms: float) -> int:
        return int(self.between(low_ms, high_ms) * 1_000_000)

    def pick(self, choices: Sequence[T]) -> T:
        return choices[int(self.u01() * len(choices))]

    def weighted(self, choices: Sequence[tuple[T, float]]) -> T:
        left = self.u01() * sum(weight for _, weight in choices)
        for choice, weight in choices:
            left -= weight
            if left < 0:
                return choice
        return choices[-1][0]
