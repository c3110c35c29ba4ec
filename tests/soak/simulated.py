"""Ten thousand simulated runs, a hundred a line.

Owns the slicing: the lines before say which seeds come next, so it can be stopped at any time. Invariant: every seed is
played once. Must not know how runs are made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tests.sim.batch import FLOORS, Batch, play
from tests.soak.book import Line, lines

SLICE = 100
SPEED = 200  # x real time, on all processors


def simulations(count: int) -> Iterator[Line]:
    """So many lines more."""
    first = len(lines("sim")) * SLICE
    for number in range(count):
        begun = first + number * SLICE
        batch = play(range(begun, begun + SLICE))
        yield {
            "ok": not batch.broken,
            "seeds": f"{begun}-{begun + SLICE - 1}",
            "hours": round(batch.hours, 3),
            "speed": round(batch.speed),
            "cpu_s": round(batch.cpu_s, 1),
            "wall_s": round(batch.wall_s, 1),
            "counts": dict(sorted(batch.counts.items())),
            **({"error": "; ".join(f"seed {s}: {i} {t}" for s, i, t in batch.broken)[:300]} if batch.broken else {}),
        }


def total(found: Sequence[Line]) -> Batch:
    """All slices as one; of what broke the seeds are in the lines."""
    batch = Batch(runs=len(found) * SLICE)
    for line in found:
        batch.counts += Counter(line["counts"])
        batch.cpu_s += line["cpu_s"]
        batch.wall_s += line["wall_s"]
        batch.broken += [] if line["ok"] else [(0, "", line["error"])]
    return batch


def kept(runs: Batch) -> bool:
    """Nothing broke, enough happened, and it was as fast as promised."""
    return not runs.broken and not runs.scarce() and runs.speed >= SPEED


def tell(runs: Batch) -> Iterator[str]:
    """What they came to, as lines of a page."""
    if not runs.runs:
        return
    faults = sum(n for name, n in runs.counts.items() if name.startswith("fault "))
    yield "## Simulated"
    yield ""
    yield f"{runs.runs:,} runs of 120 simulated seconds by the engine that runs (seeds 0 to {runs.runs - 1:,}): "
    yield f"{runs.hours:,.0f} simulated hours with {faults:,} faults, {runs.speed:.0f} x real time"
    yield f"(promised: {SPEED} x), {runs.per_processor:.0f} x on one of the processors. Slices in which something broke"
    yield f"outside the printed holes: {len(runs.broken)}."
    yield ""
    holes = {name.removeprefix("hole "): n for name, n in runs.counts.items() if name.startswith("hole ")}
    yield (
        "Two owners within a printed hole: "
        + (", ".join(f"{h} {n} x" for h, n in sorted(holes.items())) or "none")
        + "."
    )
    yield ""
    yield "| what happened | times | floor |"
    yield "|---|---|---|"
    for name, floor in FLOORS.items():
        yield f"| {name} | {runs.counts[name]:,} | {floor * runs.runs // 1000:,} |"
    if scarce := runs.scarce():
        yield ""
        yield "Below its floor: " + ", ".join(scarce)
    yield ""
