"""Bar: one or more fixed lines of toned text: header, alarms, demo, footer.

Owns nothing but its lines. Invariant: repainted only when a line changed; text is never markup.
Must not know what it says.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

from hbtui import theme
from hbtui.rows import Cell


def content(runs: Cell, ansi: bool) -> Content:
    return Content.assemble(*((text, theme.style_of(tone, ansi)) for text, tone in runs))


class Bar(Static):
    """Hidden while it has no lines."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self.lines: list[Cell] = []
        self.display = False

    def show(self, lines: Sequence[Cell]) -> None:
        if list(lines) == self.lines:
            return
        layout = len(lines) != len(self.lines) or self.styles.text_wrap == "wrap"  # then its height may differ
        self.lines = list(lines)
        self.display = bool(lines)
        ansi = self.app.current_theme.ansi
        self.update(Content("\n").join(content(runs, ansi) for runs in self.lines), layout=layout)
