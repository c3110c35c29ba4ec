"""TextPane: lines of toned text, wrapped, scrollable, repainted only where they changed.

Owns the pane, not the text. Invariant: nothing is lost at the right edge.
Must not know what the text says.
"""

from __future__ import annotations

from textual import events
from textual.binding import Binding
from textual.geometry import Size
from textual.strip import Strip

from hbtui.glyphs import UNICODE, Glyphs
from hbtui.line_view import LineView
from hbtui.rows import Cell
from hbtui.wrap import wrap


class TextPane(LineView):
    BINDINGS = [
        Binding("up,k", "scroll_up", "Up", show=False, id="text.up"),
        Binding("down,j", "scroll_down", "Down", show=False, id="text.down"),
        Binding("home,g", "scroll_home", "Top", show=False, id="text.top"),
        Binding("end,G", "scroll_end", "End", show=False, id="text.end"),
    ]

    def __init__(self, title: str, glyphs: Glyphs = UNICODE, *, id: str | None = None) -> None:
        super().__init__(title, glyphs, id=id)
        self._source: list[Cell] = []
        self._wrapped: list[Cell] = []
        self._width = 0

    def show(self, lines: list[Cell]) -> None:
        if lines != self._source or self._width != self.text_width:
            self._source = lines
            self._wrap()

    def on_resize(self, event: events.Resize) -> None:
        self._wrap()

    def _wrap(self) -> None:
        self._width = self.text_width
        old = self._wrapped
        self._wrapped = [line for runs in self._source for line in wrap(runs, max(1, self._width))]
        if len(old) != len(self._wrapped):
            self.virtual_size = Size(0, len(self._wrapped))
            self.refresh()
            return
        for index, (was, now) in enumerate(zip(old, self._wrapped, strict=True)):
            if was != now:
                self.refresh_view_line(index - self.scroll_offset.y)

    def render_line(self, y: int) -> Strip:
        self.painted += 1
        index = y + self.scroll_offset.y
        if index < len(self._wrapped):
            return self.full_line(self._wrapped[index], self.text_width)
        return self.blank(self.text_width)
