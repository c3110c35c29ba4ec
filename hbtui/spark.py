"""Latency sparklines on one fixed logarithmic scale, and the short history they are drawn from.

Owns the samples of the last minutes: one cell is CELL_S seconds and shows the worst sample in it.
Invariant: the scale never adapts to the data (1 ms of noise must not look like a storm); memory is bounded.
Must not know widgets.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from hbtui.glyphs import Glyphs

CELL_S = 5.0
CELLS = 36  # three minutes
LOW_MS = 0.1
LOST = math.inf  # a lost beat or a link that is down

Run = tuple[str, str]  # text, tone


class History:
    """Worst sample per CELL_S window of one link or ping node; times are monotonic seconds."""

    __slots__ = ("_cells",)

    def __init__(self) -> None:
        self._cells: deque[tuple[int, float]] = deque(maxlen=CELLS)

    def add(self, now: float, rtt_ms: float | None) -> None:
        """None: the link gave no sample (nothing is drawn); LOST: it is known to be down."""
        if rtt_ms is None:
            return
        slot = int(now // CELL_S)
        if self._cells and self._cells[-1][0] >= slot:
            self._cells[-1] = (self._cells[-1][0], max(self._cells[-1][1], rtt_ms))
        else:
            self._cells.append((slot, rtt_ms))

    def cells(self, now: float, count: int) -> list[float | None]:
        """The last `count` windows up to now, oldest first; None where nothing was measured."""
        last = int(now // CELL_S)
        known = dict(self._cells)
        return [known.get(slot) for slot in range(last - count + 1, last + 1)]


def step(rtt_ms: float, high_ms: float, steps: int) -> int:
    """Place of `rtt_ms` on the log scale from LOW_MS to `high_ms`: 0 .. steps - 1."""
    if rtt_ms <= LOW_MS:
        return 0
    share = math.log(rtt_ms / LOW_MS) / math.log(max(high_ms, LOW_MS * 2) / LOW_MS)
    return min(steps - 1, int(share * steps))


def spark(cells: Sequence[float | None], glyphs: Glyphs, warn_ms: float, dead_ms: float) -> tuple[Run, ...]:
    """Runs of equal tone; colour steps at warntime and deadtime, so that the eye needs no scale."""
    runs: list[Run] = []
    for cell in cells:
        if cell is None:
            char, tone = " ", "muted"
        elif cell == LOST:
            char, tone = glyphs.lost, "bad"
        else:
            char = glyphs.ramp[step(cell, dead_ms, len(glyphs.ramp))]
            tone = "bad" if cell >= dead_ms else "warn" if cell >= warn_ms else "ok"
        if runs and runs[-1][1] == tone:
            runs[-1] = (runs[-1][0] + char, tone)
        else:
            runs.append((char, tone))
    return tuple(runs)
