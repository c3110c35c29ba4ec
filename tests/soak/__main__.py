"""`make soak`: measures what is promised, as often as promised, and writes it down.

    python -m tests.soak [--fresh] [--only KIND] [--count N] [--table]

Owns docs/measurements/soak.jsonl (a line a run) and docs/measurements.md (made of it). Invariant: each result is on
disk before the next run begins, a run that went wrong is a result too, and what is in the file is not run again while
the source is the same; so it can be stopped at any time. Must not know the engine.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial

from tests.soak import book, load, plays, simulated

PLAYS: dict[str, tuple[int, Callable[[int], Iterator[book.Line]]]] = {
    "failover": (20, plays.failovers),
    "move": (100, plays.moves),
    "kill": (20, plays.kills),
    "freeze": (20, plays.freezes),
    "flush": (20, plays.flushes),
    "load-cpu": (6, partial(load.slices, "cpu")),
    "load-disk": (6, partial(load.slices, "disk")),
    "sim": (100, simulated.simulations),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    parser.add_argument("--only", choices=PLAYS, help="this kind alone")
    parser.add_argument("--count", type=int, help="so many of each (default: as promised)")
    parser.add_argument("--table", action="store_true", help="run nothing, only write the table anew")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # hogs and clusters are put away, as on Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's "&" has it ignored
    if not options.table:
        book.forget(all_of_it=options.fresh)
    for kind, (promised, play) in PLAYS.items():
        wanted = options.count or promised
        missing = wanted - len(book.lines(kind))
        if options.table or missing <= 0 or options.only not in (None, kind):
            continue
        print(f"{kind}: {missing} of {wanted} to run", flush=True)
        for line in play(missing):
            book.add(kind, line)
            print(f"{kind} {len(book.lines(kind))}/{wanted}:", book.short(line), flush=True)
    runs = simulated.total(book.lines("sim"))
    often = {kind: promised for kind, (promised, _) in PLAYS.items()}
    good = book.tell(often, [*simulated.tell(runs)], kept_more=simulated.kept(runs))
    print(book.TABLE.read_text())
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
