"""hbctl drill: this cluster's own configuration, simulated under faults, and what came of it for a person.

Owns the runs on all processors, their sum and its telling. Invariant: the same configuration and number of seeds give
the same figures, but for the speed; real work on this machine goes first. Must not know how a run is made.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hbcore.cli import tale
from hbcore.cli.look import put_json, put_lines
from hbcore.cli.scene import Scene, scene
from hbcore.control.errors import ControlError
from hbcore.engine.config import MS, SECOND
from hbcore.lab.kernel import die_with_parent
from hbcore.sim.draw import plan
from hbcore.sim.run import Result, bound_ns, run
from hbcore.sim.shrink import MOST, shrink
from hbcore.sim.world import BEGUN_NS
from hbcore.words import say

NICE = 19
BROKEN_SHOWN = 3
TALE_LINES = 40
_INTERRUPTED = 130  # as shells say of SIGINT


@dataclass(slots=True)
class Sum:
    """What all runs came to. `outages_ms`: unplanned, by group; `open`: how many of these only the healing ended.
    `holes`: code -> lengths (ms) of two owners. `bound_ns`: the longest that a run was given to come to rest.
    `simulated_ns`: in all; `heal_ns`: when in a run all is mended.
    """

    runs: int = 0
    simulated_ns: int = 0
    heal_ns: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    outages_ms: dict[str, list[float]] = field(default_factory=dict)
    open: Counter[str] = field(default_factory=Counter)
    holes: dict[str, list[float]] = field(default_factory=dict)
    broken: list[Result] = field(default_factory=list)
    bound_ns: int = 0

    def add(self, result: Result) -> None:
        self.runs += 1
        self.simulated_ns += result.length_ns
        self.heal_ns = result.plan.heal_ns
        self.counts += result.counts
        self.bound_ns = max(self.bound_ns, bound_ns(result.plan))
        for outage in result.outages:
            if outage.unplanned:
                self.outages_ms.setdefault(outage.group, []).append(outage.length_ns / MS)
                self.open[outage.group] += outage.open
        for overlap in result.overlaps:
            if overlap.hole:
                until_ns = overlap.until_ns or BEGUN_NS + result.length_ns
                self.holes.setdefault(overlap.hole, []).append((until_ns - overlap.from_ns) / MS)
        if result.broken:
            self.broken.append(result)
            self.broken.sort(key=lambda one: one.plan.seed)


def drill(args: argparse.Namespace) -> int:
    """Exit 0 where nothing broke, 1 where a promise was broken or the configuration is no good.

    Ctrl-C ends the runs (130, where nothing broke so far), or the search for shorter ones, and what was found is told.
    """
    played = scene(Path(args.config))
    os.nice(NICE)  # this may be a node that serves; workers inherit it
    begun = time.monotonic()
    passed = 0.0
    total = Sum()
    shown: list[Result] = []
    ended = 0
    try:
        _show(_progress(total, args.seeds, passed))
        for result in _results(played, args.seeds):
            total.add(result)
            passed = time.monotonic() - begun
            _show(_progress(total, args.seeds, passed))
        for result in total.broken[:BROKEN_SHOWN]:
            shown.append(_shorter(result))
    except KeyboardInterrupt:
        ended = _INTERRUPTED
    _show("")
    shown += total.broken[len(shown) : BROKEN_SHOWN]
    speed = _speed(total, passed)
    if args.json:
        put_json({"asked": args.seeds, **_as_json(played, total, shown, speed)})
    elif total.runs:
        put_lines(list(_text(played, total, shown, speed)))
    return 1 if total.broken else ended


def _results(played: Scene, seeds: int) -> Iterator[Result]:
    """Of all seeds, as they come. Raises ControlError where a process that plays them is gone."""
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), fork, _worker) as pool:
        try:
            for done in as_completed([pool.submit(_one, seed, played) for seed in range(seeds)]):
                yield done.result()
        except BrokenProcessPool:
            raise ControlError("drill-worker") from None
        finally:  # of what is not awaited any more; the pool then ends by itself, and is waited for
            for child in multiprocessing.active_children():
                child.terminate()


def _worker() -> None:
    """Ctrl-C is the parent's to hear; without it nobody wants the runs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent()


def _one(seed: int, played: Scene) -> Result:
    return run(plan(seed, played.config, played.capable), measured=True)


def _shorter(result: Result) -> Result:
    """With as few faults as still break it; as it is where that is not found."""
    seed = result.plan.seed
    short = shrink(result.plan, told=lambda tried: _show(say("drill-shrinks", seed=seed, tried=tried, most=MOST)))
    return result if short == result.plan else run(short)


def _progress(total: Sum, seeds: int, passed: float) -> str:
    left = f"{passed / total.runs * (seeds - total.runs):.0f}" if total.runs else "?"
    return say("drill-progress", done=total.runs, total=seeds, speed=f"{_speed(total, passed):.0f}", left=left)


def _speed(total: Sum, passed: float) -> float:
    """Simulated seconds a second."""
    return total.simulated_ns / SECOND / max(0.001, passed)


def _show(text: str) -> None:
    """One line on a terminal that takes the place of the last one; "" takes it away."""
    if sys.stderr.isatty():
        print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)


# -- telling -----------------------------------------------------------------------------------------------------------


def _text(played: Scene, total: Sum, shown: Sequence[Result], speed: float) -> Iterator[str]:
    config = played.config
    timing = config.timing
    groups = ", ".join(f"{g.name} ({g.weight.value})" for g in config.groups)
    yield say(
        "drill-cluster", cluster=config.cluster, nodes=", ".join(config.nodes), groups=groups,
        keepalive=_span(timing.keepalive_ns / MS), deadtime=_span(timing.deadtime_ns / MS),
    )  # fmt: skip
    for code, args in played.assumed:
        yield say(code, **dict(args))
    faults = {name.removeprefix("fault "): n for name, n in total.counts.items() if name.startswith("fault ")}
    yield say(
        "drill-tried", runs=total.runs, simulated=_long(total.simulated_ns // SECOND), speed=f"{speed:.0f}",
        faults=sum(faults.values()),
    )  # fmt: skip
    for name, n in sorted(faults.items(), key=lambda item: (-item[1], item[0])):
        yield f"  {n:6} x  {say(f'kind-{name}')}"
    yield ""
    if not total.counts["takeovers"]:
        yield say("drill-none-taken")
    if not total.broken:
        yield say("drill-held", bound=_span(total.bound_ns / MS))
    else:
        yield say("drill-broke", count=len(total.broken), runs=total.runs)
    yield from _recoveries(played, total)
    for hole, lengths in sorted(total.holes.items()):
        yield say("drill-hole", hole=hole, count=len(lengths), longest=_span(max(lengths)), text=say(f"drill-{hole}"))
    if not total.holes:
        yield say("drill-no-holes")
    for one in shown:
        yield from _broken(one)


def _recoveries(played: Scene, total: Sum) -> Iterator[str]:
    for group in played.config.groups:
        lengths = sorted(total.outages_ms.get(group.name, ()))
        if not lengths:
            yield say("drill-no-recovery", group=group.name)
            continue
        yield say(
            "drill-recovery", group=group.name, count=len(lengths), median=_span(_rank(lengths, 0.5)),
            p99=_span(_rank(lengths, 0.99)), longest=_span(lengths[-1]),
        )  # fmt: skip
        if total.open[group.name]:
            yield say("drill-open", group=group.name, count=total.open[group.name], after=_span(total.heal_ns / MS))
        yield from _bars(lengths)


EDGES_MS = (250, 500, 750, 1000, 2000, 5000, 15_000, 60_000)


def _bars(lengths: Sequence[float]) -> Iterator[str]:
    """A distribution a person sees at a glance."""
    low = 0
    for high in (*EDGES_MS, math.inf):
        n = sum(1 for ms in lengths if low <= ms < high)
        if n:
            label = f"{_span(low)} to {_span(high)}" if high != math.inf else f"over {_span(low)}"
            yield f"  {label:>20}  {n:5} x  {'█' * max(1, round(40 * n / len(lengths)))}"
        low = int(high) if high != math.inf else low


def _broken(one: Result) -> Iterator[str]:
    """Its faults, and the last of what else happened before a promise was broken."""
    yield ""
    yield say("drill-seed", seed=one.plan.seed, count=len(one.plan.faults))
    happened = [h for h in one.happened if h.at_ns <= one.broken[0].at_ns and h.code != "rules-changed"]
    late = happened[-TALE_LINES:]
    yield from tale.lines([h for h in happened[:-TALE_LINES] if h.code.startswith("fault-")] + late)


def _rank(values: Sequence[float], share: float) -> float:
    return values[max(0, math.ceil(share * len(values)) - 1)]


def _span(ms: float) -> str:
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s".replace(".0 s", " s")


def _long(seconds: int) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _as_json(played: Scene, total: Sum, shown: Sequence[Result], speed: float) -> dict[str, Any]:
    return {
        "cluster": played.config.cluster,
        "assumed": [{"code": code, "text": say(code, **dict(args))} for code, args in played.assumed],
        "runs": total.runs,
        "simulated_s": total.simulated_ns // SECOND,
        "speed": round(speed),
        "counts": dict(sorted(total.counts.items())),
        "bound_ms": total.bound_ns / MS,
        "recoveries_ms": {
            name: {
                "count": len(ms), "median": _rank(ms, 0.5), "p99": _rank(ms, 0.99), "max": ms[-1],
                "open": total.open[name],
            }
            for name, ms in ((name, sorted(found)) for name, found in sorted(total.outages_ms.items()))
        },
        "holes": {hole: {"count": len(ms), "longest_ms": max(ms)} for hole, ms in sorted(total.holes.items())},
        "broken": [
            {"seed": result.plan.seed, "invariant": b.invariant, "group": b.group, "text": b.text}
            for result in total.broken
            for b in result.broken[:1]
        ],
        "shortest": [{"seed": one.plan.seed, "faults": list(tale.faults(one.plan))} for one in shown],
    }  # fmt: skip
