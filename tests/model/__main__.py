"""The model check: searches all that can happen to two nodes, and writes down what was found.

    python -m tests.model [--only TEXT] [--fresh] [--table] [--jobs N]

Owns docs/measurements/model.jsonl (a line a search) and docs/model.md (made of it). Invariant: a search that was made
with this very code is not made again, so it can be stopped at any time. Each family of searches has a process of its
own; the greatest takes 6 GB.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.digest import commit
from tests.model import book, page
from tests.model.family import families, search
from tests.model.runs import FULL, code


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--only", default="", help="those whose name has this in it")
    parser.add_argument("--fresh", action="store_true", help="again, also where the code is the same")
    parser.add_argument("--table", action="store_true", help="search nothing, only write the page anew")
    parser.add_argument("--jobs", type=int, default=2, help="so many at once (default %(default)s)")
    options = parser.parse_args()
    runs = [run for run in FULL if options.only in run.name]
    digest = code()
    if not options.table:
        missing = [run for run in runs if options.fresh or not book.has(run.name, digest)]
        print(f"{len(missing)} of {len(runs)} searches to make", flush=True)
        fresh = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(options.jobs, mp_context=fresh, max_tasks_per_child=1) as pool:
            for done in as_completed([pool.submit(search, family, digest, commit()) for family in families(missing)]):
                done.result()
    order = {run.name: number for number, run in enumerate(FULL)}
    lines = [line for line in book.lines() if line["code"] == digest and line["run"] in order]
    lines.sort(key=lambda line: order[line["run"]])
    page.write(lines, len(FULL))
    return 1 if any(book.bad(line) for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
