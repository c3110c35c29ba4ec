"""LabError: what the lab cannot do, as a code with its arguments.

Invariant: the sentence comes from `hbcore.words`. Must not know anything else of the lab.
"""

from __future__ import annotations

from hbcore.words import say


class LabError(Exception):
    """`code` stands in hbcore.words.lab."""

    def __init__(self, code: str, /, **args: object) -> None:
        super().__init__(say(code, **args))
        self.code = code
        self.args_ = args
