"""What a script prints: kept short, kept clean, and never a reason to wait.

Owns the files that a script's stdout and stderr are. Files, since a service that a script leaves behind keeps them: a
pipe would hold us up as long as it lives, and closing it would kill the service at its next word. Invariants: bounded
on disk and in memory; what a person or a log sees holds no control characters.
Must not know what the output means.
"""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path
from urllib.parse import quote

TAIL = 64 << 10  # bytes kept of what was printed
ROOM = 1 << 20  # bytes a file may reach while a script runs; above that it is cut
_NAME = 200
_SHORT = 4096  # characters that last words are looked for in

_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)")


def clean(raw: bytes) -> str:
    """Readable text: escape sequences out, control and invisible characters out, lines kept."""
    text = _ESCAPES.sub("", raw.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n"))
    text = text.replace("\t", " ")
    out = {ord(c): None for c in set(text) if not (c == "\n" or c.isprintable())}
    return (text.translate(out) if out else text).strip()


def last_words(text: str, most: int = 300) -> str:
    """The end of a text on one line, for a status or an event."""
    line = " | ".join(part.strip() for part in text[-_SHORT:].splitlines() if part.strip())
    return line if len(line) <= most else "..." + line[3 - most :]


class Capture:
    """One stream of one run. With a `path` the file stays for the services that a start leaves behind: appended to, cut
    at the next run; without, it is anonymous memory and goes with the last process that has it."""

    def __init__(self, path: Path | None = None) -> None:
        if path is None:
            self.fd = os.memfd_create("hbcore-output", os.MFD_CLOEXEC)
            fcntl.fcntl(self.fd, fcntl.F_SETFL, os.O_APPEND)  # or a cut file would grow back to its old size, empty
        else:
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            self.fd = os.open(path, flags, 0o600)
        self._from = os.fstat(self.fd).st_size
        self._kept = b""
        self.bound()

    def bound(self) -> None:
        """Cut the file where it grew too large; its end so far is kept in memory."""
        if os.fstat(self.fd).st_size > ROOM:
            self._kept = self._read()
            os.ftruncate(self.fd, 0)
            self._from = 0

    def tail(self) -> str:
        """The last of what this run printed."""
        return clean((self._kept + self._read())[-TAIL:])

    def close(self) -> None:
        os.close(self.fd)

    def _read(self) -> bytes:
        size = os.fstat(self.fd).st_size
        start = max(self._from if self._from <= size else 0, size - TAIL)
        return os.pread(self.fd, TAIL, start)


def path_for(folder: Path, name: str) -> Path:
    """A file name for a resource: one that stays in `folder`, whatever the resource is called."""
    return folder / (quote(name, safe="")[:_NAME] + ".out")
