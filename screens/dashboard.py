"""The dashboard: nodes, groups, detail, protection and events on one screen (ux.md 3.2 and 3.3).

Owns the panes, which of them fit, and painting them from the model. Invariant: the header ticks by itself, so that old
data shows its age even when nothing arrives; an alarm band cannot be scrolled or covered away.
Must not know how data arrives, nor act: keys that act are the app's.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from textual import events
from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import Screen
from textual.widgets import Input

from hbcore.words import say
from hbtui import figures, header, rows
from hbtui.bar import Bar
from hbtui.detail import detail, protection
from hbtui.footer import footer
from hbtui.glyphs import LEVEL
from hbtui.line_view import LineView
from hbtui.live_table import LiveTable
from hbtui.model import Model
from hbtui.rows import Cell
from hbtui.text_pane import TextPane

PANES = {1: "nodes", 2: "groups", 3: "detail", 4: "events", 5: "protection"}
TITLES = {
    "nodes": "1 Nodes",
    "groups": "2 Groups",
    "detail": "3 Detail",
    "events": "4 Events",
    "protection": "5 Protection",
}
WIDE, TALL = 110, 30
SMALL_W, SMALL_H = 60, 16  # below: one pane at a time
TINY_W, TINY_H = 40, 10  # below: one line


class Dashboard(Screen[None]):
    def __init__(self, model: Model, demo_lines: Callable[[int], list[Cell]] | None = None) -> None:
        super().__init__()
        self.model = model
        self.demo_lines = demo_lines
        self.zoomed = ""
        self.bottom = "events"  # which of detail, events, protection has the bottom where not all fit
        self.alarm_count = 0
        self.built = False  # news may come before the widgets do

    # --- building ---

    def compose(self) -> ComposeResult:
        glyphs = self.model.glyphs
        self.bars = {name: Bar(id=name) for name in ("top", "line", "alarms", "demo", "footer")}
        self.tables = {
            name: LiveTable(TITLES[name], glyphs, follow_top=name == "events", id=name)
            for name in ("nodes", "groups", "events")
        }
        self.texts = {name: TextPane(TITLES[name], glyphs, id=name) for name in ("detail", "protection")}
        self.field = Input(id="filter", placeholder="words  !word  state:failed  node:node2  home:node1  moved:yes")
        yield self.bars["top"]
        yield self.bars["line"]
        yield self.bars["alarms"]
        with Container(id="body"):
            with Container(id="upper"):
                yield self.tables["nodes"]
                yield self.tables["groups"]
            with Container(id="lower"):
                yield self.texts["detail"]
                yield self.texts["protection"]
            yield self.tables["events"]
        yield self.field
        yield self.bars["demo"]
        yield self.bars["footer"]

    def on_mount(self) -> None:
        self.set_class(self.model.glyphs.ascii, "-ascii")
        self.field.display = False
        self.tables["nodes"].focus()
        self.built = True
        self.lay_out()
        self.paint()
        self.set_interval(0.25, self.tick)

    def pane(self, name: str) -> LineView:
        return self.tables[name] if name in self.tables else self.texts[name]

    # --- layout ---

    def on_resize(self) -> None:
        if self.built:
            self.lay_out()
            self.call_after_refresh(self.paint)

    @property
    def wide(self) -> bool:
        return self.size.width >= WIDE

    @property
    def roomy(self) -> bool:
        """Whether detail and protection have their own row."""
        return self.wide and self.size.height >= TALL

    def visible_panes(self) -> list[str]:
        width, height = self.size
        if width < TINY_W or height < TINY_H:
            return []
        if self.zoomed:
            return [self.zoomed]
        if width < SMALL_W or height < SMALL_H:
            focused = self.focused_pane()
            return [focused or "groups"]
        if self.roomy:
            return list(PANES.values())
        return ["nodes", "groups", self.bottom]

    def lay_out(self) -> None:
        """Show what fits; the style sheet gives sizes by the classes set here."""
        shown = self.visible_panes()
        for name in PANES.values():
            self.pane(name).display = name in shown
        self.query_one("#upper").display = any(n in shown for n in ("nodes", "groups"))
        self.query_one("#lower").display = any(n in shown for n in ("detail", "protection"))
        self.query_one("#body").display = bool(shown)
        self.tables["events"].set_head(self.roomy or self.zoomed == "events")
        self.set_class(self.wide, "-wide")
        self.set_class(self.roomy, "-roomy")
        self.set_class(len(shown) == 1, "-single")
        focused = self.focused_pane()
        if shown and focused and focused not in shown:
            self.pane(shown[0]).focus()

    def focused_pane(self) -> str:
        focused = self.focused
        return focused.id or "" if isinstance(focused, LineView) else ""

    def focus_pane(self, number: int) -> None:
        name = PANES[number]
        if self.zoomed:
            self.zoomed = name
        if name in ("detail", "events", "protection"):
            self.bottom = name
        small = len(self.visible_panes()) == 1 and not self.zoomed
        if small:
            self.pane(name).display = True
        self.pane(name).focus()
        if small:
            self.call_after_refresh(self.lay_out)
        self.lay_out()
        self.call_after_refresh(self.paint)

    def next_pane(self, way: int) -> None:
        order = list(PANES.values())
        if not self.roomy and not self.zoomed and len(self.visible_panes()) > 1:
            order = self.visible_panes()
        focused = self.focused_pane()
        at = order.index(focused) if focused in order else 0
        name = order[(at + way) % len(order)]
        self.focus_pane(next(number for number, pane in PANES.items() if pane == name))

    def toggle_zoom(self) -> None:
        self.zoomed = "" if self.zoomed else self.focused_pane() or "groups"
        self.lay_out()
        self.call_after_refresh(self.paint)

    def back(self) -> bool:
        """One level back: filter, then the events' selection, then zoom. False where there was none."""
        if self.model.filter_text or self.field.display:
            self.set_filter("")
            self.close_filter()
        elif self.model.about is not None:
            self.model.about = None
        elif self.zoomed:
            self.toggle_zoom()
        elif not self.roomy and self.bottom != "events":
            self.focus_pane(4)
        else:
            return False
        self.paint()
        return True

    # --- filter ---

    def open_filter(self) -> None:
        field = self.field
        field.display = True
        field.value = self.model.filter_text
        field.focus()

    def close_filter(self) -> None:
        field = self.field
        had_focus = field.has_focus
        field.display = False
        if had_focus:
            self.pane(self.visible_panes()[0] if self.visible_panes() else "nodes").focus()

    def set_filter(self, text: str) -> None:
        self.model.filter_text = text
        self.paint()

    def on_input_changed(self, event: Input.Changed) -> None:
        self.set_filter(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.close_filter()
        self.paint()

    def on_key(self, event: events.Key) -> None:
        """A key that nothing took: with an input method on, letters never arrive as letters."""
        if event.character and event.character.isprintable() and not event.character.isascii():
            self.notify(say("tui-ime"), severity="warning", markup=False)

    # --- selection ---

    def on_live_table_highlighted(self, message: LiveTable.Highlighted) -> None:
        if message.table.has_focus and message.key:
            self.select(message.key)

    def on_descendant_focus(self) -> None:
        self.take_cursor()
        self.paint_footer()

    def take_cursor(self) -> None:
        """What is under the cursor is selected, though the message that says so may still be on its way."""
        if isinstance(self.focused, LiveTable) and self.focused.cursor_key:
            self.select(self.focused.cursor_key)

    def select(self, key: str) -> None:
        if key != self.model.selection:
            self.model.selection = key
            self.paint_detail()
            self.refresh_bindings()
            self.paint_footer()

    # --- painting ---

    def tick(self) -> None:
        """Four times a second: the age. Also what depends on time alone, once the data has stopped coming."""
        self.paint_header()
        if self.demo_lines is not None:
            self.bars["demo"].show(self.demo_lines(self.size.width))

    def paint(self) -> None:
        if not self.built:
            return
        self.paint_header()
        self.paint_tables()
        self.paint_detail()
        self.paint_footer()

    def paint_header(self) -> None:
        model = self.model
        now, width = model.clock(), self.size.width
        source, status = model.source, model.status
        stale = status is not None and model.stale
        top = header.top_line(list(model.store.sources.values()), source, now, time.time(), model.glyphs, width)
        if width < TINY_W or self.size.height < TINY_H:
            top = header.tiny_line(source, now)
        self.bars["top"].show([top])
        if status is not None:
            tiny = not self.visible_panes()
            line = header.status_line(status, model.glyphs, width)
            line = tuple((text, "muted") for text, _ in line) if stale else line
            self.bars["line"].show([] if tiny else [line])
            most = 2 if self.size.height >= TALL else 1
            band = header.alarm_lines(status, model.glyphs, max(0.0, source.age(now)), most, width)
            self.bars["alarms"].show([] if tiny else band)
            if len(status.alarms) > self.alarm_count:
                self.app.bell()
            self.alarm_count = len(status.alarms)
        else:
            said = say("tui-no-daemon", target=source.target or "the local daemon", reason=source.reason)
            if not source.reason:
                said = say("tui-waiting", target=source.target or "the local daemon")
            self.bars["line"].show([((" " + said, "warn" if source.reason else "muted"),)])
            self.bars["alarms"].show([])
        for name in PANES.values():
            self.pane(name).set_stale(stale)

    def paint_tables(self) -> None:
        model, status = self.model, self.model.status
        nodes, groups, events = self.tables["nodes"], self.tables["groups"], self.tables["events"]
        empty = say("tui-nothing-kept", filter=model.filter_text) if model.filter_text else ""
        if status is not None:
            view = model.view(nodes.text_width)
            nodes.show(rows.node_columns(view.width), rows.node_rows(status, view))
            view = model.view(groups.text_width)
            short = [model.short(node.name) for node in status.nodes]
            groups.show(rows.group_columns(view.width, short), rows.group_rows(status, view))
            online = sum(node.state == "online" for node in status.nodes)
            nodes.entitle(f"{TITLES['nodes']} {online}/{len(status.nodes)}")
            started = sum(group.state == "started" for group in status.groups)
            groups.entitle(f"{TITLES['groups']} {started}/{len(status.groups)}")
        nodes.empty_text, groups.empty_text = empty, empty or (say("tui-no-groups") if status else "")
        names = [node.name for node in status.nodes] if status else []
        view = model.view(events.text_width)
        shown = rows.event_rows(reversed(model.store.events), view, names, model.about)
        events.empty_text = empty or say("tui-no-events")
        events.show(rows.event_columns(view.width), shown)
        about = f" about {model.about}" if model.about else ""
        more = f"  (/ {model.filter_text})" if model.filter_text else ""
        others = "" if self.roomy else "   3 Detail  5 Protection"
        events.entitle(f"{TITLES['events']}{about}{more}{others}")

    def paint_detail(self) -> None:
        model, status = self.model, self.model.status
        if status is None:
            return
        pane = self.texts["detail"]
        if pane.display:
            pane.show(detail(status, model.store.events, model.selection, model.view(pane.text_width)))
            kind, _, name = model.selection.partition(":")
            pane.entitle(f"{TITLES['detail']}: {kind} {name}" if name else TITLES["detail"])
        pane = self.texts["protection"]
        level, holes = status.protection.level, len(status.protection.holes)
        pane.entitle(f"{TITLES['protection']}: {level}" + (f", {holes} holes" if holes else ""))
        pane.set_class(LEVEL.get(level) == "bad", "-bad")
        if pane.display:
            pane.show(protection(status, model.view(pane.text_width)))

    def paint_footer(self) -> None:
        if self.built:
            self.bars["footer"].show([footer(self, self.model.keymap, self.size.width)] if self.visible_panes() else [])

    def reading(self) -> str:
        """What `y` copies where the selection has no command: the row as text."""
        focused = self.focused
        if isinstance(focused, LiveTable) and focused.cursor_index >= 0:
            return " ".join("".join(text for text, _ in cell) for cell in focused.rows[focused.cursor_index].cells)
        return figures.clock(time.time())
