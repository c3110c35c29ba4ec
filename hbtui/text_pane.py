"""TextPane: lines of toned text, wrapped, scrollable, repainted only where they changed.

Owns wrapping with a hanging indent under the label. Invariant: nothing is lost at the right edge.
Must not know what the text says.
"""

from __future__ import annotations

import re

from rich.cells import cell_len, chop_cells
from textual import events
from textual.binding import Binding
from textual.geometry import Size
from textual.strip import Strip

from hbtui.glyphs import UNICODE, Glyphs
from hbtui.line_view import LineView
from hbtui.rows import Cell
from hbtui.spark import Run

MOST_INDENT = 12
_TOKENS = re.compile(r"\s+|\S+")


def wrap(runs: Cell, width: int) -> list[Cell]:
    """`runs` on lines of at most `width` cells; later lines hang under the end of a short first run (the label)."""
    first = cell_len(runs[0][0]) if runs else 0
    indent = first if len(runs) > 1 and first <= MOST_INDENT and first * 3 <= width else 0
    lines: list[Cell] = []
    line: list[Run] = []
    used = 0
    for number, (text, tone) in enumerate(runs):
        for token in [text] if number == 0 and indent else _TOKENS.findall(text):
            size = cell_len(token)
            if used + size > width and used > indent:
                lines.append(tuple(line))
                line, used = [(" " * indent, "text")] if indent else [], indent
                if token.isspace():
                    continue
            for piece in chop_cells(token, max(1, width - indent)) if size > width - used else [token]:
                if used + cell_len(piece) > width and used > indent:
                    lines.append(tuple(line))
                    line, used = [(" " * indent, "text")] if indent else [], indent
                line.append((piece, tone))
                used += cell_len(piece)
    lines.append(tuple(line))
    return lines


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
        if lines != self._source or self._width != self.size.width:
            self._source = lines
            self._wrap()

    def on_resize(self, event: events.Resize) -> None:
        self._wrap()

    def _wrap(self) -> None:
        self._width = self.size.width
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
            return self.full_line(self._wrapped[index], self.size.width)
        return self.blank(self.size.width)
