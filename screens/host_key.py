"""The question of an SSH host nobody knows yet.

Owns the modal. Invariant: nothing is trusted unless a person chose it; Cancel has the focus.
Must not know SSH.
"""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button

from hbcore.control.client import Question
from hbcore.words import say
from hbtui.bar import Bar


class HostKey(ModalScreen[str]):
    """Dismissed with "once", "save" or "abort"."""

    BINDINGS = [
        Binding("escape", "answer('abort')", id="hostkey.abort"),
        Binding("o", "answer('once')", id="hostkey.once"),
        Binding("w", "answer('save')", id="hostkey.save"),
        Binding("left", "app.focus_previous", id="hostkey.left"),
        Binding("right", "app.focus_next", id="hostkey.right"),
    ]

    def __init__(self, question: Question) -> None:
        super().__init__()
        self.question = question

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog") as dialog:
            dialog.border_title = Content(say("tui-host-title"))
            yield Bar(id="question")
            with Horizontal(id="buttons"):
                yield Button("Cancel", id="abort", compact=True)
                yield Button("o Trust once", id="once", compact=True)
                yield Button("w Write to hbtui's known_hosts", id="save", compact=True)

    def on_mount(self) -> None:
        asked = self.question
        where = f"[{asked.host}]:{asked.port}"
        text = say("tui-host-unknown", where=where)
        key = ((asked.kind + " ", "muted"), (asked.fingerprint, "strong"))
        compare = say("tui-host-compare")
        self.query_one("#question", Bar).show([((text, "text"),), (), key, (), ((compare, "muted"),)])
        self.query_one("#abort").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id or "abort")

    def action_answer(self, answer: str) -> None:
        self.dismiss(answer)
