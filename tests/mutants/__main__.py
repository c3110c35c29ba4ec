"""`make mutants`: takes each rule away in turn and says which check noticed.

    python -m tests.mutants [NAME ...] [--by KIND ...] [--seeds N] [--json] [--write]

Owns the processes and what is printed. Invariant: each mutant has a process of its own, forked before anything of
hbcore is loaded; exit 0 only where each was caught, or is listed as the same program and was not.
Must not know how an engine is tried (trial.py).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess

from tests.mutants import book
from tests.mutants.catalogue import MUTANTS, Mutant
from tests.mutants.edit import put_in_force
from tests.mutants.trial import KINDS, Caught, checks, preload

SEEDS = 20


@dataclass(slots=True)
class Verdict:
    """`caught`: kind of check -> what caught it, or None. `error`: why it could not be tried."""

    name: str
    rule: str
    same: str
    caught: dict[str, Caught | None] = field(default_factory=dict)
    error: str = ""
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        return not self.error and any(self.caught.values()) is not bool(self.same)

    def line(self) -> str:
        found = [c for c in self.caught.values() if c]
        said = "; ".join(f"{c.check}{f', number {c.tried}' if c.tried > 1 else ''}: {c.how}" for c in found)
        if self.error:
            said = self.error
        elif self.same:
            said = f"CAUGHT, though said to be the same program: {said}" if found else f"the same program: {self.same}"
        return f"{self.name} ({self.rule}) {said or 'SURVIVES'}"


def main() -> int:
    options = _options()
    unknown = [name for name in options.names if name not in MUTANTS]
    if unknown:
        print(f"no such mutant: {', '.join(unknown)}", file=sys.stderr)
        return 2
    mutants = [MUTANTS[name] for name in options.names or MUTANTS]
    preload()
    attempt = partial(_attempt, kinds=options.by, seeds=options.seeds)
    verdicts: list[Verdict] = []
    for verdict in _forked(attempt, mutants, options.jobs):
        verdicts.append(verdict)
        line = f"{len(verdicts)}/{len(mutants)} {verdict.seconds:.1f} s {verdict.line()}"
        print(line, file=sys.stderr if options.json else sys.stdout, flush=True)
    if options.json:
        print(json.dumps([{**asdict(v), "good": v.good} for v in verdicts], indent=1))
    if options.write:
        book.write(verdicts, options.seeds)
    bad = [v for v in verdicts if not v.good]
    same = sum(v.good and bool(v.same) for v in verdicts)
    print(f"{len(verdicts) - same - len(bad)} caught, {same} the same program, {len(bad)} bad", file=sys.stderr)
    for verdict in bad:
        print("  " + verdict.line(), file=sys.stderr)
    return 1 if bad else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="these only")
    parser.add_argument("--by", action="append", choices=KINDS, help="these kinds of checks only, each for itself")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="so many seeds at most (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help="docs/mutants.md: by known checks and by seeds")
    options = parser.parse_args()
    if options.write:
        options.by, options.names = ["known", "seeds"], []
    return options


def _forked(attempt: Callable[[Mutant], Verdict], mutants: Sequence[Mutant], jobs: int) -> Iterator[Verdict]:
    """Each in a process of its own. Forked by this thread: a pool forks from another one while this one prints, and the
    child then waits for ever for the lock of what it printed to.
    """
    fork = multiprocessing.get_context("fork")
    waiting = list(reversed(mutants))
    running: dict[Connection, tuple[ForkProcess, Mutant]] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            ours, theirs = fork.Pipe(duplex=False)
            process = fork.Process(target=_tell, args=(theirs, attempt, waiting[-1]))
            process.start()
            theirs.close()
            running[ours] = process, waiting.pop()
        ready = connection.wait(list(running))
        for told in [one for one in running if one in ready]:
            process, mutant = running.pop(told)
            try:
                yield told.recv()
            except EOFError:
                yield Verdict(mutant.name, mutant.rule, mutant.same, error="its process died")
            told.close()
            process.join()


def _tell(to: Connection, attempt: Callable[[Mutant], Verdict], mutant: Mutant) -> None:
    to.send(attempt(mutant))


def _attempt(mutant: Mutant, *, kinds: list[str] | None, seeds: int) -> Verdict:
    """In a fresh process: the mutant in force, then the checks, up to the first that catches it unless `kinds` are
    named.
    """
    verdict = Verdict(mutant.name, mutant.rule, mutant.same)
    begun = time.process_time()
    try:
        put_in_force(mutant.edits)
        for kind, check in checks(mutant.by, seeds).items():
            if kinds is None or kind in kinds:
                verdict.caught[kind] = check()
            if kinds is None and verdict.caught[kind]:
                break
    except Exception as error:
        verdict.error = f"{type(error).__name__}: {error}"
    verdict.seconds = time.process_time() - begun
    return verdict


if __name__ == "__main__":
    sys.exit(main())
