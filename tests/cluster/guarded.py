"""Does something to the kernel's guard in a node, and looks on: `python -m tests.cluster.guarded IP COMMAND...`, there.

Owns the looking, in a tight loop of the kernel's own answers. Prints one JSON line: `away_ms` from the last look that
found all of it in its place to the first that did so again (or the longest time between two looks, where none found
anything amiss), `blind_ms` that longest time. Invariant: it mends nothing. Must not know who does.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from contextlib import suppress

from hbcore.host.guard import Gate, Guard

PATIENCE_S = 5.0
AFTER_S = 0.4  # so long it goes on looking
PRIORITY, PAUSE_S = 5, 0.0005  # below pulse's: who looks must not be in the way


def main(ip: str, command: list[str]) -> None:
    guard = Guard()
    assert guard.install([Gate(ip)]) == "", guard.trouble  # it stands already: this only says what to look for
    assert guard.stands()
    with subprocess.Popen(command) as hurting:
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
        looks = [(time.monotonic(), True)]
        end = over = looks[0][0] + PATIENCE_S
        while looks[-1][0] < end and (looks[-1][0] < over + AFTER_S or not looks[-1][1]):
            time.sleep(PAUSE_S)
            looks.append((time.monotonic(), guard.stands()))
            if over == end and hurting.poll() is not None:
                over = looks[-1][0]
    print(json.dumps({"code": hurting.returncode, "stands": looks[-1][1], **figures(looks)}))


def figures(looks: list[tuple[float, bool]]) -> dict[str, float]:
    blind = max((b - a for (a, _), (b, _) in itertools.pairwise(looks)), default=0.0)
    whole = [t for t, stands in looks if stands]
    away = max((b - a for a, b in itertools.pairwise(whole)), default=0.0)
    return {"away_ms": round(away * 1000, 1), "blind_ms": round(blind * 1000, 1)}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
