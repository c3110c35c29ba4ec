"""A family of searches, one after the other: what the engine was asked in one is not asked again in the next.

Owns what a process of its own does. Invariant: a result is in the book before the next search begins. Must not know
which searches there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from tests.model import book, page
from tests.model.pair import Known
from tests.model.runs import Run


def families(runs: Iterable[Run]) -> list[list[Run]]:
    """In the order in which they came first."""
    found: dict[tuple[object, ...], list[Run]] = {}
    for run in runs:
        found.setdefault(run.family, []).append(run)
    return list(found.values())


def search(family: list[Run], digest: str, at: str) -> None:
    """One after the other, in a process of its own."""
    known = Known()
    for run in family:
        result = run.search(known, tell=partial(print, "   ", f"{run.name}:", flush=True))
        book.add(run, result, digest, at)
        print(f"{run.name}: {book.short(result)}", flush=True)
        for finding in result.findings:
            excuse = finding.hole if finding.hole in run.excused else f"NOT EXCUSED {finding.hole}"
            print("   ", excuse, finding.what, page.path(finding.path), flush=True)
