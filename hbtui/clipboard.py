"""Copying over SSH: OSC 52, and a word about what was copied.

Owns nothing. Invariant: what is copied is one line of plain text. Must not know where the text came from.
"""

from __future__ import annotations

from typing import Any

from textual.app import App

from hbcore.words import say


def copy(app: App[Any], text: str) -> None:
    """Into the terminal's clipboard (its permission granted; tmux: `set -g set-clipboard on`)."""
    app.copy_to_clipboard(text)
    app.notify(say("tui-copied", text=text), markup=False)
