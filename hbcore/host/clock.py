"""The one clock: nanoseconds of CLOCK_BOOTTIME.

Owns every reading of time that a lease, a deadline or an age is made of. Invariant: `now_ns` never goes back and counts
the time the machine slept; nobody else in the house calls a clock for such purposes.
Must not know what the times are for.
"""

from __future__ import annotations

import time


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
