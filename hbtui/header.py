"""The two lines on top and the alarm band: who we look at, how old it is, how it stands.

Owns their wording and what is dropped first when the terminal is narrow. Invariant: the age of the data is always in
view, in words as well as in colour. Must not know widgets; pure functions from the store to runs of text.
"""

from __future__ import annotations

from math import isinf

from hbcore.control.schema import Role, Status
from hbtui import figures
from hbtui.glyphs import LEVEL, Glyphs
from hbtui.rows import Cell
from hbtui.spark import Run
from hbtui.store import STALE_S, Source, health

_HEALTH = {"ok": ("ok", "OK"), "degraded": ("warn", "DEGRADED"), "down": ("bad", "DOWN")}
GAP = 2  # cells between what stands on the left and on the right
_ROLE: dict[Role, str] = {"viewer": "VIEWER", "operator": "OPERATOR", "admin": "ADMIN"}


def width_of(runs: Cell) -> int:
    return sum(len(text) for text, _ in runs)


def freshness(source: Source, now: float) -> Run:
    """ "live 0.3 s" | "stale 4.2 s" | "reconnecting in 2 s" | "connecting", with its tone."""
    if source.phase == "live" and source.status is not None:
        old = source.age(now)
        return (f"live {figures.age(old)}", "ok") if old < STALE_S else (f"stale {figures.age(old)}", "alarm")
    known = f", data {figures.age(source.age(now))} old" if source.status else ""
    if source.phase == "lost":
        left = source.retry_at - now
        again = "reconnecting now" if left < 0.5 else "disconnected" if isinf(left) else f"reconnecting in {left:.0f} s"
        return again + known, "alarm"
    return "connecting" + known, "warn"


def top_line(sources: list[Source], current: Source, now: float, wall: float, glyphs: Glyphs, width: int) -> Cell:
    """Cluster, role, way in, age of the data, health, clock; then how the other nodes' connections stand."""
    bar: Run = (f" {glyphs.bar} ", "muted")
    status = current.status
    runs: list[Run] = [(f" {status.cluster if status else 'hbtui'} ", "badge")]
    right: list[Run] = [(_ROLE[current.role], "calm")] if current.phase != "connecting" else []
    short = figures.short_names([node.name for node in status.nodes]) if status else {}
    way = f"{current.transport} {short.get(current.name, current.name)}".strip()
    parts: list[list[Run]] = [right, [(way, "text")], [freshness(current, now)]]
    if status is not None:
        tone, word = _HEALTH[health(status)]
        parts.append([(word, "muted" if not current.fresh(now) else tone)])
    parts.append([(figures.clock(wall) if width >= 100 else figures.clock(wall)[:5], "muted")])
    tail: list[Run] = []
    for part in parts:
        tail += [bar, *part] if tail and part else part
    room = width - width_of(tuple(runs)) - width_of(tuple(tail)) - 1
    others = [(short.get(other.name, other.name), freshness(other, now), other.fresh(now)) for other in sources
              if other is not current]  # fmt: skip
    said: list[Run] = []
    for name, (text, _), fresh in others:
        said += [("  ", "text"), (f"{name} ", "muted"), (text.partition(",")[0], "muted" if fresh else "warn")]
    if width_of(tuple(said)) > room - GAP:
        said = [("  " + name, "muted" if fresh else "warn") for name, _, fresh in others]
    if width_of(tuple(said)) > room - GAP:
        said = []
    runs += said
    if room < 0:  # very narrow: the age stays, the rest goes
        return (*runs, (" ", "text"), freshness(current, now))
    return (*runs, (" " * (room - width_of(tuple(said))), "text"), *tail)


def tiny_line(source: Source, now: float) -> Cell:
    """For a terminal too small for panes: the worst of it in one line."""
    status = source.status
    if status is None:
        return ((source.target, "text"), (" ", "text"), freshness(source, now))
    tone, word = _HEALTH[health(status)]
    runs: list[Run] = [(status.cluster + " ", "strong"), (word, tone)]
    if not source.fresh(now):
        runs += [(" ", "text"), freshness(source, now)]
    for group in status.groups:
        if group.state != "started":
            runs.append((f" {group.name} {group.state}", "bad"))
    return (*runs, (" (? help)", "muted"))


def status_line(status: Status, glyphs: Glyphs, width: int) -> Cell:
    """Quorum, protection, links, ping, groups, pending: what is missing first is what matters least."""
    bar: Run = (f" {glyphs.bar} ", "muted")
    quorum = status.quorum
    ok, bad = glyphs.ok, glyphs.bad
    parts: list[list[Run]] = []
    mark, tone = (ok, "ok") if quorum.quorate else (bad, "bad")
    parts.append([("quorum ", "muted"), (mark, tone), (f" {quorum.votes}/{quorum.expected}", tone)])
    holes = len(status.protection.holes)
    level = LEVEL.get(status.protection.level, "warn")
    spelled = f", {holes} hole{'s' if holes != 1 else ''}" if holes else ""
    parts.append([("protection ", "muted"), (status.protection.level + spelled, level)])
    parts.append(_count("links", [link.state == "up" for link in status.links], glyphs))
    if status.pings:
        parts.append(_count("ping", [ping.state == "up" for ping in status.pings], glyphs))
    parts.append(_count("groups", [group.state == "started" for group in status.groups], glyphs))
    pending: list[Run] = [("pending ", "muted"), (str(status.pending), "busy" if status.pending else "muted")]
    parts.insert(0 if status.pending else len(parts), pending)
    if status.coordinator:
        parts.append(
            [
                ("coordinator ", "muted"),
                (
                    figures.short_names([n.name for n in status.nodes]).get(status.coordinator, status.coordinator),
                    "text",
                ),
            ]
        )
    for value in status.values:
        if value.option == "deadtime":
            ours = " ours" if value.source == "ours" else ""
            parts.append([("deadtime ", "muted"), (value.value, "text"), (ours, "muted")])
    while len(parts) > 1 and sum(width_of(tuple(p)) + 3 for p in parts) - 1 > width:
        parts.pop()
    runs: list[Run] = [(" ", "text")]
    for number, part in enumerate(parts):
        runs += [bar, *part] if number else part
    return tuple(runs)


def _count(name: str, good: list[bool], glyphs: Glyphs) -> list[Run]:
    yes, no = sum(good), len(good) - sum(good)
    runs: list[Run] = [(name + " ", "muted")]
    if yes or not no:
        runs.append((f"{glyphs.ok}{yes}", "ok" if yes else "muted"))
    if no:
        runs.append((f"{' ' if yes else ''}{glyphs.bad}{no}", "bad"))
    return runs


def alarm_lines(status: Status, glyphs: Glyphs, lag: float, most: int, width: int = 0) -> list[Cell]:
    """Worst first, newest first; the last line says how many more there are. A critical one fills its line."""
    ranked = sorted(status.alarms, key=lambda a: (a.severity != "critical", -a.since))
    lines: list[Cell] = []
    short = figures.short_names([node.name for node in status.nodes])
    for alarm in ranked[:most]:
        tone = "alarm" if alarm.severity == "critical" else "warn"
        since = figures.duration(status.at + lag - alarm.since)
        lines.append(
            (
                (f" {glyphs.band} ", "bad" if tone == "alarm" else tone),
                (f" {figures.shorten(alarm.text, short)}  for {since} ", tone),
            )
        )
    if len(ranked) > most and lines:
        lines[-1] = (*lines[-1], (f" +{len(ranked) - most} more: ! ", lines[-1][-1][1]))
    return [(*line, (" " * (width - width_of(line)), line[-1][1])) for line in lines]
