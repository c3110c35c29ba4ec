"""The times that apply: what the files say is kept, what they leave out is chosen and said.

Owns the choice (design 5: profile standard, 100/500 ms, initdead 12 s, or the profile named in hbcore.yaml), what the
two files may say beside each other, and the relations between times. The lease arithmetic itself is the engine's.
Invariant: a Timing returned without an error has a safe lease (safety.md 1), deadtime > 2 x keepalive, initdead >=
deadtime, and lies within what beats can say. Must not know lines' text, nor sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from hbcore.engine.config import MS, SECOND, Chosen, Timing
from hbcore.engine.lease import PROFILES, STANDARD, lease_of
from hbcore.engine.peer import MAX_DEADTIME_MS
from hbcore.formats.text import Findings
from hbcore.formats.values import show, spell

MIN_KEEPALIVE_NS = 10 * MS  # half of profile fast; below it the machine does nothing else
MAX_KEEPALIVE_NS = 600 * SECOND  # five of them fit into the longest deadtime
MAX_DEADTIME_NS = MAX_DEADTIME_MS * MS  # the peer believes no longer one
BEATS = 5  # profile standard hears five beats in a deadtime
# heartbeat's own defaults, for `Chosen`
HEARTBEATS_KEEPALIVE_NS = 1 * SECOND
HEARTBEATS_DEADTIME_NS = 30 * SECOND


@dataclass(frozen=True, slots=True)
class Source:
    """What one file says of times (option -> nanoseconds, line), and where its problems go."""

    times: Mapping[str, tuple[int, int]]
    found: Findings


@dataclass(frozen=True, slots=True)
class Said:
    """A time as written, and the place."""

    ns: int
    line: int
    found: Findings

    @property
    def place(self) -> str:
        return f"{self.found.file}:{self.line}"


def complete(ha: Source, yaml: Source, profile: str = "", profile_line: int = 0) -> tuple[Timing, tuple[Chosen, ...]]:
    """All times from those given; problems go to the notebook of the file that is to be changed.

    Each time is said in one file. A named profile gives keepalive and deadtime, which no file may say otherwise; the
    other times refine it. Without one, a keepalive alone: deadtime = max(500 ms, 5 x keepalive) (design 5); a deadtime
    alone: a fifth of it, so that five beats fit as in profile standard, but never more than heartbeat's 1 s and never
    more than the lease allows.
    """
    given = {option: Said(ns, line, ha.found) for option, (ns, line) in ha.times.items()}
    for option, (ns, line) in yaml.times.items():
        if option in given:
            yaml.found.error(line, "timing-twice", option=option, place=given[option].place)
        else:
            given[option] = Said(ns, line, yaml.found)
    base = PROFILES.get(profile, STANDARD)
    if profile:
        fixed = {"keepalive": base.keepalive_ns, "deadtime": base.deadtime_ns}
        other = [(o, given[o]) for o, ns in fixed.items() if o in given and given[o].ns != ns]
        if other:
            theirs = " and ".join(f"{option} {spell(said.ns)} ({said.place})" for option, said in other)
            keepalive, deadtime = map(spell, fixed.values())
            yaml.found.error(
                profile_line, "profile-other", profile=profile, keepalive=keepalive, deadtime=deadtime, theirs=theirs
            )
            return base, ()
    timing = _fill(base, given, fixed=bool(profile))
    _relations(timing, given, fixed=bool(profile))
    return timing, _chosen(timing, given, profile or "standard")


def _fill(base: Timing, given: Mapping[str, Said], *, fixed: bool) -> Timing:
    said = {option: one.ns for option, one in given.items()}
    keepalive, deadtime = said.get("keepalive", base.keepalive_ns), said.get("deadtime", base.deadtime_ns)
    if not fixed and "deadtime" not in said and "keepalive" in said:
        deadtime = max(base.deadtime_ns, BEATS * keepalive)
    if not fixed and "keepalive" not in said and "deadtime" in said:
        keepalive = _fifth(deadtime)
    return replace(
        base,
        keepalive_ns=keepalive,
        warntime_ns=said.get("warntime", deadtime // 2),
        deadtime_ns=deadtime,
        initdead_ns=said.get("initdead", max(base.initdead_ns, deadtime)),
        deadping_ns=said.get("deadping", deadtime),
    )


def _fifth(deadtime: int) -> int:
    """The keepalive that a deadtime alone takes: a fifth of it, or less where the lease asks for that."""
    wanted = max(MIN_KEEPALIVE_NS, min(HEARTBEATS_KEEPALIVE_NS, deadtime // BEATS))
    return wanted if _holds(wanted, deadtime) else _longest_keepalive(wanted, deadtime) or wanted


def _relations(timing: Timing, given: Mapping[str, Said], *, fixed: bool) -> None:
    h, d = timing.keepalive_ns, timing.deadtime_ns
    keepalive, deadtime = given.get("keepalive"), given.get("deadtime")
    if keepalive and h < MIN_KEEPALIVE_NS:
        h = MIN_KEEPALIVE_NS  # the rest is judged by what is offered instead
        keepalive.found.error(keepalive.line, "keepalive-short", keepalive=spell(keepalive.ns), least=spell(h))
    if keepalive and h > MAX_KEEPALIVE_NS:
        h = MAX_KEEPALIVE_NS
        keepalive.found.error(keepalive.line, "keepalive-long", keepalive=spell(keepalive.ns), most=spell(h))
    if deadtime and d > MAX_DEADTIME_NS:
        d = MAX_DEADTIME_NS
        deadtime.found.error(deadtime.line, "deadtime-long", deadtime=spell(deadtime.ns), most=spell(d))
    place = deadtime or keepalive
    if place and not fixed and not _holds(h, d):
        _unsafe(h, d, place, alone=keepalive is None)
    if (said := given.get("initdead")) and said.ns < d:
        said.found.error(said.line, "initdead-short", initdead=spell(said.ns), deadtime=spell(d))
    if (said := given.get("deadping")) and said.ns <= 2 * h:
        said.found.error(said.line, "deadping-short", deadping=spell(said.ns), least=spell(2 * h + MS))
    if (said := given.get("warntime")) and not h < said.ns < d:
        code = "warntime-late" if said.ns >= d else "warntime-early"
        said.found.warning(said.line, code, warntime=spell(said.ns), write=spell(d // 2))


def _unsafe(h: int, d: int, place: Said, *, alone: bool) -> None:
    """No safe lease: name the nearest deadtime and the nearest keepalive that have one."""
    code = "deadtime-twice-keepalive" if d <= 2 * h else "deadtime-lease"
    longer = _shortest_deadtime(h, d)
    if alone:  # then the keepalive grows and shrinks with it
        longer = MS * _first(lambda ms: _holds(_fifth(ms * MS), ms * MS), d // MS, longer // MS)
    args = {"deadtime": spell(d), "keepalive": spell(h), "longer": spell(longer)}
    shorter = None if alone else _longest_keepalive(h, d)
    fast = PROFILES["fast"]
    if shorter is not None:
        args["shorter"] = spell(shorter)
    elif (h, d) == (fast.keepalive_ns, fast.deadtime_ns):
        code += "-fast"
    else:
        code += "-only"
    place.found.error(place.line, code, **args)


def _chosen(timing: Timing, given: Mapping[str, Said], profile: str) -> tuple[Chosen, ...]:
    """What the files left out: ours, and what heartbeat would have taken beside what the files do say."""
    deadtime = given["deadtime"].ns if "deadtime" in given else HEARTBEATS_DEADTIME_NS
    values = {
        "keepalive": (timing.keepalive_ns, HEARTBEATS_KEEPALIVE_NS),
        "warntime": (timing.warntime_ns, deadtime // 2),
        "deadtime": (timing.deadtime_ns, HEARTBEATS_DEADTIME_NS),
        "initdead": (timing.initdead_ns, _heartbeats_initdead(deadtime)),
        "deadping": (timing.deadping_ns, deadtime),
    }
    return tuple(
        Chosen(option, show(ours), show(theirs), profile)
        for option, (ours, theirs) in values.items()
        if option not in given
    )


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
