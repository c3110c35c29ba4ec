"""The times that apply: what ha.cf says is kept, what it leaves out is chosen and said.

Owns the choice (design 5: profile standard, 100/500 ms, initdead 12 s) and the relations between times. The lease
arithmetic itself is the engine's. Invariant: a Timing returned without an error holds L >= h + W (safety.md 1),
deadtime > 2 x keepalive, initdead >= deadtime. Must not know lines' text, nor sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hbcore.engine.config import MS, SECOND, Chosen, Timing
from hbcore.engine.lease import lease_of
from hbcore.formats.directives import TIMES
from hbcore.formats.text import Findings
from hbcore.formats.values import show, spell

STANDARD = Timing()
MIN_KEEPALIVE_NS = 10 * MS  # half of profile fast; below it the machine does nothing else
BEATS = 5  # profile standard hears five beats in a deadtime
# heartbeat's own defaults, for `Chosen`
HEARTBEATS_KEEPALIVE_NS = 1 * SECOND
HEARTBEATS_DEADTIME_NS = 30 * SECOND


def complete(given: Mapping[str, tuple[int, int]], found: Findings) -> tuple[Timing, tuple[Chosen, ...]]:
    """All times from those given (option -> nanoseconds, line); problems go to `found`.

    A keepalive alone: deadtime = max(500 ms, 5 x keepalive) (design 5). A deadtime alone: a fifth of it, so that five
    beats fit as in profile standard, but never more than heartbeat's 1 s and never more than the lease allows.
    """
    said = {option: ns for option, (ns, _) in given.items()}
    keepalive = said.get("keepalive")
    deadtime = said.get("deadtime")
    if deadtime is None:
        deadtime = STANDARD.deadtime_ns if keepalive is None else max(STANDARD.deadtime_ns, BEATS * keepalive)
    if keepalive is None:
        wanted = min(HEARTBEATS_KEEPALIVE_NS, deadtime // BEATS) if "deadtime" in said else STANDARD.keepalive_ns
        keepalive = wanted if _holds(wanted, deadtime) else _longest_keepalive(wanted, deadtime) or wanted
    timing = Timing(
        keepalive_ns=keepalive,
        warntime_ns=said.get("warntime", deadtime // 2),
        deadtime_ns=deadtime,
        initdead_ns=said.get("initdead", max(STANDARD.initdead_ns, deadtime)),
        deadping_ns=said.get("deadping", deadtime),
    )
    _relations(timing, given, found)
    return timing, _chosen(timing, said)


def _relations(timing: Timing, given: Mapping[str, tuple[int, int]], found: Findings) -> None:
    line = {option: given.get(option, (0, 0))[1] for option in TIMES}
    h, d = timing.keepalive_ns, timing.deadtime_ns
    if "keepalive" in given and h < MIN_KEEPALIVE_NS:
        found.error(line["keepalive"], "keepalive-short", keepalive=spell(h), least=spell(MIN_KEEPALIVE_NS))
        return
    if not _holds(h, d):
        code = "deadtime-twice-keepalive" if d <= 2 * h else "deadtime-lease"
        shorter = _longest_keepalive(h, d) if "keepalive" in given else None
        found.error(
            line["deadtime"] or line["keepalive"],
            code if shorter is not None else code + "-only",
            deadtime=spell(d),
            keepalive=spell(h),
            longer=spell(_shortest_deadtime(h, d)),
            **({} if shorter is None else {"shorter": spell(shorter)}),
        )
    if timing.initdead_ns < d:
        found.error(line["initdead"], "initdead-short", initdead=spell(timing.initdead_ns), deadtime=spell(d))
    if "deadping" in given and timing.deadping_ns <= 2 * h:
        found.error(line["deadping"], "deadping-short", deadping=spell(timing.deadping_ns), least=spell(2 * h + MS))
    if "warntime" not in given:
        return
    if timing.warntime_ns >= d:
        found.warning(line["warntime"], "warntime-late", warntime=spell(timing.warntime_ns), write=spell(d // 2))
    elif timing.warntime_ns <= h:
        found.warning(line["warntime"], "warntime-early", warntime=spell(timing.warntime_ns), write=spell(d // 2))


def _chosen(timing: Timing, said: Mapping[str, int]) -> tuple[Chosen, ...]:
    """What the file left out: ours, and what heartbeat would have taken beside what the file does say."""
    deadtime = said.get("deadtime", HEARTBEATS_DEADTIME_NS)
    theirs = {
        "keepalive": HEARTBEATS_KEEPALIVE_NS,
        "warntime": deadtime // 2,
        "deadtime": HEARTBEATS_DEADTIME_NS,
        "initdead": _heartbeats_initdead(deadtime),
        "deadping": deadtime,
    }
    ours = {
        "keepalive": timing.keepalive_ns,
        "warntime": timing.warntime_ns,
        "deadtime": timing.deadtime_ns,
        "initdead": timing.initdead_ns,
        "deadping": timing.deadping_ns,
    }
    return tuple(Chosen(option, show(ours[option]), show(theirs[option])) for option in ours if option not in said)


def _heartbeats_initdead(deadtime: int) -> int:
    if deadtime > 10 * SECOND:
        return deadtime
    return 2 * deadtime if deadtime >= 6 * SECOND else 12 * SECOND


def _holds(keepalive: int, deadtime: int) -> bool:
    try:
        lease_of(Timing(keepalive_ns=keepalive, deadtime_ns=deadtime))
    except ValueError:
        return False
    return deadtime > 2 * keepalive


def _shortest_deadtime(keepalive: int, too_short: int) -> int:
    """The shortest deadtime above `too_short`, in whole milliseconds, that this keepalive can have."""
    return MS * _first(lambda ms: _holds(keepalive, ms * MS), too_short // MS, (4 * keepalive + SECOND) // MS)


def _longest_keepalive(too_long: int, deadtime: int) -> int | None:
    """The longest keepalive, in whole milliseconds, that this deadtime can have; None where there is none."""
    if not _holds(MIN_KEEPALIVE_NS, deadtime):
        return None
    over = _first(lambda ms: not _holds(ms * MS, deadtime), MIN_KEEPALIVE_NS // MS, -(-too_long // MS))
    return (over - 1) * MS


def _first(true: Callable[[int], bool], low: int, high: int) -> int:
    """The smallest n in low+1..high with true(n), which is false at low and true at high and flips once."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if true(middle) else (middle, high)
    return high
