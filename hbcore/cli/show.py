"""How hbctl shows a status, a plan and an event: compact lines for a person at 3 a.m.

Owns layout and colour. Invariant: a state's word is always there, colour only repeats it; times are ages by the node's
own clock, so a wrong clock here does not lie. Must not know the daemon or what the codes mean.
"""

from __future__ import annotations

import itertools
import os
import textwrap
import time
from collections.abc import Iterable, Sequence
from typing import TextIO

from hbcore.control.schema import Actor, Effect, Event, Group, Plan, Resource, Said, Status
from hbcore.words import say

_TONES = {
    "good": ("32", {"online", "started", "up", "full", "ok", "self", "two-way", "address"}),
    "warn": ("33", {"standby", "maintenance", "joining", "late", "starting", "stopping", "classic", "warning"}),
    "bad": (
        "31",
        {
            "offline",
            "unclean",
            "fencing",
            "failed",
            "blocked",
            "unknown",
            "down",
            "one-way",
            "none",
            "lost",
            "critical",
        },
    ),
}
_COLOUR = {word: colour for colour, words in _TONES.values() for word in words}

Row = Sequence[str]


class Paint:
    """Colours words that are states, on a terminal that wants it (no NO_COLOR, no TERM=dumb)."""

    def __init__(self, stream: TextIO) -> None:
        self.on = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"

    def __call__(self, word: str, padded: str | None = None) -> str:
        text = word if padded is None else padded
        colour = _COLOUR.get(word)
        return f"\x1b[{colour}m{text}\x1b[0m" if self.on and colour else text


def span(seconds: float) -> str:
    """A length of time with its unit, two figures at most."""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    return f"{hours // 24} d {hours % 24} h"


def millis(value: float | None) -> str:
    if value is None:
        return "-"
    if 0 < value < 0.1:
        return "<0.1 ms"
    return f"{value:.1f} ms" if value < 1000 else span(value / 1000)


def clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))


def stamp(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def table(rows: Iterable[Row], paint: Paint, indent: str = "  ") -> list[str]:
    """`rows` in columns; columns that are empty everywhere and trailing blanks are left out."""
    kept = [list(row) for row in rows]
    widths: list[int] = []
    for row in kept:
        for column, cell in enumerate(row):
            if column == len(widths):
                widths.append(0)
            widths[column] = max(widths[column], len(cell))
    lines = []
    for row in kept:
        last = max((column for column, cell in enumerate(row) if cell), default=0)
        shown = [(cell, widths[c] if c < last else 0) for c, cell in enumerate(row[: last + 1]) if widths[c]]
        cells = [paint(cell, cell.ljust(width)) for cell, width in shown]
        lines.append(indent + "  ".join(cells))
    return lines


def status_lines(status: Status, paint: Paint, age_s: float | None) -> list[str]:
    """`age_s`: how old the status is where both clocks are one, else None."""
    age = say("show-age", age=span(age_s)) if age_s is not None else clock(status.at)
    lines = [say("show-cluster", cluster=status.cluster, node=status.node, age=age, version=status.version or "-")]
    quorum = status.quorum
    lines.append(
        say(
            "show-protection",
            level=paint(status.protection.level),
            votes=quorum.votes,
            expected=quorum.expected,
            mode=quorum.mode,
        )
    )
    lines += [f"  {_hole(hole)}" for hole in status.protection.holes]
    if status.pending:
        lines.append(say("show-pending", count=status.pending))
    alarms = [(a.severity, span(status.at - a.since), a.about, a.text) for a in status.alarms]
    lines += _part("show-alarms", table(alarms, paint))
    nodes = [(n.name, n.state, n.heard, _control(n.control), _failures(n.failures), _why(n.why)) for n in status.nodes]
    lines += _part("show-nodes", table(nodes, paint))
    links = [
        (link.name, link.media, link.peer, link.state, millis(link.rtt_ms), _beat(link.age_ms), link.reason or "")
        for link in status.links
    ]
    lines += _part("show-links", table(links, paint))
    lines += _part("show-pings", table([(p.name, p.state, millis(p.rtt_ms)) for p in status.pings], paint))
    lines += _part("show-groups", _groups(status, paint))
    rules = [
        (r.group, r.kind, r.node, say("show-by", who=r.by), r.expires and say("show-until", time=r.expires), r.reason)
        for r in status.rules
    ]
    lines += _part("show-rules", table([[cell or "" for cell in row] for row in rules], paint))
    ours = [
        (
            v.option,
            v.value,
            say("show-profile", name=v.profile) if v.profile else "",
            say("show-heartbeats", value=v.heartbeats) if v.heartbeats else "",
        )
        for v in status.values
        if v.source == "ours"
    ]
    lines += _part("show-values", table(ours, paint))
    return lines


def _part(code: str, lines: list[str]) -> list[str]:
    return [say(code), *lines] if lines else []


def _groups(status: Status, paint: Paint) -> list[str]:
    """Each group with its resources below it; the columns of all groups stand under each other."""
    heads = table([_head(group, status) for group in status.groups], paint)
    parts = iter(table([_resource(r, status) for group in status.groups for r in group.resources], paint, "    "))
    lines = []
    for head, group in zip(heads, status.groups, strict=True):
        lines += [head, *itertools.islice(parts, len(group.resources))]
        told = any("stopped-by-operator" in said.code for said in group.why)
        notes = [say("show-wanted-stopped")] if group.wanted == "stopped" and not told else []
        notes += [say("show-why", text=said.text) for said in group.why]
        if group.weight_why is not None:
            notes.append(say("show-weight", weight=group.weight, text=group.weight_why.text))
        # what endangers the whole cluster was said above
        notes += [_hole(hole) for hole in group.protection.holes if hole not in status.protection.holes]
        lines += [f"    {note}" for note in notes]
    return lines


def _head(group: Group, status: Status) -> Row:
    where = say("show-on", node=group.node) if group.node else ""
    home = say("show-home", nodes=" ".join(group.prefer))
    return group.name, group.state, where, _since(group.since, status), home, group.weight, group.protection.level


def _resource(item: Resource, status: Status) -> Row:
    failures = _failures(item.failcount)
    return item.name, item.state, item.agent, item.detail, _since(item.since, status), failures, _why(item.why)


def _since(at: float | None, status: Status) -> str:
    return span(status.at - at) if at else ""


def _hole(hole: Said) -> str:
    return say("show-hole", code=hole.code, text=hole.text)


def _why(said: list[Said]) -> str:
    return "; ".join(item.text for item in said)


def _control(control: str) -> str:
    return say("show-control", control=control) if control != "none" else ""


def _failures(count: int) -> str:
    return say("show-failures", count=count) if count else ""


def _beat(age_ms: float | None) -> str:
    return say("show-beat", age=millis(age_ms)) if age_ms is not None else ""


def plan_lines(plan: Plan, paint: Paint) -> list[str]:
    if plan.refused is not None:
        return [say("show-refused", text=plan.refused.text)]
    lines = [say("show-plan", command=plan.command or plan.action)]
    for head, effect in zip(table([_effect(e) for e in plan.effects], paint), plan.effects, strict=True):
        lines += [head, *([f"    {effect.said.text}"] if effect.said else [])]
    if not plan.effects:
        lines.append("  " + say("show-nothing"))
    lines += [say("show-warning", text=warning.text) for warning in plan.warnings]
    if plan.undo:
        lines.append(say("show-undo", command=plan.undo))
    return lines


def _effect(effect: Effect) -> Row:
    place = " -> ".join(name for name in (effect.node, effect.to) if name and name != effect.subject)
    outage = say("show-outage", time=millis(effect.outage_ms)) if effect.outage_ms is not None else ""
    return effect.kind, effect.subject, place, outage


def fit(lines: Iterable[str], width: int) -> list[str]:
    """Lines longer than `width` (0: as long as they are) go on below, further in."""
    fitted: list[str] = []
    for line in lines:
        if width and len(line) > width:
            inner = " " * (len(line) - len(line.lstrip()) + 4)
            wrapped = textwrap.wrap(
                line, width, subsequent_indent=inner, break_long_words=False, break_on_hyphens=False
            )
            fitted += wrapped
        else:
            fitted.append(line)
    return fitted


def event_line(event: Event, node_width: int = 0) -> str:
    mark = {"info": " ", "warning": "!", "error": "x"}[event.severity]
    return f"{stamp(event.at)} {mark} {event.node:<{node_width}}  {event.text}{actor_text(event.actor)}"


def actor_text(actor: Actor | None) -> str:
    """Who asked, with the tool's own words marked as such by the brackets."""
    if actor is None:
        return ""
    who = actor.name or (f"uid {actor.uid}" if actor.uid is not None else "?")
    said = ", ".join(part for part in (actor.tool, actor.ssh.partition(" ")[0]) if part)
    return f"  {say('show-by', who=who)}{f' ({said})' if said else ''}{f': {actor.reason}' if actor.reason else ''}"
