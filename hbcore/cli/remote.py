"""One conversation with an hbctl on another machine: a JSON message a line, each answered by one.

Owns the waiting and the bounds. Invariant: what comes back is a message of the kind asked for, cleaned, or a
ControlError. Must not know what is asked, nor SSH.
"""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec

from hbcore.control.errors import ControlError
from hbcore.control.sanitise import MalformedError, decode
from hbcore.control.wire import Wire

ANSWER_S = 30.0
MAX_ANSWER = 4 << 20

T = TypeVar("T")


class Conversation:
    """`where`: for sentences. `unlike`: code for an answer that is not of ours."""

    def __init__(self, wire: Wire, where: str, unlike: str) -> None:
        self._wire, self._where, self._unlike = wire, where, unlike

    async def open(self) -> None:
        self._reader = await self._wire.open()

    async def call(self, message: msgspec.Struct, kind: type[T]) -> T:
        """Raises ControlError: the way is broken, or what answers is not of ours."""
        self._wire.write(msgspec.json.encode(message) + b"\n")
        try:
            async with asyncio.timeout(ANSWER_S):
                while (line := await self._reader.readline()) and not line.lstrip().startswith(b"{"):
                    pass  # what a login script prints
        except TimeoutError:
            raise ControlError("no-answer", where=self._where, seconds=ANSWER_S) from None
        except (OSError, ValueError):
            line = b""
        if not line:
            await asyncio.sleep(0)
            raise self._wire.complaint() or ControlError("lost", where=self._where)
        try:
            return decode(line[:MAX_ANSWER], kind)
        except MalformedError:
            raise ControlError(self._unlike, where=self._where) from None
