"""A short list to choose one line from: the node to move a group to, a key's action in the help.

Owns the modal list. Invariant: Esc chooses nothing. Must not know what is chosen.
"""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from hbtui.bar import Bar
from hbtui.glyphs import Glyphs
from hbtui.live_table import LiveTable
from hbtui.rows import Cell, Column, Row


class Choose(ModalScreen[str]):
    """Dismissed with the chosen row's key, or ""."""

    BINDINGS = [Binding("escape,q,question_mark,f1", "leave", "Close", id="choose.leave")]

    def __init__(self, title: str, columns: tuple[Column, ...], rows: list[Row], glyphs: Glyphs, hint: Cell) -> None:
        super().__init__()
        self.list_title = title
        self.columns = columns
        self.rows = rows
        self.glyphs = glyphs
        self.hint = hint

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog") as dialog:
            dialog.border_title = Content(self.list_title)
            yield LiveTable("", self.glyphs, id="list")
            yield Bar(id="hint")

    def on_mount(self) -> None:
        self.set_class(self.glyphs.ascii, "-ascii")
        table = self.query_one(LiveTable)
        table.show(self.columns, self.rows)
        table.focus()
        self.query_one("#hint", Bar).show([self.hint])

    def on_live_table_opened(self, message: LiveTable.Opened) -> None:
        self.dismiss(message.key)

    def action_leave(self) -> None:
        self.dismiss("")
