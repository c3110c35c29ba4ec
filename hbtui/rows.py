"""What the tables show: pure functions from a `Status` to rows of cells.

Owns columns, order and wording of the rows of the nodes, groups and events panes (ux.md 3.2).
Invariant: a row's key names one object for as long as it lives; equal input gives equal rows, so that a table can tell
what changed by comparing. Must not know widgets, colours (only tones) or where a status came from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hbcore.control.schema import Event, Group, Link, Node, Ping, Resource, Rule, Said, Status
from hbcore.words import say
from hbtui import figures
from hbtui.filter import Filter
from hbtui.glyphs import EVENT, GROUP, HEARD, LINK, NODE, PING, SEVERITY, Glyphs, look
from hbtui.spark import History, Run, spark
from hbtui.wrap import wrap

Cell = tuple[Run, ...]
EMPTY: Cell = ()


@dataclass(frozen=True, slots=True)
class Row:
    """`key` is "kind:name". `note` rows carry one sentence over the whole width and cannot be selected."""

    key: str
    cells: tuple[Cell, ...]
    note: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """`width` in cells; 0 takes what the others leave."""

    title: str
    width: int
    right: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """What rows depend on besides the status. `now` is monotonic, `lag` the age of the status, both in seconds."""

    glyphs: Glyphs
    now: float = 0.0
    lag: float = 0.0
    width: int = 76
    history: Mapping[str, History] = field(default_factory=dict)
    folded: Callable[[str], bool] = lambda group: False
    keep: Filter | None = None
    cache: dict[str, Kept] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows of one group, and what they were made of: 2,000 resources are not made anew each second."""

    group: Group
    context: object
    youngest: float  # unix seconds of the latest change in it
    moment: int
    rows: list[Row]


def cell(text: str, tone: str = "text") -> Cell:
    return ((text, tone),)


def sayings(said: Sequence[Said]) -> str:
    return "; ".join(s.text for s in said)


def status_ms(status: Status, option: str, otherwise: float) -> float:
    """A timing of this cluster in ms, as its status tells it."""
    for value in status.values:
        if value.option == option:
            return figures.milliseconds(value.value) or otherwise
    return otherwise


def best_link(links: Iterable[Link]) -> Link | None:
    """The fastest link that is not down: its latency stands for the node's."""
    known = [link for link in links if link.state != "down"]
    return min(known, key=lambda link: link.rtt_ms if link.rtt_ms is not None else 1e9, default=None)


def link_key(link: Link) -> str:
    return f"link:{link.peer}/{link.name}"


def since_age(status: Status, view: View, since: float | None) -> float | None:
    """Seconds since `since`, both by the answering node's clock."""
    return None if since is None else max(0.0, status.at + view.lag - since)


# --- nodes, links, ping nodes ---------------------------------------------------------------------------------------

SPARK_CELLS = 12
WIDE_ROW = 74  # cells: from here rows have one column more


def node_columns(width: int) -> tuple[Column, ...]:
    columns = (
        Column("NODE / LINK", 0),
        Column("STATE", 8),
        Column("HEARD", 8),
        Column("LATENCY 60 s", SPARK_CELLS),
        Column("LAST", 8, right=True),
    )
    return (*columns, Column("RUNS", 18)) if width >= WIDE_ROW else columns


def node_rows(status: Status, view: View) -> list[Row]:
    """Each node followed by the links to it, then the ping nodes."""
    short = figures.short_names([node.name for node in status.nodes])
    rows: list[Row] = []
    for node in status.nodes:
        links = [link for link in status.links if link.peer == node.name]
        if view.keep is None or view.keep(node_fields(node)):
            rows.append(_node_row(status, view, node, links, short))
            rows += note_rows(
                f"why:node:{node.name}",
                figures.shorten(sayings(node.why), short),
                node.state not in ("online", "standby"),
                view,
            )
            for link in links:
                rows.append(_link_row(status, view, link))
                rows += note_rows(f"why:{link_key(link)}", link.reason or "", True, view)
    for ping in status.pings:
        if view.keep is None or view.keep({"name": ping.name, "state": ping.state, "kind": "ping"}):
            rows.append(_ping_row(status, view, ping))
    return rows


def node_fields(node: Node) -> dict[str, str]:
    return {"name": node.name, "node": node.name, "state": f"{node.state} {node.heard}", "kind": "node"}


def _node_row(status: Status, view: View, node: Node, links: Sequence[Link], short: Mapping[str, str]) -> Row:
    shown = look(NODE, node.state)
    tone, heard = HEARD.get(node.heard, ("muted", node.heard))
    here = " *" if node.name == status.coordinator else ""
    name: Cell = ((view.glyphs[shown.glyph] + " ", shown.tone), (short[node.name], "strong"), (here, "muted"))
    best = best_link(links)
    latency = EMPTY if best is None or len(links) < 2 else _spark(status, view, link_key(best))
    last = cell(figures.latency(best.rtt_ms) if best and len(links) > 1 else "", _latency_tone(status, best))
    cells: tuple[Cell, ...] = (name, cell(shown.word, shown.tone), cell(heard, tone), latency, last)
    if view.width >= WIDE_ROW:
        runs = [group.name for group in status.groups if group.node == node.name]
        cells = (*cells, cell(" ".join(runs) or "-", "text" if runs else "muted"))
    return Row(f"node:{node.name}", cells)


def _link_row(status: Status, view: View, link: Link) -> Row:
    shown = look(LINK, link.state)
    name: Cell = (("  " + view.glyphs[shown.glyph] + " ", shown.tone), (link.name, "text"), (" " + link.media, "muted"))
    late = cell(f"{link.late} late", "warn") if link.late else EMPTY
    latency = _spark(status, view, link_key(link))
    last = cell(figures.latency(link.rtt_ms), _latency_tone(status, link))
    cells = (name, cell(shown.word, shown.tone), late, latency, last)
    return Row(link_key(link), (*cells, EMPTY) if view.width >= WIDE_ROW else cells)


def _ping_row(status: Status, view: View, ping: Ping) -> Row:
    shown = look(PING, ping.state)
    name: Cell = ((view.glyphs[shown.glyph] + " ", shown.tone), (ping.name, "text"))
    latency = _spark(status, view, f"ping:{ping.name}")
    last = cell(figures.latency(ping.rtt_ms), "text" if ping.state == "up" else "bad")
    cells = (name, cell(shown.word, shown.tone), cell("ping", "muted"), latency, last)
    return Row(f"ping:{ping.name}", (*cells, EMPTY) if view.width >= WIDE_ROW else cells)


def _spark(status: Status, view: View, key: str) -> Cell:
    history = view.history.get(key)
    if history is None:
        return EMPTY
    warn, dead = status_ms(status, "warntime", 250.0), status_ms(status, "deadtime", 500.0)
    return spark(history.cells(view.now, SPARK_CELLS), view.glyphs, warn, dead)


def _latency_tone(status: Status, link: Link | None) -> str:
    if link is None or link.rtt_ms is None:
        return "muted"
    return "warn" if link.rtt_ms >= status_ms(status, "warntime", 250.0) else "text"


def note_rows(key: str, text: str, wrong: bool, view: View) -> list[Row]:
    """A sentence under a row: at most two lines, three where something is wrong; the detail has it whole."""
    if not text:
        return []
    runs: Cell = (("    ", "text"), (text, "warn" if wrong else "muted"))
    lines = wrap(runs, max(20, view.width))[: 3 if wrong else 2]
    return [Row(f"{key}/{number}", (line,), note=True) for number, line in enumerate(lines)]


# --- groups and resources -------------------------------------------------------------------------------------------


def group_columns(width: int, names: Iterable[str]) -> tuple[Column, ...]:
    """`names`: the nodes' short names; ON and HOME take what they need, within reason."""
    on = min(max([5, *(len(name) for name in names)]), 16 if width >= WIDE_ROW else 8)
    columns = (
        Column("GROUP / RESOURCE", 20 if width >= WIDE_ROW else 0),
        Column("STATE", 9),
        Column("ON", on),
        Column("HOME", on + 2),
        Column("FAIL", 4, right=True),
        Column("SINCE", 6, right=True),
    )
    return (*columns, Column("WHAT", 0)) if width >= WIDE_ROW else columns


def group_rows(status: Status, view: View) -> list[Row]:
    short = figures.short_names([node.name for node in status.nodes])
    rules = {rule.group: rule for rule in status.rules if rule.kind == "pin"}
    rows: list[Row] = []
    now = status.at + view.lag
    for group in status.groups:
        if view.keep is not None:
            rows += _rows_of(status, view, group, rules.get(group.name), short)
            continue
        context = (view.width, view.glyphs, view.folded(group.name), rules.get(group.name), len(short))
        kept = view.cache.get(group.name)
        if kept is None or kept.context != context or kept.group != group or kept.moment != _moment(now, kept.youngest):
            youngest = max(group.since or 0.0, *(r.since or 0.0 for r in group.resources), 0.0)
            made = _rows_of(status, view, group, rules.get(group.name), short)
            kept = view.cache[group.name] = Kept(group, context, youngest, _moment(now, youngest), made)
        rows += kept.rows
    return rows


def _moment(now: float, youngest: float) -> int:
    """How finely SINCE is shown: seconds in the first hour, then minutes."""
    return int(now) if now - youngest < 3600 else -int(now // 60)


def _rows_of(status: Status, view: View, group: Group, rule: Rule | None, short: Mapping[str, str]) -> list[Row]:
    kept = [r for r in group.resources if view.keep is None or view.keep(resource_fields(group, r))]
    if view.keep is not None and not kept and not view.keep(group_fields(group)):
        return []
    rows, why = [_group_row(status, view, group, short)], _why_rows(group, rule, short, view)
    parts = [] if view.folded(group.name) else [_resource_row(status, view, group, r, short) for r in kept]
    return [*rows, *why, *parts] if grave(group) else [*rows, *parts, *why]


def grave(group: Group) -> bool:
    """Whether its "why" must not be overlooked: then it stands above the resources, in colour."""
    return group.state in ("failed", "blocked", "unknown") or moved(group)


def moved(group: Group) -> bool:
    """Away from its home node while running."""
    return bool(group.node and group.prefer and group.node != group.prefer[0])


def group_fields(group: Group) -> dict[str, str]:
    home = group.prefer[0] if group.prefer else ""
    state = "yes" if moved(group) else "no"
    fields = {"name": group.name, "state": group.state, "node": group.node or "", "home": home}
    return {**fields, "moved": state, "kind": "group"}


def resource_fields(group: Group, resource: Resource) -> dict[str, str]:
    fields = {"name": f"{resource.name} {resource.agent}", "state": resource.state, "node": resource.node or ""}
    return {**group_fields(group), **fields, "kind": "resource"}


def _group_row(status: Status, view: View, group: Group, short: Mapping[str, str]) -> Row:
    shown = look(GROUP, group.state)
    fold = view.glyphs.shut if view.folded(group.name) else view.glyphs.open
    away = moved(group)
    name: Cell = ((fold + " ", "muted"), (view.glyphs[shown.glyph] + " ", shown.tone), (group.name, "strong"))
    home = short.get(group.prefer[0], group.prefer[0]) if group.prefer else "-"
    fails = sum(resource.failcount for resource in group.resources)
    cells = (
        name,
        cell(shown.word, shown.tone),
        cell(short.get(group.node, group.node) if group.node else "-", "warn" if away else "text"),
        ((view.glyphs.moved + " " if away else "", "warn"), (home, "text" if away else "muted")),
        cell(str(fails), "warn" if fails else "muted"),
        cell(figures.duration(since_age(status, view, group.since)), "muted"),
    )
    return Row(f"group:{group.name}", _with_what(cells, f"{group.weight}", view))


def _resource_row(status: Status, view: View, group: Group, resource: Resource, short: Mapping[str, str]) -> Row:
    shown = look(GROUP, resource.state)
    name: Cell = (("  " + view.glyphs[shown.glyph] + " ", shown.tone), (resource.name, "text"))
    cells = (
        name,
        cell(shown.word, shown.tone),
        cell(short.get(resource.node, resource.node) if resource.node else "-", "muted"),
        EMPTY,
        cell(str(resource.failcount), "warn" if resource.failcount else "muted"),
        cell(figures.duration(since_age(status, view, resource.since)), "muted"),
    )
    return Row(f"resource:{group.name}/{resource.name}", _with_what(cells, resource.detail or resource.agent, view))


def _with_what(cells: tuple[Cell, ...], what: str, view: View) -> tuple[Cell, ...]:
    return (*cells, cell(what, "muted")) if view.width >= WIDE_ROW else cells


def _why_rows(group: Group, rule: Rule | None, short: Mapping[str, str], view: View) -> list[Row]:
    parts = [pin_sentence(rule, short)] if rule is not None else []
    parts += [said.text for said in group.why if rule is None or "pin" not in said.code]
    parts += [said.text for resource in group.resources for said in resource.why]
    if view.folded(group.name) and not grave(group):
        return []
    return note_rows(f"why:group:{group.name}", figures.shorten("; ".join(parts), short), grave(group), view)


def pin_sentence(rule: Rule, short: Mapping[str, str]) -> str:
    node = short.get(rule.node, rule.node)
    until = f"tui-pin-until-{'time' if rule.expires else 'clear'}"
    return say(until, node=node, by=rule.by, until=(rule.expires or "")[11:16] + " UTC")


# --- events ---------------------------------------------------------------------------------------------------------


def event_columns(width: int) -> tuple[Column, ...]:
    wide = (Column("TIME", 8), Column("NODE", 8), Column("EVENT", 0), Column("BY", 22))
    return wide if width >= 100 else (Column("TIME", 8), Column("EVENT", 0))


def actor_name(event: Event) -> str:
    """Who asked, in brief: name, tool and reason; "" for the cluster's own doing."""
    actor = event.actor
    if actor is None:
        return ""
    who = actor.name or (f"uid {actor.uid}" if actor.uid is not None else "?")
    return f"{who}, {actor.tool}" if actor.tool else who


def event_row(event: Event, view: View, short: Mapping[str, str]) -> Row:
    glyph = view.glyphs[EVENT.get(event.kind, "dot")]
    tone = SEVERITY.get(event.severity, "text")
    reason = f' "{event.actor.reason}"' if event.actor and event.actor.reason else ""
    when = cell(figures.clock(event.at), "muted")
    text: Cell = ((glyph + " ", tone), (figures.shorten(event.text, short), tone), (reason, "muted"))
    by = actor_name(event)
    if view.width >= 100:
        node = cell(short.get(event.node, event.node), "muted")
        return Row(event_key(event), (when, node, text, cell(by, "calm")))
    return Row(event_key(event), (when, (*text, (f" ({by})" if by else "", "calm"))))


def event_key(event: Event) -> str:
    return f"event:{event.node}/{event.id}/{event.at:.6f}"


def event_fields(event: Event) -> dict[str, str]:
    return {
        "name": f"{event.text} {event.about} {event.code}",
        "state": event.severity,
        "node": event.node,
        "kind": event.kind,
    }


def event_rows(events: Iterable[Event], view: View, names: Sequence[str], about: str | None = None) -> list[Row]:
    """Newest first. `about`: only what names this node, group, link or resource."""
    short = figures.short_names(names)
    kept = (e for e in events if view.keep is None or view.keep(event_fields(e)))
    return [event_row(e, view, short) for e in kept if about is None or concerns(e, about)]


def concerns(event: Event, about: str) -> bool:
    """Whether an event is about the object of that name: said by its node, about it, or naming it."""
    return about in (event.node, event.about) or about in event.text
