"""The detail page: one object and its events, full screen (Enter on a row where the detail pane has no room).

Owns one text pane that stays current. Invariant: the age of the data is on this screen too.
Must not know how data arrives.
"""

from __future__ import annotations

import time

from textual.app import ComposeResult
from textual.screen import Screen

from hbtui import detail, header
from hbtui.bar import Bar
from hbtui.footer import footer
from hbtui.model import Model
from hbtui.text_pane import TextPane


class Page(Screen[None]):
    """`key` is the row's key; the model's selection stays on it, so the verbs of the dashboard work here."""

    def __init__(self, model: Model, key: str) -> None:
        super().__init__()
        self.model = model
        self.key = key
        self.built = False

    def compose(self) -> ComposeResult:
        kind, _, name = self.key.partition(":")
        self.top, self.footer = Bar(id="top"), Bar(id="footer")
        self.text = TextPane(f"{kind} {name}", self.model.glyphs, id="page")
        yield self.top
        yield self.text
        yield self.footer

    def on_mount(self) -> None:
        self.set_class(self.model.glyphs.ascii, "-ascii")
        self.built = True
        self.text.focus()
        self.call_after_refresh(self.paint)
        self.set_interval(0.25, self.tick)

    def on_resize(self) -> None:
        self.call_after_refresh(self.paint)

    def tick(self) -> None:
        model = self.model
        sources = list(model.store.sources.values())
        line = header.top_line(sources, model.source, model.clock(), time.time(), model.glyphs, self.size.width)
        self.top.show([line])
        self.text.set_stale(model.status is not None and model.stale)

    def paint(self) -> None:
        if not self.built:
            return
        self.tick()
        status = self.model.status
        if status is not None:
            pane = self.text
            view = self.model.view(pane.text_width)
            pane.show(detail.page(status, self.model.store.events, self.key, view))
        self.footer.show([footer(self, self.model.keymap, self.size.width)])

    def back(self) -> bool:
        self.dismiss()
        return True

    def reading(self) -> str:
        return self.key.partition(":")[2]
