"""What a serial line carries: how long a beat is under way, how often one may go, and whether a lease can rest on it.

Owns that arithmetic, for the link that keeps to it and for `check` that says where it cannot hold. Nanoseconds.
Invariant: over any longer time at most half of a line's capacity is used, so what noise or a stall left behind is soon
behind us. Must not know bytes of a frame beyond their number, nor devices.
"""

from __future__ import annotations

from hbcore.engine.config import MS, SECOND, Timing
from hbcore.engine.lease import lease_of

BAUDS = (9600, 19200, 38400, 57600, 115200, 230400, 460800)
DEFAULT_BAUD = 19200  # heartbeat's own
BITS = 10  # of a byte on the line: start, 8 data, stop
JITTER_NS = 2 * MS  # a beat waits for its process, and so does the one that answers it
# A frame of links.compact after years of service; test_links_serial.py holds the codec to it.
FRAME_BYTES = 68
GROUP_BYTES = 15


def frame_bytes(groups: int) -> int:
    size = FRAME_BYTES + GROUP_BYTES * groups
    return size + size // 254  # framing (links.cobs)


def wire_ns(size: int, baud: int) -> int:
    """How long so many bytes are under way."""
    return size * BITS * SECOND // baud


def pace_ns(size: int, baud: int, keepalive_ns: int) -> int:
    """From one beat on the line to the next: as few keepalives as leave half of its capacity unused."""
    return keepalive_ns * -(-2 * wire_ns(size, baud) // keepalive_ns)


def carries(timing: Timing, groups: int, baud: int) -> bool:
    """Whether a peer heard by this line alone is heard two-way all the time (safety.md 1 and 6).

    The newest echo is oldest just before the next one comes: a beat was under way, waited for the peer's next, came
    back with it, and a whole pace has passed since. All that must stay within L.
    """
    size = frame_bytes(groups)
    turn = 2 * wire_ns(size, baud) + 2 * pace_ns(size, baud, timing.keepalive_ns)
    return turn + JITTER_NS <= lease_of(timing).lease_ns


def least_baud(timing: Timing, groups: int) -> int | None:
    """The slowest line that carries this, None where none does."""
    return next((baud for baud in BAUDS if carries(timing, groups, baud)), None)


def least_timing(timing: Timing, groups: int, baud: int) -> Timing:
    """The smallest keepalive, in steps of 10 ms, that the line carries, with the deadtime that goes with it: as given
    where that will do, else five times the keepalive.
    """
    step = 10 * MS
    keepalive = step
    while True:
        deadtime = max(timing.deadtime_ns, 5 * keepalive)
        if _safe(wanted := Timing(keepalive_ns=keepalive, deadtime_ns=deadtime), groups, baud):
            return wanted
        keepalive += step


def _safe(timing: Timing, groups: int, baud: int) -> bool:
    try:
        return carries(timing, groups, baud)
    except ValueError:  # no lease at all
        return False
