"""The one clock: nanoseconds of CLOCK_BOOTTIME.

Owns every reading of time that a lease, a deadline or an age is made of. Invariant: `now_ns` never goes back and counts
the time the machine slept; nobody else in the house calls a clock for such purposes.
Must not know what the times are for.
"""

from __future__ import annotations

import time

MS = 1_000_000
SLEPT_NS = 5 * MS  # two clocks are not read at one instant; less than this between them is no sleep


def now_ns() -> int:
    """Nanoseconds since boot, sleep included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def unix_ns() -> int:
    """The wall clock, for dates shown to people only."""
    return time.clock_gettime_ns(time.CLOCK_REALTIME)


def received_ns(realtime_ns: int, floor_ns: int = 0) -> int:
    """The kernel's receive stamp (SO_TIMESTAMPNS, wall clock) on our clock, clipped to floor_ns..now.

    `floor_ns`: a time at which the packet was certainly not there yet, such as the last time its socket was empty. It
    bounds what a step of the wall clock can do to the age of a packet.
    """
    now = now_ns()
    age = time.clock_gettime_ns(time.CLOCK_REALTIME) - realtime_ns
    return max(min(now, floor_ns), min(now, now - age))


class Stall:
    """Tells when this process did not run: late wake-ups, and sleep of the whole machine.

    Sleep shows as CLOCK_BOOTTIME running away from CLOCK_MONOTONIC (a timer of the event loop, which runs by the
    latter, then fires late by our clock although the loop was never late).
    """

    def __init__(self, limit_ns: int) -> None:
        """`limit_ns`: a wake-up later than this is a stall."""
        self._limit_ns = limit_ns
        self._apart_ns = _apart_ns()

    def slept_ns(self) -> int:
        """How long the machine slept since the last call; 0 where it did not."""
        apart = _apart_ns()
        slept, self._apart_ns = apart - self._apart_ns, apart
        return slept if slept >= SLEPT_NS else 0

    def late(self, due_ns: int, now: int) -> tuple[int, int] | None:
        """(from, to) of the time not run, for a wake-up due at `due_ns` and had at `now`; None where it was in time."""
        slept = self.slept_ns()
        if now - due_ns > self._limit_ns or slept:
            return min(due_ns, now - slept), now
        return None


def _apart_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
