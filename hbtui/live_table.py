"""LiveTable: a table that repaints only the lines that changed.

Owns layout, cursor and scrolling of keyed rows (Textual's Line API: 0.8 kB a tick where its DataTable repaints 17 kB).
Invariant: the cursor stays on its row's *key*, whatever is inserted, removed or reordered around it.
Must not know what a row means.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from textual import events
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from hbtui.glyphs import UNICODE, Glyphs
from hbtui.line_view import LineView
from hbtui.rows import Cell, Column, Row

GAP = 1
_FAR = 1_000_000


def fit(columns: Sequence[Column], width: int) -> list[int]:
    """Widths in cells: fixed ones as asked, what is left to the one of width 0."""
    fixed = sum(column.width for column in columns) + GAP * (len(columns) - 1)
    return [column.width or max(4, width - fixed) for column in columns]


class LiveTable(LineView):
    """`follow_top`: the cursor stays on the newest row while it is there (events)."""

    BINDINGS = [
        Binding("up,k", "move(-1)", "Up", show=False, id="table.up"),
        Binding("down,j", "move(1)", "Down", show=False, id="table.down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="table.pageup"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="table.pagedown"),
        Binding("home,g", f"move(-{_FAR})", "First", show=False, id="table.first"),
        Binding("end,G", f"move({_FAR})", "Last", show=False, id="table.last"),
        Binding("enter", "open", "Open", show=False, id="table.open"),
    ]

    class Highlighted(Message):
        """The cursor is on another row, or on none ("")."""

        def __init__(self, table: LiveTable, key: str) -> None:
            super().__init__()
            self.table = table
            self.key = key

    class Opened(Message):
        """Enter or a double click on a row."""

        def __init__(self, table: LiveTable, key: str) -> None:
            super().__init__()
            self.table = table
            self.key = key

    def __init__(
        self, title: str, glyphs: Glyphs = UNICODE, *, follow_top: bool = False, id: str | None = None
    ) -> None:
        super().__init__(title, glyphs, id=id)
        self.follow_top = follow_top
        self.columns: tuple[Column, ...] = ()
        self.rows: list[Row] = []
        self.cursor_key = ""
        self.empty_text = ""
        self.head = 1  # lines of the head; 0 where every line counts
        self._place: dict[str, int] = {}

    # --- data ---

    def show(self, columns: tuple[Column, ...], rows: list[Row]) -> None:
        """Replace what is shown; only lines that differ are repainted."""
        old, before = self.rows, self.cursor_index
        at_top = self.follow_top and (not old or before == self._selectable(0, 1))
        self.rows = rows
        self._place = {row.key: index for index, row in enumerate(rows)}
        if at_top:
            self._set_cursor(self._selectable(0, 1), scroll=False)
        elif self.cursor_key not in self._place:
            self._set_cursor(self._selectable(before, 1), scroll=False)
        if columns != self.columns or len(old) != len(rows):
            self.columns = columns
            self._resize()
            self.refresh(layout=self.styles.is_auto_height)
            return
        for index, (was, now) in enumerate(zip(old, rows, strict=True)):
            if was is not now and was != now:
                self._refresh_row(index)

    def set_head(self, shown: bool) -> None:
        if self.head != int(shown):
            self.head = int(shown)
            self._resize()
            self.refresh()

    def _resize(self) -> None:
        self.virtual_size = Size(0, len(self.rows) + self.head)

    # --- cursor ---

    @property
    def cursor_index(self) -> int:
        return self._place.get(self.cursor_key, -1)

    def select(self, key: str) -> None:
        if key in self._place:
            self._set_cursor(self._place[key])

    def _selectable(self, index: int, way: int) -> int:
        """The nearest row from `index` on that is no note, looking in the direction `way` first; -1: there is none."""
        if not self.rows:
            return -1
        last = len(self.rows) - 1
        index = max(0, min(index, last))
        ahead, behind = range(index, last + 1), range(index, -1, -1)
        for places in (ahead, behind) if way > 0 else (behind, ahead):
            for place in places:
                if not self.rows[place].note:
                    return place
        return -1

    def _set_cursor(self, index: int, scroll: bool = True) -> None:
        key = self.rows[index].key if 0 <= index < len(self.rows) else ""
        if key == self.cursor_key:
            return
        self._refresh_row(self.cursor_index)
        self.cursor_key = key
        self._refresh_row(index)
        if scroll and key:
            self._scroll_into_view(index)
        self.post_message(self.Highlighted(self, key))

    def _scroll_into_view(self, index: int) -> None:
        height, top = self.size.height - self.head, self.scroll_offset.y
        if index < top:
            self.scroll_to(y=index, animate=False, force=True)
        elif index >= top + height:
            self.scroll_to(y=index - height + 1, animate=False, force=True)

    def action_move(self, by: int) -> None:
        if self.rows:
            self._set_cursor(self._selectable(self.cursor_index + by, by))

    def action_page(self, way: int) -> None:
        self.action_move(way * max(1, self.size.height - 2))

    def action_open(self) -> None:
        if self.cursor_key:
            self.post_message(self.Opened(self, self.cursor_key))

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        index = self.scroll_offset.y + offset.y - self.head if offset else -1
        if 0 <= index < len(self.rows) and not self.rows[index].note:
            self._set_cursor(index)
            if event.chain > 1:
                self.action_open()

    def on_focus(self) -> None:
        self._refresh_row(self.cursor_index)

    def on_blur(self) -> None:
        self._refresh_row(self.cursor_index)

    # --- painting ---

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self.rows) + self.head

    def _refresh_row(self, index: int) -> None:
        if index >= 0 and index >= self.scroll_offset.y:
            self.refresh_view_line(index + self.head - self.scroll_offset.y)

    def render_line(self, y: int) -> Strip:
        width = self.text_width
        self.painted += 1
        if y < self.head:
            return self._strip([((column.title, "muted"),) for column in self.columns], width, False)
        index = y - self.head + self.scroll_offset.y
        if index < len(self.rows):
            row = self.rows[index]
            cursor = row.key == self.cursor_key and self.has_focus
            return self.full_line(row.cells[0], width) if row.note else self._strip(row.cells, width, cursor)
        if not self.rows and y == self.head and self.empty_text:
            return self.full_line(((self.empty_text, "muted"),), width)
        return self.blank(width)

    def _strip(self, cells: Sequence[Cell], width: int, cursor: bool) -> Strip:
        plain = self.style("text", cursor)
        gap = Segment(" " * GAP, plain)
        segments: list[Segment] = []
        for column, size, runs in zip(self.columns, fit(self.columns, width), cells, strict=True):
            strip = self.line(runs, size, cursor)
            pad = [Segment(" " * (size - strip.cell_length), plain)]
            segments += [*pad, *strip, gap] if column.right else [*strip, *pad, gap]
        return Strip(segments[:-1]).adjust_cell_length(width, plain)
