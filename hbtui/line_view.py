"""LineView: the common ground of our tables and texts: tones to styles, runs to painted lines.

Owns the style cache and the cutting of a line at the widget's edge. Invariant: text is painted as it is, never parsed
as markup; a line that does not fit ends in "~", not in silence. Must not know what is shown.
"""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.content import Content
from textual.geometry import Region
from textual.scroll_view import ScrollView
from textual.scrollbar import ScrollBarRender
from textual.strip import Strip
from textual.style import Style

from hbtui import theme
from hbtui.glyphs import UNICODE, Glyphs
from hbtui.rows import Cell


class PlainScrollBar(ScrollBarRender):
    """Whole cells only: Textual's has eighths of a block, which are no ASCII."""

    VERTICAL_BARS = [" "] * 8


class LineView(ScrollView, can_focus=True):
    """`stale`: old data, so everything is grey and the empty part hatched."""

    def __init__(self, title: str, glyphs: Glyphs = UNICODE, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._title = ""
        self.entitle(title)
        self.glyphs = glyphs
        self.stale = False
        self.painted = 0  # lines painted so far; tests and the benchmark read it
        self._styles_of: dict[tuple[str, bool], RichStyle] = {}

    @property
    def text_width(self) -> int:
        """Cells of a line, without the scrollbar where there is one."""
        return self.scrollable_content_region.width

    def entitle(self, text: str) -> None:
        """The border's title. Textual repaints the whole widget for it and reads a str as markup: so neither."""
        if text != self._title:
            self._title = text
            self.border_title = Content(text)

    def on_mount(self) -> None:
        if self.glyphs.ascii:
            self.vertical_scrollbar.renderer = PlainScrollBar  # type: ignore[misc]

    def set_stale(self, stale: bool) -> None:
        if stale != self.stale:
            self.stale = stale
            self.refresh()

    def notify_style_update(self) -> None:
        self._styles_of.clear()
        super().notify_style_update()

    def refresh_view_line(self, line: int) -> None:
        """Repaint one line, counted from the top of what is visible."""
        if 0 <= line < self.size.height:
            self.refresh(Region(0, line, self.size.width, 1))

    def style(self, tone: str, cursor: bool = False) -> RichStyle:
        found = self._styles_of.get((tone, cursor))
        if found is None:
            ansi = self.app.current_theme.ansi
            text = theme.style_of(tone, ansi)
            if cursor:
                text = f"{text} {theme.ANSI_CURSOR if ansi else theme.CURSOR}"
            style = self.visual_style + Style.parse(text.strip()) if text else self.visual_style
            found = self._styles_of[(tone, cursor)] = style.rich_style
        return found

    def line(self, runs: Cell, width: int, cursor: bool = False) -> Strip:
        """Runs on one line, at most `width` cells."""
        segments, left = [], width
        for text, tone in runs:
            size = cell_len(text)
            if size > left:
                text, size = set_cell_size(text, max(0, left - 1)) + "~", left
            segments.append(Segment(text, self.style("muted" if self.stale else tone, cursor)))
            left -= size
            if left <= 0:
                break
        return Strip(segments, width - left)

    def full_line(self, runs: Cell, width: int, cursor: bool = False) -> Strip:
        return self.line(runs, width, cursor).adjust_cell_length(width, self.style("text", cursor))

    def blank(self, width: int) -> Strip:
        if not self.stale:
            return Strip.blank(width, self.style("text"))
        return Strip(
            [Segment(set_cell_size((self.glyphs.hatch + " ") * (width // 2 + 1), width), self.style("muted"))], width
        )
