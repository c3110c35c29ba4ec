"""One seed, told and made short.

    python -m tests.sim SEED [--shrink] [--all]

Owns what a person types to look into a run. `--shrink`: the shortest plan that fails the same way; `--all`: the tale to
its end, also where nothing broke. Must not know how runs are made.
"""

from __future__ import annotations

import argparse

from hbcore.cli import tale
from hbcore.sim.draw import plan
from hbcore.sim.run import run
from hbcore.sim.shrink import shrink
from hbcore.sim.world import Happened, World


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--shrink", action="store_true")
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    one = plan(options.seed)
    if options.shrink:
        one = shrink(one)
    worlds: list[World] = []
    result = run(one, watch=worlds.append)
    config = one.config
    print(f"groups {[(g.name, g.prefer) for g in config.groups]} links {[link.device for link in config.links]}")
    print(f"ping {config.pings} deadtime {config.timing.deadtime_ns // 10**6} ms, failback {config.auto_failback}")
    print(f"boots {one.boots_ns} ppm {one.ppm} noise {one.noise} neighbours {one.neighbours} capable {one.capable}")
    print(*tale.faults(one), sep="\n")
    happened: list[Happened] = worlds[0].happened
    if result.broken and not options.all:
        happened = [h for h in happened if h.at_ns <= result.broken[0].at_ns][-60:]
    print(*tale.lines(happened if result.broken or options.all else []), sep="\n")
    print("BROKEN" if result.broken else "held", [(b.invariant, b.text) for b in result.broken[:3]])
    return 1 if result.broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
