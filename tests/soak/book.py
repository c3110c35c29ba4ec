"""The results of the long run: one JSON line each, and the table made of them.

Owns docs/measurements/soak.jsonl and docs/measurements.md. Invariant: the table says nothing that the lines do not.
Must not know how anything is measured.
"""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.digest import ROOT, commit, digest

LINES = ROOT / "docs/measurements/soak.jsonl"
TABLE = ROOT / "docs/measurements.md"
SIMULATED = ("engine", "sim")
REAL = ("engine", "pulse", "daemon", "host", "links", "agents", "lab", "control")
Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """A figure: `field` of the lines of a kind, in ms. `limit`: promised for the `share` of them that must keep it."""

    kind: str
    field: str
    what: str
    limit: float | None = None
    share: str = "max"  # "max" or "p99"


ROWS = (
    Row("failover", "off", "power off: outage of the address", 1000),
    Row("failover", "off_page", "power off: outage of the page", 1000),
    Row("failover", "back", "failback: outage of the address", 300),
    Row("failover", "back_page", "failback: outage of the page"),
    Row("move", "outage", "planned move: outage of the address", 100, "p99"),
    Row("move", "page", "planned move: outage of the page"),
    Row("move", "stop", "... of it the service's own stop"),
    Row("move", "start", "... of it the service's own start"),
    Row("kill", "gone", "demo killed with -9: all as before after", 2000),
    Row("freeze", "silent", "all of ours frozen: its last frame for the address", 400),
    Row("freeze", "answered", "... the other node answers after", 1000),
    Row("freeze", "back", "... failback after the thaw: outage of the address", 300),
    Row("flush", "away", "nft flush ruleset: the guard is whole again after", 100),
    Row("flush", "gap", "... longest gap of the address"),
    Row("flush", "silent", "... frozen one second later: its last frame", 400),
    Row("load-cpu", "gap", "four busy processes a processor: longest gap of the address in 5 min"),
    Row("load-disk", "gap", "four writers that fsync: longest gap of the address in 5 min"),
)
TITLES = {
    "failover": "fresh clusters whose keys were rotated under traffic (no beat lost), then power off, takeover, "
    "power on, failback; never two owners",
    "move": "planned moves by takeover, standby, online, group move and group clear; never two owners",
    "sim": "slices of a hundred simulated runs, none of which broke outside the printed holes",
    "freeze": "freezes of everything of ours on the owner, then a thaw; judged by the frames on the switch, never two",
    "flush": "nft flush ruleset on a running owner, and a freeze one second later",
    "load-cpu": "slices of 5 minutes with four busy processes a processor: no lapse, nobody called lost, one owner",
    "load-disk": "slices of 5 minutes with four writers that fsync: no lapse, nobody called lost, one owner",
    "kill": "kill -9 of the demo at a random moment of its first 6 s: links, mounts and processes as before",
}


@cache
def code(kind: str) -> str:
    """Digest of the source that a result of this kind is about: one of another source counts for nothing."""
    return digest(f"hbcore/{room}/*.py" for room in (SIMULATED if kind == "sim" else REAL))


def lines(kind: str) -> list[Line]:
    """The results of the source as it is."""
    if not LINES.exists():
        return []
    found = map(json.loads, LINES.read_text().splitlines())
    return [line for line in found if line["kind"] == kind and line.get("code") == code(kind)]


def add(kind: str, line: Line) -> None:
    """Durable when it returns."""
    LINES.parent.mkdir(parents=True, exist_ok=True)
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    about = {
        "kind": kind,
        "at": at,
        "commit": commit(),
        "code": code(kind),
        "root": os.geteuid() == 0,
        "load": round(os.getloadavg()[0], 1),
    }
    with LINES.open("a") as file:
        file.write(json.dumps({**about, **line}) + "\n")
        file.flush()
        os.fsync(file.fileno())


def forget(*, all_of_it: bool) -> None:
    """What was measured of another source, or everything."""
    if not LINES.exists():
        return
    told = LINES.read_text().splitlines()
    kept = [] if all_of_it else [line for line in told if (one := json.loads(line)).get("code") == code(one["kind"])]
    if kept != told:
        LINES.write_text("".join(line + "\n" for line in kept))


def short(line: Line) -> str:
    return " ".join(f"{key}={value}" for key, value in line.items() if key != "counts")


def quantile(values: Sequence[float], share: float) -> float:
    """By nearest rank: a value that was measured. Raises ValueError where there is none."""
    if not values:
        raise ValueError("no values")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def kept(row: Row, values: Sequence[float]) -> bool:
    """Whether the promise was kept; what is not promised always is."""
    judged = quantile(values, 0.99) if row.share == "p99" else max(values)
    return row.limit is None or judged <= row.limit


def machine() -> str:
    told = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":")[1].strip() for line in told if "model name" in line), "")
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 1024**2
    return (
        f"{os.cpu_count()} cores of {cpu or platform.machine()}, {memory:.0f} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def tell(promised: Mapping[str, int], more: Sequence[str] = (), *, kept_more: bool = True) -> bool:
    """Writes the table, and `more` below it; whether every promise was kept, as often as promised."""
    every = {kind: lines(kind) for kind in promised}
    good = all(sum(line["ok"] for line in every[kind]) == len(every[kind]) >= promised[kind] for kind in promised)
    good &= kept_more
    figures = []
    for row in ROWS:
        values = [line[row.field] for line in every[row.kind] if line["ok"]]
        if values:
            good &= kept(row, values)
            figures.append(figure(row, values))
    told = [line for found in every.values() for line in found]
    head = HEAD.format(
        machine=machine(),
        load=f"{min(line['load'] for line in told)} to {max(line['load'] for line in told)}" if told else "-",
        dates=" to ".join(sorted({extreme(line["at"][:10] for line in told) for extreme in (min, max)}))
        if told
        else "-",
        commits=", ".join(dict.fromkeys(line["commit"] for line in told)),
    )
    TABLE.write_text("\n".join([head, *figures, "", *runs(every), "", *more, FOOT]))
    return good


def extent(values: Iterable[Any]) -> str:
    """From the least to the greatest."""
    found = sorted(values)
    return " to ".join(str(value) for value in dict.fromkeys((found[0], found[-1]))) if found else "-"


def figure(row: Row, values: Sequence[float]) -> str:
    cells = [row.what, str(len(values))]
    cells += [f"{v:.0f}" for v in (statistics.median(values), quantile(values, 0.99), max(values))]
    cells += [f"{row.share} ≤ {row.limit:.0f}", "yes" if kept(row, values) else "NO"] if row.limit else ["-", "-"]
    return f"| {' | '.join(cells)} |"


def runs(every: Mapping[str, Sequence[Line]]) -> Iterator[str]:
    """How many of each kind went as they should, and what those said that did not."""
    for kind, found in every.items():
        yield f"- {sum(line['ok'] for line in found)} of {len(found)}: {TITLES[kind]}."
        yield from (f"  - {line['at']}: {line['error']}" for line in found if not line["ok"])


HEAD = """# Measurements

Made by `make soak` from [measurements/soak.jsonl](measurements/soak.jsonl), a line for each run; not edited by hand.
Real daemons with the tutorial's three files (keepalive 100 ms, deadtime 500 ms), two nodes of the lab on one machine,
and the service's own script with a real web server.

- machine: {machine}; load average during the runs: {load}
- date: {dates}; commits: {commits}

An outage is the longest gap between answers to a client that asks the address by UDP every 2 ms, and fetches the page
every 15 ms. All times in ms.

| what | runs | median | p99 | max | promised | kept |
|---|---|---|---|---|---|---|"""

FOOT = """
What else is judged with real daemons, in `make cluster`: heartbeats cut in either direction, the ping node off, a
foreign host with the address, daemons killed, frozen and told to leave, the address removed by hand, a full disk, every
mistake of the table refused, 100,000 damaged datagrams. Never two owners: by the client's ARP and a capture on the
switch.
"""
