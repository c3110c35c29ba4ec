"""What carries lines between a window and a node, and the one that needs no network: the local socket.

Owns the `Wire` protocol and `LocalWire`. Invariant: a wire moves bytes only; `close()` never waits for the other side.
Must not know the messages.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hbcore.control.errors import ControlError

MAX_REPLY = 16 << 20  # bytes a line from a node may have: 2,000 resources are 0.3 MiB
_GONE = (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR, errno.ECONNRESET, errno.EPIPE)


@dataclass(frozen=True, slots=True)
class Question:
    """An SSH host nobody knows yet. `fingerprint` is SHA256 as ssh-keygen -l shows it."""

    host: str
    port: int
    kind: str
    fingerprint: str


# Answers "once", "save" (into hbtui's own known_hosts) or "abort".
Ask = Callable[[Question], Awaitable[str]]


class Wire(Protocol):
    """One connection, used once: open, write, close."""

    async def open(self) -> asyncio.StreamReader:
        """Connect; the reader ends when the connection does. Raises ControlError."""

    def write(self, data: bytes) -> None: ...

    def complaint(self) -> ControlError | None:
        """After the end: why, where the other side said more than goodbye."""

    def close(self) -> None: ...

    async def closed(self) -> None:
        """After close(): what can be tidied up within half a second is."""


class LocalWire:
    """The daemon's socket on this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> asyncio.StreamReader:
        try:
            reader, self._writer = await asyncio.open_unix_connection(os.fspath(self._path), limit=MAX_REPLY)
        except OSError as error:
            raise connect_error(self._path, error) from None
        return reader

    def write(self, data: bytes) -> None:
        if self._writer is not None:
            self._writer.write(data)

    def complaint(self) -> ControlError | None:
        return None

    def close(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()

    async def closed(self) -> None:
        await asyncio.sleep(0)


def connect_error(path: Path, error: OSError) -> ControlError:
    """connect()'s errno in the words of this API; also for the bridge, which connects without asyncio."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return ControlError("socket-not-permitted", path=path)
    if error.errno in _GONE:
        return ControlError("no-daemon", path=path)
    return ControlError("socket-error", path=path, error=error.strerror or error)
