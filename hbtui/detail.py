"""The whole story of one object: what the detail pane, the detail page and the protection pane say.

Owns the lines for a node, link, ping node, group, resource, event, alarm and for the cluster's protection.
Invariant: pure; everything the status knows of the object is here, nothing is shortened (the widget wraps).
Must not know widgets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from hbcore.control.schema import Event, Group, Link, Node, Ping, Protection, Resource, Rule, Said, Status
from hbcore.words import say
from hbtui import figures
from hbtui.glyphs import CONTROL, EVENT, GROUP, HEARD, LEVEL, LINK, NODE, PING, SEVERITY, look
from hbtui.rows import Cell, View, actor_name, concerns, event_key, link_key, moved, since_age, status_ms
from hbtui.spark import CELLS, LOST, spark

Lines = list[Cell]
LABEL = 11


def entry(label: str, *runs: tuple[str, str]) -> Cell:
    return ((label.ljust(LABEL), "muted"), *runs)


def said_lines(label: str, said: Sequence[Said], tone: str = "text") -> Lines:
    return [entry(label if number == 0 else "", (s.text, tone)) for number, s in enumerate(said)]


def heading(glyph: str, tone: str, name: str, *runs: tuple[str, str]) -> Cell:
    return ((glyph + " ", tone), (name, "title"), ("   ", "text"), *runs)


def detail(status: Status, events: Sequence[Event], key: str, view: View) -> Lines:
    """Lines for the row key `key`; of the cluster as a whole where nothing is selected."""
    kind, _, name = key.partition(":")
    find: dict[str, Callable[[], Lines | None]] = {
        "node": lambda: next((_node(status, n, view) for n in status.nodes if n.name == name), None),
        "link": lambda: next((_link(status, k, view) for k in status.links if link_key(k) == key), None),
        "ping": lambda: next((_ping(status, p, view) for p in status.pings if p.name == name), None),
        "group": lambda: next((_group(status, g, view) for g in status.groups if g.name == name), None),
        "resource": lambda: _resource(status, name, view),
        "event": lambda: next((_event(e, view) for e in events if event_key(e) == key), None),
        "alarms": lambda: alarms(status, view),
        "protection": lambda: protection(status, view),
    }
    lines = find[kind]() if kind in find else protection(status, view)
    return [((say("tui-gone", name=name), "muted"),)] if lines is None else lines


def page(status: Status, events: Sequence[Event], key: str, view: View) -> Lines:
    """The detail with the object's own events below it."""
    lines = detail(status, events, key, view)
    name = key.partition(":")[2]
    own = [e for e in events if concerns(e, name.rpartition("/")[2] or name)] if name else []
    if key.startswith("event:") or not own:
        return lines
    lines = [*lines, (("", "text"),), (("Events", "title"),)]
    for event in own[::-1][:200]:
        by = actor_name(event)
        tone = SEVERITY.get(event.severity, "text")
        mark = (view.glyphs[EVENT.get(event.kind, "dot")] + " ", tone)
        lines.append(((figures.day_clock(event.at) + " ", "muted"), mark, (event.text, tone), (f"  {by}", "calm")))
    return lines


def _since(status: Status, view: View, since: float | None) -> tuple[str, str]:
    old = since_age(status, view, since)
    return ("" if old is None else f"  for {figures.duration(old)}", "muted")


def _node(status: Status, node: Node, view: View) -> Lines:
    shown = look(NODE, node.state)
    tone, heard = HEARD.get(node.heard, ("muted", node.heard))
    control_tone, control = CONTROL.get(node.control, ("muted", node.control))
    runs = [g.name for g in status.groups if g.node == node.name]
    lines = [heading(view.glyphs[shown.glyph], shown.tone, node.name, (shown.word, shown.tone))]
    lines += said_lines("why", node.why)
    lines.append(entry("heard", (heard, tone), ("   control ", "muted"), (control, control_tone)))
    lines.append(entry("runs", (", ".join(runs) or "nothing", "text" if runs else "muted")))
    links = [link for link in status.links if link.peer == node.name]
    for number, link in enumerate(links):
        mark = look(LINK, link.state)
        lines.append(
            entry(
                "links" if number == 0 else "",
                (f"{link.name} ", "text"),
                (mark.word, mark.tone),
                (f"  {figures.latency(link.rtt_ms)}", "text"),
                (f"  {link.reason or ''}", "warn"),
            )
        )
    if node.failures:
        lines.append(entry("failures", (str(node.failures), "warn")))
    lines.append(
        entry("version", (node.version or "-", "text"), ("   incarnation ", "muted"), (str(node.incarnation), "text"))
    )
    return lines


def _curve(status: Status, view: View, key: str) -> Lines:
    history = view.history.get(key)
    if history is None:
        return []
    cells = history.cells(view.now, CELLS)
    known = sorted(c for c in cells if c is not None and c != LOST)
    warn, dead = status_ms(status, "warntime", 250.0), status_ms(status, "deadtime", 500.0)
    lines = [entry("3 minutes", *spark(cells, view.glyphs, warn, dead))]
    if known:
        median = known[len(known) // 2]
        worst = sum(1 for c in cells if c is not None and math.isinf(c))
        figure = (
            f"best {figures.latency(known[0])}  median {figures.latency(median)}  worst {figures.latency(known[-1])}"
        )
        lines.append(entry("", (figure, "text"), (f"  down in {worst} of {CELLS} windows" if worst else "", "bad")))
    lines.append(entry("scale", (f"fixed, 0.1 ms to deadtime {figures.latency(dead)}; worst of 5 s a cell", "muted")))
    return lines


def _link(status: Status, link: Link, view: View) -> Lines:
    shown = look(LINK, link.state)
    title = heading(view.glyphs[shown.glyph], shown.tone, f"{link.name} to {link.peer}", (shown.word, shown.tone))
    lines = [title]
    if link.reason:
        lines.append(entry("why", (link.reason, "warn")))
    lines.append(entry("media", (link.media or "-", "text"), ("   seen by ", "muted"), (status.node, "text")))
    late = (str(link.late), "warn" if link.late else "text")
    last = figures.latency(link.rtt_ms)
    lines.append(
        entry(
            "round trip",
            (last, "text"),
            ("   last beat ", "muted"),
            (f"{figures.latency(link.age_ms)} ago" if link.age_ms is not None else "never", "text"),
        )
    )
    lines.append(entry("late, lost", late, (" in 5 minutes", "muted")))
    return lines + _curve(status, view, link_key(link))


def _ping(status: Status, ping: Ping, view: View) -> Lines:
    shown = look(PING, ping.state)
    lines = [heading(view.glyphs[shown.glyph], shown.tone, ping.name, (shown.word, shown.tone))]
    lines.append(entry("use", (say("tui-ping-use"), "text")))
    ago = f"{figures.latency(ping.age_ms)} ago" if ping.age_ms is not None else "never"
    lines.append(
        entry("round trip", (figures.latency(ping.rtt_ms), "text"), ("   last answer ", "muted"), (ago, "text"))
    )
    return lines + _curve(status, view, f"ping:{ping.name}")


def pin_line(rule: Rule) -> Cell:
    until = f"until {rule.expires}" if rule.expires else "until cleared"
    reason = f' "{rule.reason}"' if rule.reason else ""
    return entry(rule.kind, (f"{rule.node} by {rule.by} at {rule.at}, {until}{reason}", "warn"))


def _group(status: Status, group: Group, view: View) -> Lines:
    shown = look(GROUP, group.state)
    place = f" on {group.node}" if group.node else ""
    lines = [
        heading(
            view.glyphs[shown.glyph],
            shown.tone,
            group.name,
            (shown.word + place, shown.tone),
            _since(status, view, group.since),
        )
    ]
    lines += said_lines("why", group.why, "warn" if moved(group) or group.state != "started" else "text")
    lines += [pin_line(rule) for rule in status.rules if rule.group == group.name]
    lines.append(entry("home", (" > ".join(group.prefer), "text")))
    wishes = (("wanted", group.wanted), ("failback", group.failback), ("epoch", str(group.epoch)))
    lines.append(
        entry("rules", *(run for label, text in wishes for run in ((label + " ", "muted"), (text + "   ", "text"))))
    )
    for number, resource in enumerate(group.resources):
        mark = look(GROUP, resource.state)
        lines.append(
            entry(
                "resources" if number == 0 else "",
                (view.glyphs[mark.glyph] + " ", mark.tone),
                (resource.name, "text"),
                (f"  {mark.word}", mark.tone),
                (f"  {resource.detail}", "muted"),
            )
        )
    why = f"  {group.weight_why.text}" if group.weight_why else ""
    lines.append(entry("weight", (group.weight, "text"), (why, "muted")))
    return lines + _holes(group.protection, view)


def _resource(status: Status, name: str, view: View) -> Lines | None:
    group_name, _, resource_name = name.partition("/")
    for group in status.groups:
        if group.name == group_name:
            for resource in group.resources:
                if resource.name == resource_name:
                    return _resource_lines(status, group, resource, view)
    return None


def _resource_lines(status: Status, group: Group, resource: Resource, view: View) -> Lines:
    shown = look(GROUP, resource.state)
    place = f" on {resource.node}" if resource.node else ""
    lines = [
        heading(
            view.glyphs[shown.glyph],
            shown.tone,
            resource.name,
            (shown.word + place, shown.tone),
            _since(status, view, resource.since),
        )
    ]
    lines += said_lines("why", resource.why, "warn")
    lines.append(entry("agent", (resource.agent, "text"), ("   group ", "muted"), (group.name, "text")))
    lines.append(entry("detail", (resource.detail or "-", "text")))
    lines.append(entry("failures", (str(resource.failcount), "warn" if resource.failcount else "text")))
    return lines


def _event(event: Event, view: View) -> Lines:
    tone = SEVERITY.get(event.severity, "text")
    glyph = view.glyphs[EVENT.get(event.kind, "dot")]
    lines = [heading(glyph, tone, event.text), entry("when", (figures.day_clock(event.at), "text"))]
    lines.append(entry("said by", (event.node, "text"), (f"   {event.code}, no. {event.id}", "muted")))
    if event.about:
        lines.append(entry("about", (event.about, "text")))
    actor = event.actor
    if actor is not None:
        parts = [
            f"{label} {value}" for label, value in (("uid", actor.uid), ("login uid", actor.login)) if value is not None
        ]
        parts += [f"{label} {value}" for label, value in (("ssh", actor.ssh), ("with", actor.tool)) if value]
        lines.append(entry("by", (actor.name or "?", "calm"), (f"   {', '.join(parts)}", "text")))
        if actor.reason:
            lines.append(entry("reason", (actor.reason, "text")))
    else:
        lines.append(entry("by", (say("tui-by-cluster"), "muted")))
    return lines


def alarms(status: Status, view: View) -> Lines:
    if not status.alarms:
        return [((say("tui-no-alarms"), "ok"),)]
    lines: Lines = []
    for alarm in sorted(status.alarms, key=lambda a: (a.severity != "critical", -a.since)):
        tone = "bad" if alarm.severity == "critical" else "warn"
        since = figures.duration(status.at + view.lag - alarm.since)
        lines.append(((view.glyphs.bad + " " if tone == "bad" else "! ", tone), (alarm.text, tone)))
        lines.append((("  ", "text"), (f"{alarm.code}  {alarm.about}  for {since}", "muted")))
    return lines


def _holes(protection: Protection, view: View) -> Lines:
    tone = LEVEL.get(protection.level, "warn")
    return [entry("protection", (protection.level, tone)), *said_lines("", protection.holes, "warn")]


def protection(status: Status, view: View) -> Lines:
    """Level, every hole in words, then the values that are ours because the files do not say."""
    level = status.protection.level
    lines: Lines = [((level, LEVEL.get(level, "warn")), (": " + say(f"tui-level-{level}"), "muted"))]
    holes = status.protection.holes
    lines += [((f" {view.glyphs.warn} ", "warn"), (hole.text, "warn")) for hole in holes]
    if not holes:
        lines.append(((f" {view.glyphs.ok} ", "ok"), (say("tui-no-holes"), "ok")))
    ours = [value for value in status.values if value.source == "ours"]
    written = [value for value in status.values if value.source == "file"]
    if ours:
        profile = ours[0].profile
        whose = say("tui-values-profile", name=profile) if profile else say("tui-values-ours")
        runs: list[tuple[str, str]] = [("ours  ", "muted"), (whose + " ", "muted")]
        for number, value in enumerate(ours):
            theirs = f" (heartbeat {value.heartbeats})" if value.heartbeats else ""
            comma = "" if number == len(ours) - 1 else ", "
            runs += [(f"{value.option} ", "text"), (value.value, "strong"), (theirs + comma, "muted")]
        lines.append(tuple(runs))
    if written:
        shown = "  ".join(f"{value.option} {value.value}" for value in written)
        lines.append((("files ", "muted"), (shown, "text")))
    return lines
