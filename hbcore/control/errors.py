"""What can go wrong between a window and a node, as one exception with a code.

Owns ControlError. Invariant: it always has a sentence, from `words` or, for a refusal, from the node itself.
Must not know transports.
"""

from __future__ import annotations

from hbcore.control.schema import Said
from hbcore.words import say


class ControlError(Exception):
    """`code` is stable, for programs; str() is for people. `text`: the node's own sentence, already cleaned."""

    def __init__(self, code: str, text: str = "", /, **args: object) -> None:
        super().__init__(code)
        self.code = code
        self.text = text or say(code, **args)

    def __str__(self) -> str:
        return self.text

    @property
    def said(self) -> Said:
        return Said(code=self.code, text=self.text)
