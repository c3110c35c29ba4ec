"""The model check: searches all that can happen to two nodes, and writes down what was found.

    python -m tests.model [--full] [--only TEXT] [--fresh] [--table] [--jobs N]

Without --full: what `make test` asks. Owns docs/measurements/model.jsonl (a line a search) and docs/model.md (made of
it). Invariant: a search that was made with this very code is not made again, so it can be stopped at any time. Each has
a process of its own; one of the greatest takes 2 GB.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.digest import commit
from tests.model import book, page
from tests.model.runs import FULL, QUICK, code, searched


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--full", action="store_true", help="all searches; an hour on two processors")
    parser.add_argument("--only", default="", help="those whose name has this in it")
    parser.add_argument("--fresh", action="store_true", help="again, also where the code is the same")
    parser.add_argument("--table", action="store_true", help="search nothing, only write the page anew")
    parser.add_argument("--jobs", type=int, default=2, help="so many at once (default %(default)s)")
    options = parser.parse_args()
    runs = [run for run in (FULL if options.full else QUICK) if options.only in run.name]
    digest = code()
    missing = [run for run in runs if options.fresh or not book.has(run.name, digest)]
    if not options.table:
        at, fresh = commit(), multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(options.jobs, mp_context=fresh, max_tasks_per_child=1) as pool:
            under_way = {pool.submit(searched, run): run for run in missing}
            for number, done in enumerate(as_completed(under_way), 1):
                run, result = under_way[done], done.result()
                book.add(run, result, digest, at)
                print(f"[{number}/{len(missing)}] {run.name}: {book.short(result)}", flush=True)
                for finding in result.findings:
                    excuse = finding.hole if finding.hole in run.excused else f"NOT EXCUSED {finding.hole}"
                    print("   ", excuse, finding.what, page.path(finding.path), flush=True)
    order = {run.name: number for number, run in enumerate([*QUICK, *FULL])}
    lines = sorted(book.lines(), key=lambda line: order.get(line["run"], len(order)))
    page.write(lines, len(FULL))
    return 1 if any(book.bad(line) for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
