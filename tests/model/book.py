"""Results of searches, a line each, the newest of each search.

Owns docs/measurements/model.jsonl. Invariant: no reader sees half of it. Must not know how they are shown.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
from datetime import date
from pathlib import Path
from typing import Any

from tests.digest import ROOT
from tests.model.runs import Run, excused
from tests.model.search import Result

BOOK = ROOT / "docs" / "measurements" / "model.jsonl"
Line = dict[str, Any]


def lines() -> list[Line]:
    return [json.loads(line) for line in BOOK.read_text().splitlines()] if BOOK.exists() else []


def has(name: str, digest: str) -> bool:
    return any(line["run"] == name and line["code"] == digest for line in lines())


def add(run: Run, result: Result, digest: str, commit: str) -> None:
    line = {"run": run.name, "code": digest, "commit": commit, "date": date.today().isoformat()}
    line |= dataclasses.asdict(result)
    with Path(__file__).open() as room:
        fcntl.flock(room, fcntl.LOCK_EX)  # two processes may be done at once
        kept = [old for old in lines() if old["run"] != run.name]
        whole = "".join(json.dumps(one, separators=(",", ":")) + "\n" for one in [*kept, line])
        fresh = BOOK.with_suffix(".new")
        fresh.write_text(whole)
        fresh.replace(BOOK)


def bad(line: Line) -> list[dict[str, Any]]:
    """Findings that no hole excuses."""
    holes = excused(line["kind"], line["faults"], controlled="no-ping" not in line["run"])
    return [f for f in line["findings"] if f["hole"] not in holes]


def short(result: Result) -> str:
    return (
        f"{result.states} states, depth {result.depth}, {result.node_states} states of a node, "
        f"{result.engine_ticks} ticks of the engine, {result.seconds:.0f} s"
    )
