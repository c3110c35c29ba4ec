"""docs/model.md: what was searched and what was found, for a person.

Owns the page. Invariant: it is made of the book alone. Must not search.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tests.digest import ROOT
from tests.model import book
from tests.model.book import Line

PAGE = ROOT / "docs" / "model.md"
TICK_S = 0.1
SAYS = {
    "wire A>B": "the wire loses A's heartbeats",
    "wire B>A": "the wire loses B's heartbeats",
    "beats A>B": "the switch loses A's heartbeats (multicast)",
    "beats B>A": "the switch loses B's heartbeats (multicast)",
    "card A": "A's service card is dead",
    "card B": "B's service card is dead",
    "A sends": "A's card sends nothing",
    "B sends": "B's card sends nothing",
    "A receives": "A's card receives nothing",
    "B receives": "B's card receives nothing",
    "management A": "A's management card is dead",
    "management B": "B's management card is dead",
    "management switch": "the management switch is dead",
    "switch": "the service switch is dead",
    "pair": "the service switch passes nothing between A and B",
    "ping": "the ping node is off",
    "gateway": "the gateway is off",
}
DOES = {
    "off": "{} loses its power",
    "boot": "{} boots",
    "freeze": "all of ours on {} is stopped",
    "thaw": "all of ours on {} goes on",
    "thaw-late": "all of ours on {} goes on, the daemon before pulse",
}
WHAT = {
    "two-visible": "two owners, clients reach both",
    "two-apart": "two owners, clients reach one at most",
    "two-for-ever": "two owners that hear each other and stay",
    "outage": "nobody serves after one fault",
    "unserved": "nobody serves though all is healed",
    "idle": "nobody serves though one could",
    "blocked": "one waits for the operator",
    "restless": "no rest",
}


def path(steps: Iterable[Sequence[Any]]) -> str:
    """In words, with the time since the first event."""
    steps = list(steps)
    return "; ".join(f"{(tick - steps[0][0]) * TICK_S:.1f} s {_event(event)}" for tick, event in steps)


def _event(event: str) -> str:
    what, _, which = event.partition(" ")
    if what == "break":
        return SAYS[which]
    return f"over: {SAYS[which]}" if what == "heal" else DOES[what].format(which)


def write(lines: list[Line], planned: int) -> None:
    """`planned`: so many searches make the whole check."""
    found = [(line, f) for line in lines for f in line["findings"]]
    bad = [(line, f) for line in lines for f in book.bad(line)]
    total = sum(line["states"] for line in lines)
    ticks = sum(line["engine_ticks"] for line in lines)
    text = (ROOT / "tests" / "model" / "model.md").read_text()
    text = text.replace("@DATE@", max((line["date"] for line in lines), default="-"))
    text = text.replace("@COMMITS@", ", ".join(sorted({line["commit"] for line in lines})))
    sums = f"{len(lines)} of {planned} searches: {total:,} states of the pair, {ticks:,} ticks of the"
    text = text.replace("@SUM@", f"{sums}\nengine; outside the holes: {len(bad) or 'nothing'}.")
    text = text.replace("@SEARCHES@", "\n".join(_search(line) for line in lines))
    text = text.replace("@HOLES@", "\n".join(_holes(found)))
    breaches = [f"- {line['run']}: {WHAT[f['what']]}: {path(f['path'])}" for line, f in bad]
    text = text.replace("@BAD@", "\n".join(breaches) or "- nothing")
    PAGE.write_text(text.rstrip() + "\n")


def _search(line: Line) -> str:
    holes = sorted({f["hole"] or "NONE" for f in line["findings"]})
    return (
        f"| {line['run']} | {line['states']:,} | {line['depth']} | {line['engine_ticks']:,} | {line['seconds']:.0f} | "
        f"{' '.join(holes) or '-'} |"
    )


def _holes(found: list[tuple[Line, dict[str, Any]]]) -> list[str]:
    """The shortest path of each hole, by kind of group and what came of it."""
    best: dict[tuple[str, str, str], tuple[Line, dict[str, Any]]] = {}
    for line, f in sorted(found, key=lambda one: (one[1]["faults"] + one[1]["heals"], one[1]["ticks"])):
        if f["hole"]:
            best.setdefault((f["hole"], line["kind"], f["what"]), (line, f))
    return [
        f"| {hole} | {kind} | {line['topology']} | {WHAT[what]} | {path(f['path'])} | {f['ticks'] * TICK_S:.1f} s |"
        for (hole, kind, what), (line, f) in sorted(best.items())
    ]
